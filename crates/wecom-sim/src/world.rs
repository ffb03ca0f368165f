//! What exists: companies, applications, people, robots, tokens, media, and what was sent.
//!
//! Knows nothing about HTTP; the routes ask it, the rules judge.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::broadcast;

use crate::callback::{Callbacks, Endpoint};
use crate::clock::{Clock, DAY, HOUR, MINUTE, Millis};
use crate::fault::Faults;
use crate::quota::Window;
use crate::routes::card::ResponseCode;
use crate::routes::oauth::Code;
use crate::rules::Rules;
use crate::smart_robot::SmartRobots;

/// The most requests and messages kept; the oldest go first.
const KEPT: usize = 400_000;
/// How long a media id lives (path/90253).
pub(crate) const MEDIA_LIFE: Millis = 3 * DAY;
/// Messages an application may send one member in a minute, and in an hour (path/90312).
const MEMBER_LIMITS: (usize, usize) = (30, 1000);
/// Messages a robot may send in a minute (path/99110).
const ROBOT_PER_MINUTE: usize = 20;
/// Calls of one interface a company may make in a minute (path/90312).
const BASE_PER_MINUTE: usize = 10_000;

pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) state: Mutex<State>,
    pub(crate) events: broadcast::Sender<u64>,
    pub(crate) callbacks: Callbacks,
    /// Known once it listens.
    origin: OnceLock<String>,
}

pub(crate) struct State {
    pub(crate) rules: Rules,
    pub(crate) faults: Faults,
    pub(crate) corps: BTreeMap<String, Corp>,
    pub(crate) robots: BTreeMap<String, Robot>,
    pub(crate) smart_robots: SmartRobots,
    pub(crate) tokens: HashMap<String, Token>,
    pub(crate) media: HashMap<String, Media>,
    pub(crate) sent: VecDeque<Sent>,
    pub(crate) next_sent: u64,
    pub(crate) msgids: HashMap<String, u64>,
    pub(crate) requests: VecDeque<Logged>,
    pub(crate) next_request: u64,
    pub(crate) connections: u64,
    pub(crate) wrong_secrets: HashMap<String, Window>,
    pub(crate) base: HashMap<(String, String), Window>,
    pub(crate) response_codes: HashMap<String, ResponseCode>,
    pub(crate) codes: HashMap<String, Code>,
    pub(crate) jobs: HashMap<String, Job>,
    /// Files that are fetched without a token: exports, pictures, what members send to smart robots.
    pub(crate) files: HashMap<String, Bytes>,
    /// What those of them are called that have a name.
    pub(crate) file_names: HashMap<String, String>,
    /// Until when those of them can be fetched that end.
    pub(crate) file_ends: HashMap<String, Millis>,
    /// The last message that a member wrote.
    pub(crate) last_written: u64,
}

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
    pub(crate) settings: Map<String, Value>,
    pub(crate) menu: Option<Value>,
    pub(crate) workbench: Option<Map<String, Value>>,
    pub(crate) workbench_of: HashMap<String, Map<String, Value>>,
    pub(crate) to_chat_member: HashMap<String, (Window, Window)>,
    pub(crate) to_member: HashMap<String, (Window, Window)>,
    pub(crate) today: (Millis, usize),
    /// Requests that carried the duplicate check: hash → until when a repeat is swallowed.
    pub(crate) checked: HashMap<[u8; 32], Millis>,
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
            settings: Map::new(),
            menu: None,
            workbench: None,
            workbench_of: HashMap::new(),
            to_chat_member: HashMap::new(),
            to_member: HashMap::new(),
            today: (0, 0),
            checked: HashMap::new(),
            task_ids: std::collections::HashSet::new(),
        }
    }

    /// Counts a message to a member; an excess is dropped without a word (path/90312).
    pub(crate) fn admit_to(&mut self, userid: &str, now: Millis) -> bool {
        let windows = self
            .to_member
            .entry(userid.to_owned())
            .or_insert_with(|| (Window::new(MEMBER_LIMITS.0, MINUTE), Window::new(MEMBER_LIMITS.1, HOUR)));
        let fits = windows.0.fits(now) && windows.1.fits(now);
        if fits {
            windows.0.count(now);
            windows.1.count(now);
        }
        fits
    }
}

#[derive(Debug)]
pub(crate) struct Robot {
    pub(crate) group: String,
    pub(crate) removed: bool,
    pub(crate) window: Window,
}

impl Robot {
    pub(crate) fn new(group: &str) -> Self {
        Self { group: group.to_owned(), removed: false, window: Window::new(ROBOT_PER_MINUTE, MINUTE) }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) corp: String,
    /// `None`: the contact-sync secret's.
    pub(crate) agentid: Option<i64>,
    pub(crate) expires_at: Millis,
}

#[derive(Clone, Debug)]
pub(crate) struct Media {
    pub(crate) kind: String,
    pub(crate) file_name: String,
    pub(crate) uploaded_at: Millis,
    pub(crate) owner: MediaOwner,
    pub(crate) content: Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MediaOwner {
    Corp(String),
    Robot(String),
}

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

impl World {
    pub(crate) fn new(rules: Rules) -> Arc<Self> {
        let state = State::new(rules);
        Arc::new_cyclic(|world| Self {
            clock: Clock::default(),
            state: Mutex::new(state),
            events: broadcast::channel(1024).0,
            callbacks: Callbacks::new(world.clone()),
            origin: OnceLock::new(),
        })
    }

    /// Where it listens.
    pub(crate) fn origin(&self) -> &str {
        self.origin.get().map(String::as_str).unwrap_or_default()
    }

    pub(crate) fn listens_at(&self, origin: &str) {
        self.origin.get_or_init(|| origin.to_owned());
    }

    /// Tells watchers that message `number` is new or has changed.
    pub(crate) fn announce(&self, number: u64) {
        // Nobody may be watching.
        let _nobody = self.events.send(number);
    }
}

impl State {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            faults: Faults::default(),
            corps: BTreeMap::new(),
            robots: BTreeMap::new(),
            smart_robots: SmartRobots::new(),
            tokens: HashMap::new(),
            media: HashMap::new(),
            sent: VecDeque::new(),
            next_sent: 1,
            msgids: HashMap::new(),
            requests: VecDeque::new(),
            next_request: 1,
            connections: 0,
            wrong_secrets: HashMap::new(),
            base: HashMap::new(),
            response_codes: HashMap::new(),
            codes: HashMap::new(),
            jobs: HashMap::new(),
            files: HashMap::new(),
            file_names: HashMap::new(),
            file_ends: HashMap::new(),
            last_written: 0,
        }
    }

    /// Puts a message back where it was.
    pub(crate) fn put_back(&mut self, sent: Sent) {
        if let Some(msgid) = &sent.msgid {
            self.msgids.insert(msgid.clone(), sent.number);
        }
        self.next_sent = self.next_sent.max(sent.number + 1);
        self.sent.push_back(sent);
    }

    /// Keeps a message and returns its number.
    pub(crate) fn keep(&mut self, mut sent: Sent) -> u64 {
        let number = self.next_sent;
        self.next_sent += 1;
        sent.number = number;
        if let Some(msgid) = &sent.msgid {
            self.msgids.insert(msgid.clone(), number);
        }
        self.sent.push_back(sent);
        if self.sent.len() > KEPT
            && let Some(oldest) = self.sent.pop_front()
            && let Some(msgid) = oldest.msgid
        {
            self.msgids.remove(&msgid);
        }
        number
    }

    pub(crate) fn sent_mut(&mut self, number: u64) -> Option<&mut Sent> {
        let first = self.sent.front()?.number;
        self.sent.get_mut(usize::try_from(number.checked_sub(first)?).ok()?)
    }

    pub(crate) fn log(&mut self, mut logged: Logged) {
        logged.number = self.next_request;
        self.next_request += 1;
        self.requests.push_back(logged);
        if self.requests.len() > KEPT {
            self.requests.pop_front();
        }
    }

    /// Counts a call against the company's base frequency of that interface (path/90312).
    pub(crate) fn admit_base(&mut self, corp: &str, path: &str, now: Millis) -> bool {
        let window = self.base.entry((corp.to_owned(), path.to_owned()));
        window.or_insert_with(|| Window::new(BASE_PER_MINUTE, MINUTE)).admit_or_block(now)
    }

    /// Finds uploaded media that this sender may use now, of the wanted kind.
    pub(crate) fn usable_media(&self, id: &str, owner: &MediaOwner, kind: &str, now: Millis) -> bool {
        self.media.get(id).is_some_and(|m| m.owner == *owner && m.kind == kind && now < m.uploaded_at + MEDIA_LIFE)
    }
}

impl Corp {
    /// Returns the departments at and below `top`.
    pub(crate) fn below(&self, top: u64) -> Vec<u64> {
        let mut found = vec![top];
        let mut i = 0;
        while i < found.len() {
            let parent = found[i];
            found.extend(self.parties.iter().filter(|(_, party)| party.parent == Some(parent)).map(|(id, _)| *id));
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
