//! What the flow needs from the world.

mod channel;
mod clock;
mod doorbell;
mod ledger;

pub use channel::{Channel, Channels, RecallAnswer};
pub use clock::{Clock, HandClock, SystemClock};
pub use doorbell::Doorbell;
pub use ledger::{
    Accepted, Admission, Admissions, BornLeased, CancelAnswer, Claim, Claimed, Claims, DedupeEntry, DeliveryRecord,
    Idempotency, Keys, Lease, Ledger, LedgerError, LedgerErrorKind, MessageFilter, MessageRecord, MessageSummary,
    PendingRecall, Queue, Records, RetryAnswer, Settled, Settlement, Upkeep,
};
