//! The outbox of webhooks: what business systems are to be told, in order, until they have taken it.

use async_trait::async_trait;
use domain::{MessageId, MessageState, Timestamp};

use super::LedgerError;

/// What a business system is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// What became of a message; `None`: somebody acknowledged it.
    Message(MessageId, Option<MessageState>),
    /// A JSON object, as it is posted, under a topic: `callback`, `card`.
    Object {
        /// What it is about.
        topic: String,
        /// Events of one key are posted one after another.
        key: String,
        /// JSON.
        body: String,
    },
}

/// An event that waits to be posted.
#[derive(Clone, Debug, PartialEq)]
pub struct WebhookEvent {
    /// Counted; later events have greater ones.
    pub id: i64,
    /// The configured name of who is told.
    pub target: String,
    /// When it happened.
    pub at: Timestamp,
    /// How often it was tried.
    pub tries: u16,
    /// What happened; `None` if what is stored cannot be read.
    pub told: Option<Told>,
}

/// What became of a try to post an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Posted {
    /// It was taken: it is forgotten.
    Taken,
    /// It is tried again.
    Again {
        /// When.
        at: Timestamp,
        /// Why.
        error: String,
    },
    /// It is given up; those after it go on.
    Dead {
        /// Why.
        error: String,
    },
}

/// How much waits for a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookBacklog {
    /// The configured name.
    pub target: String,
    /// How many events wait.
    pub waiting: u64,
    /// How many were given up.
    pub dead: u64,
    /// When the oldest that waits happened.
    pub oldest: Option<Timestamp>,
    /// Why the last try failed, while something waits.
    pub error: Option<String>,
}

/// Keeping what is to be posted.
#[async_trait]
pub trait Webhooks: Send + Sync {
    /// Keeps an event for a target.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not kept.
    async fn tell(&self, target: &str, topic: &str, key: &str, body: String, at: Timestamp) -> Result<(), LedgerError>;

    /// Returns events of a target that are due, of each key only the first that waits.
    ///
    /// # Errors
    /// [`LedgerError`] if they could not be read.
    async fn due_events(&self, target: &str, now: Timestamp, limit: usize) -> Result<Vec<WebhookEvent>, LedgerError>;

    /// Records what became of events.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was recorded: they will be posted again.
    async fn events_posted(&self, posted: Vec<(i64, Posted)>) -> Result<(), LedgerError>;

    /// Returns how much waits for each target.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn webhook_backlog(&self) -> Result<Vec<WebhookBacklog>, LedgerError>;

    /// Makes due again what was given up for a target; returns how many.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was changed.
    async fn retry_dead_events(&self, target: &str, now: Timestamp) -> Result<usize, LedgerError>;

    /// Forgets what was given up before a time; returns how many, at most `limit`.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was forgotten.
    async fn forget_events(&self, before: Timestamp, limit: usize) -> Result<usize, LedgerError>;
}
