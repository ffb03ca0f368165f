//! The callbacks and their keys: from the configuration, and those that were set while the gateway runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use domain::{Content, Timestamp};
use parking_lot::RwLock;
use pipeline::FeedbackConfig;
use pipeline::ports::{CallbackKeys, Callbacks, LedgerError};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use wecom::Secret;
use wecom::callback::{Crypto, EncodingAesKey, Query, Receiver, Refusal};
use wecom::fetch::Reach;
use wecom::smart_robot;

use super::attempts::Attempts;
use super::line::{ConnectionState, Line};
use super::reply;
use super::translate::Opened;

/// What calls back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallbackKind {
    /// An application.
    #[default]
    App,
    /// Contact sync.
    Contacts,
    /// A smart robot, by URL or over its long connection.
    SmartRobot,
}

impl CallbackKind {
    /// Returns the name used in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Contacts => "contacts",
            Self::SmartRobot => "smart_robot",
        }
    }
}

/// A callback, as it is configured.
#[derive(Clone, Debug, Default)]
pub struct CallbackConfig {
    /// What calls back.
    pub kind: CallbackKind,
    /// The application that it is about.
    pub app: Option<String>,
    /// The company, for whom messages must be; empty for smart robots.
    pub receive_id: String,
    /// Token and key; those before them are taken, too.
    pub keys: Vec<KeyPair>,
    /// A smart robot's own, in place of keys: it is told over its long connection.
    pub robot: Option<RobotLogin>,
    /// What follows.
    pub feedback: FeedbackConfig,
}

/// A smart robot's `BotID` and Secret, as its page shows them.
#[derive(Clone, Debug)]
pub struct RobotLogin {
    /// The `BotID`.
    pub bot_id: String,
    /// The Secret.
    pub secret: Secret,
}

/// A Token and an `EncodingAESKey`, as WeCom's console shows them.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// The Token.
    pub token: Secret,
    /// The key.
    pub aes_key: Secret,
}

/// Keys set while the gateway runs, as they are sealed.
#[derive(Serialize, Deserialize)]
struct StoredKeys {
    pairs: Vec<(String, String)>,
    /// What was configured when these were set: taken no longer than those before.
    #[serde(default)]
    replaced: Vec<(String, String)>,
}

/// Keys set while the gateway runs.
#[derive(Clone, Default)]
struct SetKeys {
    /// The newest first, each with the time until which it is taken.
    pairs: Vec<(KeyPair, Option<Timestamp>)>,
    /// Configured pairs in whose place they are.
    replaced: Vec<KeyPair>,
}

impl StoredKeys {
    fn live(self, set_at: Timestamp) -> SetKeys {
        let pair = |(token, aes_key): (String, String)| KeyPair { token: token.into(), aes_key: aes_key.into() };
        let until = set_at + super::OLD_KEYS_FOR;
        let pairs = self.pairs.into_iter().enumerate().map(|(i, texts)| (pair(texts), (i > 0).then_some(until)));
        SetKeys { pairs: pairs.collect(), replaced: self.replaced.into_iter().map(pair).collect() }
    }
}

impl KeyPair {
    fn exposed(&self) -> (String, String) {
        (self.token.expose().to_owned(), self.aes_key.expose().to_owned())
    }

    fn is(&self, other: &Self) -> bool {
        self.token.expose() == other.token.expose() && self.aes_key.expose() == other.aes_key.expose()
    }
}

/// Opens and seals with one pair of keys.
#[derive(Clone, Debug)]
pub enum LiveKeys {
    /// XML, for a company.
    Xml(Receiver),
    /// JSON, for a smart robot.
    Robot(smart_robot::Receiver),
}

/// All callbacks.
pub struct CallbackBook {
    configured: BTreeMap<String, CallbackConfig>,
    /// By name.
    set: RwLock<BTreeMap<String, SetKeys>>,
    attempts: Attempts,
    /// The connections of the smart robots that have one, by name.
    pub(super) lines: BTreeMap<String, Line>,
    /// Where files of smart robots may lie.
    pub(super) reach: Reach,
    /// Wakes whoever acts on what was heard.
    pub(super) heard: Arc<Notify>,
}

impl fmt::Debug for CallbackBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.configured.keys()).finish()
    }
}

impl CallbackBook {
    /// Collects the configured callbacks; `heard` is signalled with everything that is kept, `reach` says where files that
    /// members send to smart robots may lie.
    pub fn new(configured: BTreeMap<String, CallbackConfig>, heard: Arc<Notify>, reach: Reach) -> Self {
        let connected = configured.iter().filter(|(_, config)| config.robot.is_some());
        let lines = connected.map(|(name, _)| (name.clone(), Line::default())).collect();
        Self { configured, set: RwLock::default(), attempts: Attempts::default(), lines, reach, heard }
    }

    /// Returns how the connection of a smart robot is; `None` for a callback without one.
    pub fn connection(&self, name: &str) -> Option<ConnectionState> {
        Some(self.lines.get(name)?.state())
    }

    /// Reads the keys that were set in earlier runs.
    ///
    /// # Errors
    /// [`LedgerError`] if they could not be read.
    pub async fn load(&self, ledger: &(impl Callbacks + ?Sized)) -> Result<(), LedgerError> {
        for CallbackKeys { callback, body, set_at } in ledger.callback_keys().await? {
            let Ok(stored) = serde_json::from_str::<StoredKeys>(&body) else { continue };
            self.set.write().insert(callback, stored.live(set_at));
        }
        Ok(())
    }

    /// Sets a callback's keys: they are live at once, and those before them for another day.
    ///
    /// # Errors
    /// [`LedgerError`] if they could not be kept; nothing has changed.
    pub async fn set(
        &self,
        ledger: &(impl Callbacks + ?Sized),
        name: &str,
        pair: KeyPair,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let earlier = self.set.read().get(name).cloned().unwrap_or_default();
        let configured = self.configured.get(name).map(|config| config.keys.clone()).unwrap_or_default();
        // The same keys set again take nobody's place: those before them are still those before.
        let mut live = earlier.pairs.into_iter().filter(|(_, until)| until.is_none_or(|until| now < until));
        let newest = live.find(|(set, _)| !set.is(&pair)).map(|(set, _)| set);
        let is_taken = |one: &&KeyPair| !one.is(&pair) && !earlier.replaced.iter().any(|replaced| replaced.is(one));
        let before: Vec<KeyPair> = newest.into_iter().chain(configured.iter().filter(is_taken).cloned()).collect();
        let replaced: BTreeSet<_> = earlier.replaced.iter().chain(&configured).map(KeyPair::exposed).collect();
        let stored = StoredKeys {
            pairs: std::iter::once(pair).chain(before).map(|pair| pair.exposed()).collect(),
            replaced: replaced.into_iter().collect(),
        };
        let body = serde_json::to_string(&stored).unwrap_or_default();
        ledger.put_callback_keys(CallbackKeys { callback: name.to_owned(), body, set_at: now }).await?;
        self.set.write().insert(name.to_owned(), stored.live(now));
        Ok(())
    }

    /// Returns the names of the configured callbacks.
    pub fn names(&self) -> Vec<String> {
        self.configured.keys().cloned().collect()
    }

    /// Returns a callback's configuration.
    pub fn config(&self, name: &str) -> Option<CallbackConfig> {
        self.configured.get(name).cloned()
    }

    /// Returns the last attempts.
    pub fn attempts(&self) -> &Attempts {
        &self.attempts
    }

    /// Tells whether a callback has keys that were set while the gateway ran, and whether it has any.
    pub fn has_keys(&self, name: &str) -> (bool, bool) {
        let set = self.set.read().contains_key(name);
        (set, set || self.configured.get(name).is_some_and(|config| !config.keys.is_empty()))
    }

    /// Returns every pair of keys that a callback takes now; one that cannot be used is in the log at the start.
    pub(super) fn keys(&self, name: &str, now: Timestamp) -> Vec<LiveKeys> {
        let Some(config) = self.configured.get(name) else { return Vec::new() };
        let set = self.set.read().get(name).cloned().unwrap_or_default();
        let live = set.pairs.into_iter().filter(|(_, until)| until.is_none_or(|until| now < until));
        // What was replaced stays so, though it is still configured; what was configured since is taken.
        let configured = config.keys.iter().filter(|pair| !set.replaced.iter().any(|replaced| replaced.is(pair)));
        let pairs = live.map(|(pair, _)| pair).chain(configured.cloned());
        pairs.filter_map(|pair| LiveKeys::new(config.kind, &config.receive_id, &pair).ok()).collect()
    }
}

impl LiveKeys {
    /// Makes keys ready.
    ///
    /// # Errors
    /// [`Refusal::Key`] if the key is not one.
    pub fn new(kind: CallbackKind, receive_id: &str, pair: &KeyPair) -> Result<Self, Refusal> {
        let key = EncodingAesKey::parse(pair.aes_key.expose())?;
        Ok(match kind {
            CallbackKind::App | CallbackKind::Contacts => {
                Self::Xml(Receiver::new(Crypto::new(pair.token.clone(), key, receive_id)))
            }
            CallbackKind::SmartRobot => Self::Robot(smart_robot::Receiver::new(pair.token.clone(), key)),
        })
    }

    pub(super) fn verify(&self, query: &Query) -> Result<String, Refusal> {
        match self {
            Self::Xml(receiver) => receiver.verify(query),
            Self::Robot(receiver) => receiver.verify(query),
        }
    }

    pub(super) fn open(&self, query: &Query, body: &[u8]) -> Result<Opened, Refusal> {
        match self {
            Self::Xml(receiver) => receiver.receive(query, body).map(|callback| Opened::Xml(Box::new(callback))),
            Self::Robot(receiver) => receiver.receive(query, body).map(|callback| Opened::Robot(Box::new(callback))),
        }
    }

    /// The answer: a sealed reply, or nothing to say.
    pub(super) fn seal(&self, query: &Query, opened: &Opened, reply: Option<&Content>) -> Response {
        match (self, opened) {
            (Self::Xml(receiver), Opened::Xml(callback)) => match reply.and_then(reply::passive) {
                Some(passive) => {
                    let body = receiver.reply(callback, &passive);
                    ([(header::CONTENT_TYPE, "application/xml; charset=utf-8")], body).into_response()
                }
                None => StatusCode::OK.into_response(),
            },
            (Self::Robot(receiver), Opened::Robot(callback)) => {
                match reply.and_then(|reply| reply::of_robot(reply, callback)) {
                    Some(reply) => {
                        let body = receiver.reply(query, &reply);
                        ([(header::CONTENT_TYPE, "application/json; charset=utf-8")], body).into_response()
                    }
                    None => StatusCode::OK.into_response(),
                }
            }
            _ => StatusCode::OK.into_response(),
        }
    }
}
