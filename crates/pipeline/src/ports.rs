//! What the flow needs from the world.

mod channel;
mod clock;
mod directory_source;
mod doorbell;
mod ledger;

pub use channel::{Api, ApiCall, Channel, Channels, MediaKind, PeopleQuota, RecallAnswer, UploadAnswer};
pub use clock::{Clock, HandClock, SystemClock};
pub use directory_source::{DirectoryAnswer, DirectorySource, MemberFinder};
pub use doorbell::Doorbell;
pub use ledger::{
    Accepted, Acknowledged, Admission, Admissions, ApiCalls, BornLeased, CancelAnswer, Claim, Claimed, Claims,
    ClosedDigest, Companion, DedupeEntry, DeliveryRecord, DigestClosing, Directory, Division, DueEscalation,
    Idempotency, KeyUse, Keys, LateAnswer, Lease, Ledger, LedgerError, LedgerErrorKind, LookedUp, Media, MediaRecord,
    MessageFilter, MessageRecord, MessageSummary, Moving, PendingRecall, Posted, Queue, Records, RetryAnswer, Sealing,
    SealingState, SentTo, Settled, Settlement, StatRow, TemplateRecord, Templates, Told, Upkeep, Upload,
    WebhookBacklog, WebhookEvent, Webhooks,
};
