//! Takes due deliveries, passes the gates, tries one channel, settles.
//!
//! Each lane (an application, a robot) has a task of its own and its own gate: breaker, quota window, concurrency. One
//! that hangs, fails or is full leaves the others alone. The task claims from the ledger only as much as may start at
//! once, so nothing waits in memory under a lease; with no room it sleeps until the gate opens or a call ends.
//!
//! A call slot is free when the answer is in; the in-flight permit is free when the outcome is on disk. Both are held by
//! one [`Slot`], which gives them back however the attempt ends, also by a panic.

mod attempt;
mod gate;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::{BreakerPolicy, CallerId, Lane, Priority, RetryPolicy, Timestamp};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::crash_point;
use crate::ports::{Channel, Channels, Claim, Claimed, Clock, Doorbell, Ledger};
use crate::recall::Recaller;
use crate::telemetry::{Happening as _, LaneMeters, LedgerFailed};

use self::gate::{Gate, Room};

/// One claim in so many takes bulk first, so that bulk is never starved.
const BULK_FIRST_EVERY: u32 = 10;
/// How much longer than the interval of the duplicate check an equal request is looked for.
const EQUAL_MARGIN: Duration = Duration::from_secs(60);
/// Calls that take less than this end again before waiting for one is a loss.
const QUICK: Duration = Duration::from_millis(10);
/// How long a busy lane waits for more of its calls to end, so that it claims several deliveries at once.
const GATHER: Duration = Duration::from_millis(1);
/// How long a lane waits after the ledger failed.
const LEDGER_PAUSE: Duration = Duration::from_millis(500);

/// How the dispatcher works.
#[derive(Clone, Debug)]
pub struct DispatchConfig {
    /// When retries are made.
    pub retry: RetryPolicy,
    /// When lanes close.
    pub breaker: BreakerPolicy,
    /// A last resort beyond the channels' own deadlines.
    pub attempt_limit: Duration,
    /// How long a graceful stop waits for calls under way.
    pub stop_within: Duration,
}

impl Default for DispatchConfig {
    fn default() -> Self {
        Self {
            retry: RetryPolicy::default(),
            breaker: BreakerPolicy::default(),
            attempt_limit: Duration::from_secs(60),
            stop_within: Duration::from_secs(20),
        }
    }
}

/// Takes deliveries out of the ledger and brings outcomes back.
pub struct Dispatcher {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatcher").finish_non_exhaustive()
    }
}

/// Rings and reserves places, from anywhere. Cheap to clone.
#[derive(Clone)]
pub struct DispatcherHandle {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for DispatcherHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DispatcherHandle").finish_non_exhaustive()
    }
}

pub(crate) struct Shared {
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) channels: Channels,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: DispatchConfig,
    pub(crate) recaller: Recaller,
    doorbell: Arc<dyn Doorbell>,
    desks: Mutex<HashMap<Lane, Arc<Desk>>>,
    tasks: TaskTracker,
    /// Nothing new is started.
    stopping: CancellationToken,
    /// Calls under way are given up.
    pub(crate) giving_up: CancellationToken,
}

/// Where the deliveries of one lane are handled.
pub(crate) struct Desk {
    pub(crate) lane: Lane,
    /// `None` for a lane that is no longer configured: what waits there is dead.
    pub(crate) channel: Option<Arc<dyn Channel>>,
    pub(crate) meters: LaneMeters,
    gate: Mutex<Gate>,
    /// Something may be due.
    attention: AtomicBool,
    wake: Notify,
}

/// A call slot and an in-flight permit.
pub(crate) struct Slot {
    desk: Arc<Desk>,
    pub(crate) probe: bool,
    answered: bool,
}

/// A place at the dispatcher for a delivery that is about to be accepted; dropped, it is given back.
pub(crate) struct Reservation {
    shared: Arc<Shared>,
    slot: Slot,
}

impl Dispatcher {
    /// Makes a dispatcher; [`Self::run`] sets it to work.
    pub fn new(
        ledger: Arc<dyn Ledger>,
        doorbell: Arc<dyn Doorbell>,
        channels: Channels,
        clock: Arc<dyn Clock>,
        config: DispatchConfig,
    ) -> Self {
        let shared = Shared {
            recaller: Recaller::new(ledger.clone(), channels.clone(), clock.clone()),
            ledger,
            doorbell,
            channels,
            clock,
            config,
            desks: Mutex::default(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            giving_up: CancellationToken::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Returns a handle for ringing and reserving.
    pub fn handle(&self) -> DispatcherHandle {
        DispatcherHandle { shared: self.shared.clone() }
    }

    /// Works until `shutdown`; then starts nothing new, waits for calls under way as long as configured, gives the rest
    /// up as uncertain, and gives back every lease.
    pub async fn run(self, shutdown: CancellationToken) {
        let shared = self.shared;
        let lanes: Vec<Lane> = shared.channels.iter().map(|channel| channel.lane().clone()).collect();
        for lane in lanes {
            shared.desk(&lane).draw_attention();
        }
        loop {
            tokio::select! {
                lane = shared.doorbell.listen() => shared.desk(&lane).draw_attention(),
                () = shutdown.cancelled() => break,
            }
        }
        shared.stopping.cancel();
        shared.tasks.close();
        if tokio::time::timeout(shared.config.stop_within, shared.tasks.wait()).await.is_err() {
            tracing::warn!("Calls upstream are still under way: giving them up");
            shared.giving_up.cancel();
            let _settled = tokio::time::timeout(Duration::from_secs(5), shared.tasks.wait()).await;
        }
        crash_point("release-before");
        match shared.ledger.release(shared.clock.now()).await {
            Ok(0) => {}
            Ok(released) => tracing::warn!(released, "Gave back deliveries that were not settled"),
            Err(error) => LedgerFailed { error: &error }.emit(),
        }
    }
}

impl DispatcherHandle {
    /// Says that something may be due on a lane.
    pub fn ring(&self, lane: &Lane) {
        self.shared.doorbell.ring(lane);
    }

    /// Takes a place for a delivery that is about to be accepted, if it could start at once and nothing waits before it.
    pub(crate) fn reserve(&self, lane: &Lane) -> Option<Reservation> {
        if self.shared.stopping.is_cancelled() {
            return None;
        }
        let desk = self.shared.desks.lock().get(lane)?.clone();
        if desk.attention.load(Ordering::Acquire) {
            return None;
        }
        let now = self.shared.clock.now();
        let taken = {
            let mut gate = desk.gate.lock();
            let room = gate.room(now);
            let free = room.free > 0 && !room.probe && gate.is_ready() && !gate.backlog;
            free.then(|| gate.take(now, false))
        };
        taken?;
        Some(Reservation { shared: self.shared.clone(), slot: Slot { desk, probe: false, answered: false } })
    }
}

impl Reservation {
    /// Since when an equal request forbids the duplicate check; `None` where the upstream has none.
    pub(crate) fn equal_since(&self, now: Timestamp) -> Option<Timestamp> {
        self.slot.desk.equal_since(now)
    }

    /// Starts the delivery, now that it is on disk.
    pub(crate) fn start(self, claimed: Claimed) {
        let Self { shared, slot } = self;
        let tasks = shared.tasks.clone();
        tasks.spawn(attempt::work(shared, claimed, slot));
    }
}

impl Desk {
    /// Since when an equal request forbids the duplicate check; `None` where the upstream has none.
    fn equal_since(&self, now: Timestamp) -> Option<Timestamp> {
        let interval = self.channel.as_ref().and_then(|channel| channel.duplicate_check())?;
        // An earlier call may have reached the upstream long after it was claimed.
        Some(now - (interval + EQUAL_MARGIN))
    }

    pub(crate) fn draw_attention(&self) {
        self.attention.store(true, Ordering::Release);
        self.wake.notify_one();
    }
}

impl Slot {
    pub(crate) fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    /// Frees the call slot: the answer is in, and the breaker learns from it.
    pub(crate) fn answered(
        &mut self,
        attempt: &domain::Attempt,
        took: Duration,
        now: Timestamp,
    ) -> Option<domain::LaneState> {
        self.answered = true;
        let (changed, awaited) = {
            let mut gate = self.desk.gate.lock();
            gate.is_quick = took < QUICK;
            gate.answered(attempt, self.probe, now)
        };
        if awaited {
            self.desk.wake.notify_one();
        }
        changed
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.desk.gate.lock().leave(self.answered, self.probe) {
            self.desk.wake.notify_one();
        }
    }
}

impl Shared {
    fn desk(self: &Arc<Self>, lane: &Lane) -> Arc<Desk> {
        let mut desks = self.desks.lock();
        if let Some(desk) = desks.get(lane) {
            return desk.clone();
        }
        let channel = self.channels.get(lane).cloned();
        let desk = Arc::new(Desk {
            lane: lane.clone(),
            gate: Mutex::new(Gate::new(channel.as_deref(), self.config.breaker)),
            channel,
            meters: LaneMeters::new(lane),
            attention: AtomicBool::new(true),
            wake: Notify::new(),
        });
        desks.insert(lane.clone(), desk.clone());
        self.tasks.spawn(self.clone().run_lane(desk.clone()));
        desk
    }

    async fn run_lane(self: Arc<Self>, desk: Arc<Desk>) {
        if !self.rebuild_window(&desk).await {
            return;
        }
        let mut turn = Turn::default();
        let mut next_due: Option<Timestamp> = None;
        while !self.stopping.is_cancelled() {
            let mut room = {
                let mut gate = desk.gate.lock();
                let room = gate.room(self.clock.now());
                if room.free > 0 && desk.attention.load(Ordering::Acquire) {
                    // What is about to be claimed has this room: nothing may be reserved beside it.
                    gate.backlog = true;
                }
                gate.awaited = room.free == 0;
                room
            };
            if room.is_scant && desk.attention.load(Ordering::Acquire) {
                tokio::time::sleep(GATHER).await;
                let mut gate = desk.gate.lock();
                room = gate.room(self.clock.now());
                gate.awaited = room.free == 0;
            }
            if room.free > 0 && desk.attention.swap(false, Ordering::AcqRel) {
                match self.claim(&desk, room, &mut turn).await {
                    Claimable::More => {
                        desk.attention.store(true, Ordering::Release);
                        continue;
                    }
                    Claimable::From(due) => next_due = due,
                }
            }
            let attention = desk.attention.load(Ordering::Acquire);
            // With no room, what is due does not matter before the gate opens.
            let wake_at = if room.free == 0 { room.opens_at } else { next_due };
            if attention && room.free > 0 {
                continue;
            }
            tokio::select! {
                () = desk.wake.notified() => {}
                () = self.clock.sleep_until(wake_at.unwrap_or(Timestamp::NEVER)), if wake_at.is_some() => {
                    desk.attention.store(true, Ordering::Release);
                }
                () = self.stopping.cancelled() => return,
            }
        }
    }

    /// Claims and starts what there is room for.
    async fn claim(self: &Arc<Self>, desk: &Arc<Desk>, room: Room, turn: &mut Turn) -> Claimable {
        let now = self.clock.now();
        let claim = Claim {
            lane: desk.lane.clone(),
            limit: room.free,
            now,
            lowest_first: turn.lowest_first(),
            served: turn.served.clone(),
            equal_since: desk.equal_since(now),
        };
        let claims = match self.ledger.claim(claim).await {
            Ok(claims) => claims,
            Err(error) => {
                LedgerFailed { error: &error }.emit();
                return Claimable::From(Some(self.clock.now() + LEDGER_PAUSE));
            }
        };
        crash_point("claim-after-commit");
        let claimed = claims.claimed;
        if let Some(last) = claimed.last() {
            turn.served = Some(last.caller.clone());
        }
        let more = claims.next_due.is_some_and(|due| due <= now);
        {
            let mut gate = desk.gate.lock();
            gate.backlog = more;
            if !more {
                gate.backlog_gone();
            }
            for _ in &claimed {
                gate.take(now, room.probe);
            }
        }
        for claimed in claimed {
            let slot = Slot { desk: desk.clone(), probe: room.probe, answered: false };
            self.tasks.spawn(attempt::work(self.clone(), claimed, slot));
        }
        if more { Claimable::More } else { Claimable::From(claims.next_due) }
    }

    /// Fills a metered lane's window from the ledger before the first call; `false` if the stop came first.
    async fn rebuild_window(&self, desk: &Desk) -> bool {
        let Some(quota) = desk.channel.as_ref().and_then(|channel| channel.quota()) else {
            return true;
        };
        loop {
            match self.ledger.recent_calls(&desk.lane, self.clock.now() - quota.window).await {
                Ok(calls) => {
                    let now = self.clock.now();
                    // A call in the future was made before a wrong clock was put right.
                    desk.gate.lock().remember(calls.into_iter().map(|call| call.min(now)).collect());
                    return true;
                }
                Err(error) => LedgerFailed { error: &error }.emit(),
            }
            tokio::select! {
                () = tokio::time::sleep(LEDGER_PAUSE) => {}
                () = self.stopping.cancelled() => return false,
            }
        }
    }
}

/// What is left after a claim.
enum Claimable {
    /// There may be more now.
    More,
    /// Nothing before this time, if ever.
    From(Option<Timestamp>),
}

/// Whose turn it is: of priorities and of callers.
#[derive(Default)]
struct Turn {
    claims: u32,
    served: Option<CallerId>,
}

impl Turn {
    fn lowest_first(&mut self) -> bool {
        self.claims = self.claims.wrapping_add(1);
        self.claims.is_multiple_of(BULK_FIRST_EVERY)
    }
}

/// The order in which a claim looks at priorities.
pub fn claim_order(lowest_first: bool) -> [Priority; 3] {
    if lowest_first {
        [Priority::Bulk, Priority::Urgent, Priority::Normal]
    } else {
        [Priority::Urgent, Priority::Normal, Priority::Bulk]
    }
}
