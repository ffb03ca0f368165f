//! What happens, as structs: each leaves its log line and its metrics together, through `emit`.
//!
//! A message that goes well leaves no log line above debug; a change of state leaves one.

use std::time::Duration;

use domain::{Attempt, BroadcastId, FailureClass, Lane, LaneState, RecipientState, Slot, Timestamp};
use metrics::{Counter, Gauge, Histogram};

use crate::dispatch::{Desk, LaneQuotas};
use crate::ports::ConnectionPhase;

/// Every metric, with its kind and meaning: the source of docs/metrics.md.
pub const METRICS: &[(&str, &str, &str)] = &[
    ("hongyan_messages_accepted_total", "counter", "Messages accepted: on disk, and answered so."),
    ("hongyan_messages_refused_total", "counter", "Submissions refused, by `code`."),
    ("hongyan_messages_replayed_total", "counter", "Submissions answered with an earlier receipt."),
    ("hongyan_messages_duplicate_total", "counter", "Submissions recorded as repeats and not sent."),
    ("hongyan_messages_linked_total", "counter", "Messages accepted with a link to what is too long or too large."),
    (
        "hongyan_file_downloads_total",
        "counter",
        "Requests for files that messages linked to, by `result`: `found`, `expired`, `unknown`.",
    ),
    ("hongyan_attempts_total", "counter", "Calls upstream, by `channel` and `result`."),
    ("hongyan_attempt_seconds", "histogram", "How long calls upstream took, by `channel`."),
    ("hongyan_errcodes_total", "counter", "Errcodes answered by WeCom, by `channel` and `code`."),
    ("hongyan_unknown_errcodes_total", "counter", "Errcodes that the documents do not know, by `code`."),
    ("hongyan_unknown_fields_total", "counter", "Fields in answers that the documents do not know, by `field`."),
    ("hongyan_deliveries_settled_total", "counter", "Deliveries settled for good, by `channel` and `state`."),
    ("hongyan_deliveries_retried_total", "counter", "Deliveries to be tried again, by `channel`."),
    ("hongyan_stale_settlements_total", "counter", "Outcomes refused because another claim came later."),
    ("hongyan_lane_closed", "gauge", "1 while the circuit breaker keeps a `lane` closed."),
    ("hongyan_quota_limit", "gauge", "The most in a `window` that `lane` may send, of what it `counts`."),
    ("hongyan_quota_used", "gauge", "How much of a quota is used, by `lane`, `counts` and `window`."),
    ("hongyan_quota_left", "gauge", "How much of a quota is left, by `lane`, `counts` and `window`."),
    (
        "hongyan_quota_forecast_seconds",
        "gauge",
        "In how long the last of what waits now will have gone at a quota's pace, by `lane`, `counts` and `window`.",
    ),
    ("hongyan_members_at_limit", "gauge", "Members to whom an application may send nothing for now, by `lane`."),
    ("hongyan_deliveries_waiting", "gauge", "Deliveries that wait, by `lane`."),
    ("hongyan_webhooks_posted_total", "counter", "Events that business systems took, by `target`."),
    ("hongyan_webhooks_failed_total", "counter", "Tries to post an event that were not taken, by `target`."),
    ("hongyan_smart_robot_connected", "gauge", "1 while the smart robot of a `callback` is connected."),
    ("hongyan_schedule_runs_total", "counter", "Runs of schedules, by `result`: `sent`, `failed`, `missed`."),
    ("hongyan_broadcast_rows_total", "counter", "Rows of broadcasts, by `result`: `handed_in`, `refused`."),
    ("hongyan_ledger_errors_total", "counter", "Ledger operations that failed."),
    ("wechat_messages_sent_total", "counter", "Calls that WeCom took."),
    ("wechat_messages_failed_total", "counter", "Deliveries given up."),
    ("wechat_last_success_timestamp", "gauge", "Unix time of the last call that WeCom took."),
];

/// The quotas as they are when somebody looks: gauges, and no log line.
#[derive(Debug)]
pub struct QuotasSeen<'a> {
    /// Every lane with its quotas.
    pub lanes: &'a [LaneQuotas],
    /// What waits on each lane.
    pub backlog: &'a [(Lane, u64)],
    /// When.
    pub now: Timestamp,
}

impl Happening for QuotasSeen<'_> {
    fn emit(self) {
        for lane in self.lanes {
            let name = lane.lane.to_string();
            let waiting = lane.waiting(self.backlog);
            metrics::gauge!("hongyan_deliveries_waiting", "lane" => name.clone()).set(waiting as f64);
            if !lane.member_quotas.is_empty() {
                let full = lane.members.iter().filter(|member| matches!(member.next, Slot::At(_))).count();
                metrics::gauge!("hongyan_members_at_limit", "lane" => name.clone()).set(full as f64);
            }
            for quota in &lane.quotas {
                let labels =
                    [("lane", name.clone()), ("counts", quota.counts.to_owned()), ("window", quota.window_name())];
                let forecast = quota.forecast(waiting, self.now).map_or(0.0, |at| at.since(self.now).as_secs_f64());
                metrics::gauge!("hongyan_quota_limit", &labels).set(quota.limit);
                metrics::gauge!("hongyan_quota_used", &labels).set(quota.used);
                metrics::gauge!("hongyan_quota_left", &labels).set(quota.left());
                metrics::gauge!("hongyan_quota_forecast_seconds", &labels).set(forecast);
            }
        }
    }
}

/// Something that happened.
pub trait Happening {
    /// Logs and counts it.
    fn emit(self);
}

/// Counts messages that are on disk. Made once: looking a counter up for each message costs more than counting.
pub(crate) struct MessagesAccepted(Counter);

impl Default for MessagesAccepted {
    fn default() -> Self {
        Self(metrics::counter!("hongyan_messages_accepted_total"))
    }
}

impl MessagesAccepted {
    /// Counts one.
    pub(crate) fn count(&self) {
        self.0.increment(1);
    }
}

/// The meters of one lane that every message passes, looked up once.
pub(crate) struct LaneMeters {
    sent: Counter,
    sent_in_all: Counter,
    last_success: Gauge,
    seconds: Histogram,
    delivered: Counter,
}

impl LaneMeters {
    /// Finds them, and shows the lane as open.
    pub(crate) fn new(lane: &Lane) -> Self {
        metrics::gauge!("hongyan_lane_closed", "lane" => lane.to_string()).set(0.0);
        let channel = || lane.channel().to_owned();
        let delivered = RecipientState::Delivered.name();
        Self {
            sent: metrics::counter!("hongyan_attempts_total", "channel" => channel(), "result" => "sent"),
            sent_in_all: metrics::counter!("wechat_messages_sent_total"),
            last_success: metrics::gauge!("wechat_last_success_timestamp"),
            seconds: metrics::histogram!("hongyan_attempt_seconds", "channel" => channel()),
            delivered: metrics::counter!("hongyan_deliveries_settled_total", "channel" => channel(), "state" => delivered),
        }
    }
}

/// A submission was answered with an earlier receipt.
#[derive(Clone, Copy, Debug)]
pub struct MessageReplayed;

impl Happening for MessageReplayed {
    fn emit(self) {
        metrics::counter!("hongyan_messages_replayed_total").increment(1);
    }
}

/// A message was accepted that some get as a link.
#[derive(Clone, Copy, Debug)]
pub struct FileLinked;

impl Happening for FileLinked {
    fn emit(self) {
        metrics::counter!("hongyan_messages_linked_total").increment(1);
    }
}

/// Somebody asked for a file that a message linked to. Who it was is not looked at; the link itself is no business of the
/// log's.
#[derive(Clone, Copy, Debug)]
pub struct FileAskedFor {
    /// `found`, `expired` or `unknown`.
    pub result: &'static str,
}

impl Happening for FileAskedFor {
    fn emit(self) {
        metrics::counter!("hongyan_file_downloads_total", "result" => self.result).increment(1);
    }
}

/// A submission was recorded as a repeat.
#[derive(Clone, Copy, Debug)]
pub struct MessageDuplicate;

impl Happening for MessageDuplicate {
    fn emit(self) {
        metrics::counter!("hongyan_messages_duplicate_total").increment(1);
    }
}

/// A submission was refused.
#[derive(Clone, Copy, Debug)]
pub struct MessageRefused {
    /// The error code answered.
    pub code: &'static str,
}

impl Happening for MessageRefused {
    fn emit(self) {
        metrics::counter!("hongyan_messages_refused_total", "code" => self.code).increment(1);
    }
}

/// A call upstream ended.
pub(crate) struct AttemptEnded<'a> {
    /// Where.
    pub desk: &'a Desk,
    /// What it met.
    pub attempt: &'a Attempt,
    /// How long it took.
    pub took: Duration,
    /// When.
    pub now: Timestamp,
}

impl Happening for AttemptEnded<'_> {
    fn emit(self) {
        let Desk { lane, meters, .. } = self.desk;
        meters.seconds.record(self.took);
        if let Attempt::Sent { .. } = self.attempt {
            meters.sent.increment(1);
            meters.sent_in_all.increment(1);
            meters.last_success.set(self.now.as_millis() as f64 / 1000.0);
        } else {
            let channel = lane.channel().to_owned();
            metrics::counter!("hongyan_attempts_total", "channel" => channel, "result" => self.attempt.name())
                .increment(1);
        }
        if let Some(reason) = self.attempt.reason() {
            let channel = lane.channel().to_owned();
            metrics::counter!("hongyan_errcodes_total", "channel" => channel, "code" => reason.code.clone())
                .increment(1);
            tracing::debug!(%lane, result = self.attempt.name(), code = %reason.code, reason = %reason.text, "A call upstream failed");
        }
    }
}

/// WeCom answered with something the documents do not know.
#[derive(Debug)]
pub enum UnknownAnswer<'a> {
    /// An errcode.
    Errcode(i64),
    /// A field.
    Field(&'a str),
}

impl Happening for UnknownAnswer<'_> {
    fn emit(self) {
        match self {
            Self::Errcode(code) => {
                metrics::counter!("hongyan_unknown_errcodes_total", "code" => code.to_string()).increment(1);
                tracing::warn!(code, "WeCom answered with an errcode that the documents do not know");
            }
            Self::Field(field) => {
                metrics::counter!("hongyan_unknown_fields_total", "field" => field.to_owned()).increment(1);
                tracing::debug!(field, "WeCom answered with a field that the documents do not know");
            }
        }
    }
}

/// A delivery is settled for good.
pub(crate) struct DeliverySettled<'a> {
    /// Where.
    pub lane: &'a Lane,
    /// The lane's meters.
    pub meters: &'a LaneMeters,
    /// As what.
    pub state: RecipientState,
}

impl Happening for DeliverySettled<'_> {
    fn emit(self) {
        if self.state == RecipientState::Delivered {
            self.meters.delivered.increment(1);
            return;
        }
        let channel = self.lane.channel().to_owned();
        metrics::counter!("hongyan_deliveries_settled_total", "channel" => channel, "state" => self.state.name())
            .increment(1);
        if self.state == RecipientState::Failed {
            metrics::counter!("wechat_messages_failed_total").increment(1);
        }
    }
}

/// A delivery will be tried again.
#[derive(Debug)]
pub struct DeliveryRetried<'a> {
    /// Where.
    pub lane: &'a Lane,
}

impl Happening for DeliveryRetried<'_> {
    fn emit(self) {
        metrics::counter!("hongyan_deliveries_retried_total", "channel" => self.lane.channel().to_owned()).increment(1);
    }
}

/// An outcome came too late to count.
#[derive(Debug)]
pub struct StaleSettlement<'a> {
    /// Where.
    pub lane: &'a Lane,
}

impl Happening for StaleSettlement<'_> {
    fn emit(self) {
        metrics::counter!("hongyan_stale_settlements_total").increment(1);
        tracing::warn!(lane = %self.lane, "An outcome was refused: the delivery was claimed again meanwhile");
    }
}

/// A lane opened or closed.
#[derive(Debug)]
pub struct LaneChanged<'a> {
    /// Which.
    pub lane: &'a Lane,
    /// How it is now.
    pub state: LaneState,
    /// What the last call met.
    pub attempt: &'a Attempt,
}

impl Happening for LaneChanged<'_> {
    fn emit(self) {
        let closed = metrics::gauge!("hongyan_lane_closed", "lane" => self.lane.to_string());
        match self.state {
            LaneState::Open => {
                closed.set(0.0);
                tracing::info!(lane = %self.lane, "Lane `{}` is open again", self.lane);
            }
            LaneState::Closed { until, why } => {
                closed.set(1.0);
                let reason = self.attempt.reason();
                let (code, text) = reason.map_or(("", ""), |reason| (reason.code.as_str(), reason.text.as_str()));
                let hint = reason.and_then(|reason| reason.hint.as_deref()).unwrap_or_default();
                if why == FailureClass::Misconfigured {
                    tracing::error!(lane = %self.lane, %until, code, reason = text, hint, "Lane `{}` is closed: an operator must act", self.lane);
                } else {
                    tracing::warn!(lane = %self.lane, %until, why = why.name(), code, reason = text, "Lane `{}` is closed for a while", self.lane);
                }
            }
            LaneState::Probing { .. } => {}
        }
    }
}

/// A business system took an event.
#[derive(Debug)]
pub struct WebhookPosted<'a> {
    /// Which.
    pub target: &'a str,
}

impl Happening for WebhookPosted<'_> {
    fn emit(self) {
        metrics::counter!("hongyan_webhooks_posted_total", "target" => self.target.to_owned()).increment(1);
    }
}

/// A business system did not take an event.
#[derive(Debug)]
pub struct WebhookFailed<'a> {
    /// Which.
    pub target: &'a str,
    /// The event's number.
    pub event: i64,
    /// How often it was tried.
    pub tries: u16,
    /// Why.
    pub error: &'a str,
    /// Whether it is given up.
    pub dead: bool,
}

impl Happening for WebhookFailed<'_> {
    fn emit(self) {
        let Self { target, event, tries, error, dead } = self;
        metrics::counter!("hongyan_webhooks_failed_total", "target" => target.to_owned()).increment(1);
        if dead {
            tracing::error!(target_name = target, event, tries, error, "A webhook's event was given up");
        } else if tries == 1 {
            // Once an event: the others say the same.
            tracing::warn!(target_name = target, event, error, "A webhook's event was not taken, and is tried again");
        }
    }
}

/// The ledger failed.
#[derive(Debug)]
pub struct LedgerFailed<'a> {
    /// How.
    pub error: &'a crate::ports::LedgerError,
}

impl Happening for LedgerFailed<'_> {
    fn emit(self) {
        metrics::counter!("hongyan_ledger_errors_total").increment(1);
        tracing::error!(error = self.error as &dyn std::error::Error, "The ledger failed");
    }
}

/// A smart robot's connection is otherwise than before.
#[derive(Debug)]
pub struct SmartRobotChanged<'a> {
    /// The callback's name.
    pub callback: &'a str,
    /// How it is now.
    pub phase: ConnectionPhase,
    /// Why.
    pub reason: &'a str,
}

impl Happening for SmartRobotChanged<'_> {
    fn emit(self) {
        let Self { callback, phase, reason } = self;
        let connected = if phase == ConnectionPhase::Connected { 1.0 } else { 0.0 };
        metrics::gauge!("hongyan_smart_robot_connected", "callback" => callback.to_owned()).set(connected);
        match phase {
            ConnectionPhase::Connecting => {}
            ConnectionPhase::Connected => tracing::info!(callback, "Smart robot `{callback}` is connected"),
            ConnectionPhase::Away => {
                tracing::warn!(callback, reason, "Smart robot `{callback}` is not connected, and tries again");
            }
            ConnectionPhase::Refused => {
                tracing::error!(callback, reason, "Smart robot `{callback}` is refused by WeCom: an operator must act");
            }
            ConnectionPhase::Replaced => {
                tracing::error!(
                    callback,
                    "Another program connected as smart robot `{callback}`: this gateway leaves it the place until its next start"
                );
            }
        }
    }
}

/// A schedule has sent what it sends.
#[derive(Debug)]
pub(crate) struct ScheduleRan<'a> {
    /// Which.
    pub name: &'a str,
    /// How long after the time of the run.
    pub late: Duration,
}

impl Happening for ScheduleRan<'_> {
    fn emit(self) {
        metrics::counter!("hongyan_schedule_runs_total", "result" => "sent").increment(1);
        tracing::debug!(schedule = self.name, late_ms = self.late.as_millis() as u64, "Schedule `{}` ran", self.name);
    }
}

/// A run of a schedule sent nothing.
#[derive(Debug)]
pub(crate) struct ScheduleFailed<'a> {
    /// Which.
    pub name: &'a str,
    /// Why.
    pub why: &'a str,
    /// When it is tried again, if it is.
    pub again_at: Option<Timestamp>,
}

impl Happening for ScheduleFailed<'_> {
    fn emit(self) {
        let Self { name, why, again_at } = self;
        if let Some(again_at) = again_at {
            tracing::warn!(schedule = name, why, %again_at, "Schedule `{name}` could not run, and is tried again");
            return;
        }
        metrics::counter!("hongyan_schedule_runs_total", "result" => "failed").increment(1);
        tracing::error!(schedule = name, why, "A run of schedule `{name}` failed: nothing was sent");
    }
}

/// A group of a broadcast was handed in.
#[derive(Debug)]
pub(crate) struct RowsHandedIn {
    /// Rows that a message carries.
    pub taken: usize,
    /// Rows that were refused.
    pub refused: usize,
}

impl Happening for RowsHandedIn {
    fn emit(self) {
        for (result, rows) in [("handed_in", self.taken), ("refused", self.refused)] {
            metrics::counter!("hongyan_broadcast_rows_total", "result" => result).increment(rows as u64);
        }
        if self.refused > 0 {
            tracing::warn!(refused = self.refused, "{} rows of a broadcast could not be handed in", self.refused);
        }
    }
}

/// A broadcast cannot go on for now.
#[derive(Debug)]
pub(crate) struct BroadcastHeld<'a> {
    /// Which.
    pub id: BroadcastId,
    /// Why.
    pub why: &'a str,
    /// Until when.
    pub until: Timestamp,
}

impl Happening for BroadcastHeld<'_> {
    fn emit(self) {
        let Self { id, why, until } = self;
        tracing::warn!(broadcast = %id, why, %until, "Broadcast {id} cannot go on for now");
    }
}

/// Every group of a broadcast was handed in.
#[derive(Debug)]
pub(crate) struct BroadcastEnded {
    /// Which.
    pub id: BroadcastId,
}

impl Happening for BroadcastEnded {
    fn emit(self) {
        tracing::info!(broadcast = %self.id, "Broadcast {} is done: every group was handed in", self.id);
    }
}

/// Runs of a schedule were missed, and are not made up for.
#[derive(Debug)]
pub(crate) struct RunsMissed<'a> {
    /// Which.
    pub name: &'a str,
    /// How many, at least.
    pub count: u64,
}

impl Happening for RunsMissed<'_> {
    fn emit(self) {
        metrics::counter!("hongyan_schedule_runs_total", "result" => "missed").increment(self.count);
        tracing::warn!(schedule = self.name, count = self.count, "Runs of schedule `{}` were missed", self.name);
    }
}

/// The machine's clock jumped: schedules follow it, everything else goes on by the time that had passed.
#[derive(Debug)]
pub(crate) struct ClockJumped {
    /// How far, in milliseconds; back if negative.
    pub millis: i64,
}

impl Happening for ClockJumped {
    fn emit(self) {
        tracing::warn!(millis = self.millis, "The machine's clock jumped: schedules follow it");
    }
}
