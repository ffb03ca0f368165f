//! Who has no slot waits in a queue of their own: a side lane for each member, behind the same gate.
//!
//! A delivery to several is divided: those with a slot are sent to now, each of the others gets a delivery that waits for
//! theirs. It is never merged again.

use std::sync::Arc;

use domain::{Delivery, Outcome, Reason, Recipient, RecipientSet};

use super::attempt::settlement;
use super::desk::Slot;
use super::people::Admitted;
use super::{Desk, Shared};
use crate::outcome;
use crate::ports::{Claimed, Division};
use crate::routing::request_hash;
use crate::telemetry::{Happening as _, LedgerFailed};

/// Takes what a delivery needs of the quotas that count people, and gives it back to be sent; `None` if it was put back.
pub(super) async fn admit(
    shared: &Arc<Shared>,
    desk: &Arc<Desk>,
    claimed: Claimed,
    slot: &mut Slot,
) -> Option<Claimed> {
    let (Some(people), Some(channel)) = (&desk.people, &desk.channel) else { return Some(claimed) };
    let now = shared.clock.now();
    let admitted = people.lock().admit(&claimed.delivery, channel.people(&claimed.delivery.recipients), now);
    let (at, lane) = match admitted {
        Admitted::Go(taken) => {
            slot.hold(taken);
            return Some(claimed);
        }
        Admitted::Until(at) => (at, None),
        Admitted::NotTo(members) if claimed.delivery.recipients.len() == 1 => {
            let side = members.first().map(|member| desk.lane.of_member(member));
            (claimed.delivery.due_at, side)
        }
        // What may have been taken is repeated as it was, or not at all.
        Admitted::NotTo(members) if claimed.frozen.is_some() || claimed.standing.uncertain_since.is_some() => {
            let mut people = people.lock();
            let latest = members.iter().filter_map(|member| people.wait_for(member, now)).max();
            (latest.unwrap_or(now), None)
        }
        Admitted::NotTo(members) => {
            divide(shared, desk, &claimed, &members).await;
            return None;
        }
    };
    let reason = Reason::new("quota", "it waits for a slot of the quota");
    let ring = lane.clone();
    let held = settlement(&claimed, Outcome::Held { at, lane, stays: false, reason }, Vec::new(), now);
    outcome::settle(shared, &desk.meters, held).await;
    match ring {
        Some(lane) => shared.draw_attention(&lane),
        None => desk.draw_attention(),
    }
    None
}

/// Puts a delivery back as it was.
pub(super) async fn put_back(shared: &Arc<Shared>, desk: &Arc<Desk>, claimed: &Claimed) {
    let reason = Reason::new("digest", "it waits to be merged with others");
    let held = Outcome::Held { at: claimed.delivery.due_at, lane: None, stays: false, reason };
    let held = settlement(claimed, held, Vec::new(), shared.clock.now());
    outcome::settle(shared, &desk.meters, held).await;
}

/// Divides a delivery: the rest waits where it was, each blocked member on a side lane.
async fn divide(shared: &Arc<Shared>, desk: &Arc<Desk>, claimed: &Claimed, blocked: &[String]) {
    let delivery = &claimed.delivery;
    let is_blocked = |recipient: &Recipient| match recipient {
        Recipient::User(userid) => blocked.contains(userid),
        _ => false,
    };
    let (held, free): (Vec<_>, Vec<_>) = delivery.recipients.iter().cloned().partition(is_blocked);
    let mut parts: Vec<Delivery> = held
        .into_iter()
        .map(|recipient| {
            let lane = match &recipient {
                Recipient::User(userid) => desk.lane.of_member(userid),
                _ => desk.lane.main(),
            };
            part(claimed, desk, RecipientSet::new([recipient]), lane)
        })
        .collect();
    if !free.is_empty() {
        parts.insert(0, part(claimed, desk, RecipientSet::new(free), desk.lane.main()));
    }
    let lanes: Vec<_> = parts.iter().map(|part| part.lane.clone()).collect();
    let kept = parts.remove(0);
    match shared.ledger.divide(Division { lease: claimed.lease, kept, others: parts }).await {
        Ok(true) => lanes.iter().for_each(|lane| shared.draw_attention(lane)),
        divided => {
            if let Err(error) = divided {
                LedgerFailed { error: &error }.emit();
            }
            // No room for so many deliveries, or no ledger: all of it waits, and is looked at again.
            let at = shared.clock.now() + std::time::Duration::from_secs(2);
            let reason = Reason::new("quota", "it waits for slots of the quota for all its recipients");
            let held = Outcome::Held { at, lane: None, stays: false, reason };
            let held = settlement(claimed, held, Vec::new(), shared.clock.now());
            outcome::settle(shared, &desk.meters, held).await;
            desk.draw_attention();
        }
    }
}

fn part(claimed: &Claimed, desk: &Desk, recipients: RecipientSet, lane: domain::Lane) -> Delivery {
    let delivery = &claimed.delivery;
    let rendered = match (&desk.channel, &claimed.content) {
        (Some(channel), Some(content)) => channel.render(content, &claimed.options, &recipients, true).ok(),
        _ => None,
    };
    let request_hash = rendered.map_or(delivery.request_hash, |body| request_hash(&body));
    Delivery { lane, recipients, request_hash, ..delivery.clone() }
}
