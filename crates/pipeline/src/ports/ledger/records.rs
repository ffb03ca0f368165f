//! Reading and changing what was accepted.

use async_trait::async_trait;
use domain::{
    AttemptRecord, CallerId, Delivery, DeliveryId, Lane, Message, MessageId, MessageState, Reason, Recipient,
    RecipientState, Standing, Timestamp,
};

use super::LedgerError;

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
    /// The digest that it was merged into; itself, if it is one.
    pub digest_of: Option<DeliveryId>,
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
    /// With a dead letter that nothing was sent in place of.
    pub dead: bool,
    /// With this tag.
    pub tag: Option<String>,
    /// For this recipient.
    pub recipient: Option<Recipient>,
    /// Accepted at or after.
    pub since: Option<Timestamp>,
    /// Accepted before.
    pub until: Option<Timestamp>,
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

/// What became of an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledged {
    /// It is on disk, since this time.
    Since(Timestamp),
    /// There is no such message of this caller.
    Unknown,
}

/// A message that nobody acknowledged in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueEscalation {
    /// The message.
    pub message: MessageId,
    /// Which of its route's escalations is due, from 0.
    pub level: u8,
}

/// How deliveries ended within an hour on a lane.
#[derive(Clone, Debug, PartialEq)]
pub struct StatRow {
    /// When the hour began.
    pub hour: Timestamp,
    /// Where.
    pub lane: Lane,
    /// By which route.
    pub route: Option<String>,
    /// Made by which template.
    pub template: Option<String>,
    /// How they ended.
    pub state: RecipientState,
    /// The code of the reason.
    pub code: Option<String>,
    /// How many.
    pub deliveries: u64,
    /// For how many recipients.
    pub recipients: u64,
    /// From accepting to the end, in milliseconds, on average.
    pub mean_millis: f64,
    /// The longest of them.
    pub most_millis: f64,
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
        due_at: Timestamp,
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

    /// Notes that somebody has seen a message and acts on it: it is escalated no further.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not noted.
    async fn acknowledge(
        &self,
        id: MessageId,
        caller: Option<&CallerId>,
        now: Timestamp,
    ) -> Result<Acknowledged, LedgerError>;

    /// Returns messages that nobody has acknowledged in time.
    ///
    /// # Errors
    /// [`LedgerError`] if they could not be read.
    async fn due_escalations(&self, now: Timestamp, limit: usize) -> Result<Vec<DueEscalation>, LedgerError>;

    /// Escalates a message: adds deliveries, to which it gives ids, and remembers when the next escalation is due.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was changed.
    async fn escalate(
        &self,
        due: DueEscalation,
        deliveries: Vec<Delivery>,
        next_at: Option<Timestamp>,
    ) -> Result<(), LedgerError>;

    /// Counts how deliveries ended, by hour, lane, route, end and reason.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn stats(
        &self,
        caller: Option<&CallerId>,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<StatRow>, LedgerError>;

    /// Forgets who a recipient was: its name in every message that has ended, and what was said to nobody else. Returns
    /// of how many messages, at most `limit`; more may be left.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was changed.
    async fn erase(&self, recipient: &Recipient, limit: usize) -> Result<usize, LedgerError>;
}
