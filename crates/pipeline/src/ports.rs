//! What the flow needs from the world.

mod channel;
mod clock;
mod doorbell;
mod ledger;

pub use channel::{Api, ApiCall, Channel, Channels, MediaKind, PeopleQuota, RecallAnswer, UploadAnswer};
pub use clock::{Clock, HandClock, SystemClock};
pub use doorbell::Doorbell;
pub use ledger::{
    Accepted, Acknowledged, Admission, Admissions, Advance, ApiCalls, BornLeased, CancelAnswer, Claim, Claimed, Claims,
    ClosedDigest, Companion, DedupeEntry, DeliveryRecord, DigestClosing, Directory, Division, DueEscalation,
    Idempotency, Keys, LateAnswer, Lease, Ledger, LedgerError, LedgerErrorKind, Media, MediaRecord, MessageFilter,
    MessageRecord, MessageSummary, Moving, PendingRecall, Person, Queue, Records, RetryAnswer, Schedule,
    ScheduleRecord, Schedules, Sealing, SealingState, SentTo, Settled, Settlement, StatRow, TemplateRecord, Templates,
    Upkeep, Upload,
};
