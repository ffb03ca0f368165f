//! Moves a message from accept to outcome, against ports.
//!
//! The ledger is the truth, the doorbell only wakes: [`Intake`] writes message and deliveries in one transaction, then
//! rings; the [`Dispatcher`] claims, tries and settles; the [`Sweeper`] rings again for whatever is due. A lost ring
//! costs latency, never a message. Nothing here knows a database, a channel or HTTP.

mod accept;
mod api_calls;
mod broadcasts;
mod crash_point;
mod directory;
mod dispatch;
mod escalation;
mod feedback;
mod file_links;
mod ids;
mod links;
mod media;
mod outcome;
mod recall;
mod redact;
mod routing;
mod schedules;
mod sweep;
mod templates;
mod watch;
mod watching;
mod webhooks;

pub mod ports;
pub mod signature;
pub mod telemetry;

pub use accept::{AcceptError, Allowances, IncomingFile, Intake, IntakeConfig, Receipt, Way};
pub use broadcasts::{Begun, BroadcastError, Broadcaster, LARGEST_GROUP, MOST_ROWS, Tried, Wanted};
pub use crash_point::{CRASH_POINTS, crash_point};
pub use directory::{
    DirectoryBook, DirectoryKeeper, DirectorySync, Found, LookupError, MemberChange, Put, SyncError, SyncReport,
};
pub use dispatch::{DispatchConfig, Dispatcher, DispatcherHandle, LaneQuotas, QuotaUse, claim_order, window_name};
pub use feedback::{CARD_UPDATE, Feedback, FeedbackConfig, card_target, smart_robot_target};
pub use file_links::{DeadLink, FileLinks};
pub use links::Links;
pub use media::Fetch;
pub use recall::{RecallError, Recalled, Recaller};
pub use routing::{Routing, request_hash};
pub use schedules::{ReadSubmission, ScheduleError, Scheduler, VariableSources, cron_violation};
pub use sweep::{SweepConfig, Sweeper};
pub use templates::{TemplateBook, template_violation};
pub use watch::{Heartbeats, WatchConfig, Watcher};
pub use watching::Watch;
pub use webhooks::{Answered, Destination, Post, WebhookSender, WebhookTarget, card_code, message_of_card_code};
