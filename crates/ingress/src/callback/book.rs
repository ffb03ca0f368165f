//! The callbacks and their keys: from the configuration, and those that were set while the gateway runs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::{Content, Timestamp};
use parking_lot::RwLock;
use pipeline::FeedbackConfig;
use pipeline::ports::{CallbackKeys, Callbacks, LedgerError};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use wecom::Secret;
use wecom::callback::{Crypto, EncodingAesKey, Query, Receiver, Refusal};
use wecom::smart_robot;

use super::attempts::Attempts;
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
    /// A smart robot, by URL.
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
    /// What follows.
    pub feedback: FeedbackConfig,
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
    /// By name: pairs that were set, the newest first, each with the time until which it is taken.
    set: RwLock<BTreeMap<String, Vec<(KeyPair, Option<Timestamp>)>>>,
    attempts: Attempts,
    /// Wakes whoever acts on what was heard.
    pub(super) heard: Arc<Notify>,
}

impl fmt::Debug for CallbackBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.configured.keys()).finish()
    }
}

impl CallbackBook {
    /// Collects the configured callbacks; `heard` is signalled with everything that is kept.
    pub fn new(configured: BTreeMap<String, CallbackConfig>, heard: Arc<Notify>) -> Self {
        Self { configured, set: RwLock::default(), attempts: Attempts::default(), heard }
    }

    /// Reads the keys that were set in earlier runs.
    ///
    /// # Errors
    /// [`LedgerError`] if they could not be read.
    pub async fn load(&self, ledger: &(impl Callbacks + ?Sized)) -> Result<(), LedgerError> {
        for CallbackKeys { callback, body, set_at } in ledger.callback_keys().await? {
            let Ok(StoredKeys { pairs }) = serde_json::from_str(&body) else { continue };
            let until = set_at + super::OLD_KEYS_FOR;
            let pairs = pairs.into_iter().enumerate().map(|(i, (token, aes_key))| {
                let pair = KeyPair { token: token.into(), aes_key: aes_key.into() };
                (pair, (i > 0).then_some(until))
            });
            self.set.write().insert(callback, pairs.collect());
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
        let before = self.set.read().get(name).and_then(|pairs| pairs.first().cloned()).map(|(pair, _)| pair);
        let before = before.or_else(|| self.configured.get(name)?.keys.first().cloned());
        let pairs: Vec<KeyPair> = std::iter::once(pair).chain(before).collect();
        let exposed = |pair: &KeyPair| (pair.token.expose().to_owned(), pair.aes_key.expose().to_owned());
        let body =
            serde_json::to_string(&StoredKeys { pairs: pairs.iter().map(exposed).collect() }).unwrap_or_default();
        ledger.put_callback_keys(CallbackKeys { callback: name.to_owned(), body, set_at: now }).await?;
        let until = now + super::OLD_KEYS_FOR;
        let live = pairs.into_iter().enumerate().map(|(i, pair)| (pair, (i > 0).then_some(until)));
        self.set.write().insert(name.to_owned(), live.collect());
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
        let live = set.into_iter().filter(|(_, until)| until.is_none_or(|until| now < until)).map(|(pair, _)| pair);
        let pairs = live.chain(config.keys.iter().cloned());
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
