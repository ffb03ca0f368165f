//! What people do with what they get: they write, press, scan; and what follows by rule.
//!
//! In words of our own: how WeCom says it is known to the way in. A decision is pure; acting on it is the pipeline's.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::Timestamp;

/// Something that was heard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heard {
    /// Where: the callback's configured name.
    pub callback: String,
    /// The same for repeats, different for anything else.
    pub key: String,
    /// The application that it was said to; absent for contact sync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Who did it.
    pub from: String,
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: What,
    /// Everything that was said, as it came, in JSON.
    pub raw: Map<String, Json>,
}

/// What somebody did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum What {
    /// Wrote a text.
    Text {
        /// The text.
        text: String,
    },
    /// Sent a file, which is gone in three days where it lies.
    File {
        /// `image`, `voice`, `video` or `file`.
        file: String,
        /// Where it lies; empty for a smart robot, which is told of it otherwise.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        media_id: String,
        /// What it is called.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file_name: Option<String>,
    },
    /// Pressed a button of a card.
    Press(Press),
    /// A contact changed.
    Contact(ContactChanged),
    /// Anything else that happened.
    Event {
        /// WeCom's name of it: `click`, `subscribe`, `enter_agent` …
        event: String,
        /// The key that came with it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        event_key: String,
    },
    /// A message of another kind: `location`, `link` …
    Message {
        /// WeCom's name of it.
        message: String,
    },
}

/// Somebody pressed a button of a card.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Press {
    /// The button's key.
    pub button: String,
    /// The card's id.
    pub task_id: String,
    /// What was chosen: question and options.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub selected: Vec<(String, Vec<String>)>,
    /// Good once, for changing the card. It leaves this program only upstream.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub response_code: String,
}

/// A contact changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactChanged {
    /// `create_user`, `update_user`, `delete_user`, `create_party` …
    pub change: String,
    /// The member or department.
    pub id: String,
    /// A member's userid from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_id: Option<String>,
    /// What changed, where it was told.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub fields: Map<String, Json>,
}

impl What {
    /// Returns its kind, as rules and webhooks name it.
    pub fn kind(&self) -> &str {
        match self {
            Self::Text { .. } => "text",
            Self::File { file, .. } => file,
            Self::Press(_) => "press",
            Self::Contact(_) => "contact",
            Self::Event { event, .. } => event,
            Self::Message { message } => message,
        }
    }
}

/// What follows something that was heard: the first rule whose conditions all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeedbackRule {
    /// The text is one of these, whatever its case and the blanks around it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// The text has one of these in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contains: Vec<String>,
    /// It is of one of these kinds: `text`, `image`, `press`, `click`, `subscribe`, `contact` …
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// It came with one of these keys: of a button or a menu.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// One of these did it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<String>,
    /// A text that is answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// A template that makes the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// What the pressed button says from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub button: Option<String>,
    /// Acknowledges the message that the card is of.
    pub acknowledge: bool,
    /// The webhook that is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
}

impl FeedbackRule {
    /// Tells whether all of its conditions hold.
    pub fn fits(&self, heard: &Heard) -> bool {
        let text = match &heard.what {
            What::Text { text } => Some(text.trim()),
            _ => None,
        };
        let key = match &heard.what {
            What::Press(press) => press.button.as_str(),
            What::Event { event_key, .. } => event_key,
            _ => "",
        };
        let same = |one: &String, other: &str| one.trim().to_lowercase() == other.to_lowercase();
        let holds = |list: &[String], test: &dyn Fn(&String) -> bool| list.is_empty() || list.iter().any(test);
        holds(&self.keywords, &|word| text.is_some_and(|text| same(word, text)))
            && holds(&self.contains, &|part| {
                text.is_some_and(|text| text.to_lowercase().contains(&part.to_lowercase()))
            })
            && holds(&self.events, &|event| event == heard.what.kind())
            && holds(&self.keys, &|wanted| wanted == key)
            && holds(&self.from, &|one| one.eq_ignore_ascii_case(&heard.from))
    }
}

/// Finds the rule that something falls under.
pub fn rule_for<'a>(rules: &'a [FeedbackRule], heard: &Heard) -> Option<&'a FeedbackRule> {
    rules.iter().find(|rule| rule.fits(heard))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn heard(from: &str, what: What) -> Heard {
        Heard {
            callback: "default".to_owned(),
            key: "k".to_owned(),
            app: None,
            from: from.to_owned(),
            at: Timestamp::EPOCH,
            what,
            raw: Map::new(),
        }
    }

    fn text(text: &str) -> Heard {
        heard("zhangsan", What::Text { text: text.to_owned() })
    }

    fn press(button: &str) -> Heard {
        heard("lisi", What::Press(Press { button: button.to_owned(), ..Press::default() }))
    }

    #[test]
    fn the_first_rule_whose_conditions_all_hold_is_taken() {
        let rules: Vec<FeedbackRule> = serde_json::from_value(json!([
            { "keywords": ["帮助", "HELP"], "reply": "help" },
            { "events": ["press"], "keys": ["yes"], "reply": "yes" },
            { "events": ["press"], "from": ["LISI"], "reply": "lisi" },
            { "contains": ["订单"], "reply": "order" },
            { "events": ["click", "text"], "reply": "any" },
        ]))
        .unwrap();
        let event = |event: &str| heard("x", What::Event { event: event.to_owned(), event_key: String::new() });
        for (heard, expected) in [
            (text(" help "), Some("help")),
            (text("请帮助"), Some("any")),
            (text("订单 4711"), Some("order")),
            (press("yes"), Some("yes")),
            (press("no"), Some("lisi")),
            (event("click"), Some("any")),
            (event("subscribe"), None),
        ] {
            let found = rule_for(&rules, &heard).and_then(|rule| rule.reply.as_deref());
            assert_eq!(found, expected, "{heard:?}");
        }
    }

    #[test]
    fn what_was_heard_reads_back() {
        for heard in [text("你好"), press("yes")] {
            let stored = serde_json::to_string(&heard).unwrap();
            assert_eq!(serde_json::from_str::<Heard>(&stored).unwrap(), heard);
        }
    }
}
