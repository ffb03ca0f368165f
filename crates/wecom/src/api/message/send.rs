//! POST /cgi-bin/message/send: an application's message to members, departments and tags.
//! <https://developer.work.weixin.qq.com/document/path/90236>

use std::collections::BTreeMap;

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::{File, Image, Markdown, MiniprogramNotice, MpNews, News, TemplateCard, Text, TextCard, Video, Voice};
use crate::limits::{self, Checker, DOC_MESSAGE_SEND, LimitViolation};
use crate::tolerant::{id_list, null_as_default};
use crate::{AgentId, Endpoint, ErrCode, Method, MsgId};

/// What a message says: one of the eleven types.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum MessageContent {
    /// Plain text.
    Text(Text),
    /// A picture.
    Image(Image),
    /// A voice clip.
    Voice(Voice),
    /// A video.
    Video(Video),
    /// A file.
    File(File),
    /// A card of text with a link.
    TextCard(TextCard),
    /// Articles that link elsewhere.
    News(News),
    /// Articles kept by WeCom.
    MpNews(MpNews),
    /// WeCom's markdown subset.
    Markdown(Markdown),
    /// A notice of a mini-program.
    MiniprogramNotice(MiniprogramNotice),
    /// One of the five template cards.
    TemplateCard(Box<TemplateCard>),
}

impl MessageContent {
    /// Returns the msgtype.
    pub fn msgtype(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Image(_) => "image",
            Self::Voice(_) => "voice",
            Self::Video(_) => "video",
            Self::File(_) => "file",
            Self::TextCard(_) => "textcard",
            Self::News(_) => "news",
            Self::MpNews(_) => "mpnews",
            Self::Markdown(_) => "markdown",
            Self::MiniprogramNotice(_) => "miniprogram_notice",
            Self::TemplateCard(_) => "template_card",
        }
    }

    fn check(&self, c: &mut Checker) {
        match self {
            Self::Text(text) => text.check(c),
            Self::Image(image) => c.present("image.media_id", image.media_id.as_str()),
            Self::Voice(voice) => c.present("voice.media_id", voice.media_id.as_str()),
            Self::Video(video) => video.check(c),
            Self::File(file) => c.present("file.media_id", file.media_id.as_str()),
            Self::TextCard(card) => card.check(c),
            Self::News(news) => news.check(c, true),
            Self::MpNews(news) => news.check(c),
            Self::Markdown(markdown) => markdown.check(c),
            Self::MiniprogramNotice(notice) => notice.check(c),
            Self::TemplateCard(card) => card.check_for_app(c),
        }
    }

    fn serialize_entry<M: serde::ser::SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        match self {
            Self::Text(body) => map.serialize_entry("text", body),
            Self::Image(body) => map.serialize_entry("image", body),
            Self::Voice(body) => map.serialize_entry("voice", body),
            Self::Video(body) => map.serialize_entry("video", body),
            Self::File(body) => map.serialize_entry("file", body),
            Self::TextCard(body) => map.serialize_entry("textcard", body),
            Self::News(body) => map.serialize_entry("news", body),
            Self::MpNews(body) => map.serialize_entry("mpnews", body),
            Self::Markdown(body) => map.serialize_entry("markdown", body),
            Self::MiniprogramNotice(body) => map.serialize_entry("miniprogram_notice", body),
            Self::TemplateCard(body) => map.serialize_entry("template_card", body),
        }
    }
}

/// WeCom's duplicate check: an identical request inside the interval is swallowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DuplicateCheck {
    /// Seconds, at most 14400.
    pub interval: u32,
}

/// A message to at most 1000 members, 100 departments and 100 tags.
#[derive(Clone, Debug, PartialEq)]
pub struct SendMessage {
    pub(super) touser: String,
    pub(super) toparty: String,
    pub(super) totag: String,
    agent: Option<AgentId>,
    content: MessageContent,
    safe: u8,
    enable_id_trans: bool,
    duplicate_check: Option<DuplicateCheck>,
}

impl SendMessage {
    /// Starts an empty message to members.
    pub fn to_users(users: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self { touser: join(users), ..Self::empty() }
    }

    /// Starts an empty message to departments.
    pub fn to_parties(parties: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self { toparty: join(parties), ..Self::empty() }
    }

    /// Starts an empty message to tags.
    pub fn to_tags(tags: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self { totag: join(tags), ..Self::empty() }
    }

    /// Starts an empty message to everybody in the application's visible range.
    pub fn to_all() -> Self {
        Self { touser: "@all".to_owned(), ..Self::empty() }
    }

    fn empty() -> Self {
        Self {
            touser: String::new(),
            toparty: String::new(),
            totag: String::new(),
            agent: None,
            content: MessageContent::Text(Text::default()),
            safe: 0,
            enable_id_trans: false,
            duplicate_check: None,
        }
    }

    /// Adds departments.
    #[must_use]
    pub fn and_parties(mut self, parties: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.toparty = join(parties);
        self
    }

    /// Adds tags.
    #[must_use]
    pub fn and_tags(mut self, tags: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.totag = join(tags);
        self
    }

    /// Says a text.
    #[must_use]
    pub fn text(self, content: impl Into<String>) -> Self {
        self.content(MessageContent::Text(Text { content: content.into() }))
    }

    /// Says markdown.
    #[must_use]
    pub fn markdown(self, content: impl Into<String>) -> Self {
        self.content(MessageContent::Markdown(Markdown { content: content.into() }))
    }

    /// Shows a template card.
    #[must_use]
    pub fn template_card(self, card: TemplateCard) -> Self {
        self.content(MessageContent::TemplateCard(Box::new(card)))
    }

    /// Says anything.
    #[must_use]
    pub fn content(mut self, content: MessageContent) -> Self {
        self.content = content;
        self
    }

    /// Sends as this application; default: the client's.
    #[must_use]
    pub fn agent(mut self, agent: AgentId) -> Self {
        self.agent = Some(agent);
        self
    }

    /// Sets the confidentiality: 0 shareable, 1 confidential, 2 inside the company (mpnews only).
    #[must_use]
    pub fn safe(mut self, safe: u8) -> Self {
        self.safe = safe;
        self
    }

    /// Has `$userName=ID$` and the like replaced by WeCom.
    #[must_use]
    pub fn id_translation(mut self, enabled: bool) -> Self {
        self.enable_id_trans = enabled;
        self
    }

    /// Has WeCom swallow an identical request inside the interval.
    #[must_use]
    pub fn duplicate_check(mut self, check: Option<DuplicateCheck>) -> Self {
        self.duplicate_check = check;
        self
    }

    /// Returns every documented rule that this message breaks.
    pub fn check(&self) -> Vec<LimitViolation> {
        let mut c = Checker::new(DOC_MESSAGE_SEND);
        let count = |list: &str| list.split('|').filter(|id| !id.is_empty()).count();
        if self.touser.is_empty() && self.toparty.is_empty() && self.totag.is_empty() {
            c.add("missing", "touser", "is missing, and so are toparty and totag");
        }
        c.count("touser", count(&self.touser), 0..=limits::USERS_PER_CALL);
        c.count("toparty", count(&self.toparty), 0..=limits::PARTIES_PER_CALL);
        c.count("totag", count(&self.totag), 0..=limits::TAGS_PER_CALL);
        if matches!(self.content, MessageContent::MiniprogramNotice(_)) && self.touser == "@all" {
            c.add("unsupported", "touser", "must not be @all: a mini-program notice goes to named recipients");
        }
        self.check_safe(&mut c);
        self.content.check(&mut c);
        c.finish()
    }

    fn check_safe(&self, c: &mut Checker) {
        use MessageContent as M;
        let highest = match self.content {
            M::Text(_) | M::Image(_) | M::Video(_) | M::File(_) => 1,
            M::MpNews(_) => 2,
            M::Voice(_)
            | M::TextCard(_)
            | M::News(_)
            | M::Markdown(_)
            | M::MiniprogramNotice(_)
            | M::TemplateCard(_) => 0,
        };
        if self.safe > highest {
            let msgtype = self.content.msgtype();
            c.add(
                "unsupported",
                "safe",
                format!("`{}` is not taken for {msgtype}; the highest is {highest}", self.safe),
            );
        }
    }
}

fn join(ids: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let mut joined = String::new();
    for id in ids {
        if !joined.is_empty() {
            joined.push('|');
        }
        joined.push_str(id.as_ref());
    }
    joined
}

impl Serialize for SendMessage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, list) in [("touser", &self.touser), ("toparty", &self.toparty), ("totag", &self.totag)] {
            if !list.is_empty() {
                map.serialize_entry(name, list)?;
            }
        }
        map.serialize_entry("msgtype", self.content.msgtype())?;
        if let Some(agent) = self.agent {
            map.serialize_entry("agentid", &agent)?;
        }
        self.content.serialize_entry(&mut map)?;
        if self.safe != 0 {
            map.serialize_entry("safe", &self.safe)?;
        }
        if self.enable_id_trans {
            map.serialize_entry("enable_id_trans", &1)?;
        }
        if let Some(check) = self.duplicate_check {
            map.serialize_entry("enable_duplicate_check", &1)?;
            map.serialize_entry("duplicate_check_interval", &check.interval.min(limits::DUPLICATE_CHECK_MAX_SECONDS))?;
        }
        map.end()
    }
}

/// What WeCom says of a message it took. Taken is not delivered: WeCom has no delivery receipt.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct SendMessageResponse {
    /// Always 0 here.
    #[serde(default)]
    pub errcode: ErrCode,
    /// `ok`, perhaps with a warning: for people, never to be matched on.
    #[serde(default, deserialize_with = "null_as_default")]
    pub errmsg: String,
    /// Members that do not exist or are out of the visible range, in lower case.
    #[serde(default, deserialize_with = "id_list")]
    pub invaliduser: Vec<String>,
    /// Departments likewise.
    #[serde(default, deserialize_with = "id_list")]
    pub invalidparty: Vec<String>,
    /// Tags likewise.
    #[serde(default, deserialize_with = "id_list")]
    pub invalidtag: Vec<String>,
    /// Members without a basic API licence.
    #[serde(default, deserialize_with = "id_list")]
    pub unlicenseduser: Vec<String>,
    /// The handle for recalling the message.
    #[serde(default, deserialize_with = "null_as_default")]
    pub msgid: Option<MsgId>,
    /// The code for updating a card that can call back, valid 72 h, once.
    #[serde(default, deserialize_with = "null_as_default")]
    pub response_code: Option<String>,
    /// Fields that the documents do not know.
    #[serde(flatten)]
    pub unknown: BTreeMap<String, Value>,
}

impl Endpoint for SendMessage {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/cgi-bin/message/send";
    const DOC: &'static str = DOC_MESSAGE_SEND;
    type Response = SendMessageResponse;

    fn set_default_agent(&mut self, agent: AgentId) {
        self.agent.get_or_insert(agent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_official_request_is_what_is_sent() {
        let sent = SendMessage::to_users(["UserID1", "UserID2"])
            .and_parties(["PartyID1"])
            .and_tags(["TagID1"])
            .agent(AgentId(1))
            .text("line1\n<a href=\"https://work.weixin.qq.com\">link</a>")
            .safe(1)
            .duplicate_check(Some(DuplicateCheck { interval: 1800 }));
        let fixture: Value =
            serde_json::from_str(include_str!("../../../../../fixtures/wecom/message/send.request.json")).unwrap();
        assert_eq!(serde_json::to_value(&sent).unwrap(), fixture);
        assert_eq!(sent.check(), []);
    }

    #[test]
    fn answers_of_every_shape_are_read() {
        let read = |json: Value| serde_json::from_value::<SendMessageResponse>(json).unwrap();
        let official = include_str!("../../../../../fixtures/wecom/message/send.response.json");
        let official: SendMessageResponse = serde_json::from_str(official).unwrap();
        assert_eq!(official.invaliduser, ["userid1", "userid2"]);
        assert_eq!(official.msgid, Some("xxxx".into()));
        let empty = read(json!({"errcode": 0, "errmsg": "ok", "invaliduser": "", "invalidparty": null}));
        assert!(empty.invaliduser.is_empty() && empty.invalidparty.is_empty() && empty.msgid.is_none());
        assert_eq!(read(json!({"invalidtag": ["1", "2"], "invalidparty": " 1 | 2 "})).invalidparty, ["1", "2"]);
        assert_eq!(read(json!({"new_field": 1})).unknown.keys().collect::<Vec<_>>(), ["new_field"]);
    }

    #[test]
    fn limits_are_those_of_the_official_page() {
        let fields = |message: SendMessage| message.check().into_iter().map(|v| v.field).collect::<Vec<_>>();
        let to = || SendMessage::to_users(["a"]);
        assert_eq!(fields(to().text("中".repeat(682))), [""; 0]);
        assert_eq!(fields(to().text("中".repeat(683))), ["text.content"]);
        assert_eq!(fields(to().text("  ")), ["text.content"]);
        assert_eq!(fields(SendMessage::to_users((0..1001).map(|i| i.to_string())).text("x")), ["touser"]);
        assert_eq!(fields(to().markdown("x").safe(1)), ["safe"]);
        let card = TextCard { title: "t".into(), url: "ftp://x".into(), ..TextCard::default() };
        assert_eq!(fields(to().content(MessageContent::TextCard(card))), ["textcard.description", "textcard.url"]);
        let news = News { articles: vec![super::super::Article { title: "t".into(), ..Default::default() }; 9] };
        let found = fields(to().content(MessageContent::News(news)));
        assert_eq!((found[0].as_str(), found[1].as_str()), ("news.articles", "news.articles[0].url"));
    }
}
