//! What the flow needs from the world.

mod channel;
mod clock;
mod directory_source;
mod doorbell;
mod ledger;

pub use channel::{
    Api, ApiCall, Channel, Channels, MediaKind, PeopleQuota, RecallAnswer, UploadAnswer, UpstreamCall, UpstreamError,
};
pub use clock::{Clock, HandClock, SystemClock};
pub use directory_source::{DirectoryAnswer, DirectorySource, MemberFinder};
pub use doorbell::Doorbell;
pub use ledger::{
    Accepted, Acknowledged, Admission, Admissions, Advance, ApiCalls, Audit, AuditEntry, AuditRecord, BornLeased,
    CallbackKeys, Callbacks, CancelAnswer, Claim, Claimed, Claims, Clicks, ClosedDigest, Companion, DedupeEntry,
    DeliveryRecord, DigestClosing, Directory, Division, DueEscalation, Effects, FeedbackRecord, FrontToken,
    HeardAnswer, HeardRecord, Idempotency, KeyUse, Keys, LateAnswer, Lease, Ledger, LedgerError, LedgerErrorKind,
    LookedUp, Media, MediaReader, MediaRecord, MediaWriter, MessageFilter, MessageRecord, MessageSummary, Moving,
    PendingRecall, Posted, Queue, Records, RetryAnswer, Schedule, ScheduleRecord, Schedules, Sealing, SealingState,
    SentTo, Settled, Settlement, StatRow, TemplateFigures, TemplateRecord, Templates, Told, Upkeep, Upload,
    WebhookBacklog, WebhookEvent, Webhooks, Word,
};
