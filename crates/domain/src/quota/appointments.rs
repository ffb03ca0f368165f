//! Windows with appointments: who finds no slot is told when to come, and nobody else is told the same time.
//!
//! Without them, all that wait would come for each slot that opens, and all but one in vain.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Quota, Slot, Windows};
use crate::Timestamp;

/// How late one may come and still have a turn before others.
const LATE: Duration = Duration::from_secs(10);
/// How long one waits whose slot depends on a call that is under way.
const AFTER_ANSWER: Duration = Duration::from_secs(1);

/// The windows of one kind of call, and when those that wait are to come.
#[derive(Clone, Debug)]
pub struct Appointments {
    windows: Windows,
    /// The earliest first.
    made: VecDeque<Timestamp>,
}

impl Appointments {
    /// Starts with empty windows, and nobody waiting.
    pub fn new(quotas: &[Quota]) -> Self {
        Self { windows: Windows::new(quotas), made: VecDeque::new() }
    }

    /// Counts calls that were answered before this was made.
    pub fn remember(&mut self, answered: &[Timestamp]) {
        self.windows.remember_for(answered, 1);
    }

    /// Takes a slot for a call that starts; `false` if there is none.
    pub fn take(&mut self, now: Timestamp) -> bool {
        while self.made.front().is_some_and(|time| *time + LATE <= now) {
            self.made.pop_front();
        }
        if self.made.is_empty() {
            self.windows.backlog_gone();
        }
        let is_free = self.windows.next_slot_for(now, 1) == Slot::Free;
        if is_free {
            if self.made.front().is_some_and(|time| *time <= now) {
                self.made.pop_front();
            }
            self.windows.take_for(now, 1);
        }
        is_free
    }

    /// Says when to come again, to one who was given no slot.
    pub fn appoint(&mut self, now: Timestamp) -> Timestamp {
        let opens = match self.windows.next_slot_for(now, 1) {
            Slot::Free => now,
            Slot::At(time) => time,
            Slot::AfterAnswer => now + AFTER_ANSWER,
        };
        // One whose time it is, and whose slot opens a little later than was thought, keeps the turn.
        if self.made.front().is_some_and(|time| *time <= now) {
            self.made.pop_front();
            self.made.push_front(opens);
            return opens;
        }
        let time = self.made.back().map_or(opens, |last| (*last + self.windows.spacing()).max(opens));
        self.made.push_back(time);
        time
    }

    /// Notes that a call that took a slot was answered or timed out.
    pub fn answer(&mut self, now: Timestamp) {
        self.windows.answer_for(now, 1);
    }

    /// Gives a slot back that was taken and not used.
    pub fn untake(&mut self) {
        self.windows.untake_for(1);
    }

    /// Returns how much of each window is used, and when the next call may start, if not now.
    pub fn used_at(&mut self, now: Timestamp) -> (Vec<(Quota, u32)>, Slot) {
        (self.windows.used_at(now), self.windows.next_slot_for(now, 1))
    }

    /// Since when calls count, if any do.
    pub fn since(&self, now: Timestamp) -> Option<Timestamp> {
        self.windows.since(now)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BinaryHeap;

    use super::*;
    use proptest::prelude::*;

    const A_MINUTE: Quota = Quota { limit: 20, window: Duration::from_secs(60) };
    const TEN_MINUTES: Quota = Quota { limit: 100, window: Duration::from_secs(600) };

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn nobody_is_told_the_time_of_another() {
        let mut calls = Appointments::new(&[A_MINUTE]);
        for _ in 0..20 {
            assert!(calls.take(at(0)));
            calls.answer(at(100));
        }
        assert!(!calls.take(at(200)));
        assert_eq!(calls.appoint(at(200)), at(60_100));
        assert_eq!(calls.appoint(at(200)), at(63_100));
        assert!(calls.take(at(60_100)));
        assert!(calls.take(at(63_100)));
    }

    #[test]
    fn who_never_comes_keeps_nobody_waiting() {
        let mut calls = Appointments::new(&[Quota { limit: 1, window: Duration::from_secs(60) }]);
        assert!(calls.take(at(0)));
        calls.answer(at(0));
        assert_eq!(calls.appoint(at(1)), at(60_000));
        assert!(calls.take(at(75_000)), "the appointment was fifteen seconds ago");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// A backlog that comes at once: no window is ever exceeded, at least 95 % is used, and each comes a few times
        /// only.
        #[test]
        fn a_backlog_is_served_by_appointment(latencies in prop::collection::vec((1_i64..400, 0_i64..100), 300)) {
            let mut calls = Appointments::new(&[A_MINUTE, TEN_MINUTES]);
            // What happens next: someone comes, or a call is answered.
            let mut coming: BinaryHeap<std::cmp::Reverse<(i64, usize)>> =
                (0..latencies.len()).map(|who| std::cmp::Reverse((0, who))).collect();
            let mut under_way: Vec<i64> = Vec::new();
            let (mut visits, mut arrivals) = (0, Vec::new());
            while let Some(std::cmp::Reverse((now, who))) = coming.pop() {
                under_way.sort_unstable();
                while under_way.first().is_some_and(|answer| *answer <= now) {
                    calls.answer(at(under_way.remove(0)));
                }
                visits += 1;
                if calls.take(at(now)) {
                    let (latency, share) = latencies[who];
                    arrivals.push(now + latency * share / 100);
                    under_way.push(now + latency);
                } else {
                    let again = calls.appoint(at(now)).as_millis();
                    prop_assert!(again > now);
                    coming.push(std::cmp::Reverse((again, who)));
                }
            }
            arrivals.sort_unstable();
            for quota in [A_MINUTE, TEN_MINUTES] {
                let window = i64::try_from(quota.window.as_millis()).unwrap();
                for (i, first) in arrivals.iter().enumerate() {
                    let inside = arrivals[i..].iter().take_while(|&&a| a < first + window).count();
                    prop_assert!(inside <= quota.limit as usize, "{inside} in {window} ms");
                }
            }
            let span = arrivals.last().unwrap() - arrivals.first().unwrap();
            prop_assert!(300.0 >= 0.95 * (span as f64 / 600_000.0) * 100.0, "{span} ms");
            prop_assert!(visits <= 3 * latencies.len(), "{visits} visits");
        }
    }
}
