//! A company: its people, departments, tags, applications and chats.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::callback::Endpoint;
use crate::clock::{HOUR, MINUTE, Millis};
use crate::quota::{Window, admit_both};

/// Messages an application may send one member in a minute, and in an hour (path/90312).
const MEMBER_LIMITS: (usize, usize) = (30, 1000);

#[derive(Debug, Default)]
pub(crate) struct Corp {
    pub(crate) members: BTreeMap<String, Member>,
    pub(crate) parties: BTreeMap<u64, Party>,
    pub(crate) tags: BTreeMap<u64, Tag>,
    pub(crate) apps: BTreeMap<i64, Arc<Mutex<App>>>,
    /// The contact-sync secret: its token cannot send.
    pub(crate) contacts_secret: String,
    /// Half of the daily quota: account limit × 200 person-times (path/90312).
    pub(crate) account_limit: usize,
    /// Where contact changes and the ends of jobs are told.
    pub(crate) contacts_callback: Option<Endpoint>,
    pub(crate) chats: BTreeMap<String, Chat>,
    pub(crate) chats_created: Option<Window>,
    pub(crate) chats_changed: Option<Window>,
    /// Tickets for signing pages, of the company (`None`) and of applications, with their ends.
    pub(crate) tickets: HashMap<Option<i64>, (String, Millis)>,
    pub(crate) tickets_asked: HashMap<Option<i64>, Window>,
    /// Tickets that one application asked for, by kind.
    pub(crate) tickets_of_caller: HashMap<(Option<i64>, Option<i64>), Window>,
    /// Pictures uploaded for articles, a day and a month.
    pub(crate) pictures: Option<(Window, Window)>,
}

/// A group chat that an application owns.
#[derive(Clone, Debug)]
pub(crate) struct Chat {
    pub(crate) name: String,
    pub(crate) owner: String,
    pub(crate) members: Vec<String>,
    pub(crate) agentid: i64,
}

/// A job that was asked for; its result is what asking for it answers.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) kind: String,
    pub(crate) corp: String,
    pub(crate) agentid: Option<i64>,
    pub(crate) begun: Millis,
    pub(crate) result: Value,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Member {
    pub(crate) userid: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) mobile: String,
    #[serde(default)]
    pub(crate) email: String,
    #[serde(default)]
    pub(crate) parties: Vec<u64>,
    /// Without a basic API licence.
    #[serde(default)]
    pub(crate) unlicensed: bool,
    /// 1 active, 2 disabled, 4 not activated, 5 left.
    #[serde(default = "active")]
    pub(crate) status: i64,
    /// The other fields, as path/90196 names them.
    #[serde(default)]
    pub(crate) profile: Map<String, Value>,
}

fn active() -> i64 {
    1
}

impl Member {
    /// Somebody of whom nothing is known but the id.
    pub(crate) fn new(userid: &str) -> Self {
        Self {
            userid: userid.to_owned(),
            name: String::new(),
            mobile: String::new(),
            email: String::new(),
            parties: Vec::new(),
            unlicensed: false,
            status: active(),
            profile: Map::new(),
        }
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Party {
    pub(crate) name: String,
    pub(crate) name_en: String,
    pub(crate) parent: Option<u64>,
    pub(crate) order: u64,
    pub(crate) leaders: Vec<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Tag {
    pub(crate) name: String,
    pub(crate) members: Vec<String>,
    pub(crate) parties: Vec<u64>,
    /// The application that made it; nobody but contact sync.
    pub(crate) owner: Option<i64>,
}

#[derive(Debug)]
pub(crate) struct App {
    pub(crate) name: String,
    pub(crate) secret: String,
    pub(crate) disabled: bool,
    /// Departments that the application sees, with all below them.
    pub(crate) visible_parties: Vec<u64>,
    pub(crate) callback: Option<Endpoint>,
    /// Addresses that may call; absent: all.
    pub(crate) trusted_addresses: Option<Vec<String>>,
    /// Whether it is told of changes of the address book.
    pub(crate) contact_events: bool,
    pub(crate) settings: Map<String, Value>,
    pub(crate) menu: Option<Value>,
    pub(crate) workbench: Option<Map<String, Value>>,
    pub(crate) workbench_of: HashMap<String, Map<String, Value>>,
    pub(crate) to_chat_member: HashMap<String, (Window, Window)>,
    pub(crate) to_member: HashMap<String, (Window, Window)>,
    pub(crate) today: (Millis, usize),
    /// Requests that carried the duplicate check: hash → until when a repeat is swallowed.
    pub(crate) checked: HashMap<[u8; 32], Millis>,
    /// When those that ended were last forgotten.
    checked_until: Millis,
    pub(crate) task_ids: std::collections::HashSet<String>,
}

impl App {
    pub(crate) fn new(name: &str, secret: &str, visible_parties: &[u64], callback: Option<Endpoint>) -> Self {
        Self {
            name: name.to_owned(),
            secret: secret.to_owned(),
            disabled: false,
            visible_parties: visible_parties.to_vec(),
            callback,
            trusted_addresses: None,
            contact_events: false,
            settings: Map::new(),
            menu: None,
            workbench: None,
            workbench_of: HashMap::new(),
            to_chat_member: HashMap::new(),
            to_member: HashMap::new(),
            today: (0, 0),
            checked: HashMap::new(),
            checked_until: 0,
            task_ids: std::collections::HashSet::new(),
        }
    }

    /// Forgets ended duplicate checks, once a minute: to look at all of them for every message would be most of it.
    pub(crate) fn forget_checked(&mut self, now: Millis) {
        if now >= self.checked_until {
            self.checked.retain(|_, until| *until > now);
            self.checked_until = now + MINUTE;
        }
    }

    /// Counts a message to a member; an excess is dropped without a word (path/90312).
    pub(crate) fn admit_to(&mut self, userid: &str, now: Millis) -> bool {
        let windows = self
            .to_member
            .entry(userid.to_owned())
            .or_insert_with(|| (Window::new(MEMBER_LIMITS.0, MINUTE), Window::new(MEMBER_LIMITS.1, HOUR)));
        admit_both(windows, now)
    }
}

impl Corp {
    /// Returns the departments at and below `top`.
    pub(crate) fn below(&self, top: u64) -> Vec<u64> {
        let mut found = vec![top];
        let mut i = 0;
        while i < found.len() {
            let parent = found[i];
            let children = self.parties.iter().filter(|(_, party)| party.parent == Some(parent)).map(|(id, _)| *id);
            // A department is below itself in no company; in one that was badly imported, it is counted once.
            found.extend(children.filter(|id| !found.contains(id)).collect::<Vec<_>>());
            i += 1;
        }
        found
    }

    pub(crate) fn members_of(&self, party: u64) -> Vec<String> {
        let parties = self.below(party);
        let inside = |member: &&Member| member.parties.iter().any(|id| parties.contains(id));
        self.members.values().filter(inside).map(|member| member.userid.clone()).collect()
    }

    /// Finds a member by userid, whatever its case (path/90236).
    pub(crate) fn member(&self, userid: &str) -> Option<&Member> {
        self.members.get(&userid.to_lowercase())
    }
}
