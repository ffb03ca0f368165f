//! So many person-times a calendar day, as WeCom counts an application's (path/90312): the day is Asia/Shanghai's.

use crate::Timestamp;

/// Asia/Shanghai is eight hours ahead of UTC, and has known no summer time since 1991.
const SHANGHAI_AHEAD_MILLIS: i64 = 8 * 3600 * 1000;
const DAY_MILLIS: i64 = 24 * 3600 * 1000;

/// What is left of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayBudget {
    limit: u32,
    used: u32,
    /// Days since the epoch, in Shanghai.
    day: i64,
}

impl DayBudget {
    /// Starts a day on which `used` is used already.
    pub fn new(limit: u32, used: u32, now: Timestamp) -> Self {
        Self { limit, used, day: day_of(now) }
    }

    /// Returns when the day of a time began.
    pub fn began(now: Timestamp) -> Timestamp {
        Timestamp::from_millis(day_of(now) * DAY_MILLIS - SHANGHAI_AHEAD_MILLIS)
    }

    /// Says when a call to so many people may start, if not at once: when the next day begins.
    pub fn wait(&mut self, now: Timestamp, people: u32) -> Option<Timestamp> {
        self.turn(now);
        // A call to more people than a whole day allows is made once, at the beginning of one.
        let fits = self.used == 0 || self.used.saturating_add(people) <= self.limit;
        (!fits).then(|| Timestamp::from_millis((self.day + 1) * DAY_MILLIS - SHANGHAI_AHEAD_MILLIS))
    }

    /// Counts a call to so many people.
    pub fn take(&mut self, now: Timestamp, people: u32) {
        self.turn(now);
        self.used = self.used.saturating_add(people);
    }

    /// Gives back what a call that was not made would have counted.
    pub fn untake(&mut self, people: u32) {
        self.used = self.used.saturating_sub(people);
    }

    /// Returns how many a day allows, and how many of today's are used.
    pub fn limit_and_used(&mut self, now: Timestamp) -> (u32, u32) {
        self.turn(now);
        (self.limit, self.used)
    }

    fn turn(&mut self, now: Timestamp) {
        if day_of(now) > self.day {
            *self = Self::new(self.limit, 0, now);
        }
    }
}

fn day_of(now: Timestamp) -> i64 {
    (now.as_millis() + SHANGHAI_AHEAD_MILLIS).div_euclid(DAY_MILLIS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_budget_is_new_at_midnight_in_shanghai() {
        let evening = at("2026-07-19T23:59:00+08:00");
        let mut budget = DayBudget::new(100, 90, evening);
        assert_eq!(budget.wait(evening, 10), None);
        assert_eq!(budget.wait(evening, 11), Some(at("2026-07-20T00:00:00+08:00")));
        assert_eq!(budget.wait(at("2026-07-20T00:00:00+08:00"), 11), None);
        assert_eq!(DayBudget::began(evening), at("2026-07-19T00:00:00+08:00"));
    }

    #[test]
    fn a_call_larger_than_a_day_does_not_wait_for_ever() {
        let mut budget = DayBudget::new(100, 0, at("2026-07-19T08:00:00+08:00"));
        assert_eq!(budget.wait(at("2026-07-19T08:00:00+08:00"), 1000), None);
    }
}
