//! Escalation: what nobody acknowledged in time goes to somebody else, too.
//!
//! It is not fallback: the message was delivered, and stays so. The ledger remembers when each escalation is due, from
//! the moment of the success; an acknowledgement forgets it.

use std::sync::Arc;

use domain::{ESCALATION, Message, Placed, RecipientSet, RecipientState, Route, Timestamp};

use crate::crash_point;
use crate::dispatch::DispatcherHandle;
use crate::ports::{DueEscalation, Ledger, LedgerError, MessageRecord};
use crate::routing::Parcel;

/// How many messages one look escalates.
const AT_ONCE: usize = 100;

pub(crate) struct Escalator {
    ledger: Arc<dyn Ledger>,
    dispatcher: DispatcherHandle,
}

impl Escalator {
    pub(crate) fn new(ledger: Arc<dyn Ledger>, dispatcher: DispatcherHandle) -> Self {
        Self { ledger, dispatcher }
    }

    /// Escalates what is due.
    pub(crate) async fn escalate_due(&self, now: Timestamp) -> Result<(), LedgerError> {
        for due in self.ledger.due_escalations(now, AT_ONCE).await? {
            let Some(record) = self.ledger.message(due.message, None).await? else { continue };
            let route = record.message.route.clone();
            let deliveries = route.as_deref().map(|route| self.plan(&record, route, due, now)).unwrap_or_default();
            let next = route.as_deref().and_then(|route| route.escalate.get(usize::from(due.level) + 1));
            let next_at = next.map(|next| now + next.after.0);
            crash_point("escalation-before-commit");
            let lanes: Vec<_> = deliveries.iter().map(|delivery| delivery.lane.clone()).collect();
            self.ledger.escalate(due, deliveries, next_at).await?;
            lanes.iter().for_each(|lane| self.dispatcher.ring(lane));
        }
        Ok(())
    }

    fn plan(&self, record: &MessageRecord, route: &Route, due: DueEscalation, now: Timestamp) -> Vec<domain::Delivery> {
        let Some(escalation) = route.escalate.get(usize::from(due.level)) else { return Vec::new() };
        let named: RecipientSet = escalation.to.iter().filter_map(|to| to.parse().ok()).collect();
        let to = if named.is_empty() { reached(record) } else { named };
        // The step by itself, as a route of its own: it goes nowhere from there.
        let steps = vec![escalation.step.clone()];
        let alone =
            Route { steps, escalate: Vec::new(), digest: None, fan_out: false, to: Vec::new(), ..route.clone() };
        let Message { id, content, options, priority, expires_at, .. } = &record.message;
        let parcel =
            Parcel { id: *id, content, options, priority: *priority, expires_at: *expires_at, route: Some(&alone) };
        let place = Placed { index: ESCALATION, moves_at: None, budget: None };
        let planner = self.dispatcher.planner();
        let legs = planner.journey(&alone, 0, &to).legs;
        match planner.later(parcel, legs, now) {
            Ok(deliveries) => {
                deliveries.into_iter().map(|delivery| domain::Delivery { step: Some(place), ..delivery }).collect()
            }
            Err(error) => {
                tracing::warn!(message = %id, %error, "An escalation cannot be sent");
                Vec::new()
            }
        }
    }
}

/// Whom the message has reached.
fn reached(record: &MessageRecord) -> RecipientSet {
    let delivered = record.deliveries.iter().filter(|delivery| delivery.state == RecipientState::Delivered);
    delivered.flat_map(|delivery| delivery.delivery.recipients.iter().cloned()).collect()
}
