//! Who is still open goes on to a later step: planned here, made durable together with the outcome.

use std::sync::Arc;

use domain::{Delivery, Outcome, Reason, Timestamp};

use super::attempt::settlement;
use super::{Desk, Shared, looked_up};
use crate::outcome;
use crate::ports::{Claimed, Moving};
use crate::routing::Parcel;

/// Works out who goes on after an outcome, and with which deliveries. Where the next step cannot take them, for example
/// because it is no longer configured, the outcome stands.
pub(super) fn decide(shared: &Shared, claimed: &Claimed, outcome: Outcome, now: Timestamp) -> (Outcome, Vec<Delivery>) {
    if looked_up::is_lookup(claimed) {
        return looked_up::decide(shared, claimed, outcome, now);
    }
    let (Some(route), Some(placed), Some(content)) = (&claimed.route, claimed.delivery.step, &claimed.content) else {
        return (outcome, Vec::new());
    };
    if claimed.digest_of.is_some() {
        return (of_digest(outcome, claimed, route.goes_on_after(placed.index)), Vec::new());
    }
    let (moved, legs) =
        shared.planner.hand_over(outcome.clone(), route, placed, &claimed.delivery.recipients, shared.config.uncertain);
    if legs.is_empty() {
        return (moved, Vec::new());
    }
    let parcel = Parcel {
        id: claimed.delivery.id.message(),
        content,
        options: &claimed.options,
        priority: claimed.delivery.priority,
        expires_at: claimed.delivery.expires_at,
        route: Some(route),
    };
    match shared.planner.later(parcel, legs, now) {
        Ok(next) => (moved, next),
        Err(error) => {
            tracing::warn!(delivery = %claimed.delivery.id, %error, "The next step of a route cannot take a message");
            (outcome, Vec::new())
        }
    }
}

/// A digest goes nowhere else: where its messages could, it is given up, and each goes on by itself.
fn of_digest(outcome: Outcome, claimed: &Claimed, could_go_on: bool) -> Outcome {
    match outcome {
        Outcome::Again { hopeless: true, reason, .. } if could_go_on => {
            Outcome::ended_after(claimed.standing.uncertain_since, reason)
        }
        other => other,
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
    let given_up = Outcome::ended_after(claimed.standing.uncertain_since, reason.clone());
    let (outcome, next) = decide(shared, &claimed, given_up, now);
    let outcome = if next.is_empty() && claimed.digest_of.is_none() {
        // Nobody can go on: it waits here like any other.
        Outcome::Held { at: claimed.delivery.due_at, lane: None, stays: true, reason }
    } else {
        outcome
    };
    let settlement = settlement(&claimed, outcome, next, now);
    outcome::settle(shared, &desk.meters, settlement).await;
}
