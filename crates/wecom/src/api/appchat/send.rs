//! POST /cgi-bin/appchat/send: a message to a group chat that the application owns.
//! <https://developer.work.weixin.qq.com/document/path/90248>

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};

use crate::api::Done;
use crate::api::message::{File, Image, Markdown, MpNews, News, TextCard, Video, Voice};
use crate::limits::{Checker, DESCRIPTION_BYTES, LimitViolation, TEXT_BYTES, TITLE_BYTES};

/// The page of this call.
const DOC: &str = "https://developer.work.weixin.qq.com/document/path/90248";

/// A text, with whom it mentions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChatText {
    /// At most 2048 bytes; `<@userid>` mentions inside it.
    pub content: String,
    /// Userids, or `@all`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mentioned_list: Vec<String>,
}

/// What a message to a chat says: one of the eight types. There are no cards, and nothing can be recalled.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ChatContent {
    /// Plain text.
    Text(ChatText),
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
    /// WeCom's markdown subset; `<@userid>` mentions inside it.
    Markdown(Markdown),
}

/// A message to a group chat.
#[derive(Clone, Debug, PartialEq)]
pub struct SendChatMessage {
    chatid: String,
    content: ChatContent,
    safe: bool,
}

impl SendChatMessage {
    /// Says anything.
    pub fn new(chatid: impl Into<String>, content: ChatContent) -> Self {
        Self { chatid: chatid.into(), content, safe: false }
    }

    /// Says a text.
    pub fn text(chatid: impl Into<String>, content: impl Into<String>) -> Self {
        Self::new(chatid, ChatContent::Text(ChatText { content: content.into(), mentioned_list: Vec::new() }))
    }

    /// Mentions members, or `@all`; only texts can.
    #[must_use]
    pub fn mention(mut self, users: impl IntoIterator<Item = impl Into<String>>) -> Self {
        if let ChatContent::Text(text) = &mut self.content {
            text.mentioned_list.extend(users.into_iter().map(Into::into));
        }
        self
    }

    /// Makes it confidential: it cannot be shared, and shows a watermark.
    #[must_use]
    pub fn confidential(mut self) -> Self {
        self.safe = true;
        self
    }

    /// Returns every documented rule that this message breaks.
    pub fn check(&self) -> Vec<LimitViolation> {
        let mut c = Checker::new(DOC);
        c.present("chatid", &self.chatid);
        match &self.content {
            ChatContent::Text(text) => {
                c.present("text.content", &text.content);
                c.bytes("text.content", &text.content, TEXT_BYTES);
            }
            ChatContent::Image(image) => c.present("image.media_id", image.media_id.as_str()),
            ChatContent::Voice(voice) => {
                c.present("voice.media_id", voice.media_id.as_str());
                if self.safe {
                    c.add("unsupported", "safe", "is not taken for voice");
                }
            }
            ChatContent::Video(video) => video.check(&mut c),
            ChatContent::File(file) => c.present("file.media_id", file.media_id.as_str()),
            ChatContent::TextCard(card) => {
                card.check(&mut c);
                // In bytes here, in characters for members.
                c.bytes("textcard.title", &card.title, TITLE_BYTES);
                c.bytes("textcard.description", &card.description, DESCRIPTION_BYTES);
            }
            ChatContent::News(news) => news.check(&mut c, false),
            ChatContent::MpNews(news) => news.check(&mut c),
            ChatContent::Markdown(markdown) => markdown.check(&mut c),
        }
        c.finish()
    }
}

impl Serialize for SendChatMessage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("chatid", &self.chatid)?;
        macro_rules! says {
            ($name:literal, $body:expr) => {{
                map.serialize_entry("msgtype", $name)?;
                map.serialize_entry($name, $body)?;
            }};
        }
        match &self.content {
            ChatContent::Text(body) => says!("text", body),
            ChatContent::Image(body) => says!("image", body),
            ChatContent::Voice(body) => says!("voice", body),
            ChatContent::Video(body) => says!("video", body),
            ChatContent::File(body) => says!("file", body),
            ChatContent::TextCard(body) => says!("textcard", body),
            ChatContent::News(body) => says!("news", body),
            ChatContent::MpNews(body) => says!("mpnews", body),
            ChatContent::Markdown(body) => says!("markdown", body),
        }
        if self.safe {
            map.serialize_entry("safe", &1)?;
        }
        map.end()
    }
}

endpoint!(SendChatMessage: Post "/cgi-bin/appchat/send" => Done, "https://developer.work.weixin.qq.com/document/path/90248");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        let message =
            SendChatMessage::text("CHATID", "你的快递已到\n请领取").mention(["wangqing", "@all"]).confidential();
        fixture::sends(&message, "appchat/send");
        assert_eq!(message.check(), []);
        fixture::answers::<SendChatMessage>("appchat/send");
    }

    #[test]
    fn limits_are_those_of_the_official_page() {
        let fields = |message: SendChatMessage| message.check().into_iter().map(|v| v.field).collect::<Vec<_>>();
        assert_eq!(fields(SendChatMessage::text("", "中".repeat(683))), ["chatid", "text.content"]);
        let voice = SendChatMessage::new("c", ChatContent::Voice(Voice { media_id: "m".into() })).confidential();
        assert_eq!(fields(voice), ["safe"]);
    }
}
