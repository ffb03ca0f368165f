//! The body of a submission: read strictly, every unknown field refused by name.

mod refusal;
mod to;

use axum::http::StatusCode;
use domain::RecipientState;
use domain::{
    Content, ContentKind, Dedupe, DedupeBy, Mention, Message, Options, Overflow, Priority, RecipientSet, RequestHash,
    Route, RouteChoice, Submission, SubmissionContent, TemplateUse, Timestamp, Violation, parse_duration,
};
use pipeline::ports::MessageRecord;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use self::refusal::{read_by_path, refusal};
use self::to::ToBody;
use crate::http::ApiError;
use crate::json;

pub(super) use self::to::{is_address, is_plausible};

/// How long a dedupe window may be.
const LONGEST_WINDOW: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 3600);

/// A message to be delivered. Exactly one of the content fields is needed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SubmissionBody {
    /// For whom.
    #[serde(default)]
    to: ToBody,
    /// The configured application that members are addressed through; default: the configured default.
    app: Option<String>,
    /// Which way it goes: a configured route by name, steps `[{"channel": "app"}, {"channel": "robot", "name": "ops"}]`, or
    /// a route of one's own; absent: as the rules say.
    #[schema(value_type = Option<RouteBody>)]
    route: Option<Box<RawValue>>,
    /// What is done with content that is longer than a channel takes, or a file that is larger: `reject`; for texts `split`,
    /// `truncate` or `file`; for both `link`: the gateway keeps it, and a link to it goes out for a while.
    overflow: Option<String>,
    /// Plain text: a string, or WeCom's object.
    #[schema(value_type = Option<PlainContent>, example = "DFB-2000内胆：7月19日完成")]
    text: Option<Box<RawValue>>,
    /// WeCom's markdown: a string, or WeCom's object.
    #[schema(value_type = Option<PlainContent>)]
    markdown: Option<Box<RawValue>>,
    /// Robots' larger markdown: a string, or WeCom's object.
    #[schema(value_type = Option<PlainContent>)]
    markdown_v2: Option<Box<RawValue>>,
    /// A picture: `{"media_id": …}`; for a robot `{"base64": …, "md5": …}`.
    #[schema(value_type = Option<Object>)]
    image: Option<Box<RawValue>>,
    /// A voice clip: `{"media_id": …}`.
    #[schema(value_type = Option<Object>)]
    voice: Option<Box<RawValue>>,
    /// A video: `{"media_id": …, "title": …, "description": …}`.
    #[schema(value_type = Option<Object>)]
    video: Option<Box<RawValue>>,
    /// A file: `{"media_id": …}`.
    #[schema(value_type = Option<Object>)]
    file: Option<Box<RawValue>>,
    /// A text card: `{"title": …, "description": …, "url": …}`.
    #[schema(value_type = Option<Object>)]
    textcard: Option<Box<RawValue>>,
    /// Articles: `{"articles": […]}`.
    #[schema(value_type = Option<Object>)]
    news: Option<Box<RawValue>>,
    /// Articles kept by WeCom: `{"articles": […]}`.
    #[schema(value_type = Option<Object>)]
    mpnews: Option<Box<RawValue>>,
    /// A mini-program notice.
    #[schema(value_type = Option<Object>)]
    miniprogram_notice: Option<Box<RawValue>>,
    /// One of the five template cards.
    #[schema(value_type = Option<Object>)]
    template_card: Option<Box<RawValue>>,
    /// The name of a template that makes the content of `variables`.
    template: Option<String>,
    /// Its version; absent: the active one.
    template_version: Option<u32>,
    /// What the template is given.
    #[schema(value_type = Option<Object>)]
    variables: Option<Map<String, Value>>,
    /// Whom a robot's message calls by name.
    mention: Option<MentionBody>,
    /// WeCom's confidentiality: 0 shareable, 1 confidential, 2 inside the company (mpnews only).
    #[serde(default)]
    safe: u8,
    /// Makes harmless what a stranger may have typed: mentions, links, the marks of markdown.
    #[serde(default)]
    escape: bool,
    /// `urgent`, `normal` or `bulk`; default `normal`.
    priority: Option<String>,
    /// Not to be sent before: RFC 3339.
    send_at: Option<String>,
    /// Not to be sent at or after: RFC 3339.
    expires_at: Option<String>,
    /// What makes a later submission a repeat, which is recorded and not sent.
    dedupe: Option<DedupeBody>,
    /// For search; at most 20.
    #[serde(default)]
    tags: Vec<String>,
    /// The configured webhook that hears what becomes of it; default: that of the key.
    webhook: Option<String>,
    /// Your own JSON object, given back as it came.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
    /// In a batch: the idempotency key of this line. Elsewhere it is the header `Idempotency-Key`.
    idempotency_key: Option<String>,
}

/// A string, or WeCom's object around it.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes the two shapes; the value itself is read as raw JSON")]
enum PlainContent {
    /// The text itself.
    Bare(String),
    /// WeCom's object, such as `{"content": …}`.
    Object { content: String },
}

/// A route: its configured name, its steps, or all of it.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes the shapes; the value itself is read as raw JSON")]
enum RouteBody {
    /// The configured name.
    Name(String),
    /// The steps.
    Steps(Vec<Value>),
    /// Steps and what holds for all of them.
    Whole(Value),
}

/// Whom a robot's message calls by name.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MentionBody {
    /// Members, by userid.
    #[serde(default)]
    users: Vec<String>,
    /// Members, by mobile number.
    #[serde(default)]
    mobiles: Vec<String>,
    /// The whole group.
    #[serde(default)]
    all: bool,
}

/// What makes a later submission a repeat: `key` or `content`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DedupeBody {
    /// The same key of your choice.
    key: Option<String>,
    /// The same recipients, app, options and content.
    #[serde(default)]
    content: bool,
    /// For how long, such as `10m`; default `10m`.
    window: Option<String>,
}

impl SubmissionBody {
    /// Reads a body. What is not JSON is 400; what is not a submission is 422.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        if let Ok(body) = json::read(bytes) {
            return Ok(body);
        }
        // Once more, slower, to name the field that is wrong.
        let body = read_by_path(bytes)?;
        read_by_path::<json::Plain>(bytes)?;
        Ok(body)
    }

    /// Turns the body into a submission; `hash` is that of the whole request.
    pub(super) fn into_submission(
        self,
        key: Option<String>,
        hash: impl FnOnce() -> RequestHash,
        in_batch: bool,
    ) -> Result<Submission, ApiError> {
        if self.idempotency_key.is_some() && !in_batch {
            return Err(ApiError::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid",
                "`idempotency_key` is for the lines of a batch",
            )
            .with_field("idempotency_key")
            .with_hint("send the header Idempotency-Key"));
        }
        let content = self.content()?;
        let mention =
            self.mention.map(|m| Mention { users: m.users, mobiles: m.mobiles, all: m.all }).unwrap_or_default();
        let (to, people) = self.to.recipients()?;
        Ok(Submission {
            to,
            people,
            app: self.app,
            route: self.route.as_deref().map(route).transpose()?,
            overflow: self.overflow.as_deref().map(overflow).transpose()?,
            content,
            options: Options { safe: self.safe, mention, ..Options::default() },
            priority: priority(self.priority.as_deref())?,
            send_at: time("send_at", self.send_at.as_deref())?,
            expires_at: time("expires_at", self.expires_at.as_deref())?,
            dedupe: self.dedupe.map(DedupeBody::into_dedupe).transpose()?,
            tags: self.tags,
            metadata: metadata(self.metadata.as_deref())?,
            webhook: self.webhook,
            replay_of: None,
            idempotency: key.or(self.idempotency_key).map(|key| (key, hash())),
        })
    }

    /// Takes from a failed message what this body does not say itself: it is sent in its place.
    pub(super) fn in_place_of(self, record: &MessageRecord) -> Result<Submission, ApiError> {
        let message = &record.message;
        let content = self.content_in_place_of(message);
        let to = self.to.names_nobody().then(|| failed_recipients(record));
        let (priority, tags) = (self.priority.is_some(), self.tags.is_empty());
        let (mention, metadata, routed) = (self.mention.is_some(), self.metadata.is_some(), self.route.is_some());
        let body = Self {
            text: if content.is_some() { RawValue::from_string("\"\"".to_owned()).ok() } else { self.text },
            variables: if content.is_some() { None } else { self.variables },
            template_version: if content.is_some() { None } else { self.template_version },
            ..self
        };
        let mut submission = body.into_submission(None, || RequestHash::new([0; 32]), false)?;
        submission.content = content.unwrap_or(submission.content);
        submission.to = to.unwrap_or(submission.to);
        if !priority {
            submission.priority = message.priority;
        }
        if tags {
            submission.tags.clone_from(&message.tags);
        }
        if !mention {
            submission.options.mention.clone_from(&message.options.mention);
        }
        if !metadata {
            submission.metadata.clone_from(&message.metadata);
        }
        if !routed {
            submission.route = message.route.as_deref().map(|route| match &route.name {
                Some(name) => RouteChoice::Named(name.clone()),
                None => RouteChoice::Own(route.clone()),
            });
        }
        submission.overflow = submission.overflow.or(Some(message.options.overflow));
        submission.replay_of = Some(message.id);
        Ok(submission)
    }

    /// What a message said, if this body does not say something else; other variables for the same template, perhaps.
    fn content_in_place_of(&self, message: &Message) -> Option<SubmissionContent> {
        if self.names_content() || self.template.is_some() {
            return None;
        }
        Some(match (&message.template, &self.variables) {
            (Some(template), Some(variables)) => SubmissionContent::Templated(TemplateUse {
                version: self.template_version.or(template.version),
                variables: variables.clone(),
                ..TemplateUse::clone(template)
            }),
            _ => SubmissionContent::Ready(message.content.clone()),
        })
    }

    fn names_content(&self) -> bool {
        let plain = [&self.text, &self.markdown, &self.markdown_v2, &self.image, &self.voice, &self.video];
        let others =
            [&self.file, &self.textcard, &self.news, &self.mpnews, &self.miniprogram_notice, &self.template_card];
        plain.into_iter().chain(others).any(Option::is_some)
    }

    /// What it says: one content field, or a template, which escapes by itself.
    fn content(&self) -> Result<SubmissionContent, ApiError> {
        let Some(name) = &self.template else {
            for (field, given) in
                [("variables", self.variables.is_some()), ("template_version", self.template_version.is_some())]
            {
                if given {
                    let violation = Violation::new("invalid", field, "stands without a template");
                    return Err(violation.with_hint("name the template: `\"template\": \"…\"`").into());
                }
            }
            let content = self.own_content()?;
            return Ok(SubmissionContent::Ready(if self.escape { content.escaped() } else { content }));
        };
        if self.names_content() {
            return Err(Violation::new("invalid", "template", "stands beside a content field")
                .with_hint("a message says what a template makes, or what its content field says")
                .into());
        }
        let variables = self.variables.clone().unwrap_or_default();
        Ok(SubmissionContent::Templated(TemplateUse { name: name.clone(), version: self.template_version, variables }))
    }

    fn own_content(&self) -> Result<Content, ApiError> {
        let fields = [
            (ContentKind::Text, &self.text),
            (ContentKind::Markdown, &self.markdown),
            (ContentKind::MarkdownV2, &self.markdown_v2),
            (ContentKind::Image, &self.image),
            (ContentKind::Voice, &self.voice),
            (ContentKind::Video, &self.video),
            (ContentKind::File, &self.file),
            (ContentKind::TextCard, &self.textcard),
            (ContentKind::News, &self.news),
            (ContentKind::MpNews, &self.mpnews),
            (ContentKind::MiniprogramNotice, &self.miniprogram_notice),
            (ContentKind::TemplateCard, &self.template_card),
        ];
        let given: Vec<_> = fields.iter().filter_map(|(kind, raw)| raw.as_deref().map(|raw| (*kind, raw))).collect();
        match given[..] {
            [(kind, raw)] => one_content(kind, raw),
            [] => Err(Violation::new("missing", "text", "is missing, and so is every other content field")
                .with_hint("give a template and its variables, or one of text, markdown, markdown_v2, image, voice, video, file, textcard, news, mpnews, miniprogram_notice or template_card")
                .into()),
            [_, (second, _), ..] => Err(Violation::new("invalid", second.name(), format!("stands beside `{}`", given[0].0))
                .with_hint("a message has exactly one content field")
                .into()),
        }
    }
}

fn one_content(kind: ContentKind, raw: &RawValue) -> Result<Content, ApiError> {
    let json = raw.get().trim();
    if kind.is_plain() && json.starts_with('"') {
        let text: String = serde_json::from_str(json).map_err(|error| refusal(kind.name(), &error))?;
        return Ok(Content::plain(kind, &text));
    }
    if json.starts_with('{') {
        return Ok(Content::new(kind, json));
    }
    let wanted = if kind.is_plain() { "a string or an object" } else { "an object" };
    Err(Violation::new("invalid", kind.name(), format!("is not {wanted}")).into())
}

/// Whom a message has failed to reach.
fn failed_recipients(record: &MessageRecord) -> RecipientSet {
    let failed = record.deliveries.iter().flat_map(|delivery| {
        delivery.delivery.recipients.iter().filter(move |recipient| {
            let own = delivery.exceptions.iter().find(|(exception, ..)| exception == *recipient);
            own.map_or(delivery.state, |(_, state, _)| *state) == RecipientState::Failed
        })
    });
    failed.cloned().collect()
}

impl DedupeBody {
    fn into_dedupe(self) -> Result<Dedupe, ApiError> {
        let by = match (self.key, self.content) {
            (Some(key), false) => DedupeBy::Key(key),
            (None, true) => DedupeBy::Content,
            _ => {
                let violation = Violation::new("invalid", "dedupe", "needs either `key` or `content: true`");
                return Err(violation.with_hint(r#"for example {"key": "order-4711", "window": "10m"}"#).into());
            }
        };
        let text = self.window.as_deref().unwrap_or("10m");
        match parse_duration(text).filter(|window| !window.is_zero() && *window <= LONGEST_WINDOW) {
            Some(window) => Ok(Dedupe { by, window }),
            None => Err(Violation::new("invalid", "dedupe.window", format!("`{text}` is not a time such as `10m`"))
                .with_hint("write 30s, 10m, 2h or 7d; 30 days is the most")
                .into()),
        }
    }
}

/// A name, a list of steps, or a whole route.
fn route(raw: &RawValue) -> Result<RouteChoice, ApiError> {
    let json = raw.get().trim();
    if json.starts_with('"') {
        return serde_json::from_str(json).map(RouteChoice::Named).map_err(|error| refusal("route", &error));
    }
    let whole = if json.starts_with('[') { format!(r#"{{"steps":{json}}}"#) } else { json.to_owned() };
    let mut reader = serde_json::Deserializer::from_str(&whole);
    let route: Route = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let field = match path.strip_prefix("steps") {
            Some(rest) if json.starts_with('[') => format!("route{rest}"),
            _ if path == "." => "route".to_owned(),
            _ => format!("route.{path}"),
        };
        refusal(&field, &error.into_inner())
    })?;
    Ok(RouteChoice::Own(Route { name: None, ..route }))
}

fn overflow(text: &str) -> Result<Overflow, ApiError> {
    Overflow::ALL.into_iter().find(|way| way.name() == text).ok_or_else(|| {
        let violation = Violation::new("invalid", "overflow", format!("`{text}` is no way to treat what is too long"));
        violation.with_hint("there are reject, split, truncate, file and link").into()
    })
}

fn priority(text: Option<&str>) -> Result<Priority, ApiError> {
    match text.map(str::parse) {
        None => Ok(Priority::default()),
        Some(Ok(priority)) => Ok(priority),
        Some(Err(_)) => {
            Err(Violation::new("invalid", "priority", format!("`{}` is not a priority", text.unwrap_or_default()))
                .with_hint("there are urgent, normal and bulk")
                .into())
        }
    }
}

fn time(field: &'static str, text: Option<&str>) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    text.parse().map(Some).map_err(|_| {
        Violation::new("invalid", field, format!("`{text}` is not a time"))
            .with_hint("write RFC 3339 with an offset: 2026-07-19T08:00:00+08:00")
            .into()
    })
}

fn metadata(raw: Option<&RawValue>) -> Result<Option<Box<str>>, ApiError> {
    match raw.map(|raw| raw.get().trim()) {
        None | Some("null") => Ok(None),
        Some(object) if object.starts_with('{') => Ok(Some(object.into())),
        Some(_) => Err(Violation::new("invalid", "metadata", "is not a JSON object").into()),
    }
}
