//! When does a schedule run? Five or six fields of cron in a time zone, or once at a time; what was missed, and what of it
//! is made up for.
//!
//! A run is named by the moment that it is for, its occurrence: the same one from wherever it is looked for, so that no
//! restart and no jump of a clock makes two of it. Where a clock is put ahead for summer time, what falls into the hour
//! that is left out runs once, after it; where it is put back, what has a time of the day runs once, and what runs every so
//! often goes on. Knows nothing about what time it is, and nothing about what is sent.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Zoned;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

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
/// The longest pattern, in bytes.
const PATTERN_BYTES: usize = 200;
/// The fields, in their order.
const FIELDS: [&str; 6] = ["second", "minute", "hour", "day of the month", "month", "day of the week"];

/// The time zone that is meant where none is named.
pub const DEFAULT_ZONE: &str = "Asia/Shanghai";

/// A pattern of cron in a time zone.
#[derive(Clone, Debug)]
pub struct Cron {
    pattern: croner::Cron,
    zone: TimeZone,
}

/// What is written is no pattern of cron, or no time zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCron {
    /// It has not five or six fields.
    #[error(
        "has {0} fields; five are minute, hour, day of the month, month and day of the week, and six begin with the second"
    )]
    Fields(usize),
    /// A field cannot be read.
    #[error("cannot be read at character {at}: `{text}` is no {field} (field {number} of {of})")]
    Field {
        /// Which field, counted from 1.
        number: usize,
        /// Of how many.
        of: usize,
        /// What it should be.
        field: &'static str,
        /// What it is.
        text: String,
        /// Where it begins, in characters, counted from 1.
        at: usize,
    },
    /// It is too long.
    #[error("is {0} bytes long; {PATTERN_BYTES} is the most")]
    Length(usize),
    /// The time zone is unknown.
    #[error("`{0}` is not a time zone such as Asia/Shanghai")]
    Zone(String),
}

impl Cron {
    /// Reads a pattern: five fields, or six with the second.
    ///
    /// # Errors
    /// [`InvalidCron`] names the field that cannot be read, and where it begins.
    pub fn parse(pattern: &str, zone: &str) -> Result<Self, InvalidCron> {
        let zone = TimeZone::get(zone).map_err(|_| InvalidCron::Zone(zone.to_owned()))?;
        if pattern.len() > PATTERN_BYTES {
            return Err(InvalidCron::Length(pattern.len()));
        }
        let fields = fields(pattern);
        let of = fields.len();
        if of != 5 && of != 6 {
            return Err(InvalidCron::Fields(of));
        }
        // Each by itself first: the whole does not say which of them is wrong.
        for (i, (at, text)) in fields.iter().enumerate() {
            let place = i + FIELDS.len() - of;
            let mut alone = ["*"; 6];
            alone[place] = text;
            // A list with nothing between two commas may hold no day at all, and is looked for over centuries.
            let empty = text.split(',').any(str::is_empty);
            if empty || text.contains('@') || read(&alone.join(" ")).is_none() {
                let (number, field, text) = (i + 1, FIELDS[place], (*text).to_owned());
                return Err(InvalidCron::Field { number, of, field, text, at: *at });
            }
        }
        let read = read(pattern).ok_or(InvalidCron::Fields(of))?;
        Ok(Self { pattern: read, zone })
    }

    fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        // A run lies on a whole second: from within one, the search would begin with its fraction.
        let second = jiff::Timestamp::from_second(time.as_millis().div_euclid(1000)).ok()?;
        let found: Zoned = self.pattern.find_next_occurrence(&second.to_zoned(self.zone.clone()), false).ok()?;
        Some(Timestamp::from_millis(found.timestamp().as_millisecond()))
    }
}

fn read(pattern: &str) -> Option<croner::Cron> {
    use croner::parser::{CronParser, Seconds, Year};
    CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build().parse(pattern).ok()
}

/// The fields of a pattern, each with where it begins, in characters, counted from 1.
fn fields(pattern: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut rest = pattern;
    loop {
        let begun = rest.trim_start();
        if begun.is_empty() {
            return found;
        }
        let text = begun.split_whitespace().next().unwrap_or_default();
        found.push((pattern[..pattern.len() - begun.len()].chars().count() + 1, text));
        rest = &begun[text.len()..];
    }
}

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
        let Self::Cron(cron) = self else { return time.to_string() };
        let Ok(instant) = jiff::Timestamp::from_millisecond(time.as_millis()) else { return time.to_string() };
        instant.to_zoned(cron.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
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
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn cron(pattern: &str, zone: &str) -> When {
        When::Cron(Box::new(Cron::parse(pattern, zone).unwrap()))
    }

    fn shown(when: &When, from: &str, count: usize) -> Vec<String> {
        when.next(at(from), count).into_iter().map(|time| when.shown(time)).collect()
    }

    /// Found by the fuzzer: a list of nothing was looked for over centuries.
    #[test]
    fn a_list_with_nothing_in_it_is_refused() {
        for pattern in ["10 1 00,1 ,, 2 *", "0 0 1,,2 * *", "0 0 , * *"] {
            assert!(matches!(Cron::parse(pattern, "UTC"), Err(InvalidCron::Field { .. })), "{pattern}");
        }
    }

    #[test]
    fn five_fields_and_six_are_read_in_their_zone() {
        for (pattern, from, expected) in [
            ("30 8 * * 1-5", "2026-07-17T12:00:00+08:00", "2026-07-20T08:30:00+08:00"),
            ("0 30 8 * * 1-5", "2026-07-20T08:30:00+08:00", "2026-07-21T08:30:00+08:00"),
            ("0 30 8 * * MON-FRI", "2026-07-20T08:29:59.999+08:00", "2026-07-20T08:30:00+08:00"),
            ("*/15 * * * * *", "2026-07-20T08:29:59.999+08:00", "2026-07-20T08:30:00+08:00"),
            ("*/15 * * * * *", "2026-07-20T08:30:00.250+08:00", "2026-07-20T08:30:15+08:00"),
            ("0 9 L * *", "2026-02-01T00:00:00+08:00", "2026-02-28T09:00:00+08:00"),
            ("0 9 * * 1#1", "2026-07-10T00:00:00+08:00", "2026-08-03T09:00:00+08:00"),
            ("0 0 29 2 *", "2026-01-01T00:00:00+08:00", "2028-02-29T00:00:00+08:00"),
        ] {
            assert_eq!(shown(&cron(pattern, "Asia/Shanghai"), from, 1), [expected], "{pattern}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_field_and_place() {
        let wrong = |pattern: &str| Cron::parse(pattern, "Asia/Shanghai").unwrap_err().to_string();
        for (pattern, expected) in [
            ("0 30 25 * * *", "at character 6: `25` is no hour (field 3 of 6)"),
            ("61 8 * * *", "at character 1: `61` is no minute (field 1 of 5)"),
            ("0  30   8 32 * *", "at character 11: `32` is no day of the month (field 4 of 6)"),
            ("0 8 * 13 *", "at character 7: `13` is no month (field 4 of 5)"),
            ("0 8 * * 工作日", "at character 9: `工作日` is no day of the week (field 5 of 5)"),
            ("0 8 * * MUN", "`MUN` is no day of the week"),
            ("*/0 8 * * *", "`*/0` is no minute"),
            ("5-1 8 * * *", "`5-1` is no minute"),
            ("@daily", "has 1 fields"),
            ("0 0 8 * * * 2027", "has 7 fields"),
            ("", "has 0 fields"),
            ("@ 8 * * *", "`@` is no minute"),
        ] {
            assert!(wrong(pattern).contains(expected), "{pattern}: {}", wrong(pattern));
        }
        assert!(matches!(Cron::parse("0 8 * * *", "Mars/Base"), Err(InvalidCron::Zone(zone)) if zone == "Mars/Base"));
        assert!(matches!(Cron::parse(&"1,".repeat(200), "UTC"), Err(InvalidCron::Length(400))));
    }

    #[test]
    fn what_never_is_has_no_next_run() {
        assert_eq!(cron("0 0 30 2 *", "Asia/Shanghai").next_after(at("2026-01-01T00:00:00Z")), None);
    }

    /// F12: on the day that has 23 hours, and on the one that has 25, every job once.
    #[test]
    fn on_days_of_summer_time_every_job_runs_once() {
        for (zone, pattern, from, expected) in [
            // Put ahead: 02:30 is not there.
            (
                "Europe/Berlin",
                "30 2 * * *",
                "2026-03-28T12:00:00Z",
                ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"],
            ),
            (
                "America/New_York",
                "30 2 * * *",
                "2026-03-07T12:00:00Z",
                ["2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"],
            ),
            // Put back: 02:30 is there twice, 01:30 in New York.
            (
                "Europe/Berlin",
                "30 2 * * *",
                "2026-10-24T12:00:00Z",
                ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"],
            ),
            (
                "America/New_York",
                "30 1 * * *",
                "2026-10-31T12:00:00Z",
                ["2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"],
            ),
            // What has no such hour does not notice.
            (
                "Europe/Berlin",
                "30 8 * * *",
                "2026-03-28T12:00:00Z",
                ["2026-03-29T08:30:00+02:00", "2026-03-30T08:30:00+02:00"],
            ),
            (
                "Europe/Berlin",
                "30 8 * * *",
                "2026-10-24T12:00:00Z",
                ["2026-10-25T08:30:00+01:00", "2026-10-26T08:30:00+01:00"],
            ),
        ] {
            assert_eq!(shown(&cron(pattern, zone), from, 2), expected, "{zone} {pattern}");
        }
        // What runs every so often goes on by real time.
        for (day, hours) in [("2026-03-29", 23), ("2026-10-25", 25)] {
            let when = cron("*/20 * * * *", "Europe/Berlin");
            let start = jiff::civil::date(2026, if hours == 23 { 3 } else { 10 }, if hours == 23 { 29 } else { 25 });
            let start = start.to_zoned(TimeZone::get("Europe/Berlin").unwrap()).unwrap();
            let start = Timestamp::from_millis(start.timestamp().as_millisecond());
            let runs = when.next(start - Duration::from_secs(1), hours * 3 + 1);
            let gaps = runs.windows(2).map(|pair| pair[1].since(pair[0]));
            assert!(gaps.into_iter().all(|gap| gap == Duration::from_secs(1200)), "{day}");
            assert_eq!(runs[hours * 3].since(start), Duration::from_secs(hours as u64 * 3600), "{day}");
        }
    }

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

    fn any_when() -> impl Strategy<Value = When> {
        let zones =
            prop::sample::select(vec!["Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]);
        let patterns = prop::sample::select(vec![
            "0 30 2 * * *",
            "0 */7 * * * *",
            "0 15 1,2,3 * * 0",
            "30 0 */2 * * *",
            "0 0 0 * * *",
            "15 59 1 * * 1-5",
            "0 30 * * * *",
        ]);
        (patterns, zones).prop_map(|(pattern, zone)| cron(pattern, zone))
    }

    proptest! {
        /// From wherever it is looked for, the next run is the same: no restart makes two of one.
        #[test]
        fn runs_are_the_same_from_wherever_they_are_looked_for(
            when in any_when(), start in 0_i64..63_072_000, ahead in 0.0..1.0_f64,
        ) {
            let start = Timestamp::from_millis(1_767_225_600_000 + start * 1000);
            let next = when.next_after(start).unwrap();
            prop_assert!(next > start);
            let between = start + Duration::from_millis((next.since(start).as_millis() as f64 * ahead) as u64);
            if between < next {
                prop_assert_eq!(when.next_after(between), Some(next));
            }
        }

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
