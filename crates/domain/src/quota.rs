//! Exact sliding windows: when is the next slot?
//!
//! A slot is taken when a call starts and is free one window after its answer. The upstream counts a call somewhere
//! between the two, so however long calls travel, no window of the upstream ever holds more than the limit. A token
//! bucket with a burst would let nearly twice the limit through one window. Knows nothing about what is counted.

use std::collections::VecDeque;
use std::time::Duration;

use crate::Timestamp;

/// So many calls in any window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The most calls in any window; at least 1.
    pub limit: u32,
    /// How long a window is.
    pub window: Duration,
}

/// When the next call may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// At once.
    Free,
    /// Not before.
    At(Timestamp),
    /// Not before one of the calls under way is answered.
    AfterAnswer,
}

/// The calls of the last window.
#[derive(Clone, Debug)]
pub struct SlidingWindow {
    quota: Quota,
    under_way: u32,
    answered: VecDeque<Timestamp>,
    last_start: Option<Timestamp>,
    full_once: bool,
}

impl SlidingWindow {
    /// Starts with an empty window.
    pub fn new(quota: Quota) -> Self {
        Self { quota, under_way: 0, answered: VecDeque::new(), last_start: None, full_once: false }
    }

    /// Counts calls that were answered before this window was made, such as those the ledger recorded.
    pub fn remember(&mut self, answered: impl IntoIterator<Item = Timestamp>) {
        self.answered.extend(answered);
        self.answered.make_contiguous().sort_unstable();
        self.last_start = self.last_start.max(self.answered.back().copied());
    }

    /// Says when the next call may start.
    ///
    /// The first calls after a quiet time go at once. Once the window has been full, slots are spaced evenly until
    /// the backlog is gone ([`Self::backlog_gone`]), so that they do not all free, and fill, in one moment.
    pub fn next_slot(&mut self, now: Timestamp) -> Slot {
        while self.answered.front().is_some_and(|&answer| answer + self.quota.window <= now) {
            self.answered.pop_front();
        }
        let taken = self.under_way as usize + self.answered.len();
        if taken >= self.quota.limit as usize {
            self.full_once = true;
            // With more remembered than the limit, all but the last `limit - under_way - 1` must have left.
            let keep = (self.quota.limit - 1).checked_sub(self.under_way);
            return match keep {
                None => Slot::AfterAnswer,
                Some(keep) => match self.answered.len().checked_sub(keep as usize + 1) {
                    Some(index) => Slot::At(self.answered[index] + self.quota.window),
                    None => Slot::AfterAnswer,
                },
            };
        }
        match self.last_start {
            Some(last) if self.full_once && last + self.spacing() > now => Slot::At(last + self.spacing()),
            _ => Slot::Free,
        }
    }

    /// Takes a slot: a call starts.
    pub fn take(&mut self, now: Timestamp) {
        self.under_way += 1;
        self.last_start = Some(now);
    }

    /// Notes that a call that took a slot was answered or timed out.
    pub fn answer(&mut self, now: Timestamp) {
        self.under_way = self.under_way.saturating_sub(1);
        self.answered.push_back(now);
    }

    /// Gives a slot back that was taken and not used: no call was made.
    pub fn untake(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// Notes that nothing waits any more: the next calls may again go at once.
    pub fn backlog_gone(&mut self) {
        self.full_once = false;
    }

    fn spacing(&self) -> Duration {
        self.quota.window / self.quota.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ROBOT: Quota = Quota { limit: 20, window: Duration::from_secs(60) };

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn the_first_twenty_go_at_once_and_the_next_waits_a_window_after_the_first_answer() {
        let mut window = SlidingWindow::new(ROBOT);
        for _ in 0..20 {
            assert_eq!(window.next_slot(at(0)), Slot::Free);
            window.take(at(0));
        }
        assert_eq!(window.next_slot(at(0)), Slot::AfterAnswer);
        window.answer(at(150));
        assert_eq!(window.next_slot(at(200)), Slot::At(at(60_150)));
        assert_eq!(window.next_slot(at(60_150)), Slot::Free);
    }

    #[test]
    fn what_the_ledger_remembers_counts() {
        let mut window = SlidingWindow::new(ROBOT);
        window.remember((0..25).map(|i| at(i * 1000)));
        assert_eq!(window.next_slot(at(25_000)), Slot::At(at(5_000 + 60_000)));
    }

    proptest! {
        /// A backlog of calls, each arriving somewhere between start and answer: no window ever holds more than the
        /// limit, and at least 95 % of it is used.
        #[test]
        fn no_window_ever_exceeds_the_quota_and_a_backlog_uses_it(latencies in prop::collection::vec((1_i64..400, 0_i64..100), 200)) {
            let mut window = SlidingWindow::new(ROBOT);
            let mut now = 0;
            let mut under_way: Vec<i64> = Vec::new();
            let mut arrivals = Vec::new();
            for (latency, share) in latencies {
                loop {
                    under_way.retain(|&answer| {
                        if answer <= now { window.answer(at(answer)); }
                        answer > now
                    });
                    match window.next_slot(at(now)) {
                        Slot::Free => break,
                        Slot::At(next) => now = next.as_millis(),
                        Slot::AfterAnswer => now = *under_way.iter().min().unwrap(),
                    }
                }
                window.take(at(now));
                arrivals.push(now + latency * share / 100);
                under_way.push(now + latency);
            }
            arrivals.sort_unstable();
            for (i, first) in arrivals.iter().enumerate() {
                let inside = arrivals[i..].iter().take_while(|&&a| a < first + 60_000).count();
                prop_assert!(inside <= 20, "{inside} calls within a minute");
            }
            let span = arrivals.last().unwrap() - arrivals.first().unwrap();
            prop_assert!(200.0 >= 0.95 * (span as f64 / 60_000.0) * 20.0);
        }
    }
}
