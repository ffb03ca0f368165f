//! Who is still open goes on to a later step: planned here, made durable together with the outcome.

use std::sync::Arc;

use domain::{Delivery, Outcome, Reason, RecipientState, Refusal, RoutedLeg, Timestamp};

use super::attempt::settlement;
use super::{Desk, Shared};
use crate::outcome;
use crate::ports::{Claimed, Moving};
use crate::routing::Parcel;

/// Works out who goes on after an outcome, and where.
pub(super) fn of(shared: &Shared, claimed: &Claimed, outcome: Outcome) -> (Outcome, Vec<RoutedLeg>) {
    // What is in a digest ends with it; each message goes on by itself if the digest fails.
    match (&claimed.route, claimed.delivery.step, claimed.digest_of) {
        (Some(route), Some(placed), None) => {
            shared.planner.hand_over(outcome, route, placed, &claimed.delivery.recipients)
        }
        _ => (outcome, Vec::new()),
    }
}

/// Plans the deliveries of the legs. What no channel can render any more ends where it is, and says why.
pub(super) fn planned(
    shared: &Shared,
    claimed: &Claimed,
    outcome: Outcome,
    legs: Vec<RoutedLeg>,
    now: Timestamp,
) -> (Outcome, Vec<Delivery>) {
    let (Some(content), false) = (&claimed.content, legs.is_empty()) else { return (outcome, Vec::new()) };
    let parcel = Parcel {
        id: claimed.delivery.id.message(),
        content,
        options: &claimed.options,
        priority: claimed.delivery.priority,
        expires_at: claimed.delivery.expires_at,
        route: claimed.route.as_deref(),
    };
    match shared.planner.later(parcel, legs, now) {
        Ok(next) => (outcome, next),
        Err(invalid) => {
            let reason = Reason::new("cannot_go_on", format!("the next step of its route cannot take it: {invalid}"));
            let ended = match outcome {
                Outcome::Final { state: RecipientState::Delivered, refused, handle, unconfirmed, reason } => {
                    let stays = |refusal| Refusal { moves_on: false, ..refusal };
                    let refused = refused.into_iter().map(stays).collect();
                    Outcome::Final { state: RecipientState::Delivered, refused, handle, unconfirmed, reason }
                }
                _ => Outcome::ended_after(claimed.standing.uncertain_since, reason),
            };
            (ended, Vec::new())
        }
    }
}

/// Moves on a delivery that waits where it should not: behind a closed lane, or longer than its step allows.
pub(super) async fn move_waiting(shared: &Arc<Shared>, desk: &Arc<Desk>, claimed: Claimed, moving: Moving) {
    let now = shared.clock.now();
    let deadline = claimed.delivery.step.and_then(|step| step.moves_at);
    let lane = claimed.delivery.lane.main();
    let reason = if deadline.is_some_and(|deadline| deadline <= now) {
        Reason::new("step_deadline", "the time for this step of the route was over")
    } else if moving.at_once {
        Reason::new("lane_closed", format!("`{lane}` is closed for the time being"))
    } else {
        Reason::new("budget_used", format!("{} percent of the quota of `{lane}` are used", moving.used))
    };
    let (outcome, legs) = of(shared, &claimed, Outcome::ended_after(claimed.standing.uncertain_since, reason.clone()));
    let outcome = if legs.is_empty() {
        // Nobody can go on: it waits here like any other.
        Outcome::Held { at: claimed.delivery.due_at, lane: None, stays: true, reason }
    } else {
        outcome
    };
    let settlement = settlement(shared, &claimed, outcome, legs, now);
    outcome::settle(shared, &desk.meters, settlement).await;
}
