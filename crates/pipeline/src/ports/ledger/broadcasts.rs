//! Broadcasts: one message for a list, handed in group by group; and where each of them stands.

use std::time::Duration;

use async_trait::async_trait;
use domain::{
    BroadcastId, BroadcastRow, BroadcastState, CallerId, Grant, MessageId, MessageState, RequestHash, Timestamp,
};

use super::LedgerError;

/// A broadcast, as its caller gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broadcast {
    /// Its name for programs.
    pub id: BroadcastId,
    /// Its name for people; may be empty.
    pub name: String,
    /// Whose it is, and what it may do: what the key allowed that it was begun with.
    pub grant: Grant,
    /// What is sent, as its caller wrote it: a submission without recipients; `None` if it cannot be opened any more.
    pub body: Option<String>,
    /// What tiers are called, in their order.
    pub tiers: Vec<String>,
    /// How long it is waited after a group.
    pub pace: Duration,
    /// The key under which it was begun, and the hash of that request.
    pub idempotency: Option<(String, RequestHash)>,
    /// When it was begun.
    pub created_at: Timestamp,
}

/// A broadcast, as it is kept, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BroadcastRecord {
    /// The broadcast.
    pub broadcast: Broadcast,
    /// Where it stands.
    pub state: BroadcastState,
    /// How many groups there are.
    pub groups: u32,
    /// How many of them were handed in.
    pub done: u32,
    /// When the next is handed in; `None` if it rests, or there is none.
    pub due_at: Option<Timestamp>,
    /// When it was done, or cancelled.
    pub ended_at: Option<Timestamp>,
    /// What keeps it from going on.
    pub held_by: Option<String>,
}

/// A group that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueGroup {
    /// The broadcast.
    pub record: BroadcastRecord,
    /// Those rows of the group that were not handed in, by position; `None` in the place of one that cannot be opened.
    pub rows: Vec<(u32, Option<BroadcastRow>)>,
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowResult {
    /// A message carries it.
    Message(MessageId),
    /// It could not be handed in, and why.
    Refused(String),
}

/// A row, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowRecord {
    /// Its position, from 1.
    pub position: u32,
    /// Where it stands in its caller's list.
    pub line: u32,
    /// Which tier it belongs to, from 0.
    pub tier: u16,
    /// What became of it; `None` as long as it waits, and if it was cancelled.
    pub result: Option<RowResult>,
    /// The state of its message, if that is still kept.
    pub state: Option<MessageState>,
}

/// How many rows of a tier are at what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierCount {
    /// Which tier, from 0.
    pub tier: u16,
    /// Whether it was handed in, refused, or neither.
    pub stage: RowStage,
    /// How many.
    pub rows: u64,
}

/// What a row has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowStage {
    /// Not handed in.
    Waiting,
    /// Handed in; its message has this state, or is no longer kept.
    Message(Option<MessageState>),
    /// Not taken.
    Refused,
}

/// How a group ended, and what comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDone {
    /// Which broadcast.
    pub id: BroadcastId,
    /// Which group, from 0.
    pub group: u32,
    /// What became of its rows, by position.
    pub rows: Vec<(u32, RowResult)>,
    /// When the next is handed in.
    pub next_at: Timestamp,
    /// Now.
    pub now: Timestamp,
}

/// A group that was handed in in part, or not at all, and waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPutOff {
    /// Which broadcast.
    pub id: BroadcastId,
    /// What became of those of its rows that need not wait.
    pub rows: Vec<(u32, RowResult)>,
    /// Until when.
    pub until: Timestamp,
    /// What keeps it from going on.
    pub why: String,
}

/// Keeping broadcasts.
#[async_trait]
pub trait Broadcasts: Send + Sync {
    /// Keeps a broadcast with its rows, some at a time: nothing of it is seen before all are there. Rows that come with a
    /// reason are refused from the start. Returns the broadcast that its idempotency key stood for before, and the hash.
    ///
    /// # Errors
    /// [`LedgerError`]; nothing was kept.
    async fn begin_broadcast(
        &self,
        broadcast: Broadcast,
        rows: Vec<(BroadcastRow, Option<String>)>,
        due_at: Option<Timestamp>,
    ) -> Result<Option<(BroadcastId, RequestHash)>, LedgerError>;

    /// Finds the broadcast that a caller's idempotency key stands for, and the hash of that request.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn broadcast_by_key(
        &self,
        caller: &CallerId,
        key: &str,
    ) -> Result<Option<(BroadcastId, RequestHash)>, LedgerError>;

    /// Returns the newest broadcasts, of one caller or of all.
    ///
    /// # Errors
    /// [`LedgerError`] if they could not be read.
    async fn broadcasts(&self, caller: Option<&CallerId>, limit: usize) -> Result<Vec<BroadcastRecord>, LedgerError>;

    /// Returns one broadcast.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn broadcast(&self, id: BroadcastId) -> Result<Option<BroadcastRecord>, LedgerError>;

    /// Returns the group that has been due for longest.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn due_group(&self, now: Timestamp) -> Result<Option<DueGroup>, LedgerError>;

    /// Returns when the next group is due.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn next_group(&self) -> Result<Option<Timestamp>, LedgerError>;

    /// Notes what became of a group, and when the next is due.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was noted.
    async fn group_done(&self, done: GroupDone) -> Result<(), LedgerError>;

    /// Puts off what is left of a group.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was noted.
    async fn put_off_group(&self, put_off: GroupPutOff) -> Result<(), LedgerError>;

    /// Lets a broadcast rest, go on or end; `false` if it has ended already.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was changed.
    async fn move_broadcast(&self, id: BroadcastId, to: BroadcastState, now: Timestamp) -> Result<bool, LedgerError>;

    /// Counts rows by tier and by what they have come to.
    ///
    /// # Errors
    /// [`LedgerError`] if they could not be read.
    async fn tier_counts(&self, id: BroadcastId) -> Result<Vec<TierCount>, LedgerError>;

    /// Returns rows after a position, in the order in which they are handed in; those that were refused only, if wanted.
    ///
    /// # Errors
    /// [`LedgerError`] if they could not be read.
    async fn broadcast_rows(
        &self,
        id: BroadcastId,
        after: u32,
        limit: usize,
        refused_only: bool,
    ) -> Result<Vec<RowRecord>, LedgerError>;

    /// Forgets what rows say that will not be handed in any more, broadcasts that ended before a time, and those whose
    /// list was never whole; returns how many rows it changed, at most `limit`.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was forgotten.
    async fn forget_broadcasts(&self, before: Timestamp, limit: usize) -> Result<usize, LedgerError>;
}
