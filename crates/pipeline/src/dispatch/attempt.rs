//! One claimed delivery: look at it, make the call, judge, settle.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use domain::{Attempt, AttemptRecord, Content, FailureClass, Outcome, Reason, Situation, Timestamp, Violation, judge};
use futures::FutureExt as _;

use super::{Shared, Slot};
use crate::accept::request_hash;
use crate::crash_point;
use crate::outcome;
use crate::ports::{Channel, Claimed, Settlement};
use crate::telemetry::{AttemptEnded, Happening as _, LaneChanged};

/// How much of the duplicate check's interval is left to the call itself.
const INTERVAL_MARGIN: std::time::Duration = std::time::Duration::from_secs(15);

pub(super) async fn work(shared: Arc<Shared>, claimed: Claimed, mut slot: Slot) {
    let desk = slot.desk().clone();
    let now = shared.clock.now();
    let (settlement, retry) = match look(desk.channel.as_deref(), &claimed, now) {
        Look::Settle(outcome) => (settlement(&claimed, None, outcome, None, false, now), false),
        Look::Send { channel, body, protected } => {
            crash_point("call-before");
            let attempt = call(&shared, channel, body.clone(), &claimed).await;
            crash_point("call-after");
            let ended_at = shared.clock.now();
            AttemptEnded { desk: &desk, attempt: &attempt, took: ended_at.since(now), now: ended_at }.emit();
            if let Some(state) = slot.answered(&attempt, ended_at.since(now), ended_at) {
                LaneChanged { lane: &desk.lane, state, attempt: &attempt }.emit();
            }
            let record = record(&claimed, &attempt, slot.probe, now, ended_at);
            let situation = Situation {
                now: ended_at,
                started_at: now,
                tries: claimed.standing.tries,
                probe: slot.probe,
                uncertain_since: claimed.standing.uncertain_since,
                protected_for: if protected { channel.duplicate_check().map(|d| d - INTERVAL_MARGIN) } else { None },
                give_up_at: claimed.delivery.give_up_at,
                expires_at: claimed.delivery.expires_at,
                random: rand::random(),
            };
            let outcome = judge(attempt, &situation, &shared.config.retry);
            let again = matches!(outcome, Outcome::Again { .. });
            let frozen = again.then_some(body);
            (settlement(&claimed, Some(record), outcome, frozen, channel.quota().is_some(), ended_at), again)
        }
    };
    outcome::settle(&shared, &desk.meters, settlement).await;
    if retry {
        desk.draw_attention();
    }
    // The in-flight permit is held until here: the outcome is on disk.
    drop(slot);
}

/// What a first look at a delivery says.
enum Look<'a> {
    /// There is nothing to send.
    Settle(Outcome),
    /// It is to be sent.
    Send { channel: &'a dyn Channel, body: Bytes, protected: bool },
}

fn look<'a>(channel: Option<&'a dyn Channel>, claimed: &Claimed, now: Timestamp) -> Look<'a> {
    let Claimed { delivery, standing, .. } = claimed;
    let Some(channel) = channel else {
        let text = format!("`{}` is no longer configured", delivery.lane);
        let reason =
            Reason::new("not_configured", text).with_hint("configure it again and retry, or send anew by another one");
        return Look::Settle(Outcome::ended_after(standing.uncertain_since, reason));
    };
    if delivery.expires_at.is_some_and(|end| end <= now) {
        let never_sent = standing.uncertain_since.is_none();
        let passed = Reason::new("expired", "its time passed while an earlier call was unanswered");
        return Look::Settle(if never_sent { Outcome::expired() } else { Outcome::uncertain(passed) });
    }
    let Some(content) = &claimed.content else {
        let reason = Reason::new("unreadable", "what is stored of this message cannot be read by this version");
        return Look::Settle(Outcome::ended_after(
            standing.uncertain_since,
            reason.with_hint("start the version that accepted it, or send it anew"),
        ));
    };
    let known = claimed.frozen.as_ref().or(claimed.rendered.as_ref().filter(|_| standing.duplicate_check));
    let body = match known {
        Some(body) => body.clone(),
        None => match render(channel, content, claimed) {
            Ok(body) => body,
            Err(violations) => {
                let text = violations.first().map_or_else(String::new, |v| format!("`{}` {}", v.field, v.message));
                return Look::Settle(Outcome::ended_after(
                    standing.uncertain_since,
                    Reason::new("cannot_render", text),
                ));
            }
        },
    };
    // An earlier version may have rendered otherwise: then WeCom would not recognise the repeat.
    let unchanged = known.is_some() || request_hash(&body).short() == delivery.request_hash.short();
    let protected = standing.duplicate_check && channel.duplicate_check().is_some() && unchanged;
    if let (Some(since), Some(interval), true) = (standing.uncertain_since, channel.duplicate_check(), protected)
        && now + INTERVAL_MARGIN >= since + interval
    {
        let text = "an earlier call was never answered, and the time in which a repeat is recognised has passed";
        return Look::Settle(Outcome::uncertain(Reason::new("no_answer", text)));
    }
    Look::Send { channel, body, protected }
}

/// Renders; a panic of the channel is a violation like any other.
fn render(channel: &dyn Channel, content: &Content, claimed: &Claimed) -> Result<Bytes, Vec<Violation>> {
    let recipients = &claimed.delivery.recipients;
    let rendering = || channel.render(content, &claimed.options, recipients, claimed.standing.duplicate_check);
    std::panic::catch_unwind(AssertUnwindSafe(rendering)).unwrap_or_else(|panic| {
        tracing::error!(delivery = %claimed.delivery.id, text = panic_text(panic.as_ref()), "A channel panicked");
        Err(vec![Violation::new("internal", content.kind().name(), "made the channel fail")])
    })
}

async fn call(shared: &Shared, channel: &dyn Channel, body: Bytes, claimed: &Claimed) -> Attempt {
    let recipients = &claimed.delivery.recipients;
    let guarded = AssertUnwindSafe(channel.attempt(body, recipients)).catch_unwind();
    let attempt = tokio::select! {
        result = guarded => result.unwrap_or_else(|panic| {
            let text = panic_text(panic.as_ref());
            tracing::error!(delivery = %claimed.delivery.id, text, "A channel panicked");
            Attempt::Uncertain { reason: Reason::new("internal", "the channel failed in the middle of the call") }
        }),
        () = tokio::time::sleep(shared.config.attempt_limit) => {
            Attempt::Uncertain { reason: Reason::new("no_answer", "the call did not end in time") }
        }
        () = shared.giving_up.cancelled() => {
            Attempt::Uncertain { reason: Reason::new("stopped", "the gateway was stopped before the answer came") }
        }
    };
    // Taken, but for nobody: that is a refusal.
    match attempt {
        Attempt::Sent { refused, .. } if !refused.is_empty() && refused.len() >= recipients.len() => {
            let reason = refused.into_iter().next().map(|refusal| refusal.reason);
            let reason = reason.unwrap_or_else(|| Reason::new("refused", "every recipient was refused"));
            Attempt::Refused { class: FailureClass::Rejected, reason }
        }
        other => other,
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word")
}

fn record(
    claimed: &Claimed,
    attempt: &Attempt,
    probe: bool,
    started_at: Timestamp,
    ended_at: Timestamp,
) -> AttemptRecord {
    let note = match attempt {
        Attempt::Sent { note, .. } => note.clone().map(|text| Reason::new("note", text)),
        _ => None,
    };
    AttemptRecord {
        number: claimed.standing.attempts.saturating_add(1),
        started_at,
        ended_at,
        result: attempt.name().to_owned(),
        reason: attempt.reason().cloned().or(note),
        probe,
        redelivery: claimed.standing.uncertain_since.is_some(),
    }
}

fn settlement(
    claimed: &Claimed,
    attempt: Option<AttemptRecord>,
    outcome: Outcome,
    frozen: Option<Bytes>,
    metered: bool,
    now: Timestamp,
) -> Settlement {
    let Claimed { delivery, lease, sole, .. } = claimed;
    Settlement { lease: *lease, lane: delivery.lane.clone(), attempt, outcome, frozen, sole: *sole, metered, now }
}
