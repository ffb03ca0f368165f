//! What the flow needs from the world.

mod channel;
mod clock;
mod directory_source;
mod doorbell;
mod ledger;
mod smart_robot;

pub use channel::{
    Api, ApiCall, Channel, Channels, MediaKind, PeopleQuota, RecallAnswer, UploadAnswer, UpstreamCall, UpstreamError,
};
pub use clock::{Clock, HandClock, SystemClock};
pub use directory_source::{DirectoryAnswer, DirectorySource, MemberFinder};
pub use doorbell::Doorbell;
pub use ledger::{
    Accepted, Acknowledged, Admission, Admissions, Advance, ApiCalls, Audit, AuditEntry, AuditRecord, BornLeased,
    Broadcast, BroadcastRecord, Broadcasts, CallbackKeys, Callbacks, CancelAnswer, Claim, Claimed, Claims, Clicks,
    ClosedDigest, Companion, DedupeEntry, DeliveryRecord, DigestClosing, Directory, Division, DueEscalation, DueGroup,
    Effects, FeedbackRecord, FrontToken, GroupDone, GroupPutOff, HeardAnswer, HeardRecord, Idempotency, KeyUse, Keys,
    LateAnswer, Lease, Ledger, LedgerError, LedgerErrorKind, LookedUp, Media, MediaReader, MediaRecord, MediaWriter,
    MessageFilter, MessageRecord, MessageSummary, Moving, PendingRecall, Posted, Queue, Records, RetryAnswer,
    RowRecord, RowResult, RowStage, Schedule, ScheduleRecord, Schedules, Sealing, SealingState, SentTo, Settled,
    Settlement, StatRow, TemplateFigures, TemplateRecord, Templates, TierCount, Told, Upkeep, Upload, WebhookBacklog,
    WebhookEvent, Webhooks, Word,
};
pub use smart_robot::{ConnectionPhase, REQ_ID, RobotAnswer, SmartRobots};
