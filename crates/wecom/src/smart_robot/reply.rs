//! What a robot answers.
//! <https://developer.work.weixin.qq.com/document/path/101031>, <https://developer.work.weixin.qq.com/document/path/101138>

use serde_json::{Map, Value, json};

use super::{RobotCallback, RobotContent, RobotEvent};
use crate::MediaId;
use crate::api::message::TemplateCard;
use crate::limits::{Checker, LimitViolation};

/// The page of passive replies.
const DOC: &str = "https://developer.work.weixin.qq.com/document/path/101031";
/// Bytes of a stream's or markdown's text (path/101031).
pub(crate) const CONTENT_BYTES: usize = 20_480;
/// Pictures of a stream (path/101031).
const IMAGES: usize = 10;
/// Bytes of a picture in a stream (path/101031).
const IMAGE_BYTES: usize = 10 * 1024 * 1024;
/// Bytes of a feedback id (path/101031).
const FEEDBACK_BYTES: usize = 256;

/// An answer.
///
/// Which of them is taken where, the pages say: by URL a message takes a stream or a card, entering a chat a
/// text or a card, a press an updated card; over a long connection also markdown and files.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reply {
    /// A text; only to entering a chat.
    Text(String),
    /// A text that grows.
    Stream(StreamReply),
    /// A card.
    TemplateCard(Box<RobotCard>),
    /// Both; the card once a message, at first or in any refresh.
    StreamWithTemplateCard(StreamReply, Option<Box<RobotCard>>),
    /// Another card in place of the pressed one, for these members or for everybody.
    UpdateTemplateCard {
        /// The card; its `task_id` is the pressed card's.
        card: Box<RobotCard>,
        /// For whom; nobody: everybody who has it.
        userids: Vec<String>,
    },
    /// Markdown.
    Markdown(String),
    /// An uploaded picture; over a long connection.
    Image(MediaReply),
    /// An uploaded voice clip; over a long connection.
    Voice(MediaReply),
    /// An uploaded file; over a long connection.
    File(MediaReply),
    /// An uploaded video; over a long connection.
    Video(VideoReply),
}

/// A robot's card: a template card, and what only robots add to it.
#[derive(Clone, Debug, PartialEq)]
pub struct RobotCard {
    /// The card.
    pub card: TemplateCard,
    /// Lets members say what they think of it.
    pub feedback_id: Option<String>,
    /// Locks what can be selected; for an update.
    pub disable: bool,
}

impl From<TemplateCard> for RobotCard {
    fn from(card: TemplateCard) -> Self {
        Self { card, feedback_id: None, disable: false }
    }
}

impl RobotCard {
    fn to_json(&self) -> Value {
        let mut card = serde_json::to_value(&self.card).unwrap_or_default();
        if let Some(id) = &self.feedback_id {
            card["feedback"] = json!({ "id": id });
        }
        if self.disable {
            for name in ["checkbox", "button_selection"] {
                if let Some(part) = card.get_mut(name) {
                    part["disable"] = true.into();
                }
            }
            let lists = card.get_mut("select_list").and_then(Value::as_array_mut).into_iter().flatten();
            lists.for_each(|select| select["disable"] = true.into());
        }
        card
    }
}

/// One state of a text that grows: each replaces the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamReply {
    /// Chosen by the robot, the same for all states.
    pub id: String,
    /// Whether this is the last one.
    pub finish: bool,
    /// Markdown, at most 20 480 bytes; `<think>…</think>` shows as reasoning.
    pub content: String,
    /// Pictures, with the last one only.
    pub images: Vec<StreamImage>,
    /// Lets members say what they think of it; with the first one only.
    pub feedback_id: Option<String>,
}

/// A picture in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamImage {
    /// JPG or PNG, at most 10 MB.
    pub content: Vec<u8>,
}

/// An uploaded file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaReply {
    /// The file.
    pub media_id: MediaId,
}

/// An uploaded video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoReply {
    /// The video.
    pub media_id: MediaId,
    /// Its title.
    pub title: String,
    /// Its description.
    pub description: String,
}

impl Reply {
    /// Shows a card.
    pub fn card(card: impl Into<RobotCard>) -> Self {
        Self::TemplateCard(Box::new(card.into()))
    }

    /// Tells whether it may answer this, by URL or over a connection (path/101031, path/101463).
    pub(crate) fn fits(&self, to: &RobotCallback, by_url: bool) -> bool {
        match &to.content {
            RobotContent::Event(RobotEvent::EnterChat) => matches!(self, Self::Text(_) | Self::TemplateCard(_)),
            RobotContent::Event(RobotEvent::TemplateCard(press)) => {
                let same = |card: &RobotCard| card.card.task_id.as_deref() == Some(&*press.task_id);
                matches!(self, Self::UpdateTemplateCard { card, .. } if same(card))
            }
            RobotContent::Event(_) => false,
            RobotContent::StreamRefresh { .. } => matches!(self, Self::Stream(_) | Self::StreamWithTemplateCard(..)),
            _ if by_url => {
                matches!(self, Self::Stream(_) | Self::TemplateCard(_) | Self::StreamWithTemplateCard(..))
            }
            _ => !matches!(self, Self::Text(_) | Self::UpdateTemplateCard { .. }),
        }
    }

    /// Tells whether a robot may write it first, or answer a `response_url` with it.
    pub(crate) fn stands_alone(&self, by_url: bool) -> bool {
        match self {
            Self::Markdown(_) | Self::TemplateCard(_) => true,
            Self::Image(_) | Self::Voice(_) | Self::File(_) | Self::Video(_) => !by_url,
            Self::Text(_) | Self::Stream(_) | Self::StreamWithTemplateCard(..) | Self::UpdateTemplateCard { .. } => {
                false
            }
        }
    }

    /// Says it all at once.
    pub fn finished(content: impl Into<String>) -> Self {
        let id = format!("{:032x}", rand::random::<u128>());
        Self::Stream(StreamReply { id, finish: true, content: content.into(), ..StreamReply::default() })
    }

    /// Returns every documented rule that this answer breaks.
    pub fn check(&self) -> Vec<LimitViolation> {
        let mut c = Checker::new(DOC);
        match self {
            Self::Stream(stream) | Self::StreamWithTemplateCard(stream, _) => stream.check(&mut c),
            Self::Markdown(content) => c.bytes("markdown.content", content, CONTENT_BYTES),
            Self::Text(content) => c.present("text.content", content),
            _ => {}
        }
        c.finish()
    }

    /// Writes it as WeCom reads it.
    pub fn to_json(&self) -> Value {
        let media = |kind: &str, media: &MediaReply| says(kind, json!({ "media_id": media.media_id }));
        match self {
            Self::Text(content) => says("text", json!({ "content": content })),
            Self::Markdown(content) => says("markdown", json!({ "content": content })),
            Self::Stream(stream) => says("stream", stream.to_json()),
            Self::TemplateCard(new) => says("template_card", new.to_json()),
            Self::StreamWithTemplateCard(stream, new) => {
                let mut whole = json!({ "msgtype": "stream_with_template_card", "stream": stream.to_json() });
                if let Some(new) = new {
                    whole["template_card"] = new.to_json();
                }
                whole
            }
            Self::UpdateTemplateCard { card: new, userids } => {
                let mut whole = json!({ "response_type": "update_template_card", "template_card": new.to_json() });
                if !userids.is_empty() {
                    whole["userids"] = userids.clone().into();
                }
                whole
            }
            Self::Image(image) => media("image", image),
            Self::Voice(voice) => media("voice", voice),
            Self::File(file) => media("file", file),
            Self::Video(video) => {
                let VideoReply { media_id, title, description } = video;
                says("video", json!({ "media_id": media_id, "title": title, "description": description }))
            }
        }
    }
}

fn says(msgtype: &str, body: Value) -> Value {
    let mut whole = Map::new();
    whole.insert("msgtype".to_owned(), msgtype.into());
    whole.insert(msgtype.to_owned(), body);
    Value::Object(whole)
}

impl StreamReply {
    fn check(&self, c: &mut Checker) {
        c.present("stream.id", &self.id);
        c.bytes("stream.content", &self.content, CONTENT_BYTES);
        c.count("stream.msg_item", self.images.len(), 0..=IMAGES);
        if !self.images.is_empty() && !self.finish {
            c.add("unsupported", "stream.msg_item", "is taken with the last state only");
        }
        if self.images.iter().any(|image| image.content.len() > IMAGE_BYTES) {
            c.add("too_long", "stream.msg_item", format!("holds a picture of more than {IMAGE_BYTES} bytes"));
        }
        if let Some(id) = &self.feedback_id {
            c.bytes("stream.feedback.id", id, FEEDBACK_BYTES);
        }
    }

    fn to_json(&self) -> Value {
        use base64::Engine as _;
        use md5::{Digest as _, Md5};

        let mut stream = json!({ "id": self.id, "finish": self.finish, "content": self.content });
        if !self.images.is_empty() {
            let image = |image: &StreamImage| {
                let encoded = base64::engine::general_purpose::STANDARD.encode(&image.content);
                let hash = hex::encode(Md5::digest(&image.content));
                json!({ "msgtype": "image", "image": { "base64": encoded, "md5": hash } })
            };
            stream["msg_item"] = self.images.iter().map(image).collect();
        }
        if let Some(id) = &self.feedback_id {
            stream["feedback"] = json!({ "id": id });
        }
        stream
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_written_as_the_page_shows_it() {
        let stream = StreamReply {
            id: "STREAMID".into(),
            finish: false,
            content: "**md**".into(),
            images: vec![StreamImage { content: b"png".to_vec() }],
            feedback_id: Some("FB".into()),
        };
        let example = include_str!("../../../../fixtures/wecom/smart_robot/reply.stream.json");
        let example: Value = serde_json::from_str(example).unwrap();
        let reply = Reply::Stream(stream);
        assert_eq!(reply.to_json(), example);
        assert_eq!(reply.check()[0].field, "stream.msg_item", "pictures come with the last state");
        assert_eq!(Reply::finished("中".repeat(6827)).check()[0].code, "too_long");
        assert_eq!(Reply::finished("ok").check(), []);
    }

    #[test]
    fn the_other_answers_have_their_shapes() {
        let file = Reply::File(MediaReply { media_id: "m".into() }).to_json();
        assert_eq!(file, json!({"msgtype": "file", "file": {"media_id": "m"}}));
        let card = Box::new(TemplateCard::new(crate::api::message::CardKind::TextNotice, "t").into());
        let update = Reply::UpdateTemplateCard { card, userids: vec!["U1".into()] }.to_json();
        assert_eq!((&update["response_type"], &update["userids"]), (&json!("update_template_card"), &json!(["U1"])));
    }
}
