//! The regular look at the ledger: rings for whatever is due, so that a lost ring costs latency only; settles what
//! expired while it waited; escalates what nobody acknowledged; carries out recalls that were left open; forgets what is
//! no longer asked for; seals anew what
//! an older master key sealed; in small steps between which others have their turn.

use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::dispatch::DispatcherHandle;
use crate::escalation::Escalator;
use crate::ports::{Clock, Ledger, LedgerError};
use crate::recall::Recaller;
use crate::telemetry::{Happening as _, LedgerFailed};

/// How many rows one step touches.
const STEP: usize = 500;
/// The most steps of forgetting in one sweep: at five seconds a sweep, more messages a day than any gateway takes.
const STEPS: usize = 200;
/// How long a step leaves the ledger to others.
const BREATH: Duration = Duration::from_millis(20);
/// How long after it went out a request is still looked for: the longest window of a member's quota, and a margin.
const KEEP_REQUESTS: Duration = Duration::from_secs(65 * 60);
/// How long calls that were no messages are remembered: the longest of their windows, and a margin.
const KEEP_API_CALLS: Duration = Duration::from_secs(25 * 3600);
/// How old a message is before it is indexed: by then those accepted in the same moment are stored, too.
const SETTLED_IN: Duration = Duration::from_secs(10);
/// How many messages are indexed in one step: the more at once, the fewer pages each costs, and the longer others wait.
const INDEX_STEP: usize = 400;

/// How the sweep works.
#[derive(Clone, Debug)]
pub struct SweepConfig {
    /// How often it looks.
    pub every: Duration,
    /// How long an idempotency key is kept.
    pub idempotency_window: Duration,
    /// How long settled messages are kept.
    pub keep_messages: Duration,
}

/// Looks at the ledger regularly.
pub struct Sweeper {
    ledger: Arc<dyn Ledger>,
    dispatcher: DispatcherHandle,
    recaller: Recaller,
    escalator: Escalator,
    clock: Arc<dyn Clock>,
    config: SweepConfig,
}

impl std::fmt::Debug for Sweeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sweeper").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Sweeper {
    /// Makes a sweeper; [`Self::run`] sets it to work.
    pub fn new(
        ledger: Arc<dyn Ledger>,
        dispatcher: DispatcherHandle,
        recaller: Recaller,
        clock: Arc<dyn Clock>,
        config: SweepConfig,
    ) -> Self {
        let escalator = Escalator::new(ledger.clone(), dispatcher.clone());
        Self { ledger, dispatcher, recaller, escalator, clock, config }
    }

    /// Sweeps until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            let swept = tokio::select! {
                swept = self.sweep() => swept,
                () = shutdown.cancelled() => return,
            };
            if let Err(error) = swept {
                LedgerFailed { error: &error }.emit();
            }
            let next = self.clock.now() + self.config.every;
            tokio::select! {
                () = self.clock.sleep_until(next) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Looks once.
    ///
    /// # Errors
    /// [`LedgerError`]; the next sweep tries again.
    pub async fn sweep(&self) -> Result<(), LedgerError> {
        let now = self.clock.now();
        while self.ledger.settle_overdue(now, STEP).await? >= STEP {}
        for (lane, due_at) in self.ledger.waiting_lanes().await? {
            if due_at <= now {
                self.dispatcher.ring(&lane);
            }
        }
        self.escalator.escalate_due(now).await?;
        self.index(now).await?;
        self.forget(now).await?;
        self.reseal().await?;
        // Last, and not for long: an upstream that hangs must not keep the sweep from its work.
        let _rest_next_time = tokio::time::timeout(self.config.every, self.recaller.carry_out_pending()).await;
        Ok(())
    }

    async fn index(&self, now: Timestamp) -> Result<(), LedgerError> {
        for _ in 0..STEPS {
            if self.ledger.index_messages(now - SETTLED_IN, INDEX_STEP).await? < INDEX_STEP {
                break;
            }
            tokio::time::sleep(BREATH).await;
        }
        Ok(())
    }

    /// Seals anew what a newer master key has not sealed yet.
    async fn reseal(&self) -> Result<(), LedgerError> {
        for _ in 0..STEPS {
            if self.ledger.reseal(INDEX_STEP).await? < INDEX_STEP {
                break;
            }
            tokio::time::sleep(BREATH).await;
        }
        Ok(())
    }

    async fn forget(&self, now: Timestamp) -> Result<(), LedgerError> {
        for _ in 0..STEPS {
            let requests = self.ledger.forget_requests(now - KEEP_REQUESTS, STEP).await?;
            let keys = self.ledger.forget_expired_keys(now - self.config.idempotency_window, now, STEP).await?;
            let messages = self.ledger.forget_messages(now - self.config.keep_messages, STEP).await?;
            let files = self.ledger.forget_media(now - self.config.keep_messages, now, STEP).await?;
            let calls = self.ledger.forget_api_calls(now - KEEP_API_CALLS, STEP).await?;
            let events = self.ledger.forget_events(now - self.config.keep_messages, STEP).await?;
            let heard = self.ledger.forget_heard(now - self.config.keep_messages, STEP).await?;
            let rows = self.ledger.forget_broadcasts(now - self.config.keep_messages, STEP).await?;
            if rows < STEP
                && heard < STEP
                && events < STEP
                && requests < STEP
                && keys < STEP
                && messages < STEP
                && files < STEP
                && calls < STEP
            {
                break;
            }
            tokio::time::sleep(BREATH).await;
        }
        Ok(())
    }
}
