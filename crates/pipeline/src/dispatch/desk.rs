//! What a lane's task and its calls hold in common: the gate, slots, reservations.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::{Lane, LaneState, Timestamp};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::gate::Gate;
use super::people::{People, Taken};
use super::{Shared, attempt};
use crate::ports::{Channel, Claimed};
use crate::telemetry::LaneMeters;

/// Calls that take less than this end again before waiting for one is a loss.
const QUICK: Duration = Duration::from_millis(10);
/// How much longer than the interval of the duplicate check an equal request is looked for.
const EQUAL_MARGIN: Duration = Duration::from_secs(60);

/// Where the deliveries of one lane are handled. A side lane has its main lane's gate.
pub(crate) struct Desk {
    pub(crate) lane: Lane,
    /// `None` for a lane that is no longer configured: what waits there is dead.
    pub(crate) channel: Option<Arc<dyn Channel>>,
    pub(crate) meters: Arc<LaneMeters>,
    pub(super) gate: Arc<Mutex<Gate>>,
    pub(super) people: Option<Arc<Mutex<People>>>,
    /// Held by the one that makes what the channel needs before it can send.
    pub(super) preparing: tokio::sync::Mutex<()>,
    /// Something may be due.
    pub(super) attention: AtomicBool,
    pub(super) wake: Arc<Notify>,
}

/// A call slot and an in-flight permit, and what the call takes of the quotas that count people.
pub(crate) struct Slot {
    desk: Arc<Desk>,
    pub(crate) probe: bool,
    answered: bool,
    taken: Option<Taken>,
}

/// A place at the dispatcher for a delivery that is about to be accepted; dropped, it is given back.
pub(crate) struct Reservation {
    shared: Arc<Shared>,
    slot: Slot,
}

impl Reservation {
    /// Takes a place, if a delivery could start at once and nothing waits before it.
    pub(super) fn take(shared: &Arc<Shared>, lane: &Lane) -> Option<Self> {
        if shared.stopping.is_cancelled() {
            return None;
        }
        let desk = shared.desks.lock().get(lane)?.clone();
        if desk.attention.load(Ordering::Acquire) {
            return None;
        }
        let now = shared.clock.now();
        let taken = {
            let mut gate = desk.gate.lock();
            let room = gate.room(now);
            let free = room.free > 0 && !room.probe && gate.is_ready() && !gate.backlog;
            free.then(|| gate.take(now, false))
        };
        taken?;
        Some(Self { shared: shared.clone(), slot: Slot::new(desk, false) })
    }

    /// Since when an equal request forbids the duplicate check; `None` where the upstream has none.
    pub(crate) fn equal_since(&self, now: Timestamp) -> Option<Timestamp> {
        self.slot.desk.equal_since(now)
    }

    /// Starts the delivery, now that it is on disk.
    pub(crate) fn start(self, claimed: Claimed) {
        let Self { shared, slot } = self;
        let tasks = shared.tasks.clone();
        tasks.spawn(attempt::work(shared, claimed, slot, None));
    }
}

impl Desk {
    /// Since when an equal request forbids the duplicate check; `None` where the upstream has none.
    pub(super) fn equal_since(&self, now: Timestamp) -> Option<Timestamp> {
        let interval = self.channel.as_ref().and_then(|channel| channel.duplicate_check())?;
        // An earlier call may have reached the upstream long after it was claimed.
        Some(now - (interval + EQUAL_MARGIN))
    }

    pub(crate) fn draw_attention(&self) {
        self.attention.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// How much of the quotas is used that every call of the lane needs, in percent.
    pub(super) fn used_percent(&self, now: Timestamp) -> u8 {
        let of_calls = self.gate.lock().used_percent(now);
        self.people.as_ref().map_or(of_calls, |people| of_calls.max(people.lock().used_percent(now)))
    }
}

impl Slot {
    /// Holds what was taken at the desk's gate.
    pub(super) fn new(desk: Arc<Desk>, probe: bool) -> Self {
        Self { desk, probe, answered: false, taken: None }
    }

    pub(crate) fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    /// Holds what the call takes of the quotas that count people.
    pub(super) fn hold(&mut self, taken: Taken) {
        self.taken = Some(taken);
    }

    /// Frees the call slot: the answer is in, and the breaker learns from it.
    pub(crate) fn answered(&mut self, attempt: &domain::Attempt, took: Duration, now: Timestamp) -> Option<LaneState> {
        self.answered = true;
        if let (Some(people), Some(taken)) = (&self.desk.people, self.taken.take()) {
            people.lock().answer(&taken, now);
        }
        let (changed, awaited) = {
            let mut gate = self.desk.gate.lock();
            gate.is_quick = took < QUICK;
            gate.answered(attempt, self.probe, now)
        };
        awaited.iter().for_each(|desk| desk.notify_one());
        changed
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let (Some(people), Some(taken)) = (&self.desk.people, self.taken.take()) {
            people.lock().untake(&taken);
        }
        let awaited = self.desk.gate.lock().leave(self.answered, self.probe);
        awaited.iter().for_each(|desk| desk.notify_one());
    }
}
