//! When does a pattern run? Five or six fields of cron in a time zone.
//!
//! The next run is the same one from wherever it is looked for. Where a clock is put ahead for summer time, what falls into
//! the hour that is left out runs once, after it; where it is put back, what has a time of the day runs once, and what runs
//! every so often goes on. Knows nothing about what time it is, or what was missed.

use jiff::Zoned;
use jiff::tz::TimeZone;

use crate::Timestamp;

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

    pub(super) fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        // A run lies on a whole second: from within one, the search would begin with its fraction.
        let second = jiff::Timestamp::from_second(time.as_millis().div_euclid(1000)).ok()?;
        let found: Zoned = self.pattern.find_next_occurrence(&second.to_zoned(self.zone.clone()), false).ok()?;
        Some(Timestamp::from_millis(found.timestamp().as_millisecond()))
    }

    /// Writes a time as it is in the pattern's zone: RFC 3339 with its offset.
    pub(super) fn shown(&self, time: Timestamp) -> String {
        let Ok(instant) = jiff::Timestamp::from_millisecond(time.as_millis()) else { return time.to_string() };
        instant.to_zoned(self.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
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

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::schedule::When;
    use proptest::prelude::*;

    pub(in crate::schedule) fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    pub(in crate::schedule) fn cron(pattern: &str, zone: &str) -> When {
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

    pub(in crate::schedule) fn any_when() -> impl Strategy<Value = When> {
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

    }
}
