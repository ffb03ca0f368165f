//! Values and decisions: `Submission → Message + Delivery → Attempt → Outcome`.
//!
//! Everything here is a plain value or a pure function. Nothing waits, reads a clock, rolls dice or opens a
//! socket: time and randomness come in as arguments, so each decision is tested by tables and properties.

mod caller;
mod circuit_breaker;
mod content;
mod dedupe;
mod delivery;
mod fairness;
mod id;
mod message;
mod outcome;
mod quota;
mod recipient;
mod retry;
mod route;
mod submission;
mod time;

pub use caller::{AllowList, ApiKeyRecord, CallerId, Grant, Scope, Scopes, UnknownScope};
pub use circuit_breaker::{Admission, BreakerPolicy, CircuitBreaker, LaneState};
pub use content::{Content, ContentKind, UnknownContentKind};
pub use dedupe::{DEDUPE_KEY_MAX_BYTES, Dedupe, DedupeBy, RequestHash};
pub use delivery::{Delivery, DeliveryState, Lane, RecipientState, Standing};
pub use fairness::turns;
pub use id::{AttemptId, DeliveryId, InvalidId, MessageId};
pub use message::{Mention, Message, MessageState, Options, Priority, UnknownPriority, UnknownState};
pub use outcome::{Attempt, AttemptRecord, FailureClass, Outcome, Reason, Refusal, Situation, judge};
pub use quota::{Quota, SlidingWindow, Slot};
pub use recipient::{InvalidRecipient, MAX_RECIPIENTS, Recipient, RecipientSet};
pub use retry::RetryPolicy;
pub use route::{CallLimits, Step, divide, each_by_its_own_channel};
pub use submission::{InvalidSubmission, Submission, Violation};
pub use time::{InvalidTimestamp, Timestamp, parse_duration};
