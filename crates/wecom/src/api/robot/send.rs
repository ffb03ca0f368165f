//! POST /cgi-bin/webhook/send: a robot's message to its group.
//! <https://developer.work.weixin.qq.com/document/path/99110>

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest as _, Md5};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::api::message::{File, News, TemplateCard, Voice};
use crate::limits::{self, Checker, DOC_ROBOT, LimitViolation};
use crate::{Credential, Endpoint, ErrCode, Method};

/// A robot's text, at most 2048 bytes; `<@userid>` mentions too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RobotText {
    /// The text.
    #[serde(default)]
    pub content: String,
    /// Members to mention, or `@all`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentioned_list: Vec<String>,
    /// Members to mention, by mobile number, or `@all`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentioned_mobile_list: Vec<String>,
}

/// A robot's markdown of either version, at most 4096 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RobotMarkdown {
    /// The markdown.
    #[serde(default)]
    pub content: String,
}

/// A picture, inline: JPG or PNG, at most 2 MB before base64.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RobotImage {
    /// The file in base64.
    #[serde(default)]
    pub base64: String,
    /// The MD5 of the file, in hexadecimal.
    #[serde(default)]
    pub md5: String,
}

impl RobotImage {
    /// Encodes a file.
    pub fn of(file: &[u8]) -> Self {
        Self { base64: BASE64_STANDARD.encode(file), md5: hex::encode(Md5::digest(file)) }
    }

    fn check(&self, c: &mut Checker) {
        c.present("image.base64", &self.base64);
        c.present("image.md5", &self.md5);
        let Ok(file) = BASE64_STANDARD.decode(&self.base64) else {
            return c.add("invalid", "image.base64", "is not base64");
        };
        if file.len() > limits::ROBOT_IMAGE_BYTES {
            let message = format!("holds {} bytes; the limit is {} bytes", file.len(), limits::ROBOT_IMAGE_BYTES);
            c.add("too_long", "image.base64", message);
        }
        if !self.md5.is_empty() && !self.md5.eq_ignore_ascii_case(&hex::encode(Md5::digest(&file))) {
            c.add("invalid", "image.md5", "is not the MD5 of the file in image.base64");
        }
    }
}

/// What a robot's message says: one of the eight types.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RobotContent {
    /// Plain text.
    Text(RobotText),
    /// WeCom's small markdown subset.
    Markdown(RobotMarkdown),
    /// The larger markdown: lists, tables, images, code; no colours, no mentions.
    MarkdownV2(RobotMarkdown),
    /// A picture.
    Image(RobotImage),
    /// Articles that link elsewhere.
    News(News),
    /// A file, uploaded by this robot.
    File(File),
    /// A voice clip, uploaded by this robot.
    Voice(Voice),
    /// A text or news notice.
    TemplateCard(Box<TemplateCard>),
}

/// Whom a robot's text calls by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mentions {
    /// Members, by userid.
    pub users: Vec<String>,
    /// Members, by mobile number.
    pub mobiles: Vec<String>,
    /// The whole group.
    pub all: bool,
}

/// A robot's message.
#[derive(Clone, Debug, PartialEq)]
pub struct RobotMessage {
    content: RobotContent,
}

impl RobotMessage {
    /// Says anything.
    pub fn new(content: RobotContent) -> Self {
        Self { content }
    }

    /// Says a text.
    pub fn text(content: impl Into<String>) -> Self {
        Self::new(RobotContent::Text(RobotText { content: content.into(), ..RobotText::default() }))
    }

    /// Says markdown.
    pub fn markdown(content: impl Into<String>) -> Self {
        Self::new(RobotContent::Markdown(RobotMarkdown { content: content.into() }))
    }

    /// Says markdown of the larger kind.
    pub fn markdown_v2(content: impl Into<String>) -> Self {
        Self::new(RobotContent::MarkdownV2(RobotMarkdown { content: content.into() }))
    }

    /// Sends a text in the four arguments of a robot tool: text, whether to call everybody, mobiles to call.
    ///
    /// `mobiles` may hold commas and blanks: `"13800138000, 13900139000"`; empty calls nobody.
    pub fn alert(text: impl Into<String>, at_all: bool, mobiles: &str) -> Self {
        let mobiles =
            mobiles.split([',', '，', ' ', '\n', '\t']).filter(|m| !m.is_empty()).map(str::to_owned).collect();
        Self::text(text).mention(Mentions { users: Vec::new(), mobiles, all: at_all })
    }

    /// Calls the whole group; see [`Self::mention`].
    #[must_use]
    pub fn mention_all(self) -> Self {
        self.mention(Mentions { all: true, ..Mentions::default() })
    }

    /// Calls members by name.
    ///
    /// A text has lists for it; markdown takes `<@userid>` for members only; other types take no mention, and none is
    /// added ([`Self::takes`] tells).
    #[must_use]
    pub fn mention(mut self, mentions: Mentions) -> Self {
        match &mut self.content {
            RobotContent::Text(text) => {
                text.mentioned_list.extend(mentions.users);
                text.mentioned_mobile_list.extend(mentions.mobiles);
                if mentions.all {
                    text.mentioned_list.push("@all".to_owned());
                }
            }
            RobotContent::Markdown(markdown) => {
                for user in mentions.users {
                    markdown.content.extend(["\n<@", &user, ">"]);
                }
            }
            _ => {}
        }
        self
    }

    /// Tells whether this type of message can carry these mentions.
    pub fn takes(&self, mentions: &Mentions) -> bool {
        match &self.content {
            RobotContent::Text(_) => true,
            RobotContent::Markdown(_) => mentions.mobiles.is_empty() && !mentions.all,
            _ => mentions.users.is_empty() && mentions.mobiles.is_empty() && !mentions.all,
        }
    }

    /// Returns every documented rule that this message breaks.
    pub fn check(&self) -> Vec<LimitViolation> {
        let mut c = Checker::new(DOC_ROBOT);
        let content = |c: &mut Checker, field: &str, content: &str, limit: usize| {
            c.present(field, content);
            c.bytes(field, content, limit);
        };
        match &self.content {
            RobotContent::Text(text) => content(&mut c, "text.content", &text.content, limits::ROBOT_TEXT_BYTES),
            RobotContent::Markdown(m) => content(&mut c, "markdown.content", &m.content, limits::ROBOT_MARKDOWN_BYTES),
            RobotContent::MarkdownV2(m) => {
                content(&mut c, "markdown_v2.content", &m.content, limits::ROBOT_MARKDOWN_BYTES);
            }
            RobotContent::Image(image) => image.check(&mut c),
            RobotContent::News(news) => news.check(&mut c, false),
            RobotContent::File(file) => c.present("file.media_id", file.media_id.as_str()),
            RobotContent::Voice(voice) => c.present("voice.media_id", voice.media_id.as_str()),
            RobotContent::TemplateCard(card) => card.check_for_robot(&mut c),
        }
        c.finish()
    }
}

impl Serialize for RobotMessage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fn both<S: Serializer>(serializer: S, msgtype: &'static str, body: &impl Serialize) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(Some(2))?;
            map.serialize_entry("msgtype", msgtype)?;
            map.serialize_entry(msgtype, body)?;
            map.end()
        }
        match &self.content {
            RobotContent::Text(body) => both(serializer, "text", body),
            RobotContent::Markdown(body) => both(serializer, "markdown", body),
            RobotContent::MarkdownV2(body) => both(serializer, "markdown_v2", body),
            RobotContent::Image(body) => both(serializer, "image", body),
            RobotContent::News(body) => both(serializer, "news", body),
            RobotContent::File(body) => both(serializer, "file", body),
            RobotContent::Voice(body) => both(serializer, "voice", body),
            RobotContent::TemplateCard(body) => both(serializer, "template_card", body),
        }
    }
}

/// The group has the message; robots' messages have no id and cannot be recalled.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct RobotMessageResponse {
    /// Always 0 here.
    #[serde(default)]
    pub errcode: ErrCode,
    /// `ok`, perhaps with a warning: for people, never to be matched on.
    #[serde(default)]
    pub errmsg: Option<String>,
    /// Fields that the documents do not know.
    #[serde(flatten)]
    pub unknown: BTreeMap<String, Value>,
}

impl Endpoint for RobotMessage {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/cgi-bin/webhook/send";
    const DOC: &'static str = DOC_ROBOT;
    const CREDENTIAL: Credential = Credential::RobotKey;
    type Response = RobotMessageResponse;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    fn sent(message: &RobotMessage) -> Value {
        serde_json::to_value(message).unwrap()
    }

    #[test]
    fn the_official_requests_are_what_is_sent() {
        let text = RobotMessage::new(RobotContent::Text(RobotText {
            content: "hello".into(),
            mentioned_list: vec!["wangqing".into(), "@all".into()],
            mentioned_mobile_list: vec!["13800001111".into(), "@all".into()],
        }));
        assert_eq!(sent(&text), fixture(include_str!("../../../../../fixtures/wecom/robot/send.text.request.json")));
        let image = RobotMessage::new(RobotContent::Image(RobotImage::of(b"data")));
        assert_eq!(sent(&image), fixture(include_str!("../../../../../fixtures/wecom/robot/send.image.request.json")));
        assert_eq!((text.check(), image.check()), (vec![], vec![]));
        let news = fixture(include_str!("../../../../../fixtures/wecom/robot/send.news.request.json"));
        let read: News = serde_json::from_value(news["news"].clone()).unwrap();
        assert_eq!(sent(&RobotMessage::new(RobotContent::News(read))), news);
    }

    #[test]
    fn the_four_combinations_of_the_article() {
        let two = "13800138000, 13900139000";
        for (at_all, mobiles, list, mobile_list) in [
            (false, "", vec![], vec![]),
            (true, "", vec!["@all"], vec![]),
            (false, two, vec![], vec!["13800138000", "13900139000"]),
            (true, "13800138000", vec!["@all"], vec!["13800138000"]),
        ] {
            let mut expected = serde_json::json!({"msgtype": "text", "text": {"content": "服务器 CPU 使用率超过 80%"}});
            if !list.is_empty() {
                expected["text"]["mentioned_list"] = serde_json::json!(list);
            }
            if !mobile_list.is_empty() {
                expected["text"]["mentioned_mobile_list"] = serde_json::json!(mobile_list);
            }
            assert_eq!(sent(&RobotMessage::alert("服务器 CPU 使用率超过 80%", at_all, mobiles)), expected);
        }
    }

    #[test]
    fn limits_are_those_of_the_official_page() {
        let field = |message: RobotMessage| message.check().first().map(|v| v.field.clone());
        assert_eq!(field(RobotMessage::text("x".repeat(2048))), None);
        assert_eq!(field(RobotMessage::text("x".repeat(2049))).as_deref(), Some("text.content"));
        assert_eq!(field(RobotMessage::markdown_v2("x".repeat(4096))), None);
        assert_eq!(field(RobotMessage::markdown_v2("x".repeat(4097))).as_deref(), Some("markdown_v2.content"));
        let wrong = RobotImage { md5: "00".into(), ..RobotImage::of(b"data") };
        assert_eq!(field(RobotMessage::new(RobotContent::Image(wrong))).as_deref(), Some("image.md5"));
    }
}
