//! What a caller hands in: untrusted until [`Submission::check`] and the channels have agreed.

use crate::{
    Content, DEDUPE_KEY_MAX_BYTES, Dedupe, DedupeBy, MAX_RECIPIENTS, Mention, MessageId, Options, Overflow, Priority,
    Recipient, RecipientSet, RequestHash, Route, TemplateUse, Timestamp,
};

/// The most tags a message carries.
const MAX_TAGS: usize = 20;
/// The longest tag, in bytes.
const MAX_TAG_BYTES: usize = 100;
/// The largest metadata, in bytes of JSON.
const MAX_METADATA_BYTES: usize = 16 * 1024;

/// What a caller hands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// For whom.
    pub to: RecipientSet,
    /// For whom besides, by business identities such as `emp:1001` or `oncall:ops`.
    pub people: Vec<String>,
    /// The application that members are addressed through; absent: the configured default.
    pub app: Option<String>,
    /// Which way it goes; absent: as the rules say.
    pub route: Option<RouteChoice>,
    /// What is done with content that is longer than a channel takes; absent: as the route says, or rejected.
    pub overflow: Option<Overflow>,
    /// What it says.
    pub content: SubmissionContent,
    /// How it is to be sent.
    pub options: Options,
    /// Who goes first.
    pub priority: Priority,
    /// Not to be sent before.
    pub send_at: Option<Timestamp>,
    /// Not to be sent at or after.
    pub expires_at: Option<Timestamp>,
    /// How repeats are found.
    pub dedupe: Option<Dedupe>,
    /// For search.
    pub tags: Vec<String>,
    /// The caller's own JSON object.
    pub metadata: Option<Box<str>>,
    /// The configured webhook that hears what becomes of it; absent: that of the caller's key.
    pub webhook: Option<String>,
    /// The failed message that this one is sent in place of.
    pub replay_of: Option<MessageId>,
    /// The caller's idempotency key and the hash of the whole request.
    pub idempotency: Option<(String, RequestHash)>,
}

/// What a submission says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmissionContent {
    /// This.
    Ready(Content),
    /// What a template makes of variables.
    Templated(TemplateUse),
}

/// Which way a submission is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteChoice {
    /// By a configured route.
    Named(String),
    /// By a route of its own.
    Own(Route),
}

impl Submission {
    /// A submission that says this, and nothing else about itself.
    pub fn new(content: SubmissionContent) -> Self {
        Self {
            to: RecipientSet::default(),
            people: Vec::new(),
            app: None,
            route: None,
            overflow: None,
            content,
            options: Options::default(),
            priority: Priority::Normal,
            send_at: None,
            expires_at: None,
            dedupe: None,
            tags: Vec::new(),
            metadata: None,
            webhook: None,
            replay_of: None,
            idempotency: None,
        }
    }

    /// Checks what needs no channel to be checked.
    ///
    /// Whom it is for is known once its route is: [`Self::check_recipients`].
    ///
    /// # Errors
    /// [`InvalidSubmission`] names the first field that is wrong.
    pub fn check(&self, now: Timestamp) -> Result<(), InvalidSubmission> {
        let wrong = |field: &str, message: String, hint: &str| {
            Err(InvalidSubmission(Violation::new("invalid", field, message).with_hint(hint)))
        };
        let named = self.to.len() + self.people.len();
        if named > MAX_RECIPIENTS {
            let message = format!("names {named} recipients; the limit is {MAX_RECIPIENTS}");
            return wrong("to", message, "address a department or a tag, or divide the submission");
        }
        if let Some(expires_at) = self.expires_at {
            if expires_at <= now {
                return wrong("expires_at", format!("`{expires_at}` has passed"), "give a time ahead, or leave it out");
            }
            if self.send_at.is_some_and(|send_at| expires_at <= send_at) {
                return wrong(
                    "expires_at",
                    format!("`{expires_at}` is not after send_at"),
                    "let it expire after it is due",
                );
            }
        }
        if self.tags.len() > MAX_TAGS {
            return wrong(
                "tags",
                format!("has {} tags; the limit is {MAX_TAGS}", self.tags.len()),
                "use metadata for more",
            );
        }
        if let Some(i) = self.tags.iter().position(|tag| tag.is_empty() || tag.len() > MAX_TAG_BYTES) {
            let message = format!("is {} bytes long; a tag has 1 to {MAX_TAG_BYTES}", self.tags[i].len());
            return wrong(&format!("tags[{i}]"), message, "shorten the tag");
        }
        if let Some(metadata) = &self.metadata
            && metadata.len() > MAX_METADATA_BYTES
        {
            let message = format!("is {} bytes of JSON; the limit is {MAX_METADATA_BYTES}", metadata.len());
            return wrong("metadata", message, "keep the details in your own system and put its id here");
        }
        if self.options.safe > 2 {
            return wrong(
                "safe",
                format!("`{}` is not 0, 1 or 2", self.options.safe),
                "1 is confidential; 2 is for mpnews only",
            );
        }
        if let Some(RouteChoice::Own(route)) = &self.route {
            route.check().map_err(|wrong| {
                let field = wrong.field.strip_prefix("steps").map(|rest| format!("route{rest}"));
                let violation =
                    Violation::new("invalid", field.unwrap_or(format!("route.{}", wrong.field)), wrong.message);
                InvalidSubmission(
                    violation.with_hint(r#"for example [{"channel": "app"}, {"channel": "robot", "name": "ops"}]"#),
                )
            })?;
        }
        self.check_keys()
    }

    /// Checks whom it is for, in the end; `to_group` says whether a step of its route speaks to a group.
    ///
    /// # Errors
    /// [`InvalidSubmission`] names the first field that is wrong.
    pub fn check_recipients(&self, to: &RecipientSet, to_group: bool) -> Result<(), InvalidSubmission> {
        if to.is_empty() {
            let violation = Violation::new("missing", "to", "names no recipient").with_hint(
                "name at least one of users, people, parties, tags, all, robots, chats or emails, or a route that does; nothing is ever sent to everybody by default",
            );
            return Err(InvalidSubmission(violation));
        }
        let groups = to.iter().any(|recipient| matches!(recipient, Recipient::Robot(_) | Recipient::Chat(_)));
        if self.options.mention != Mention::default() && !groups && !to_group {
            let violation = Violation::new("invalid", "mention", "is for groups, and the message goes to none")
                .with_hint(
                    "address a robot or a group chat, or leave it out: members get an application's message anyway",
                );
            return Err(InvalidSubmission(violation));
        }
        Ok(())
    }

    fn check_keys(&self) -> Result<(), InvalidSubmission> {
        let dedupe = match &self.dedupe {
            Some(Dedupe { by: DedupeBy::Key(key), .. }) => Some(("dedupe.key", key)),
            _ => None,
        };
        let idempotency = self.idempotency.as_ref().map(|(key, _)| ("Idempotency-Key", key));
        for (field, key) in [dedupe, idempotency].into_iter().flatten() {
            if key.is_empty() || key.len() > DEDUPE_KEY_MAX_BYTES {
                let message = format!("is {} bytes long; a key has 1 to {DEDUPE_KEY_MAX_BYTES}", key.len());
                return Err(InvalidSubmission(
                    Violation::new("invalid", field, message)
                        .with_hint("give a key of that length; a longer one can be hashed"),
                ));
            }
        }
        Ok(())
    }
}

/// One thing wrong with a submission: which field, what about it, how to mend it, where it is documented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// A stable word: `missing`, `invalid`, `too_long`, `unsupported`, `unknown_field` …
    pub code: &'static str,
    /// The path of the field, such as `template_card.jump_list[0].title`.
    pub field: String,
    /// What is wrong with it, as the end of a sentence that begins with the field.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The official page that says so.
    pub doc: Option<&'static str>,
}

impl Violation {
    /// Names what is wrong with a field.
    pub fn new(code: &'static str, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code, field: field.into(), message: message.into(), hint: None, doc: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the official page that says so.
    #[must_use]
    pub fn with_doc(mut self, doc: &'static str) -> Self {
        self.doc = Some(doc);
        self
    }
}

/// The submission cannot be accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` {}", .0.field, .0.message)]
pub struct InvalidSubmission(pub Violation);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ContentKind;

    fn submission() -> Submission {
        let content = SubmissionContent::Ready(Content::plain(ContentKind::Text, "hello"));
        Submission { to: RecipientSet::new(["user:zhangsan".parse().unwrap()]), ..Submission::new(content) }
    }

    fn field_refused(change: impl FnOnce(&mut Submission)) -> String {
        let mut submission = submission();
        change(&mut submission);
        submission.check(Timestamp::from_millis(1000)).unwrap_err().0.field
    }

    #[test]
    fn a_good_submission_passes() {
        assert_eq!(submission().check(Timestamp::from_millis(1000)), Ok(()));
    }

    #[test]
    fn nothing_is_sent_to_nobody_and_nobody_is_called_where_nobody_hears() {
        let calling = Submission {
            options: Options { mention: Mention { all: true, ..Mention::default() }, ..Options::default() },
            ..submission()
        };
        let field = |checked: Result<(), InvalidSubmission>| checked.unwrap_err().0.field;
        assert_eq!(field(submission().check_recipients(&RecipientSet::default(), false)), "to");
        assert_eq!(field(calling.check_recipients(&calling.to, false)), "mention");
        assert_eq!(calling.check_recipients(&calling.to, true), Ok(()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let own = |steps| Some(RouteChoice::Own(serde_json::from_str(steps).unwrap()));
        assert_eq!(field_refused(|s| s.route = own(r#"{"steps":[{"channel":"robot"}]}"#)), "route[0].name");
        assert_eq!(field_refused(|s| s.expires_at = Some(Timestamp::from_millis(999))), "expires_at");
        assert_eq!(field_refused(|s| s.tags = vec!["ok".into(), String::new()]), "tags[1]");
        assert_eq!(field_refused(|s| s.options.safe = 3), "safe");
        assert_eq!(field_refused(|s| s.metadata = Some("x".repeat(20_000).into())), "metadata");
        let window = std::time::Duration::from_secs(60);
        assert_eq!(
            field_refused(|s| s.dedupe = Some(Dedupe { by: DedupeBy::Key(String::new()), window })),
            "dedupe.key"
        );
    }
}
