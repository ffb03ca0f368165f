//! One exact sliding window: never more than so many calls in any stretch of its length.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Quota, Slot};
use crate::Timestamp;

/// The calls of the last window.
#[derive(Clone, Debug)]
pub struct SlidingWindow {
    quota: Quota,
    under_way: u32,
    /// When each call was answered, and how much it counts.
    answered: VecDeque<(Timestamp, u32)>,
    /// What the answered calls count together.
    held: u32,
    last_start: Option<Timestamp>,
    full_once: bool,
}

impl SlidingWindow {
    /// Starts with an empty window.
    pub fn new(quota: Quota) -> Self {
        Self { quota, under_way: 0, answered: VecDeque::new(), held: 0, last_start: None, full_once: false }
    }

    /// Counts calls that were answered before this window was made, such as those the ledger recorded.
    pub fn remember(&mut self, answered: impl IntoIterator<Item = Timestamp>) {
        self.remember_for(answered, 1);
    }

    /// Counts calls of so much weight each that were answered before this window was made.
    pub fn remember_for(&mut self, answered: impl IntoIterator<Item = Timestamp>, weight: u32) {
        for answer in answered {
            self.answered.push_back((answer, weight));
            self.held += weight;
        }
        self.answered.make_contiguous().sort_unstable();
        self.last_start = self.last_start.max(self.answered.back().map(|(answer, _)| *answer));
    }

    /// Says when the next call may start.
    ///
    /// The first calls after a quiet time go at once. Once the window has been full, slots are spaced evenly until
    /// the backlog is gone ([`Self::backlog_gone`]), so that they do not all free, and fill, in one moment.
    pub fn next_slot(&mut self, now: Timestamp) -> Slot {
        self.next_slot_for(now, 1)
    }

    /// Says when a call that counts `weight` may start. One that counts more than the limit waits for an empty window.
    pub fn next_slot_for(&mut self, now: Timestamp, weight: u32) -> Slot {
        self.forget_old(now);
        let room = self.quota.limit - weight.min(self.quota.limit);
        let mut taken = self.used();
        if taken > room {
            self.full_once = true;
            for (answer, weight) in &self.answered {
                taken -= weight;
                if taken <= room {
                    return Slot::At(*answer + self.quota.window);
                }
            }
            return Slot::AfterAnswer;
        }
        match self.last_start {
            Some(last) if self.full_once && last + self.spacing() > now => Slot::At(last + self.spacing()),
            _ => Slot::Free,
        }
    }

    /// Takes a slot: a call starts.
    pub fn take(&mut self, now: Timestamp) {
        self.take_for(now, 1);
    }

    /// Takes slots for a call that counts `weight`.
    pub fn take_for(&mut self, now: Timestamp, weight: u32) {
        self.under_way += weight;
        self.last_start = Some(now);
    }

    /// Notes that a call that took a slot was answered or timed out.
    pub fn answer(&mut self, now: Timestamp) {
        self.answer_for(now, 1);
    }

    /// Notes that a call that counts `weight` was answered or timed out.
    pub fn answer_for(&mut self, now: Timestamp, weight: u32) {
        self.untake_for(weight);
        self.held += weight;
        self.answered.push_back((now, weight));
    }

    /// Gives a slot back that was taken and not used: no call was made.
    pub fn untake(&mut self) {
        self.untake_for(1);
    }

    /// Gives back what a call that was not made would have counted.
    pub fn untake_for(&mut self, weight: u32) {
        self.under_way = self.under_way.saturating_sub(weight);
    }

    /// Notes that nothing waits any more: the next calls may again go at once.
    pub fn backlog_gone(&mut self) {
        self.full_once = false;
    }

    /// Returns what is allowed.
    pub fn quota(&self) -> Quota {
        self.quota
    }

    /// Returns how much of the window is used at a time.
    pub fn used_at(&mut self, now: Timestamp) -> u32 {
        self.forget_old(now);
        self.used()
    }

    /// Tells whether it says nothing that a new window would not say.
    pub fn is_fresh(&mut self, now: Timestamp) -> bool {
        self.used_at(now) == 0 && !self.full_once
    }

    fn used(&self) -> u32 {
        self.under_way + self.held
    }

    fn forget_old(&mut self, now: Timestamp) {
        while let Some((answer, weight)) = self.answered.front()
            && *answer + self.quota.window <= now
        {
            self.held -= weight;
            self.answered.pop_front();
        }
    }

    /// The time between two slots that are spaced evenly.
    pub fn spacing(&self) -> Duration {
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

    #[test]
    fn a_call_that_counts_more_waits_for_more_room() {
        let mut window = SlidingWindow::new(ROBOT);
        window.take_for(at(0), 15);
        window.answer_for(at(100), 15);
        assert_eq!(window.next_slot_for(at(200), 5), Slot::Free);
        assert_eq!(window.next_slot_for(at(200), 6), Slot::At(at(60_100)));
        assert_eq!(window.next_slot_for(at(60_100), 500), Slot::Free);
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
