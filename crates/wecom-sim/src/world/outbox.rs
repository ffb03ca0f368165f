//! What was sent and asked, as it was taken.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::KEPT;
use crate::clock::Millis;

/// Where a message went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Target {
    /// From an application to members.
    App {
        /// The application.
        agentid: i64,
        /// Who sees it.
        users: Vec<String>,
        /// Who does not, because the application writes to them too often.
        dropped: Vec<String>,
    },
    /// From an application to a group chat that it owns.
    Chat {
        /// The application.
        agentid: i64,
        /// The chat.
        chatid: String,
        /// What it is called.
        name: String,
        /// Who sees it.
        users: Vec<String>,
        /// Who does not, because the application writes to them too often.
        dropped: Vec<String>,
    },
    /// From a smart robot to a member or group.
    SmartRobot {
        /// The robot.
        bot_id: String,
        /// The member, or the group.
        chat: String,
        /// Whether it is a group.
        group: bool,
    },
    /// From a robot to its group.
    Robot {
        /// The robot.
        key: String,
        /// Its group.
        group: String,
    },
}

/// A message as it was taken.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sent {
    /// Counted from 1.
    pub number: u64,
    /// When, in milliseconds of the simulator's clock.
    pub at: i64,
    /// The handle for recalling; robots' messages have none.
    pub msgid: Option<String>,
    /// Where it went.
    pub target: Target,
    /// Its type.
    pub msgtype: String,
    /// The request's body.
    pub body: Value,
    /// Whether it was recalled.
    pub recalled: bool,
    /// Whether the duplicate check swallowed it: nobody sees it.
    pub swallowed: bool,
    /// How members' copies of its card were changed.
    #[serde(default)]
    pub updates: BTreeMap<String, Value>,
}

impl Sent {
    /// A message that is taken now.
    pub(crate) fn new(at: Millis, target: Target, msgtype: &str, body: Value) -> Self {
        Self {
            number: 0,
            at,
            msgid: None,
            target,
            msgtype: msgtype.to_owned(),
            body,
            recalled: false,
            swallowed: false,
            updates: BTreeMap::new(),
        }
    }

    /// Returns the text or markdown, if that is what it is.
    pub fn text(&self) -> Option<&str> {
        self.body.get(&self.msgtype)?.get("content")?.as_str()
    }

    /// Tells whether this member sees it; what a group robot says is seen by whoever is in its group, which is not known.
    pub fn is_seen_by(&self, userid: &str) -> bool {
        !self.swallowed
            && !self.recalled
            && match &self.target {
                Target::App { users, .. } | Target::Chat { users, .. } => users.iter().any(|user| user == userid),
                Target::SmartRobot { chat, group, .. } => !group && chat == userid,
                Target::Robot { .. } => false,
            }
    }

    /// Tells whether anybody sees it.
    pub fn is_seen(&self) -> bool {
        !self.swallowed
            && match &self.target {
                Target::App { users, .. } | Target::Chat { users, .. } => !users.is_empty(),
                Target::Robot { .. } | Target::SmartRobot { .. } => true,
            }
    }
}

/// A request as it arrived.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Logged {
    /// Counted from 1.
    pub number: u64,
    /// When, in milliseconds of the simulator's clock.
    pub at: i64,
    /// The HTTP method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The robot's key, if one was given.
    pub key: Option<String>,
    /// The errcode answered; absent where the answer was spoilt or had none.
    pub errcode: Option<i64>,
    /// The body, as far as it is text.
    pub body: String,
}

/// The requests as they arrived, numbered.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    kept: VecDeque<Logged>,
    count: u64,
}

impl RequestLog {
    pub(crate) fn add(&mut self, mut logged: Logged) {
        self.count += 1;
        logged.number = self.count;
        self.kept.push_back(logged);
        if self.kept.len() > KEPT {
            self.kept.pop_front();
        }
    }

    /// How many there were, those that are no longer kept included.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Logged> {
        self.kept.iter()
    }
}
