//! What members do and what befalls an application, as the XML that WeCom calls back with (path/90239, path/90240).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::xml::cdata;

/// What a member says to an application.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Said {
    /// A text.
    Text(String),
    /// A picture, by its media id.
    Image(String),
    /// A voice clip, by its media id.
    Voice(String),
    /// A video, by its media id.
    Video(String),
    /// A place.
    Location {
        /// Degrees north.
        latitude: f64,
        /// Degrees east.
        longitude: f64,
        /// What it is called.
        label: String,
    },
    /// A link.
    Link {
        /// Its title.
        title: String,
        /// Where it leads.
        url: String,
    },
    /// A button of the menu with a key.
    Click(String),
    /// A button of the menu with a link.
    View(String),
    /// The application is opened: `enter_agent`, `subscribe`, `unsubscribe`.
    Event(String),
    /// Whatever the elements between `MsgType` and `AgentID` say, as they are.
    Raw(String),
}

/// A callback before it has a recipient.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    from: String,
    /// From `MsgType` on.
    inside: String,
    with_agent: bool,
}

fn named(name: &str, rest: &str) -> String {
    format!("{}{}{rest}", cdata("MsgType", "event"), cdata("Event", name))
}

impl Event {
    pub(crate) fn said(userid: &str, said: &Said, msg_id: u64) -> Self {
        let message = |kind: &str, rest: String| format!("{}{rest}<MsgId>{msg_id}</MsgId>", cdata("MsgType", kind));
        let media = |id: &str| cdata("MediaId", id);
        let inside = match said {
            Said::Text(content) => message("text", cdata("Content", content)),
            Said::Image(id) => message("image", cdata("PicUrl", "https://p.qpic.cn/sim") + &media(id)),
            Said::Voice(id) => message("voice", media(id) + &cdata("Format", "amr")),
            Said::Video(id) => message("video", media(id) + &cdata("ThumbMediaId", id)),
            Said::Location { latitude, longitude, label } => message(
                "location",
                format!(
                    "<Location_X>{latitude}</Location_X><Location_Y>{longitude}</Location_Y><Scale>16</Scale>{}{}",
                    cdata("Label", label),
                    cdata("AppType", "wxwork")
                ),
            ),
            Said::Link { title, url } => message(
                "link",
                cdata("Title", title) + &cdata("Description", "") + &cdata("Url", url) + &cdata("PicUrl", ""),
            ),
            Said::Click(key) => named("click", &cdata("EventKey", key)),
            Said::View(url) => named("view", &cdata("EventKey", url)),
            Said::Event(name) => named(name, &cdata("EventKey", "")),
            Said::Raw(inside) => inside.clone(),
        };
        Self { from: userid.to_owned(), inside, with_agent: true }
    }

    /// A press of a card's button, or of an entry of its menu.
    pub(crate) fn card(press: &Press, card: &Value, code: &str) -> Self {
        let text = |name: &str| card.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        if card.get("btn").is_some() {
            // The older card's event writes AgentId so, and is closed with a blank.
            let task = format!("<TaskId><![CDATA[{}]]></TaskId >", text("task_id"));
            let inside = named("taskcard_click", &(cdata("EventKey", &press.key) + &task));
            return Self { from: press.userid.clone(), inside, with_agent: true };
        }
        let mut rest = cdata("EventKey", &press.key)
            + &cdata("TaskId", &text("task_id"))
            + &cdata("CardType", &text("card_type"))
            + &cdata("ResponseCode", code);
        let menu = card.pointer("/action_menu/action_list").and_then(Value::as_array).into_iter().flatten();
        let is_menu = menu.into_iter().any(|item| item.get("key").and_then(Value::as_str) == Some(&press.key));
        if !is_menu && !press.selected.is_empty() {
            rest.push_str("<SelectedItems>");
            for (question, options) in &press.selected {
                let ids: String = options.iter().map(|id| cdata("OptionId", id)).collect();
                let item = cdata("QuestionKey", question) + &format!("<OptionIds>{ids}</OptionIds>");
                rest = rest + "<SelectedItem>" + &item + "</SelectedItem>";
            }
            rest.push_str("</SelectedItems>");
        }
        let name = if is_menu { "template_card_menu_event" } else { "template_card_event" };
        Self { from: press.userid.clone(), inside: named(name, &rest), with_agent: true }
    }

    /// The end of an import or export.
    pub(crate) fn job(kind: &str, jobid: &str) -> Self {
        let job = cdata("JobId", jobid) + &cdata("JobType", kind) + "<ErrCode>0</ErrCode>" + &cdata("ErrMsg", "ok");
        let inside = named("batch_job_result", &format!("<BatchJob>{job}</BatchJob>"));
        Self { from: "sys".to_owned(), inside, with_agent: false }
    }

    /// The end of an upload by URL.
    pub(crate) fn upload(jobid: &str) -> Self {
        let inside = named("upload_media_job_finish", &cdata("JobId", jobid));
        Self { from: "sys".to_owned(), inside, with_agent: false }
    }

    /// A change of the address book; `inside` are its elements after `ChangeType`.
    pub(crate) fn contact(change: &str, inside: &str) -> Self {
        let inside = named("change_contact", &(cdata("ChangeType", change) + inside));
        Self { from: "sys".to_owned(), inside, with_agent: false }
    }

    /// Tells whether a passive reply of that kind is shown: to messages, to eight events, and updates to presses
    /// (path/90241).
    pub(crate) fn takes(&self, kind: &str) -> bool {
        const MESSAGES: [&str; 8] = [
            "subscribe",
            "enter_agent",
            "LOCATION",
            "click",
            "view",
            "view_miniprogram",
            "scancode_waitmsg",
            "template_card_menu_event",
        ];
        let event = self.inside.split("<Event><![CDATA[").nth(1).and_then(|rest| rest.split(']').next());
        let pressed = matches!(event, Some("template_card_event" | "template_card_menu_event" | "taskcard_click"));
        if kind.starts_with("update_") { pressed } else { event.is_none_or(|event| MESSAGES.contains(&event)) }
    }

    pub(crate) fn from(&self) -> &str {
        &self.from
    }

    pub(crate) fn to_xml(&self, corp: &str, agentid: Option<i64>, seconds: i64) -> String {
        let agent = agentid.filter(|_| self.with_agent).map(|id| format!("<AgentID>{id}</AgentID>"));
        format!(
            "<xml>{}{}<CreateTime>{seconds}</CreateTime>{}{}</xml>",
            cdata("ToUserName", corp),
            cdata("FromUserName", &self.from),
            self.inside,
            agent.unwrap_or_default()
        )
    }
}

/// A member presses a button of a card.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Press {
    /// The message that holds the card.
    pub number: u64,
    /// Who.
    pub userid: String,
    /// The key of the button, of `submit_button`, or of an entry of the menu.
    pub key: String,
    /// What is chosen: question and options.
    #[serde(default)]
    pub selected: Vec<(String, Vec<String>)>,
}

impl Press {
    /// Tells whether the card has such a button.
    pub(crate) fn fits(&self, card: &Value) -> bool {
        let keyed = |value: &Value| value.get("key").and_then(Value::as_str) == Some(&self.key);
        let listed = |at: &str| card.pointer(at).and_then(Value::as_array).is_some_and(|list| list.iter().any(keyed));
        listed("/btn")
            || listed("/button_list")
            || listed("/action_menu/action_list")
            || card.get("submit_button").is_some_and(keyed)
    }
}
