//! Giving deliveries out and taking outcomes back.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{
    AttemptRecord, CallerId, Content, Delivery, DeliveryId, Lane, Options, Outcome, RecipientSet, Route, Standing,
    Timestamp,
};

use super::LedgerError;

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
    /// Only what may go on to a later step of its route.
    pub moving: Option<Moving>,
}

/// Which of the waiting deliveries that have a later step to go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moving {
    /// Also those whose time for this step is not over.
    pub at_once: bool,
    /// The share of the quota that is used, in percent: those whose step leaves it at less.
    pub used: u8,
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
    /// The steps it is one of.
    pub route: Option<Arc<Route>>,
    /// Whether it is a digest, and how many others are in it.
    pub digest_of: Option<DeliveryId>,
    /// What the parts before were called upstream.
    pub handle: Option<String>,
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
    /// Where those go who are still open: deliveries that the ledger gives their ids.
    pub next: Vec<Delivery>,
    /// When somebody must have acknowledged it, if it went well.
    pub escalate_at: Option<Timestamp>,
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

/// A claimed delivery of which not everybody has a slot: it waits, and others take some of its recipients.
#[derive(Clone, Debug)]
pub struct Division {
    /// The right to change it.
    pub lease: Lease,
    /// What it is from now on: its recipients, its lane and its request are new.
    pub kept: Delivery,
    /// Those that take the others; the ledger gives them their ids.
    pub others: Vec<Delivery>,
}

/// A waiting delivery that may be merged with a claimed one.
#[derive(Clone, Debug)]
pub struct Companion {
    /// The delivery.
    pub delivery: DeliveryId,
    /// What its message says.
    pub content: Content,
    /// How it is to be sent.
    pub options: Options,
    /// When its message was accepted.
    pub accepted_at: Timestamp,
}

/// A digest to be closed: from then on its bytes are what they are.
#[derive(Clone, Debug)]
pub struct DigestClosing {
    /// The right to send it.
    pub lease: Lease,
    /// The delivery that carries it.
    pub leader: Delivery,
    /// Those merged into it.
    pub companions: Vec<DeliveryId>,
    /// The request.
    pub body: Bytes,
    /// The request with the upstream's duplicate check, if that has one: taken unless an equal one went out lately.
    pub checked: Option<Bytes>,
    /// When.
    pub now: Timestamp,
}

/// Whether a digest was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClosedDigest {
    /// It is on disk.
    Closed {
        /// The request that was taken.
        body: Bytes,
        /// Whether it carries the duplicate check.
        checked: bool,
    },
    /// These do not wait any more: nothing was changed.
    Gone(Vec<DeliveryId>),
    /// Another claim came after this one: nothing was changed.
    Stale,
}

/// An answer that came after its delivery had moved on.
#[derive(Clone, Debug)]
pub struct LateAnswer {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The attempt, with what it met at last.
    pub attempt: AttemptRecord,
    /// The upstream's name for the message.
    pub handle: Option<String>,
    /// The lane whose quota's window is rebuilt from it.
    pub metered: Option<Lane>,
}

/// Whom a call went to, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentTo {
    /// Whom.
    pub recipients: RecipientSet,
    /// When it started.
    pub at: Timestamp,
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

    /// Returns how much waits on each lane.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn backlog(&self) -> Result<Vec<(Lane, u64)>, LedgerError>;

    /// Returns when calls on a metered lane ended, at or after `since`.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn recent_calls(&self, lane: &Lane, since: Timestamp) -> Result<Vec<Timestamp>, LedgerError>;

    /// Returns whom calls on a lane and its side lanes went to, at or after `since`.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn recent_recipients(&self, lane: &Lane, since: Timestamp) -> Result<Vec<SentTo>, LedgerError>;

    /// Returns whom deliveries on a lane and its side lanes went to that were tried at or after `since`.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn recipients_since(&self, lane: &Lane, since: Timestamp) -> Result<Vec<RecipientSet>, LedgerError>;

    /// Divides a claimed delivery and lets all of it wait; `false` if another claim came after this one, or if its
    /// message has no room for so many deliveries: then nothing was changed.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was changed.
    async fn divide(&self, division: Division) -> Result<bool, LedgerError>;

    /// Finds what waits for the same recipients in the same digest group, in the order in which it was accepted.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn companions(&self, of: &Delivery, now: Timestamp, limit: usize) -> Result<Vec<Companion>, LedgerError>;

    /// Closes a digest: freezes its request, and ties the others to it.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was changed.
    async fn close_digest(&self, closing: DigestClosing) -> Result<ClosedDigest, LedgerError>;

    /// Records an answer that came after its delivery had moved on.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not recorded.
    async fn note_late(&self, late: LateAnswer) -> Result<(), LedgerError>;
}
