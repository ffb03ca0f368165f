//! Places for connections: so many, and the one that has been idle longest is given up for a new one.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How one connection is doing: milliseconds since the start when it became idle, or this while a request is under way.
const BUSY: u64 = u64::MAX;

pub(super) struct Places {
    most: usize,
    started: Instant,
    taken: Mutex<HashMap<u64, Arc<State>>>,
    next: AtomicU64,
    freed: Notify,
}

struct State {
    idle_since: AtomicU64,
    given_up: CancellationToken,
}

/// A place, free again when dropped.
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    state: Arc<State>,
}

/// Holds a connection busy.
pub(super) struct Busy(Arc<State>, Arc<Places>);

impl Places {
    pub(super) fn new(most: usize) -> Self {
        Self { most, started: Instant::now(), taken: Mutex::default(), next: AtomicU64::new(0), freed: Notify::new() }
    }

    /// Takes a free place, or that of the connection that has been idle longest; waits while all are busy.
    pub(super) async fn take(self: &Arc<Self>) -> Place {
        loop {
            let freed = self.freed.notified();
            if let Some(place) = self.try_take() {
                return place;
            }
            freed.await;
        }
    }

    fn try_take(self: &Arc<Self>) -> Option<Place> {
        let mut taken = self.taken.lock();
        if taken.len() >= self.most {
            let idle = taken.iter().map(|(number, state)| (state.idle_since.load(Ordering::Relaxed), *number));
            let (since, longest) = idle.min()?;
            if since == BUSY {
                return None;
            }
            if let Some(state) = taken.remove(&longest) {
                state.given_up.cancel();
            }
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let state = Arc::new(State { idle_since: AtomicU64::new(self.now()), given_up: CancellationToken::new() });
        taken.insert(number, state.clone());
        Some(Place { places: self.clone(), number, state })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(0)
    }
}

impl Place {
    /// Marks the connection as busy for as long as the result lives.
    pub(super) fn busy(&self) -> Busy {
        self.state.idle_since.store(BUSY, Ordering::Relaxed);
        Busy(self.state.clone(), self.places.clone())
    }

    /// Waits until the place is given to another.
    pub(super) async fn given_up(&self) {
        self.state.given_up.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken.lock().remove(&self.number);
        self.places.freed.notify_one();
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let Self(state, places) = self;
        state.idle_since.store(places.now(), Ordering::Relaxed);
        places.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_longest_idle_makes_room_and_a_busy_one_never() {
        let places = Arc::new(Places::new(2));
        let first = places.take().await;
        let second = places.take().await;
        let busy = first.busy();
        let third = places.take().await;
        assert!(second.state.given_up.is_cancelled() && !first.state.given_up.is_cancelled());
        let also_busy = third.busy();
        assert!(places.try_take().is_none(), "all are busy");
        drop(busy);
        let _fourth = places.take().await;
        assert!(first.state.given_up.is_cancelled());
        drop(also_busy);
    }
}
