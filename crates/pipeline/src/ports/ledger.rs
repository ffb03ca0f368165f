//! The ledger: the database that is the truth.
//!
//! Everything that must survive a crash is one of these verbs. A message and its deliveries are admitted in one
//! transaction, together with the caller's idempotency and dedupe keys, so that no repeat slips between. A delivery is
//! claimed under a fence, a number that grows with every claim; settling names the fence, and a settlement under an
//! older one is stale and changes nothing. A lease is not a lock: it does not keep anybody from calling upstream, it
//! only decides whose outcome counts. Engines commit many verbs at once where they can; a verb returns only when it is
//! on disk.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{
    ApiKeyRecord, AttemptRecord, CallerId, Content, Delivery, DeliveryId, Lane, Message, MessageId, MessageState,
    Options, Outcome, Reason, Recipient, RecipientState, RequestHash, Standing, Timestamp,
};

/// All of the ledger.
pub trait Ledger: Admissions + Queue + Upkeep + Records + Keys {}
impl<T: Admissions + Queue + Upkeep + Records + Keys> Ledger for T {}

/// A submission that passed every check, ready to be made durable.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The message.
    pub message: Message,
    /// Its deliveries, in order of position.
    pub deliveries: Vec<Delivery>,
    /// The deliveries that are claimed by the same commit, because a dispatcher waits for them.
    pub born_leased: Vec<BornLeased>,
    /// The caller's idempotency key.
    pub idempotency: Option<Idempotency>,
    /// What makes a later submission a repeat of this one.
    pub dedupe: Option<DedupeEntry>,
}

/// A delivery that is claimed by the commit that accepts it.
#[derive(Clone, Copy, Debug)]
pub struct BornLeased {
    /// Its position in the admission, from 0.
    pub index: usize,
    /// As in [`Claim`].
    pub equal_since: Option<Timestamp>,
}

/// An idempotency key and the request it stands for.
#[derive(Clone, Debug)]
pub struct Idempotency {
    /// The caller's key.
    pub key: String,
    /// Hash over method, path and raw bytes.
    pub hash: RequestHash,
    /// Keys older than this have expired.
    pub not_before: Timestamp,
}

/// What makes a later submission a repeat.
#[derive(Clone, Debug)]
pub struct DedupeEntry {
    /// The caller's key, or the content's hash.
    pub key: String,
    /// Until when.
    pub until: Timestamp,
}

/// What became of an admission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is on disk.
    New {
        /// The leases of the deliveries that were born leased.
        leases: Vec<Lease>,
    },
    /// The same request was admitted before under the same idempotency key.
    Replayed {
        /// That message.
        id: MessageId,
        /// When it was accepted.
        accepted_at: Timestamp,
        /// What it repeated, if it did.
        duplicate_of: Option<MessageId>,
    },
    /// It is recorded as a repeat of another message and will not be sent.
    Duplicate {
        /// The first message.
        of: MessageId,
    },
    /// The idempotency key stands for another request. Nothing was stored.
    KeyReused,
}

/// The right to settle a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Grows with every claim.
    pub fence: i64,
    /// Whether the request may carry the upstream's duplicate check: not if an equal one went out lately.
    pub duplicate_check: bool,
}

/// A request for work.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Where.
    pub lane: Lane,
    /// How much at most.
    pub limit: usize,
    /// What is due by then.
    pub now: Timestamp,
    /// Bulk before urgent, so that bulk is never starved.
    pub lowest_first: bool,
    /// The caller that was served last: those after it come first.
    pub served: Option<CallerId>,
    /// Requests equal to one attempted at or after this time must not carry the duplicate check; `None` where the upstream
    /// has no such check.
    pub equal_since: Option<Timestamp>,
}

/// What a claim found.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    /// What is to be tried now.
    pub claimed: Vec<Claimed>,
    /// When the next delivery is due: now, if there may be more than there was room for.
    pub next_due: Option<Timestamp>,
}

/// A delivery to be tried.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The delivery.
    pub delivery: Delivery,
    /// Whose it is.
    pub caller: CallerId,
    /// The right to settle it.
    pub lease: Lease,
    /// What happened to it before.
    pub standing: Standing,
    /// What the message says; `None` if what is stored cannot be read.
    pub content: Option<Content>,
    /// How it is to be sent.
    pub options: Options,
    /// The request body of the first attempt, once there was one that is to be repeated.
    pub frozen: Option<Bytes>,
    /// The request body as it was rendered for accepting, with the duplicate check, if it is still at hand.
    pub rendered: Option<Bytes>,
    /// Whether the message has no other delivery.
    pub sole: bool,
}

/// What became of a claimed delivery.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// The right to settle it.
    pub lease: Lease,
    /// Where it was tried.
    pub lane: Lane,
    /// The attempt, unless none was made.
    pub attempt: Option<AttemptRecord>,
    /// What follows.
    pub outcome: Outcome,
    /// The request body, to be repeated byte for byte if there is a next attempt.
    pub frozen: Option<Bytes>,
    /// Whether the message has no other delivery.
    pub sole: bool,
    /// Whether the lane has a quota whose window is rebuilt from attempts.
    pub metered: bool,
    /// When.
    pub now: Timestamp,
}

/// What the ledger says to a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is on disk.
    Recorded {
        /// Somebody asked meanwhile for the message to be recalled.
        recall_wanted: bool,
    },
    /// Another claim came after this one: nothing was changed.
    Stale,
}

/// A delivered message that somebody wants recalled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingRecall {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Where it went out.
    pub lane: Lane,
    /// The upstream's name for it.
    pub handle: Option<String>,
    /// Whether the handle comes from a re-send that may have been swallowed.
    pub unconfirmed: bool,
    /// When it was delivered.
    pub settled_at: Option<Timestamp>,
}

/// A delivery with all that happened to it.
#[derive(Clone, Debug)]
pub struct DeliveryRecord {
    /// The delivery.
    pub delivery: Delivery,
    /// The state of its recipients without one of their own.
    pub state: RecipientState,
    /// What happened so far.
    pub standing: Standing,
    /// The upstream's name for it.
    pub handle: Option<String>,
    /// Whether handle and refusals come from a re-send that may have been swallowed.
    pub unconfirmed: bool,
    /// Why it is not delivered.
    pub reason: Option<Reason>,
    /// When it was settled for good.
    pub settled_at: Option<Timestamp>,
    /// Recipients with a state of their own.
    pub exceptions: Vec<(Recipient, RecipientState, Option<Reason>)>,
    /// Its attempts in order.
    pub attempts: Vec<AttemptRecord>,
}

/// A message with all that happened to it.
#[derive(Clone, Debug)]
pub struct MessageRecord {
    /// The message.
    pub message: Message,
    /// What became of it.
    pub state: MessageState,
    /// Its deliveries in order.
    pub deliveries: Vec<DeliveryRecord>,
}

/// A message in a list.
#[derive(Clone, Debug)]
pub struct MessageSummary {
    /// The message.
    pub message: Message,
    /// What became of it.
    pub state: MessageState,
}

/// Which messages to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct MessageFilter {
    /// Whose; `None` means everybody's.
    pub caller: Option<CallerId>,
    /// In this state.
    pub state: Option<MessageState>,
    /// With this tag.
    pub tag: Option<String>,
    /// For this recipient.
    pub recipient: Option<Recipient>,
    /// Accepted at or after.
    pub since: Option<Timestamp>,
    /// Older than this message.
    pub before: Option<MessageId>,
    /// At most so many.
    pub limit: usize,
}

/// What became of a wish to cancel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CancelAnswer {
    /// So many deliveries will not be sent.
    Cancelled(usize),
    /// Nothing was waiting any more; this is the message's state.
    TooLate(MessageState),
    /// There is no such message of this caller.
    Unknown,
}

/// What became of a wish to try again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetryAnswer {
    /// So many deliveries are due again, on these lanes.
    Requeued(Vec<Lane>),
    /// Nothing had failed; this is the message's state.
    NothingFailed(MessageState),
    /// There is no such message of this caller.
    Unknown,
}

/// The ledger could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[error("the ledger could not {operation}: {kind}")]
pub struct LedgerError {
    /// What was attempted.
    pub operation: &'static str,
    /// What kind of trouble it is.
    pub kind: LedgerErrorKind,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What kind of trouble the ledger is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerErrorKind {
    /// Locked, full, stopped or away: later it may work.
    Unavailable,
    /// The disk is full.
    Full,
    /// What is stored cannot be read.
    Corrupt,
}

impl fmt::Display for LedgerErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unavailable => "it is not available now",
            Self::Full => "the disk is full",
            Self::Corrupt => "what is stored cannot be read",
        })
    }
}

/// Taking messages in.
#[async_trait]
pub trait Admissions: Send + Sync {
    /// Makes submissions durable, each on its own: one never fails another.
    ///
    /// # Errors
    /// [`LedgerError`] if none of them could be stored.
    async fn accept(&self, admissions: Vec<Arc<Admission>>) -> Result<Vec<Accepted>, LedgerError>;

    /// Looks up what an idempotency key stands for, if it is known: [`Accepted::Replayed`] or [`Accepted::KeyReused`].
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn known_key(&self, caller: &CallerId, idempotency: &Idempotency) -> Result<Option<Accepted>, LedgerError>;
}

/// Giving deliveries out and taking outcomes back.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Claims what is due on a lane, in order of priority, in turns between callers, in order of due time.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was claimed.
    async fn claim(&self, claim: Claim) -> Result<Claims, LedgerError>;

    /// Records an attempt and its outcome.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was recorded.
    async fn settle(&self, settlement: Arc<Settlement>) -> Result<Settled, LedgerError>;

    /// Gives back what is claimed and was not settled: for a graceful stop.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was given back; the leases end with this process anyway.
    async fn release(&self, now: Timestamp) -> Result<usize, LedgerError>;

    /// Returns every lane on which something waits, and when its first delivery is due.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn waiting_lanes(&self) -> Result<Vec<(Lane, Timestamp)>, LedgerError>;

    /// Returns when calls on a metered lane ended, at or after `since`.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn recent_calls(&self, lane: &Lane, since: Timestamp) -> Result<Vec<Timestamp>, LedgerError>;
}

/// Keeping the ledger in order: each verb a small step, so that none keeps the others waiting.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Settles as expired what waits beyond its time, and as recalled what waits although it is wanted back; returns how
    /// many, at most `limit` of each.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was settled.
    async fn settle_overdue(&self, now: Timestamp, limit: usize) -> Result<usize, LedgerError>;

    /// Forgets idempotency and dedupe keys that have expired; returns how many, at most `limit` of each.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was forgotten.
    async fn forget_expired_keys(
        &self,
        idempotency_before: Timestamp,
        now: Timestamp,
        limit: usize,
    ) -> Result<usize, LedgerError>;

    /// Forgets requests that went out before a time; returns how many, at most `limit`.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was forgotten.
    async fn forget_requests(&self, before: Timestamp, limit: usize) -> Result<usize, LedgerError>;

    /// Makes messages accepted before a time quick to find by recipient and tag; returns how many, at most `limit`.
    ///
    /// # Errors
    /// [`LedgerError`] if none were.
    async fn index_messages(&self, before: Timestamp, limit: usize) -> Result<usize, LedgerError>;

    /// Forgets messages accepted before a time, with all that happened to them, if nothing of them is open; returns how
    /// many, at most `limit`.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was forgotten.
    async fn forget_messages(&self, before: Timestamp, limit: usize) -> Result<usize, LedgerError>;

    /// Closes it in order: all of it is in its place then, and every later verb fails.
    async fn close(&self);

    /// Looks for damage; says what it found.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not look.
    async fn find_damage(&self) -> Result<Option<String>, LedgerError>;
}

/// Reading and changing what was accepted. Each verb takes the caller, so that none sees another's.
#[async_trait]
pub trait Records: Send + Sync {
    /// Returns a message with all that happened to it.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn message(&self, id: MessageId, caller: Option<&CallerId>) -> Result<Option<MessageRecord>, LedgerError>;

    /// Lists messages, newest first.
    ///
    /// # Errors
    /// [`LedgerError`] if they could not be read.
    async fn list(&self, filter: MessageFilter) -> Result<Vec<MessageSummary>, LedgerError>;

    /// Withdraws what has not been tried.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was changed.
    async fn cancel(
        &self,
        id: MessageId,
        caller: Option<&CallerId>,
        now: Timestamp,
    ) -> Result<CancelAnswer, LedgerError>;

    /// Makes due again what failed or is uncertain, also single recipients that were refused.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was changed.
    async fn retry(
        &self,
        id: MessageId,
        caller: Option<&CallerId>,
        now: Timestamp,
        give_up_at: Timestamp,
    ) -> Result<RetryAnswer, LedgerError>;

    /// Withdraws what waits as recalled, and marks the rest as wanted back; `false` if there is no such message.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was changed.
    async fn want_recall(&self, id: MessageId, caller: Option<&CallerId>, now: Timestamp) -> Result<bool, LedgerError>;

    /// Returns delivered deliveries that are wanted back: of one message, or the oldest of all.
    ///
    /// # Errors
    /// [`LedgerError`] if they could not be read.
    async fn pending_recalls(&self, of: Option<MessageId>, limit: usize) -> Result<Vec<PendingRecall>, LedgerError>;

    /// Records what became of a recall; `state` is the recipients' state from now on, if it changed.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was recorded.
    async fn recall_ended(
        &self,
        delivery: DeliveryId,
        state: Option<RecipientState>,
        reason: Option<Reason>,
    ) -> Result<(), LedgerError>;
}

/// Keeping API keys.
#[async_trait]
pub trait Keys: Send + Sync {
    /// Returns every key.
    ///
    /// # Errors
    /// [`LedgerError`] if they could not be read.
    async fn keys(&self) -> Result<Vec<ApiKeyRecord>, LedgerError>;

    /// Notes when a key was last used, and nothing else.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not noted.
    async fn note_key_use(&self, hash: &str, at: Timestamp) -> Result<(), LedgerError>;

    /// Keeps a key, or replaces the one with the same hash.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not kept.
    async fn put_key(&self, key: ApiKeyRecord) -> Result<(), LedgerError>;
}
