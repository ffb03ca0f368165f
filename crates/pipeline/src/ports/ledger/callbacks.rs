//! What people do: kept before it is answered, acted on once, in the order of each who did it.

use async_trait::async_trait;
use domain::{Content, Heard, MessageId, Timestamp};

use super::LedgerError;

/// What became of something that was heard.
#[derive(Clone, Debug, PartialEq)]
pub enum HeardAnswer {
    /// It is on disk, for the first time.
    New,
    /// It was heard before: this was answered.
    Repeat(Option<Content>),
}

/// Something that was heard and not acted on yet.
#[derive(Clone, Debug, PartialEq)]
pub struct HeardRecord {
    /// Counted.
    pub id: i64,
    /// What it was; `None` if what is stored cannot be read.
    pub heard: Option<Heard>,
}

/// A word for a webhook, or for a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The configured webhook, or `card:APP`.
    pub target: String,
    /// What it is about.
    pub topic: String,
    /// Words of one key go out one after another.
    pub key: String,
    /// JSON.
    pub body: String,
}

/// Who did what with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedbackRecord {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// `press`, `acknowledge`, `card_updated`.
    pub action: String,
    /// Of which button.
    pub key: String,
}

/// What follows something that was heard.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// What is told.
    pub words: Vec<Word>,
    /// What is noted on messages.
    pub feedback: Vec<(MessageId, FeedbackRecord)>,
    /// What is acknowledged.
    pub acknowledged: Vec<MessageId>,
}

/// Keys of a callback that were set while the gateway ran. They cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct CallbackKeys {
    /// The callback's name.
    pub callback: String,
    /// JSON, as the way in writes it.
    pub body: String,
    /// When they were set.
    pub set_at: Timestamp,
}

impl std::fmt::Debug for CallbackKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallbackKeys").field("callback", &self.callback).finish_non_exhaustive()
    }
}

/// Keeping what people do.
#[async_trait]
pub trait Callbacks: Send + Sync {
    /// Keeps something that was heard, with what is answered; tells a repeat, and what was answered then.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not kept: it must not be acknowledged.
    async fn hear(&self, heard: Heard, reply: Option<Content>) -> Result<HeardAnswer, LedgerError>;

    /// Returns what was not acted on yet: of each who did something the first.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn unhandled(&self, limit: usize) -> Result<Vec<HeardRecord>, LedgerError>;

    /// Finds something that was heard, by its number.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn heard(&self, id: i64) -> Result<Option<HeardRecord>, LedgerError>;

    /// Records what follows something, all of it or none; what was acted on already changes nothing.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was changed.
    async fn handled(&self, id: i64, effects: Effects, now: Timestamp) -> Result<(), LedgerError>;

    /// Records what follows an answer to something that was acted on.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was changed.
    async fn follow(&self, effects: Effects, now: Timestamp) -> Result<(), LedgerError>;

    /// Finds the messages that a card's id is of, the newest first.
    ///
    /// # Errors
    /// [`LedgerError`] if they could not be read.
    async fn messages_of_card(&self, task_id: &str) -> Result<Vec<MessageId>, LedgerError>;

    /// Returns who did what with a message, in the order of time.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn feedback(&self, message: MessageId) -> Result<Vec<FeedbackRecord>, LedgerError>;

    /// Forgets what was heard before a time and acted on; returns how much, at most `limit`.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was forgotten.
    async fn forget_heard(&self, before: Timestamp, limit: usize) -> Result<usize, LedgerError>;

    /// Returns the keys that were set while the gateway ran.
    ///
    /// # Errors
    /// [`LedgerError`] if they could not be read.
    async fn callback_keys(&self) -> Result<Vec<CallbackKeys>, LedgerError>;

    /// Keeps keys, in place of those before.
    ///
    /// # Errors
    /// [`LedgerError`] if they were not kept.
    async fn put_callback_keys(&self, keys: CallbackKeys) -> Result<(), LedgerError>;
}
