//! How much a key may send: so many messages in any minute, so many a day (Asia/Shanghai). Pure: time comes in.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{DayBudget, Timestamp};

const MINUTE: Duration = Duration::from_secs(60);

/// What a key may send; absent: as much as it likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Messages in any 60 seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_minute: Option<u32>,
    /// Messages a calendar day, in Asia/Shanghai.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_day: Option<u32>,
}

impl Limits {
    /// Tells whether there are none.
    pub fn are_none(&self) -> bool {
        *self == Self::default()
    }
}

/// What of it is used.
#[derive(Clone, Debug)]
pub struct Allowance {
    limits: Limits,
    recent: VecDeque<Timestamp>,
    day: DayBudget,
}

impl Allowance {
    /// Begins with what was used of today already.
    pub fn new(limits: Limits, used_today: u32, now: Timestamp) -> Self {
        Self {
            limits,
            recent: VecDeque::new(),
            day: DayBudget::new(limits.per_day.unwrap_or(u32::MAX), used_today, now),
        }
    }

    /// Takes one message's place.
    ///
    /// # Errors
    /// When there is one again, if there is none now.
    pub fn take(&mut self, now: Timestamp) -> Result<(), Timestamp> {
        while self.recent.front().is_some_and(|at| now.since(*at) >= MINUTE) {
            self.recent.pop_front();
        }
        let (limit, used) = self.day.limit_and_used(now);
        if used >= limit {
            return Err(DayBudget::began(now) + Duration::from_secs(24 * 3600));
        }
        if let Some(per_minute) = self.limits.per_minute {
            let full = self.recent.len() >= usize::try_from(per_minute).unwrap_or(usize::MAX);
            if full {
                return Err(self.recent.front().map_or(now, |oldest| *oldest) + MINUTE);
            }
            self.recent.push_back(now);
        }
        self.day.take(now, 1);
        Ok(())
    }

    /// Gives the last place back: nothing was sent.
    pub fn give_back(&mut self) {
        self.recent.pop_back();
        self.day.untake(1);
    }

    /// Returns how many messages were sent today.
    pub fn used_today(&mut self, now: Timestamp) -> u32 {
        self.day.limit_and_used(now).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000 + seconds * 1000)
    }

    #[test]
    fn a_minute_and_a_day_are_held_and_said_when_they_end() {
        let limits = Limits { per_minute: Some(2), per_day: Some(3) };
        let mut allowance = Allowance::new(limits, 0, at(0));
        assert_eq!((allowance.take(at(0)), allowance.take(at(10))), (Ok(()), Ok(())));
        assert_eq!(allowance.take(at(20)), Err(at(60)));
        assert_eq!(allowance.take(at(60)), Ok(()));
        let tomorrow = DayBudget::began(at(0)) + Duration::from_secs(24 * 3600);
        assert_eq!(allowance.take(at(200)), Err(tomorrow));
        allowance.give_back();
        assert_eq!(allowance.take(at(200)), Ok(()));
        assert_eq!(allowance.take(tomorrow), Ok(()));
        assert_eq!(Allowance::new(limits, 3, at(0)).take(at(1)), Err(tomorrow));
    }

    proptest! {
        #[test]
        fn no_minute_ever_holds_more(gaps in prop::collection::vec(0_i64..30, 1..200), limit in 1_u32..9) {
            let mut allowance = Allowance::new(Limits { per_minute: Some(limit), per_day: None }, 0, at(0));
            let (mut now, mut taken) = (0, Vec::new());
            for gap in gaps {
                now += gap;
                if allowance.take(at(now)).is_ok() {
                    taken.push(now);
                }
            }
            for (i, first) in taken.iter().enumerate() {
                let within = taken[i..].iter().filter(|other| *other - first < 60).count();
                prop_assert!(within <= limit as usize);
            }
        }
    }
}
