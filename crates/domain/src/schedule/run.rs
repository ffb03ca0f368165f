//! Which run of a schedule is next, which were missed, and what of them is made up for.
//!
//! A run is named by the moment that it is for, its occurrence. Knows nothing about what time it is, and nothing about what
//! is sent.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Cron;
use crate::Timestamp;

/// The most missed runs that are made up for, one by one.
pub const MOST_MADE_UP: usize = 100;
/// How many missed runs are counted one by one; of more it is only known that there were more.
const COUNTED: u64 = 10_000;
/// A run that is later than this was missed.
const LATE: Duration = Duration::from_secs(60);
/// After how long a run whose variables could not be fetched is tried again.
const TRIES_AFTER: [Duration; 3] = [Duration::from_secs(60), Duration::from_secs(5 * 60), Duration::from_secs(15 * 60)];
/// A plan that was made by a clock so far ahead was made by a clock that was wrong.
const WRONG_CLOCK: Duration = Duration::from_secs(25 * 3600);

/// When a schedule runs.
#[derive(Clone, Debug)]
pub enum When {
    /// Again and again.
    Cron(Box<Cron>),
    /// Once.
    At(Timestamp),
}

impl When {
    /// Returns the first run after a time.
    pub fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron(cron) => cron.next_after(time),
            Self::At(at) => (*at > time).then_some(*at),
        }
    }

    /// Returns the next runs after a time, at most `count`.
    pub fn next(&self, time: Timestamp, count: usize) -> Vec<Timestamp> {
        std::iter::successors(self.next_after(time), |last| self.next_after(*last)).take(count).collect()
    }

    /// Writes a time as it is in the schedule's zone: RFC 3339 with its offset.
    pub fn shown(&self, time: Timestamp) -> String {
        match self {
            Self::Cron(cron) => cron.shown(time),
            Self::At(_) => time.to_string(),
        }
    }

    /// Says what is to be done with a schedule that is due: one run at most; what else was missed is due again at once.
    pub fn step(&self, missed: MissedRuns, planned: &PlannedRun, now: Timestamp) -> RunStep {
        let (mut pending, count) = self.until(planned.occurrence, now);
        let run = match missed {
            // All but the latest are behind.
            MissedRuns::Skip | MissedRuns::Once => pending.pop_back(),
            MissedRuns::All => pending.pop_front(),
        };
        let Some(run) = run else {
            // Not due: a clock was put back.
            return RunStep { run: None, tries: 0, left_out: 0, next: Some(planned.occurrence) };
        };
        let waits = if missed == MissedRuns::All { pending.len() as u64 } else { 0 };
        let tries = if run == planned.occurrence { planned.tries } else { 0 };
        // What was tried in time and waits to be tried again was not missed.
        let due_at = if tries > 0 { planned.due_at } else { run };
        let is_missed = missed == MissedRuns::Skip && now.since(due_at) > LATE;
        let left_out = count.saturating_sub(waits + u64::from(!is_missed));
        RunStep { run: (!is_missed).then_some(run), tries, left_out, next: self.next_after(run) }
    }

    /// Says when a run is tried again that was in vain, after so many tries before; `None`: it is given up.
    ///
    /// Where only the latest run counts, the next one takes its place if it comes first.
    pub fn try_again(&self, missed: MissedRuns, failed: &PlannedRun, now: Timestamp) -> Option<PlannedRun> {
        let wait = *TRIES_AFTER.get(usize::try_from(failed.tries).unwrap_or(usize::MAX))?;
        let next = if missed == MissedRuns::All { None } else { self.next_after(failed.occurrence) };
        let due_at = next.map_or(now + wait, |next| next.min(now + wait));
        Some(PlannedRun { occurrence: failed.occurrence, due_at, tries: failed.tries + 1 })
    }

    /// Says what a schedule waits for instead, if what it waits for was planned by a clock that was far ahead.
    pub fn plan_again(&self, planned_at: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let was_wrong = planned_at.since(now) > WRONG_CLOCK;
        if was_wrong { self.next_after(now) } else { None }
    }

    /// The runs from one on until `now`: the latest [`MOST_MADE_UP`], in their order, and how many there are in all.
    fn until(&self, first: Timestamp, now: Timestamp) -> (VecDeque<Timestamp>, u64) {
        let (mut latest, mut count) = (VecDeque::new(), 0);
        let mut next = Some(first);
        while let Some(run) = next.filter(|run| *run <= now) {
            latest.push_back(run);
            if latest.len() > MOST_MADE_UP {
                latest.pop_front();
            }
            count += 1;
            if count == COUNTED {
                return (self.latest(run, now).unwrap_or(latest), count);
            }
            next = self.next_after(run);
        }
        (latest, count)
    }

    /// The latest runs after one until `now`, found from the end: there may be millions.
    fn latest(&self, after: Timestamp, now: Timestamp) -> Option<VecDeque<Timestamp>> {
        let mut span = Duration::from_secs(60);
        loop {
            let start = (now - span).max(after);
            let runs = std::iter::successors(self.next_after(start), |last| self.next_after(*last));
            let found: Vec<Timestamp> = runs.take_while(|run| *run <= now).take(COUNTED as usize).collect();
            if found.len() >= MOST_MADE_UP || start == after {
                return (!found.is_empty()).then(|| found[found.len().saturating_sub(MOST_MADE_UP)..].to_vec().into());
            }
            span *= 2;
        }
    }
}

/// What becomes of runs that were missed: the gateway was down, or the clock jumped over them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissedRuns {
    /// None is made up for.
    Skip,
    /// The latest is made up for.
    #[default]
    Once,
    /// Each is, at most [`MOST_MADE_UP`].
    All,
}

impl MissedRuns {
    /// Every policy, in the order they are shown.
    pub const ALL: [Self; 3] = [Self::Skip, Self::Once, Self::All];

    /// Returns the name used by callers and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Once => "once",
            Self::All => "all",
        }
    }
}

/// The run that a schedule waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedRun {
    /// Which run.
    pub occurrence: Timestamp,
    /// When it is tried: at its time, or later, if that was in vain.
    pub due_at: Timestamp,
    /// How often it was tried in vain.
    pub tries: u32,
}

impl PlannedRun {
    /// Plans a run for its time.
    pub fn at(occurrence: Timestamp) -> Self {
        Self { occurrence, due_at: occurrence, tries: 0 }
    }
}

/// What is to be done with a schedule that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunStep {
    /// The run to make, if one is.
    pub run: Option<Timestamp>,
    /// How often that was tried in vain.
    pub tries: u32,
    /// How many runs are left out.
    pub left_out: u64,
    /// The run after it, perhaps due already.
    pub next: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::super::cron::tests::{any_when, at, cron};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn missed_runs_are_made_up_for_as_the_policy_says() {
        let when = cron("0 * * * *", "Asia/Shanghai");
        let planned = PlannedRun::at(at("2026-07-20T08:00:00+08:00"));
        let now = at("2026-07-20T12:10:00+08:00");
        let next = Some(at("2026-07-20T13:00:00+08:00"));
        let noon = at("2026-07-20T12:00:00+08:00");
        let once = when.step(MissedRuns::Once, &planned, now);
        assert_eq!(once, RunStep { run: Some(noon), tries: 0, left_out: 4, next });
        let skip = when.step(MissedRuns::Skip, &planned, now);
        assert_eq!(skip, RunStep { run: None, tries: 0, left_out: 5, next });
        let (mut planned, mut runs) = (planned, Vec::new());
        while planned.occurrence <= now {
            let step = when.step(MissedRuns::All, &planned, now);
            assert_eq!(step.left_out, 0);
            runs.extend(step.run);
            planned = PlannedRun::at(step.next.unwrap());
        }
        assert_eq!((runs.len(), runs[4], Some(planned.occurrence)), (5, noon, next));
        let in_time = when.step(MissedRuns::Skip, &PlannedRun::at(noon), noon + Duration::from_secs(5));
        assert_eq!((in_time.run, in_time.left_out), (Some(noon), 0));
    }

    #[test]
    fn of_millions_that_were_missed_the_latest_hundred_are_made_up_for() {
        let when = cron("* * * * * *", "Asia/Shanghai");
        let (start, now) = (at("2026-01-01T00:00:00Z"), at("2026-03-01T00:00:00Z"));
        let first = when.step(MissedRuns::All, &PlannedRun::at(start), now);
        assert_eq!(first.run, Some(now - Duration::from_secs(99)));
        assert_eq!(first.left_out, COUNTED - 100, "so many are known of");
        let second = when.step(MissedRuns::All, &PlannedRun::at(first.next.unwrap()), now);
        assert_eq!((second.run, second.left_out), (Some(now - Duration::from_secs(98)), 0));
        assert_eq!(when.step(MissedRuns::Once, &PlannedRun::at(start), now).run, Some(now));
    }

    #[test]
    fn once_means_once() {
        let when = When::At(at("2026-07-20T08:00:00Z"));
        let planned = PlannedRun::at(at("2026-07-20T08:00:00Z"));
        let late = at("2026-07-22T08:00:00Z");
        for (missed, run) in [(MissedRuns::Skip, None), (MissedRuns::Once, Some(planned.occurrence))] {
            let step = when.step(missed, &planned, late);
            assert_eq!((step.run, step.next), (run, None), "{missed:?}");
        }
        assert_eq!(when.next(late, 5), []);
    }

    #[test]
    fn a_run_in_vain_is_tried_again_three_times_unless_the_next_comes_first() {
        let (daily, eight) = (cron("0 8 * * *", "Asia/Shanghai"), at("2026-07-20T08:00:00+08:00"));
        let mut planned = PlannedRun::at(eight);
        let mut waits = Vec::new();
        while let Some(again) = daily.try_again(MissedRuns::Skip, &planned, planned.due_at) {
            waits.push(again.due_at.since(planned.due_at).as_secs() / 60);
            let step = daily.step(MissedRuns::Skip, &again, again.due_at);
            assert_eq!((step.run, step.tries, step.left_out), (Some(eight), again.tries, 0));
            planned = again;
        }
        assert_eq!(waits, [1, 5, 15]);
        let often = cron("*/30 * * * * *", "Asia/Shanghai");
        let again = often.try_again(MissedRuns::Once, &PlannedRun::at(eight), eight).unwrap();
        assert_eq!(again.due_at, eight + Duration::from_secs(30));
        let step = often.step(MissedRuns::Once, &again, again.due_at);
        assert_eq!((step.run, step.tries, step.left_out), (Some(again.due_at), 0, 1));
    }

    #[test]
    fn only_a_clock_that_was_far_ahead_makes_plan_again() {
        let (hourly, now) = (cron("0 * * * *", "Asia/Shanghai"), at("2026-07-20T08:30:00+08:00"));
        for (ahead, expected) in
            [(0, None), (3600, None), (24 * 3600, None), (30 * 24 * 3600, Some(at("2026-07-20T09:00:00+08:00")))]
        {
            assert_eq!(hourly.plan_again(now + Duration::from_secs(ahead), now), expected, "{ahead}");
        }
    }

    proptest! {
        /// F12: a clock that jumps by an hour, either way, around a day of summer time or not: each run once, and no more.
        #[test]
        fn a_clock_that_jumps_loses_no_run_and_makes_none_twice(
            when in any_when(), start in 0_i64..63_072_000, jumps in prop::collection::vec(-3600_i64..=3600, 1..6),
        ) {
            let mut now = Timestamp::from_millis(1_767_225_600_000 + start * 1000);
            let mut planned = PlannedRun::at(when.next_after(now).unwrap());
            let begun = now;
            let (mut made, mut latest) = (Vec::new(), now);
            for jump in jumps {
                now = Timestamp::from_millis(now.as_millis() + jump * 1000);
                // Three hours pass, a look every ten minutes.
                for _ in 0..18 {
                    now = now + Duration::from_secs(600);
                    latest = latest.max(now);
                    prop_assert_eq!(when.plan_again(latest, now), None);
                    while planned.due_at <= now {
                        let step = when.step(MissedRuns::All, &planned, now);
                        prop_assert_eq!(step.left_out, 0);
                        made.extend(step.run);
                        planned = PlannedRun::at(step.next.unwrap());
                    }
                }
            }
            let expected: Vec<Timestamp> =
                std::iter::successors(when.next_after(begun), |last| when.next_after(*last)).take_while(|run| *run <= latest).collect();
            prop_assert_eq!(made, expected);
        }
    }
}
