//! Takes due deliveries, passes the gates, tries one channel, settles.
//!
//! Each lane (an application, a robot) has a task of its own and its own gate: breaker, quota window, concurrency. One
//! that hangs, fails or is full leaves the others alone. The task claims from the ledger only as much as may start at
//! once, so nothing waits in memory under a lease; with no room it sleeps until the gate opens or a call ends. Who has no
//! slot left is held on a side lane, a queue of their own behind the same gate.
//!
//! A call slot is free when the answer is in; the in-flight permit is free when the outcome is on disk. Both are held by
//! one [`Slot`](desk::Slot), which gives them back however the attempt ends, also by a panic.
//!
//! | room | what happens there |
//! | --- | --- |
//! | `lane` | waits for room and for what is due, claims it, starts it; moves on what should not wait |
//! | `desk` | what a lane's task and its calls hold in common: slots, reservations |
//! | `gate`, `people` | may a call start? by lane, by recipient |
//! | `attempt` | one claimed delivery, from the first look to the outcome |
//! | `letter` | what is written: digest, part, files |
//! | `hold` | who has no slot waits in a queue of their own |
//! | `onward` | who is still open goes on to a later step |
//! | `quotas` | what of them is used, as it is shown |

mod attempt;
mod desk;
mod gate;
mod hold;
mod lane;
mod letter;
mod looked_up;
mod onward;
mod people;
mod quotas;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::{BreakerPolicy, Lane, RetryPolicy, Uncertain};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api_calls::ApiCalls;
use crate::crash_point;
use crate::directory::DirectoryBook;
use crate::media::Uploader;
use crate::ports::{Channels, Clock, Doorbell, Ledger};
use crate::recall::Recaller;
use crate::routing::{Planner, Routing};
use crate::telemetry::{Happening as _, LedgerFailed};
use crate::watching::{Watch, Watching};

pub(crate) use self::desk::{Desk, Reservation};
pub use self::lane::claim_order;
pub use self::quotas::{LaneQuotas, QuotaUse, window_name};

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
    /// How long a call may take at most, as the channels limit it: where it is not known when one was answered, it is
    /// taken to have been then.
    pub longest_call: Duration,
    /// What is risked where nobody knows whether a message was taken, if its route does not say.
    pub uncertain: Uncertain,
}

impl Default for DispatchConfig {
    fn default() -> Self {
        Self {
            retry: RetryPolicy::default(),
            breaker: BreakerPolicy::default(),
            attempt_limit: Duration::from_secs(60),
            stop_within: Duration::from_secs(20),
            longest_call: Duration::from_secs(10),
            uncertain: Uncertain::Repeat,
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

/// Rings, reserves places and tells what is used, from anywhere. Cheap to clone.
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
    planner: Planner,
    uploader: Uploader,
    pub(crate) api_calls: ApiCalls,
    doorbell: Arc<dyn Doorbell>,
    desks: Mutex<HashMap<Lane, Arc<Desk>>>,
    /// Windows that several lanes share, by name.
    common: Mutex<HashMap<String, people::Shared>>,
    /// Who waits for what becomes of a message.
    pub(crate) watching: Arc<Watching>,
    tasks: TaskTracker,
    /// Nothing new is started.
    stopping: CancellationToken,
    /// Calls under way are given up.
    pub(crate) giving_up: CancellationToken,
}

impl Shared {
    /// Rings for a lane.
    pub(crate) fn ring(&self, lane: &Lane) {
        self.doorbell.ring(lane);
    }
}

impl Dispatcher {
    /// Makes a dispatcher; [`Self::run`] sets it to work.
    pub fn new(
        ledger: Arc<dyn Ledger>,
        doorbell: Arc<dyn Doorbell>,
        channels: Channels,
        clock: Arc<dyn Clock>,
        config: DispatchConfig,
        (routing, directory): (Arc<Routing>, DirectoryBook),
    ) -> Self {
        let api_calls = ApiCalls::new(ledger.clone(), clock.clone(), config.longest_call);
        let shared = Shared {
            recaller: Recaller::new(ledger.clone(), channels.clone(), clock.clone(), api_calls.clone()),
            planner: Planner::new(channels.clone(), routing, directory, config.retry.deadline),
            uploader: Uploader::new(ledger.clone(), clock.clone(), api_calls.clone()),
            api_calls,
            ledger,
            doorbell,
            channels,
            clock,
            config,
            desks: Mutex::default(),
            common: Mutex::default(),
            watching: Arc::default(),
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
            shared.draw_attention(&lane);
        }
        loop {
            tokio::select! {
                lane = shared.doorbell.listen() => shared.draw_attention(&lane),
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
        self.shared.ring(lane);
    }

    /// Takes a place for a delivery that is about to be accepted, if it could start at once and nothing waits before it.
    pub(crate) fn reserve(&self, lane: &Lane) -> Option<Reservation> {
        Reservation::take(&self.shared, lane)
    }

    /// Draws ways.
    pub(crate) fn planner(&self) -> &Planner {
        &self.shared.planner
    }

    /// Returns who carries out recalls: within the same windows as the dispatcher.
    pub fn recaller(&self) -> Recaller {
        self.shared.recaller.clone()
    }

    /// Waits for what becomes of a message.
    pub fn watch(&self, message: domain::MessageId) -> Watch {
        self.shared.watching.watch(message)
    }

    /// Whether the breaker keeps a lane closed: what waits there goes later.
    pub fn is_closed(&self, lane: &Lane) -> bool {
        let desk = self.shared.desks.lock().get(&lane.main()).cloned();
        desk.is_some_and(|desk| desk.is_closed())
    }

    /// Returns what of each quota is used, and when there is room again.
    pub fn quotas(&self) -> Vec<LaneQuotas> {
        quotas::of(&self.shared)
    }
}
