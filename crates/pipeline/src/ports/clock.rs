//! The clock: what time is it, and wake me then.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use async_trait::async_trait;
use domain::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

/// Tells the time and waits for it.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Returns the time. It goes on evenly, whatever becomes of the machine's clock.
    fn now(&self) -> Timestamp;

    /// Returns what the machine's clock says now, which may jump: for what runs by the clock on the wall.
    fn on_the_wall(&self) -> Timestamp {
        self.now()
    }

    /// Waits until it is `time`.
    async fn sleep_until(&self, time: Timestamp);
}

/// The machine's time at the start plus the monotonic time since: a jump of the machine's clock moves nothing.
#[derive(Debug)]
pub struct SystemClock {
    started_at: Timestamp,
    started: Instant,
    /// How far it is ahead of the machine's, in milliseconds.
    ahead: i64,
}

impl SystemClock {
    /// Reads the machine's clock, once.
    pub fn new() -> Self {
        Self { started_at: machine_time(), started: Instant::now(), ahead: 0 }
    }

    /// Reads a clock that is ahead of the machine's by so many milliseconds, or behind it.
    #[cfg(feature = "trials")]
    pub fn off_by(millis: i64) -> Self {
        Self { started_at: ahead_by(millis), started: Instant::now(), ahead: millis }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock port")]
fn machine_time() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::EPOCH + since
}

fn ahead_by(millis: i64) -> Timestamp {
    Timestamp::from_millis(machine_time().as_millis() + millis)
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        self.started_at + self.started.elapsed()
    }

    fn on_the_wall(&self) -> Timestamp {
        ahead_by(self.ahead)
    }

    async fn sleep_until(&self, time: Timestamp) {
        tokio::time::sleep(time.since(self.now())).await;
    }
}

/// A clock turned by hand, for tests that would otherwise wait.
#[derive(Clone, Debug)]
pub struct HandClock {
    now: Arc<watch::Sender<Timestamp>>,
    /// How far the clock on the wall is ahead, in milliseconds.
    ahead: Arc<AtomicI64>,
}

impl HandClock {
    /// Starts at `time` and stays there.
    pub fn new(time: Timestamp) -> Self {
        Self { now: Arc::new(watch::Sender::new(time)), ahead: Arc::default() }
    }

    /// Turns the clock ahead.
    pub fn advance(&self, by: std::time::Duration) {
        self.now.send_modify(|now| *now = *now + by);
    }

    /// Lets the clock on the wall jump, ahead or back.
    pub fn jump(&self, millis: i64) {
        self.ahead.fetch_add(millis, Ordering::Relaxed);
    }
}

#[async_trait]
impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    fn on_the_wall(&self) -> Timestamp {
        Timestamp::from_millis(self.now().as_millis() + self.ahead.load(Ordering::Relaxed))
    }

    async fn sleep_until(&self, time: Timestamp) {
        // The sender lives in `self`: waiting cannot fail.
        let mut now = self.now.subscribe();
        let _reached = now.wait_for(|now| *now >= time).await;
    }
}
