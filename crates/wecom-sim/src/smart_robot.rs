//! Smart robots (path/101039): what members tell one, by URL or over its long connection, and what it may answer.
//!
//! One robot has either a URL or a connection. Knows nothing about HTTP or sockets: `long_connection` and `routes`
//! bring what comes in, this judges and keeps it.

mod answer;
mod tell;
mod upload;

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use crate::callback::Endpoint;
use crate::clock::{HOUR, MINUTE, Millis};
use crate::quota::{Window, admit_both};
use crate::routes::random_id;
use crate::rules::{Refused, refuse};

pub(crate) use answer::{command, respond};
pub(crate) use tell::tell;

/// Answers and messages of one conversation, a minute and an hour (path/101463).
const LIMITS: (usize, usize) = (30, 1000);

/// A robot.
#[derive(Debug, Default)]
pub(crate) struct SmartRobot {
    pub(crate) secret: String,
    /// Set: members' messages are posted there.
    pub(crate) url: Option<Endpoint>,
    /// Open: they go over it.
    pub(crate) connection: Option<mpsc::UnboundedSender<Value>>,
    told: HashMap<String, Told>,
    streams: HashMap<String, StreamState>,
    responses: HashMap<String, (Told, Millis)>,
    conversations: HashMap<String, (Window, Window)>,
    uploads: HashMap<String, Upload>,
    /// Uploads begun, a minute and an hour.
    upload_windows: Option<(Window, Window)>,
    media: HashMap<String, Millis>,
}

/// What a robot was told, and where an answer to it shows.
#[derive(Clone, Debug)]
struct Told {
    kind: ToldKind,
    chat: String,
    group: bool,
    at: Millis,
    quick_answered: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ToldKind {
    Message,
    /// Nothing may be answered.
    Feedback,
    EnterChat,
    Press {
        task_id: String,
        number: u64,
    },
}

#[derive(Clone, Debug)]
struct StreamState {
    began: Millis,
    number: u64,
    finished: bool,
}

#[derive(Debug)]
struct Upload {
    total: usize,
    chunks: HashMap<u64, Bytes>,
    count: usize,
    md5: String,
    kind: String,
    until: Millis,
}

/// What a member says to a smart robot.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RobotSaid {
    /// The robot.
    pub bot_id: String,
    /// Who.
    pub userid: String,
    /// The group; absent: the single chat.
    #[serde(default)]
    pub chatid: Option<String>,
    /// The message's id; absent: a new one. One that was told before makes a repeat of it.
    #[serde(default)]
    pub msgid: Option<String>,
    /// What.
    pub what: RobotWhat,
}

/// What a member does with a smart robot.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RobotWhat {
    /// Says a text.
    Text(String),
    /// Speaks.
    Voice(String),
    /// Sends a file; it is encrypted and served for five minutes.
    File {
        /// What it is called.
        name: String,
        /// Its text.
        content: String,
    },
    /// Sends a picture; it is encrypted and served for five minutes.
    Image(String),
    /// Sends a video; likewise.
    Video(String),
    /// Sends a text and a picture together.
    Mixed {
        /// The text.
        text: String,
        /// What the picture holds.
        image: String,
    },
    /// Says a text, quoting another.
    Quote {
        /// What is said.
        text: String,
        /// What was said before.
        quoted: String,
    },
    /// Opens the chat.
    EnterChat,
    /// Presses a button of a card that the robot sent.
    Press {
        /// The message that holds the card.
        number: u64,
        /// The key of the button.
        key: String,
        /// What is chosen: question and options.
        #[serde(default)]
        selected: Vec<(String, Vec<String>)>,
    },
    /// Thinks something of an answer: 1 accurate, 2 inaccurate, 3 taken back.
    Feedback {
        /// The id that the answer carried.
        id: String,
        /// What.
        kind: i64,
    },
}

/// What became of what a member told a robot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RobotTold {
    /// The message's id.
    pub msgid: String,
    /// By URL: the answers, decrypted, the first and each refresh.
    pub replies: Vec<Value>,
    /// What went wrong.
    pub error: Option<String>,
}

impl SmartRobot {
    pub(crate) fn new(secret: &str) -> Self {
        Self { secret: secret.to_owned(), ..Self::default() }
    }

    fn admit(&mut self, chat: &str, now: Millis) -> Result<(), Refused> {
        let windows = self.conversations.entry(chat.to_owned());
        let windows = windows.or_insert_with(|| (Window::new(LIMITS.0, MINUTE), Window::new(LIMITS.1, HOUR)));
        if admit_both(windows, now) {
            return Ok(());
        }
        refuse(846_607, "aibot send msg frequency limit exceeded")
    }
}

/// What a connection is told before it ends, because another took its place.
pub(crate) fn disconnected(bot_id: &str, now: Millis) -> Value {
    let mut body = Map::new();
    body.insert("msgid".to_owned(), random_id(36).into());
    body.insert("create_time".to_owned(), (now / 1000).into());
    body.insert("aibotid".to_owned(), bot_id.into());
    body.insert("msgtype".to_owned(), "event".into());
    body.insert("event".to_owned(), json!({ "eventtype": "disconnected_event" }));
    json!({ "cmd": "aibot_event_callback", "headers": { "req_id": random_id(32) }, "body": body })
}

/// Keys of robots, by their ids; the demo company has one.
pub(crate) type SmartRobots = BTreeMap<String, SmartRobot>;
