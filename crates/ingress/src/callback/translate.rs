//! WeCom's callbacks → what was heard, in words of our own.

use domain::{ContactChanged, Heard, Press, Timestamp, What};
use serde_json::{Map, Value, json};
use wecom::callback::{Callback, CardEvent, ContactChange, Content, Element, Event, UserChange};
use wecom::smart_robot::{RobotCallback, RobotContent, RobotEvent};

/// A callback whose signature fits.
#[derive(Clone, Debug)]
pub(super) enum Opened {
    /// An application's, or contact sync's.
    Xml(Box<Callback>),
    /// A smart robot's.
    Robot(Box<RobotCallback>),
}

impl Opened {
    /// What it is, in a word.
    pub(super) fn kind(&self) -> &str {
        match self {
            Self::Xml(callback) => match callback.raw().text_of("MsgType") {
                "event" => callback.raw().text_of("Event"),
                other => other,
            },
            Self::Robot(callback) => {
                let raw = callback.raw();
                raw["event"]["eventtype"].as_str().or(raw["msgtype"].as_str()).unwrap_or("robot")
            }
        }
    }

    /// Whether a smart robot is only asked how a stream goes on: ours are whole at once.
    pub(super) fn is_refresh(&self) -> bool {
        matches!(self, Self::Robot(callback) if matches!(callback.content, RobotContent::StreamRefresh { .. }))
    }

    /// What was heard.
    pub(super) fn heard(&self, callback: &str, app: Option<&str>, now: Timestamp) -> Heard {
        match self {
            Self::Xml(opened) => Heard {
                callback: callback.to_owned(),
                key: opened.dedupe_key(),
                app: app.map(str::to_owned),
                from: opened.from_user.clone(),
                at: if opened.created_at > 0 { Timestamp::from_millis(opened.created_at * 1000) } else { now },
                what: of_xml(opened),
                raw: object(opened.raw()),
            },
            Self::Robot(opened) => Heard {
                callback: callback.to_owned(),
                key: format!("msg:{}", opened.msgid),
                app: app.map(str::to_owned),
                from: opened.userid.clone().unwrap_or_default(),
                at: now,
                what: of_robot(opened),
                raw: opened.raw().as_object().cloned().unwrap_or_default(),
            },
        }
    }
}

fn of_xml(callback: &Callback) -> What {
    let name = || callback.raw().text_of("MsgType").to_owned();
    match &callback.content {
        Content::Text { content } => What::Text { text: content.clone() },
        Content::Image { media_id, .. }
        | Content::Voice { media_id, .. }
        | Content::Video { media_id, .. }
        | Content::File { media_id, .. } => {
            What::File { file: name(), media_id: media_id.to_string(), file_name: callback.raw().owned("FileName") }
        }
        Content::Event(event) => of_event(event, callback.raw()),
        _ => What::Message { message: name() },
    }
}

fn of_event(event: &Event, raw: &Element) -> What {
    match event {
        Event::TemplateCard(card) | Event::TemplateCardMenu(card) => What::Press(press(card)),
        Event::TaskcardClick { key, task_id } => {
            What::Press(Press { button: key.clone(), task_id: task_id.clone(), ..Press::default() })
        }
        Event::ContactChange(change) => What::Contact(contact(change)),
        _ => What::Event { event: raw.text_of("Event").to_owned(), event_key: raw.text_of("EventKey").to_owned() },
    }
}

fn press(card: &CardEvent) -> Press {
    let selected = card.selected.iter().map(|item| (item.question_key.clone(), item.option_ids.clone()));
    Press {
        button: card.key.clone(),
        task_id: card.task_id.clone(),
        selected: selected.collect(),
        response_code: card.response_code.clone(),
    }
}

fn contact(change: &ContactChange) -> ContactChanged {
    let of = |change: &str, id: String| ContactChanged { change: change.to_owned(), id, ..ContactChanged::default() };
    match change {
        ContactChange::CreateUser(user) => member("create_user", user),
        ContactChange::UpdateUser(user) => member("update_user", user),
        ContactChange::DeleteUser { userid } => of("delete_user", userid.clone()),
        ContactChange::CreateParty { id, name, .. } => {
            ContactChanged { fields: fields([("name", json!(name))]), ..of("create_party", id.to_string()) }
        }
        ContactChange::UpdateParty { id, name, .. } => {
            ContactChanged { fields: fields([("name", json!(name))]), ..of("update_party", id.to_string()) }
        }
        ContactChange::DeleteParty { id } => of("delete_party", id.to_string()),
        ContactChange::UpdateTag(tag) => ContactChanged {
            fields: fields([("added_users", json!(tag.added_users)), ("removed_users", json!(tag.removed_users))]),
            ..of("update_tag", tag.tag_id.to_string())
        },
        ContactChange::Unknown { change_type } => of(change_type, String::new()),
        _ => of("unknown", String::new()),
    }
}

fn member(change: &str, user: &UserChange) -> ContactChanged {
    ContactChanged {
        change: change.to_owned(),
        id: user.userid.clone(),
        new_id: user.new_userid.clone(),
        fields: fields([
            ("name", json!(user.name)),
            ("departments", json!(user.departments)),
            ("mobile", json!(user.mobile)),
            ("email", json!(user.email.as_ref().or(user.biz_mail.as_ref()))),
            ("status", json!(user.status)),
        ]),
    }
}

fn fields<const N: usize>(named: [(&str, Value); N]) -> Map<String, Value> {
    named.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.to_owned(), value)).collect()
}

fn of_robot(callback: &RobotCallback) -> What {
    let name = || callback.raw()["msgtype"].as_str().unwrap_or_default().to_owned();
    match &callback.content {
        RobotContent::Text(text) | RobotContent::Voice(text) => What::Text { text: text.clone() },
        // Where it lies, the whole says: an encrypted file, for minutes.
        RobotContent::Image(_) | RobotContent::File(_) | RobotContent::Video(_) => {
            What::File { file: name(), media_id: String::new(), file_name: None }
        }
        RobotContent::Event(RobotEvent::TemplateCard(press)) => What::Press(Press {
            button: press.event_key.clone(),
            task_id: press.task_id.clone(),
            selected: press.selected.iter().map(|item| (item.question_key.clone(), item.option_ids.clone())).collect(),
            response_code: String::new(),
        }),
        RobotContent::Event(_) => {
            let event = callback.raw()["event"]["eventtype"].as_str().unwrap_or_default();
            What::Event { event: event.to_owned(), event_key: String::new() }
        }
        _ => What::Message { message: name() },
    }
}

/// An XML element as JSON: text, or an object of its children; what stands several times is a list.
fn object(element: &Element) -> Map<String, Value> {
    let mut object = Map::new();
    for child in element.children() {
        let value = if child.children().is_empty() { json!(child.text()) } else { Value::Object(self::object(child)) };
        match object.get_mut(child.name()) {
            None => drop(object.insert(child.name().to_owned(), value)),
            Some(Value::Array(list)) => list.push(value),
            Some(first) => *first = json!([first.take(), value]),
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(xml: &str) -> Heard {
        let callback = Callback::parse(xml.as_bytes()).unwrap();
        Opened::Xml(Box::new(callback)).heard("default", Some("default"), Timestamp::EPOCH)
    }

    #[test]
    fn every_documented_callback_is_heard_as_something() {
        let folder = format!("{}/../../fixtures/wecom/callback", env!("CARGO_MANIFEST_DIR"));
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "xml") {
                let text = std::fs::read_to_string(&path).unwrap();
                if let Ok(callback) = Callback::parse(text.as_bytes()) {
                    let heard = Opened::Xml(Box::new(callback)).heard("c", None, Timestamp::EPOCH);
                    assert!(!heard.key.is_empty() && !heard.raw.is_empty(), "{path:?}");
                    seen += 1;
                }
            }
        }
        assert!(seen > 10, "{seen}");
    }

    #[test]
    fn what_a_member_sends_a_smart_robot_is_a_file_and_what_is_spoken_a_text() {
        let what = |raw: Value| of_robot(&RobotCallback::read(raw));
        for kind in ["image", "file", "video"] {
            let file = what(json!({ "msgtype": kind, kind: { "url": "https://x" } }));
            assert_eq!(file.kind(), kind);
            assert!(matches!(file, What::File { .. }), "{file:?}");
        }
        let spoken = what(json!({ "msgtype": "voice", "voice": { "content": "进度" } }));
        assert_eq!(spoken, What::Text { text: "进度".to_owned() });
        assert_eq!(what(json!({ "msgtype": "mixed" })), What::Message { message: "mixed".to_owned() });
    }

    #[test]
    fn a_press_keeps_its_code_and_a_list_its_items() {
        let press = heard(
            "<xml><ToUserName>ww1</ToUserName><FromUserName>li</FromUserName><CreateTime>9</CreateTime><MsgType>event</MsgType><Event>template_card_event</Event><EventKey>yes</EventKey><TaskId>t1</TaskId><ResponseCode>CODE</ResponseCode><A><B>1</B><B>2</B></A></xml>",
        );
        let What::Press(inside) = &press.what else { panic!("{press:?}") };
        assert_eq!(
            (inside.button.as_str(), inside.task_id.as_str(), inside.response_code.as_str()),
            ("yes", "t1", "CODE")
        );
        assert_eq!(press.raw["A"]["B"], json!(["1", "2"]));
        assert_eq!(press.at, Timestamp::from_millis(9000));
    }
}
