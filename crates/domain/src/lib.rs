//! Values and decisions: `Submission → Message + Delivery → Attempt → Outcome`.
//!
//! Everything here is a plain value or a pure function. Nothing waits, reads a clock, rolls dice or opens a
//! socket: time and randomness come in as arguments, so each decision is tested by tables and properties.

mod broadcast;
mod caller;
mod circuit_breaker;
mod content;
mod dedupe;
mod delivery;
mod digest;
mod directory;
mod fairness;
mod feedback;
mod id;
mod message;
mod outcome;
mod quota;
mod recipient;
mod retry;
mod route;
mod schedule;
mod submission;
mod template;
mod time;

pub use broadcast::{
    Addressee, BroadcastRow, BroadcastState, InvalidAddressee, in_groups, submission_for, told_the_same,
};
pub use caller::{
    AllowList, Allowance, ApiKeyRecord, CallerId, Grant, KeyKind, Limits, Scope, Scopes, SigningSecret, UnknownScope,
};
pub use circuit_breaker::{Admission, BreakerPolicy, CircuitBreaker, LaneState};
pub use content::{Content, ContentKind, FileLink, Link, Outline, Paragraph, UnknownContentKind, fit};
pub use dedupe::{DEDUPE_KEY_MAX_BYTES, Dedupe, DedupeBy, RequestHash};
pub use delivery::{
    Delivery, DeliveryState, ESCALATION, Lane, Placed, RecipientState, Standing, handle_with_code, msgid_of,
    response_code,
};
pub use digest::{DigestPolicy, Merged, can_merge, merge, merge_mentions};
pub use directory::{
    Changes, Directory, Group, Identity, InvalidList, InvalidPerson, OnCall, Person, PersonChange, PersonSource,
    PersonStatus, Resolution, Wanted, is_list_name, merge as merge_people, normal_mobile,
};
pub use fairness::turns;
pub use feedback::{ContactChanged, FeedbackRule, Heard, Press, What, rule_for};
pub use id::{AttemptId, BroadcastId, DeliveryId, InvalidId, MediaId, MessageId};
pub use message::{Mention, Message, MessageState, Options, Overflow, Priority, UnknownPriority, UnknownState};
pub use outcome::{Attempt, AttemptRecord, FailureClass, Outcome, Reason, Refusal, Situation, judge};
pub use quota::{Appointments, DayBudget, MemberUse, MemberWindows, Quota, SlidingWindow, Slot, Windows};
pub use recipient::{InvalidRecipient, MAX_RECIPIENTS, Recipient, RecipientSet};
pub use retry::RetryPolicy;
pub use route::{
    Accounts, CallLimits, Choice, Escalation, InvalidRoute, Journey, Leg, Missed, Route, RouteStep, RoutedLeg, Rule,
    StepChannel, Uncertain, choose, divide, each_by_its_own_channel, hand_over,
};
pub use schedule::{
    Calendar, Cron, DEFAULT_ZONE, Days, Hours, InvalidCalendar, InvalidCron, InvalidHours, MOST_MADE_UP, MissedRuns,
    PlannedRun, RunStep, VariablesFrom, When, first_outside,
};
pub use submission::{InvalidSubmission, RouteChoice, Submission, SubmissionContent, Violation};
pub use template::{
    Compiled, Makes, Template, TemplateError, TemplateErrorKind, TemplateUse, Variable, VariableKind, escape_markdown,
    is_template_name,
};
pub use time::{InvalidTimestamp, Span, Timestamp, parse_duration};
