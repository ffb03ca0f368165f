//! What a robot is told, as JSON: messages and events.
//! <https://developer.work.weixin.qq.com/document/path/100719>, <https://developer.work.weixin.qq.com/document/path/101027>

use std::fmt;

use serde_json::Value;

/// Something a robot is told.
#[derive(Clone, PartialEq)]
pub struct RobotCallback {
    /// What makes it unique.
    pub msgid: String,
    /// The robot.
    pub aibotid: String,
    /// The group; absent in single chats.
    pub chatid: Option<String>,
    /// Where it was said.
    pub chat_type: ChatType,
    /// Who; encrypted (`wo…`) where the robot's maker is no super administrator.
    pub userid: Option<String>,
    /// For one answer within an hour ([`super::respond()`]); by URL only.
    pub response_url: Option<String>,
    /// What it says.
    pub content: RobotContent,
    /// What it quotes.
    pub quote: Option<Quote>,
    raw: Value,
}

/// Where a robot is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChatType {
    /// With one member.
    #[default]
    Single,
    /// In a group.
    Group,
}

/// What a robot is told.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RobotContent {
    /// A text; in groups with the mention.
    Text(String),
    /// Texts and pictures.
    Mixed(Vec<MixedItem>),
    /// A picture.
    Image(RobotMedia),
    /// What was spoken, as text.
    Voice(String),
    /// A file.
    File(RobotMedia),
    /// A video.
    Video(RobotMedia),
    /// WeCom asks how a stream goes on; by URL only.
    StreamRefresh {
        /// The stream.
        id: String,
    },
    /// Something happened.
    Event(RobotEvent),
    /// A type that this version does not know; see [`RobotCallback::raw`].
    Unknown {
        /// Its `msgtype`.
        msgtype: String,
    },
}

/// A part of a mixed message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MixedItem {
    /// A text.
    Text(String),
    /// A picture.
    Image(RobotMedia),
}

/// An encrypted file, for five minutes ([`super::download`]).
#[derive(Clone, PartialEq, Eq)]
pub struct RobotMedia {
    /// Where it is.
    pub url: String,
    /// What it is encrypted with; by URL it is the callback's key.
    pub aeskey: Option<String>,
}

/// What a message quotes.
#[derive(Clone, Debug, PartialEq)]
pub struct Quote {
    /// What was said.
    pub content: Box<RobotContent>,
}

/// Something that happened to a robot.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RobotEvent {
    /// A member opened the chat, for the first time of the day.
    EnterChat,
    /// A button of a card. Told once, and dropped after five seconds.
    TemplateCard(CardPress),
    /// What a member thinks of an answer.
    Feedback(Feedback),
    /// Another process has connected as this robot, and this connection ends.
    Disconnected,
    /// An event that this version does not know.
    Unknown {
        /// Its `eventtype`.
        eventtype: String,
    },
}

/// A member acted on a card.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CardPress {
    /// The card's kind.
    pub card_type: String,
    /// The key of the button.
    pub event_key: String,
    /// The card's id, which an update must repeat.
    pub task_id: String,
    /// What was chosen.
    pub selected: Vec<SelectedOptions>,
}

/// What was chosen of one question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelectedOptions {
    /// The question.
    pub question_key: String,
    /// The options.
    pub option_ids: Vec<String>,
}

/// What a member thinks of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Feedback {
    /// The id that the answer carried.
    pub id: String,
    /// 1 accurate, 2 inaccurate, 3 taken back.
    pub kind: i64,
    /// In the member's words.
    pub content: String,
    /// 1 beside the point, 2 incomplete, 3 wrong, 4 wrongly analysed.
    pub reasons: Vec<i64>,
}

impl fmt::Debug for RobotCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The response URL is a credential, and the whole repeats it.
        f.debug_struct("RobotCallback")
            .field("msgid", &self.msgid)
            .field("chatid", &self.chatid)
            .field("userid", &self.userid)
            .field("content", &self.content)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RobotMedia {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RobotMedia")
    }
}

impl RobotCallback {
    /// Reads a callback. What is new to this version is `Unknown`, never an error; what is no object has nothing in it.
    pub fn read(raw: Value) -> Self {
        let chat_type = if text(&raw, "/chattype") == "group" { ChatType::Group } else { ChatType::Single };
        Self {
            msgid: text(&raw, "/msgid"),
            aibotid: text(&raw, "/aibotid"),
            chatid: some(&raw, "/chatid"),
            chat_type,
            userid: some(&raw, "/from/userid"),
            response_url: some(&raw, "/response_url"),
            content: RobotContent::read(&raw),
            quote: raw.get("quote").map(|quote| Quote { content: Box::new(RobotContent::read(quote)) }),
            raw,
        }
    }

    /// Returns the whole, with what this version does not know.
    pub fn raw(&self) -> &Value {
        &self.raw
    }

    /// Returns the conversation: the group, or else the member.
    pub fn conversation(&self) -> &str {
        self.chatid.as_deref().or(self.userid.as_deref()).unwrap_or_default()
    }
}

impl RobotContent {
    fn read(raw: &Value) -> Self {
        let media = |kind: &str| RobotMedia::read(raw.get(kind).unwrap_or(&Value::Null));
        match text(raw, "/msgtype").as_str() {
            "text" => Self::Text(text(raw, "/text/content")),
            "mixed" => {
                let items = raw.pointer("/mixed/msg_item").and_then(Value::as_array).into_iter().flatten();
                Self::Mixed(items.filter_map(MixedItem::read).collect())
            }
            "image" => Self::Image(media("image")),
            "voice" => Self::Voice(text(raw, "/voice/content")),
            "file" => Self::File(media("file")),
            "video" => Self::Video(media("video")),
            "stream" => Self::StreamRefresh { id: text(raw, "/stream/id") },
            "event" => Self::Event(RobotEvent::read(raw.get("event").unwrap_or(&Value::Null))),
            other => Self::Unknown { msgtype: other.to_owned() },
        }
    }
}

impl MixedItem {
    fn read(item: &Value) -> Option<Self> {
        match text(item, "/msgtype").as_str() {
            "text" => Some(Self::Text(text(item, "/text/content"))),
            "image" => Some(Self::Image(RobotMedia::read(item.get("image")?))),
            _ => None,
        }
    }
}

impl RobotMedia {
    fn read(media: &Value) -> Self {
        Self { url: text(media, "/url"), aeskey: some(media, "/aeskey") }
    }
}

impl RobotEvent {
    fn read(event: &Value) -> Self {
        let eventtype = text(event, "/eventtype");
        let payload = event.get(&eventtype).unwrap_or(&Value::Null);
        match eventtype.as_str() {
            "enter_chat" => Self::EnterChat,
            "template_card_event" => Self::TemplateCard(CardPress::read(payload)),
            "feedback_event" => Self::Feedback(Feedback {
                id: text(payload, "/id"),
                kind: payload.get("type").and_then(Value::as_i64).unwrap_or_default(),
                content: text(payload, "/content"),
                reasons: list(payload, "/inaccurate_reason_list").iter().filter_map(Value::as_i64).collect(),
            }),
            "disconnected_event" => Self::Disconnected,
            _ => Self::Unknown { eventtype },
        }
    }
}

impl CardPress {
    /// The page's tables join the words (`cardtype`), its samples do not: both are read.
    fn read(payload: &Value) -> Self {
        let either = |one: &str, other: &str| some(payload, one).unwrap_or_else(|| text(payload, other));
        let items = list(payload, "/selected_items/selected_item");
        Self {
            card_type: either("/card_type", "/cardtype"),
            event_key: either("/event_key", "/eventkey"),
            task_id: either("/task_id", "/taskid"),
            selected: items.iter().map(SelectedOptions::read).collect(),
        }
    }
}

impl SelectedOptions {
    fn read(item: &Value) -> Self {
        let ids = [list(item, "/option_ids/option_id"), list(item, "/optionids/optionid")].concat();
        Self {
            question_key: some(item, "/question_key").unwrap_or_else(|| text(item, "/questionkey")),
            option_ids: ids.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect(),
        }
    }
}

fn some(value: &Value, at: &str) -> Option<String> {
    value.pointer(at).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn text(value: &Value, at: &str) -> String {
    some(value, at).unwrap_or_default()
}

fn list(value: &Value, at: &str) -> Vec<Value> {
    value.pointer(at).and_then(Value::as_array).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_official_message_is_read() {
        let example = include_str!("../../../../fixtures/wecom/smart_robot/message.text.json");
        let callback = RobotCallback::read(serde_json::from_str(example).unwrap());
        assert_eq!((callback.chat_type, callback.conversation()), (ChatType::Group, "CHATID"));
        assert_eq!(callback.content, RobotContent::Text("@RobotA hello".into()));
        assert_eq!(*callback.quote.unwrap().content, RobotContent::Text("earlier text".into()));
        assert!(callback.response_url.unwrap().contains("response_code=CODE"));
    }

    #[test]
    fn every_message_is_read() {
        let read = |value: Value| RobotCallback::read(value).content;
        let media = RobotMedia { url: "https://x".into(), aeskey: Some("k".into()) };
        let file = json!({"msgtype": "file", "file": {"url": "https://x", "aeskey": "k"}});
        assert_eq!(read(file), RobotContent::File(media.clone()));
        let mixed = json!({"msgtype": "mixed", "mixed": {"msg_item": [
            {"msgtype": "text", "text": {"content": "a"}}, {"msgtype": "image", "image": {"url": "https://x", "aeskey": "k"}},
            {"msgtype": "new"},
        ]}});
        assert_eq!(read(mixed), RobotContent::Mixed(vec![MixedItem::Text("a".into()), MixedItem::Image(media)]));
        let refresh = json!({"msgtype": "stream", "stream": {"id": "S"}});
        assert_eq!(read(refresh), RobotContent::StreamRefresh { id: "S".into() });
        assert_eq!(read(json!({"msgtype": "hologram"})), RobotContent::Unknown { msgtype: "hologram".into() });
        assert_eq!(read(json!(null)), RobotContent::Unknown { msgtype: String::new() });
    }

    #[test]
    fn a_press_is_read_in_both_spellings() {
        let event = |payload: Value| json!({"msgtype": "event", "event": {"eventtype": "template_card_event", "template_card_event": payload}});
        let samples = json!({"card_type": "vote_interaction", "event_key": "k", "task_id": "t",
            "selected_items": {"selected_item": [{"question_key": "q", "option_ids": {"option_id": ["a", "b"]}}]}});
        let tables = json!({"cardtype": "vote_interaction", "eventkey": "k", "taskid": "t",
            "selected_items": {"selected_item": [{"questionkey": "q", "optionids": {"optionid": ["a", "b"]}}]}});
        let read = |payload| RobotCallback::read(event(payload)).content;
        assert_eq!(read(samples.clone()), read(tables));
        let RobotContent::Event(RobotEvent::TemplateCard(press)) = read(samples) else { panic!() };
        assert_eq!((press.event_key.as_str(), press.selected[0].option_ids.len()), ("k", 2));
        let feedback = json!({"msgtype": "event", "event": {"eventtype": "feedback_event",
            "feedback_event": {"id": "f", "type": 2, "content": "c", "inaccurate_reason_list": [2, 4]}}});
        let RobotContent::Event(RobotEvent::Feedback(feedback)) = RobotCallback::read(feedback).content else {
            panic!()
        };
        assert_eq!((feedback.kind, feedback.reasons), (2, vec![2, 4]));
    }
}
