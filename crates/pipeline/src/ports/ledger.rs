//! The ledger: the database that is the truth.
//!
//! Everything that must survive a crash is one of these verbs. A message and its deliveries are admitted in one
//! transaction, together with the caller's idempotency and dedupe keys, so that no repeat slips between. A delivery is
//! claimed under a fence, a number that grows with every claim; settling names the fence, and a settlement under an
//! older one is stale and changes nothing. A lease is not a lock: it does not keep anybody from calling upstream, it
//! only decides whose outcome counts. Engines commit many verbs at once where they can; a verb returns only when it is
//! on disk.

mod admissions;
mod api_calls;
mod audit;
mod broadcasts;
mod callbacks;
mod clicks;
mod directory;
mod keys;
mod media;
mod queue;
mod records;
mod schedules;
mod sealing;
mod templates;
mod upkeep;
mod webhooks;

use std::fmt;

pub use self::admissions::{Accepted, Admission, Admissions, BornLeased, DedupeEntry, Idempotency};
pub use self::api_calls::ApiCalls;
pub use self::audit::{Audit, AuditEntry, AuditRecord};
pub use self::broadcasts::{
    Broadcast, BroadcastRecord, Broadcasts, DueGroup, GroupDone, GroupPutOff, RowRecord, RowResult, RowStage, TierCount,
};
pub use self::callbacks::{CallbackKeys, Callbacks, Effects, FeedbackRecord, HeardAnswer, HeardRecord, Word};
pub use self::clicks::{Clicks, TemplateFigures};
pub use self::directory::{Directory, LookedUp};
pub use self::keys::{FrontToken, KeyUse, Keys};
pub use self::media::{Media, MediaReader, MediaRecord, MediaWriter, Upload};
pub use self::queue::{
    Claim, Claimed, Claims, ClosedDigest, Companion, DigestClosing, Division, LateAnswer, Lease, Moving, Queue, SentTo,
    Settled, Settlement,
};
pub use self::records::{
    Acknowledged, CancelAnswer, DeliveryRecord, DueEscalation, MessageFilter, MessageRecord, MessageSummary,
    PendingRecall, Records, RetryAnswer, StatRow,
};
pub use self::schedules::{Advance, Schedule, ScheduleRecord, Schedules};
pub use self::sealing::{Sealing, SealingState};
pub use self::templates::{TemplateRecord, Templates};
pub use self::upkeep::Upkeep;
pub use self::webhooks::{Posted, Told, WebhookBacklog, WebhookEvent, Webhooks};

/// All of the ledger.
pub trait Ledger:
    Admissions
    + Queue
    + Upkeep
    + Records
    + Keys
    + Directory
    + Media
    + ApiCalls
    + Templates
    + Sealing
    + Webhooks
    + Callbacks
    + Clicks
    + Audit
    + Schedules
    + Broadcasts
{
}
impl<T> Ledger for T where
    T: Admissions
        + Queue
        + Upkeep
        + Records
        + Keys
        + Directory
        + Media
        + ApiCalls
        + Templates
        + Sealing
        + Webhooks
        + Callbacks
        + Clicks
        + Audit
        + Schedules
        + Broadcasts
{
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
