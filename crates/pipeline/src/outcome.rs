//! Settling: the outcome goes to the ledger, however long that takes.
//!
//! Between the upstream's answer and this commit lies the only moment in which a crash can make a message go out twice;
//! nothing else is done there. While the ledger is away the outcome is held here, and its in-flight permit with it, so
//! that no more is started than can be remembered.

use std::sync::Arc;
use std::time::Duration;

use domain::{Outcome, RecipientState};

use crate::crash_point;
use crate::dispatch::Shared;
use crate::ports::{Settled, Settlement};
use crate::telemetry::{DeliveryRetried, DeliverySettled, Happening as _, LaneMeters, LedgerFailed, StaleSettlement};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

pub(crate) async fn settle(shared: &Shared, meters: &LaneMeters, settlement: Settlement) {
    crash_point("settle-before");
    let settlement = Arc::new(settlement);
    let mut pause = FIRST_PAUSE;
    let settled = loop {
        match shared.ledger.settle(settlement.clone()).await {
            Ok(settled) => break settled,
            Err(error) => LedgerFailed { error: &error }.emit(),
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
            // The lease is given back by the stop, or ends with the process: the delivery will be tried again.
            () = shared.giving_up.cancelled() => return,
        }
    };
    crash_point("settle-after");
    if matches!(settled, Settled::Recorded { .. }) && !settlement.next.is_empty() {
        crash_point("hand-over-after-settle");
        settlement.next.iter().for_each(|next| shared.ring(&next.lane));
    }
    let Settlement { lane, lease, outcome, .. } = &*settlement;
    match settled {
        Settled::Stale => StaleSettlement { lane }.emit(),
        Settled::Recorded { recall_wanted } => match outcome {
            Outcome::Again { .. } => {
                crash_point("retry-after-settle");
                DeliveryRetried { lane }.emit();
            }
            Outcome::Held { .. } | Outcome::PartSent { .. } => {}
            Outcome::Final { state, .. } => {
                DeliverySettled { lane, meters, state: *state }.emit();
                shared.watching.settled(lease.delivery.message());
                if recall_wanted && matches!(state, RecipientState::Delivered | RecipientState::Uncertain) {
                    Box::pin(shared.recaller.carry_out_of(lease.delivery.message())).await;
                }
            }
        },
    }
}
