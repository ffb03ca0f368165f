//! What exists: companies, applications, people, robots, tokens, media, and what was sent.
//!
//! Knows nothing about HTTP; the routes ask it, the rules judge.

mod company;
mod outbox;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::broadcast;

use crate::callback::Callbacks;
use crate::clock::{Clock, DAY, MINUTE, Millis};
use crate::fault::Faults;
use crate::quota::Window;
use crate::routes::card::ResponseCode;
use crate::routes::oauth::Code;
use crate::rules::Rules;
use crate::smart_robot::SmartRobots;

pub(crate) use company::{App, Chat, Corp, Job, Member, Party, Tag};
pub(crate) use outbox::RequestLog;
pub use outbox::{Logged, Sent, Target};

/// The most messages kept, and requests; the oldest go first.
const KEPT: usize = 400_000;
/// How long a media id lives (path/90253).
pub(crate) const MEDIA_LIFE: Millis = 3 * DAY;
/// Messages a robot may send in a minute (path/99110).
const ROBOT_PER_MINUTE: usize = 20;
/// Calls of one interface a company may make in a minute (path/90312).
const BASE_PER_MINUTE: usize = 10_000;

pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) state: Mutex<State>,
    /// Beside the state: every call is logged, and none waits for another's log.
    pub(crate) requests: Mutex<RequestLog>,
    pub(crate) events: broadcast::Sender<u64>,
    /// Whether there may be faults, so that calls need not look.
    troubled: AtomicBool,
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
    pub(crate) tokens: BTreeMap<String, Token>,
    pub(crate) media: HashMap<String, Media>,
    pub(crate) sent: VecDeque<Sent>,
    pub(crate) next_sent: u64,
    pub(crate) msgids: HashMap<String, u64>,
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

impl World {
    pub(crate) fn new(rules: Rules) -> Arc<Self> {
        let state = State::new(rules);
        Arc::new_cyclic(|world| Self {
            clock: Clock::default(),
            state: Mutex::new(state),
            requests: Mutex::default(),
            events: broadcast::channel(1024).0,
            troubled: AtomicBool::new(false),
            callbacks: Callbacks::new(world.clone()),
            origin: OnceLock::new(),
        })
    }

    /// Notes that faults were added.
    pub(crate) fn trouble_may_come(&self) {
        self.troubled.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_troubled(&self) -> bool {
        self.troubled.load(Ordering::Relaxed)
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
        if self.events.receiver_count() > 0 {
            // Nobody may be watching any more.
            let _nobody = self.events.send(number);
        }
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
            tokens: BTreeMap::new(),
            media: HashMap::new(),
            sent: VecDeque::new(),
            next_sent: 1,
            msgids: HashMap::new(),
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
