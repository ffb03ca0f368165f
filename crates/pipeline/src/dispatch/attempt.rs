//! One claimed delivery: look at it, hold it if it has no slot, write it, make the call, judge, settle.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use domain::{
    Attempt, AttemptRecord, Delivery, ESCALATION, FailureClass, Outcome, Reason, Situation, Timestamp, Uncertain, judge,
};
use futures::FutureExt as _;
use tokio::sync::oneshot;

use super::desk::Slot;
use super::letter::{Letter, Written};
use super::{Desk, Shared, hold, looked_up, onward};
use crate::ports::{Channel, Claimed, LateAnswer, Settlement};
use crate::telemetry::{AttemptEnded, Happening as _, LaneChanged, LedgerFailed};
use crate::{crash_point, outcome};

/// How much of the duplicate check's interval is left to the call itself.
const INTERVAL_MARGIN: std::time::Duration = std::time::Duration::from_secs(15);
/// The most of a request that is kept of an attempt that did not succeed, in bytes.
const KEPT_REQUEST: usize = 4096;

/// Works on one delivery; `written` is dropped as soon as it is known what is sent.
pub(super) async fn work(shared: Arc<Shared>, claimed: Claimed, mut slot: Slot, written: Option<oneshot::Sender<()>>) {
    let desk = slot.desk().clone();
    let now = shared.clock.now();
    let looked = look(&shared, &desk, &claimed, now);
    let letter = match looked {
        Err((outcome, next)) => return finish(&shared, &desk, &claimed, outcome, next).await,
        Ok(channel) => {
            let Some(claimed) = hold::admit(&shared, &desk, claimed, &mut slot).await else { return };
            match super::letter::write(&shared, channel, claimed).await {
                Written::Letter(letter) => letter,
                Written::Not(claimed, outcome) => {
                    let (outcome, next) = onward::decide(&shared, &claimed, outcome, shared.clock.now());
                    return finish(&shared, &desk, &claimed, outcome, next).await;
                }
            }
        }
    };
    drop(written);
    let again = send(&shared, &desk, letter, &mut slot).await;
    if again {
        desk.draw_attention();
    }
    // The in-flight permit is held until here: the outcome is on disk.
    drop(slot);
}

/// A first look: the channel, or what there is to settle without a call, and who goes on.
fn look(
    shared: &Shared,
    desk: &Desk,
    claimed: &Claimed,
    now: Timestamp,
) -> Result<Arc<dyn Channel>, (Outcome, Vec<Delivery>)> {
    let Claimed { delivery, standing, .. } = claimed;
    let decide = |outcome| Err(onward::decide(shared, claimed, outcome, now));
    let Some(channel) = &desk.channel else {
        let text = format!("`{}` is no longer configured", delivery.lane.main());
        let reason =
            Reason::new("not_configured", text).with_hint("configure it again and retry, or send anew by another one");
        return decide(Outcome::ended_after(standing.uncertain_since, reason));
    };
    if delivery.expires_at.is_some_and(|end| end <= now) {
        let never_sent = standing.uncertain_since.is_none();
        let passed = Reason::new("expired", "its time passed while an earlier call was unanswered");
        let outcome = if never_sent { Outcome::expired() } else { Outcome::uncertain(passed) };
        return Err((outcome, Vec::new()));
    }
    if claimed.content.is_none() {
        let reason = Reason::new("unreadable", "what is stored of this message cannot be read by this version");
        let reason = reason.with_hint("start the version that accepted it, or send it anew");
        return Err((Outcome::ended_after(standing.uncertain_since, reason), Vec::new()));
    }
    let planner = &shared.planner;
    let free_at = planner.routing.free_from(planner.quiet_of(claimed.route.as_deref()), delivery.priority, now);
    if free_at > now {
        let reason = Reason::new("quiet_hours", "it waits for the end of quiet hours");
        return Err((Outcome::Held { at: free_at, lane: None, stays: false, reason }, Vec::new()));
    }
    // Its own slot is counted already.
    let over_budget = delivery.step.and_then(|step| step.budget).filter(|budget| desk.used_percent(now) > *budget);
    let too_late = delivery.step.and_then(|step| step.moves_at).is_some_and(|deadline| deadline <= now);
    let reason = match over_budget {
        Some(budget) => {
            let text = format!("{budget} percent of the quota of `{}` are used", delivery.lane.main());
            Some(Reason::new("budget_used", text))
        }
        None => too_late.then(|| Reason::new("step_deadline", "the time for this step of the route was over")),
    };
    if let Some(reason) = reason {
        let (outcome, next) =
            onward::decide(shared, claimed, Outcome::ended_after(standing.uncertain_since, reason), now);
        // Where nobody can take it over, it is sent here all the same.
        if !next.is_empty() {
            return Err((outcome, next));
        }
    }
    Ok(channel.clone())
}

/// Makes the call and settles what it met; says whether the delivery waits to be tried again.
async fn send(shared: &Arc<Shared>, desk: &Arc<Desk>, letter: Letter, slot: &mut Slot) -> bool {
    let Letter { claimed, channel, body, protected, last_part, content } = letter;
    let started_at = shared.clock.now();
    crash_point("call-before");
    let mut calling = Box::pin(call(shared, desk, channel.as_ref(), body.clone(), &claimed));
    let deadline = claimed.delivery.step.and_then(|step| step.moves_at);
    let deadline = deadline.filter(|deadline| *deadline > started_at && claimed.digest_of.is_none());
    let mut moved = false;
    let attempt = tokio::select! {
        attempt = &mut calling => attempt,
        () = shared.clock.sleep_until(deadline.unwrap_or(Timestamp::NEVER)), if deadline.is_some() => {
            moved = move_while_calling(shared, desk, &claimed, started_at, body.len()).await;
            calling.await
        }
    };
    crash_point("call-after");
    let ended_at = shared.clock.now();
    let route = claimed.route.as_deref();
    let uncertain = route.and_then(|route| route.uncertain).unwrap_or(shared.config.uncertain);
    let situation = Situation {
        now: ended_at,
        started_at,
        tries: claimed.standing.tries,
        probe: slot.probe,
        uncertain_since: claimed.standing.uncertain_since,
        protected_for: if protected { channel.duplicate_check().map(|d| d - INTERVAL_MARGIN) } else { None },
        give_up_at: claimed.delivery.give_up_at,
        expires_at: claimed.delivery.expires_at,
        moves_at: claimed.delivery.step.and_then(|step| step.moves_at),
        rather_lost: uncertain == Uncertain::Lose,
        random: rand::random(),
    };
    let attempt = looked_up::in_context(shared, &claimed, attempt);
    if looked_up::is_lookup(&claimed) {
        looked_up::note(shared, &claimed, &attempt, ended_at).await;
    }
    if matches!(attempt, Attempt::NotYet { .. }) {
        // No call was made: the slot goes back as it was.
        if !moved {
            let held = judge(attempt, &situation, &shared.config.retry);
            finish(shared, desk, &claimed, held, Vec::new()).await;
        }
        return false;
    }
    AttemptEnded { desk, attempt: &attempt, took: ended_at.since(started_at), now: ended_at }.emit();
    if let Some(state) = slot.answered(&attempt, ended_at.since(started_at), ended_at) {
        LaneChanged { lane: &desk.lane, state, attempt: &attempt }.emit();
        // What should not wait behind a closed lane moves on.
        desk.draw_attention();
    }
    let mut record = record(&claimed, &attempt, slot.probe, started_at, ended_at);
    record.bytes = u32::try_from(body.len()).unwrap_or(u32::MAX);
    if !matches!(attempt, Attempt::Sent { .. }) {
        record.request = Some(redacted(&body));
    }
    if moved {
        note_late(shared, &claimed, attempt, record).await;
        return false;
    }
    let attempt = match attempt {
        Attempt::Gone { reason } => upload_again(shared, channel.as_ref(), &content, reason).await,
        other => other,
    };
    let must_upload_again = matches!(attempt, Attempt::Gone { .. });
    let outcome = judge(attempt, &situation, &shared.config.retry);
    let outcome = of_parts(outcome, &claimed, last_part);
    // A part that was taken is over: what is frozen is its bytes, and the next has others.
    let frozen = (matches!(outcome, Outcome::Again { .. }) && !must_upload_again).then_some(body);
    let (outcome, next) = onward::decide(shared, &claimed, outcome, ended_at);
    let again = matches!(outcome, Outcome::Again { .. } | Outcome::PartSent { .. }) || claimed.digest_of.is_some();
    let mut settlement = settlement(&claimed, outcome, next, ended_at);
    settlement.attempt = Some(record);
    settlement.frozen = frozen;
    settlement.metered = channel.quota().is_some();
    outcome::settle(shared, &desk.meters, settlement).await;
    again
}

/// A part that was taken is not the end of the message.
fn of_parts(outcome: Outcome, claimed: &Claimed, last_part: bool) -> Outcome {
    match outcome {
        Outcome::Final { state: domain::RecipientState::Delivered, refused, handle, unconfirmed, reason } => {
            let handle = match (&claimed.handle, handle) {
                (Some(before), Some(now)) => Some(format!("{before}|{now}")),
                (before, now) => now.or(before.clone()),
            };
            if last_part {
                return Outcome::Final {
                    state: domain::RecipientState::Delivered,
                    refused,
                    handle,
                    unconfirmed,
                    reason,
                };
            }
            Outcome::PartSent { handle }
        }
        other => other,
    }
}

/// Lets the recipients go on although the call is under way: the time for this step is over.
async fn move_while_calling(
    shared: &Arc<Shared>,
    desk: &Arc<Desk>,
    claimed: &Claimed,
    started_at: Timestamp,
    bytes: usize,
) -> bool {
    let now = shared.clock.now();
    let reason = Reason::new("step_deadline", "the time for this step of the route was over before the answer came");
    let (outcome, next) = onward::decide(shared, claimed, Outcome::uncertain(reason.clone()), now);
    if next.is_empty() {
        return false;
    }
    let unanswered = Attempt::Uncertain { reason };
    let mut settlement = settlement(claimed, outcome, next, now);
    let record = record(claimed, &unanswered, false, started_at, now);
    settlement.attempt = Some(AttemptRecord { bytes: u32::try_from(bytes).unwrap_or(u32::MAX), ..record });
    settlement.metered = desk.channel.as_ref().is_some_and(|channel| channel.quota().is_some());
    outcome::settle(shared, &desk.meters, settlement).await;
    true
}

async fn note_late(shared: &Shared, claimed: &Claimed, attempt: Attempt, mut record: AttemptRecord) {
    record.late = true;
    let handle = if let Attempt::Sent { handle, .. } = attempt { handle } else { None };
    let metered = shared.channels.get(&claimed.delivery.lane.main()).is_some_and(|channel| channel.quota().is_some());
    let lane = metered.then(|| claimed.delivery.lane.main());
    let late = LateAnswer { delivery: claimed.delivery.id, attempt: record, handle, metered: lane };
    if let Err(error) = shared.ledger.note_late(late).await {
        LedgerFailed { error: &error }.emit();
    }
}

/// A file that WeCom no longer has is uploaded again if it is ours; its own ids cannot be helped.
async fn upload_again(shared: &Shared, channel: &dyn Channel, content: &domain::Content, reason: Reason) -> Attempt {
    match shared.uploader.forget(channel, content).await {
        Ok(true) => Attempt::Gone { reason },
        Ok(false) => Attempt::Refused { class: FailureClass::Rejected, reason },
        Err(error) => {
            LedgerFailed { error: &error }.emit();
            Attempt::Deferred { class: FailureClass::Internal, reason, retry_after: None }
        }
    }
}

/// Makes what the channel needs before it can send, if anything is missing still.
async fn prepare(shared: &Shared, desk: &Desk, channel: &dyn Channel) -> Result<(), Attempt> {
    if channel.preparation().is_none() {
        return Ok(());
    }
    let _turn = desk.preparing.lock().await;
    shared.api_calls.prepare(channel).await
}

async fn call(shared: &Shared, desk: &Desk, channel: &dyn Channel, body: Bytes, claimed: &Claimed) -> Attempt {
    let recipients = &claimed.delivery.recipients;
    let address = claimed.delivery.address.as_deref();
    let calling = async {
        match prepare(shared, desk, channel).await {
            Ok(()) => channel.attempt(body, recipients, address).await,
            // What failed here was not the message: it was not sent.
            Err(Attempt::Uncertain { reason }) => {
                Attempt::Deferred { class: FailureClass::Unreachable, reason, retry_after: None }
            }
            Err(other) => other,
        }
    };
    let guarded = AssertUnwindSafe(calling).catch_unwind();
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

pub(super) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
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
        late: false,
        bytes: 0,
        request: None,
    }
}

/// What was written, for whoever looks into a failure: clipped, and long strings of its content with their end left out.
fn redacted(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let mut end = text.len().min(KEPT_REQUEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    crate::redact::without_secrets(&text[..end])
}

/// Settles what needs no call.
async fn finish(shared: &Arc<Shared>, desk: &Arc<Desk>, claimed: &Claimed, outcome: Outcome, next: Vec<Delivery>) {
    let waits = matches!(outcome, Outcome::Held { .. } | Outcome::Again { .. });
    let settlement = settlement(claimed, outcome, next, shared.clock.now());
    outcome::settle(shared, &desk.meters, settlement).await;
    if waits {
        // The lane must look anew when the next is due.
        desk.draw_attention();
    }
}

/// An outcome as the ledger takes it, and the deliveries that take over.
pub(super) fn settlement(claimed: &Claimed, outcome: Outcome, next: Vec<Delivery>, now: Timestamp) -> Settlement {
    let Claimed { delivery, lease, sole, .. } = claimed;
    let delivered = matches!(outcome, Outcome::Final { state: domain::RecipientState::Delivered, .. });
    // An escalation is no step, and begins no other.
    let begins = delivered && delivery.step.is_some_and(|step| step.index != ESCALATION);
    let escalate_at = claimed.route.as_ref().filter(|_| begins).and_then(|route| route.escalate.first());
    Settlement {
        lease: *lease,
        lane: delivery.lane.main(),
        attempt: None,
        outcome,
        next,
        escalate_at: escalate_at.map(|first| now + first.after.0),
        frozen: claimed.frozen.clone(),
        sole: *sole,
        metered: false,
        now,
    }
}
