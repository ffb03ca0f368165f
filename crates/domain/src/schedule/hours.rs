//! Stretches of the day: from one time to another, also over midnight, on certain days.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::Calendar;
use crate::Timestamp;

/// The longest stretch that is looked through for its end: no holiday is longer.
const LOOK_AHEAD_STRETCHES: usize = 120;

/// On which days a stretch begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Days {
    /// On every day.
    #[default]
    All,
    /// On workdays of the calendar.
    Workdays,
    /// On days off.
    #[serde(rename = "days_off")]
    Off,
}

/// From one time of the day to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, try_from = "HoursText", into = "HoursText")]
pub struct Hours {
    from: Time,
    to: Time,
    days: Days,
    zone: TimeZone,
    zone_name: String,
}

/// Hours as they are written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HoursText {
    from: String,
    to: String,
    #[serde(default)]
    days: Days,
    #[serde(default = "shanghai")]
    zone: String,
}

fn shanghai() -> String {
    "Asia/Shanghai".to_owned()
}

/// What is written is no stretch of a day.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidHours {
    /// A time of the day is none.
    #[error("`{0}` is not a time of the day such as 22:00; 24:00 is the end of the day")]
    Time(String),
    /// A time zone is unknown.
    #[error("`{0}` is not a time zone such as Asia/Shanghai")]
    Zone(String),
}

impl TryFrom<HoursText> for Hours {
    type Error = InvalidHours;
    fn try_from(text: HoursText) -> Result<Self, InvalidHours> {
        let zone = TimeZone::get(&text.zone).map_err(|_| InvalidHours::Zone(text.zone.clone()))?;
        Ok(Self { from: time(&text.from)?, to: time(&text.to)?, days: text.days, zone, zone_name: text.zone })
    }
}

impl From<Hours> for HoursText {
    fn from(hours: Hours) -> Self {
        let shown = |time: Time| time.strftime("%H:%M").to_string();
        Self { from: shown(hours.from), to: shown(hours.to), days: hours.days, zone: hours.zone_name }
    }
}

fn time(text: &str) -> Result<Time, InvalidHours> {
    let midnight = if text == "24:00" { "00:00" } else { text };
    Time::strptime("%H:%M", midnight).map_err(|_| InvalidHours::Time(text.to_owned()))
}

impl Hours {
    /// Writes hours of a time zone.
    ///
    /// # Errors
    /// [`InvalidHours`] names what cannot be read.
    pub fn new(from: &str, to: &str, days: Days, zone: &str) -> Result<Self, InvalidHours> {
        HoursText { from: from.to_owned(), to: to.to_owned(), days, zone: zone.to_owned() }.try_into()
    }

    /// Tells whether a calendar has to know which days are worked.
    pub fn asks_for_workdays(&self) -> bool {
        self.days != Days::All
    }

    /// Tells whether a time lies in these hours.
    pub fn contain(&self, now: Timestamp, calendar: &Calendar) -> bool {
        self.end(now, calendar).is_some()
    }

    /// Returns when the stretch ends that a time lies in.
    fn end(&self, now: Timestamp, calendar: &Calendar) -> Option<Timestamp> {
        let today = jiff::Timestamp::from_millisecond(now.as_millis()).ok()?.to_zoned(self.zone.clone()).date();
        // Over midnight it began yesterday, and yesterday's kind of day counts.
        [Some(today), today.yesterday().ok()].into_iter().flatten().find_map(|day| {
            let (start, end) = self.stretch(day)?;
            (self.is_on(day, calendar) && start <= now && now < end).then_some(end)
        })
    }

    fn is_on(&self, day: Date, calendar: &Calendar) -> bool {
        match self.days {
            Days::All => true,
            Days::Workdays => calendar.is_workday(day),
            Days::Off => !calendar.is_workday(day),
        }
    }

    /// From when to when it lasts that begins on a day; the same time twice is a whole day.
    fn stretch(&self, day: Date) -> Option<(Timestamp, Timestamp)> {
        let last = if self.to <= self.from { day.tomorrow().ok()? } else { day };
        let at = |day: Date, time: Time| {
            let zoned = day.to_datetime(time).to_zoned(self.zone.clone()).ok()?;
            Some(Timestamp::from_millis(zoned.timestamp().as_millisecond()))
        };
        Some((at(day, self.from)?, at(last, self.to)?))
    }
}

/// Returns the first moment from `now` on that lies in none of the hours.
pub fn first_outside(hours: &[Hours], now: Timestamp, calendar: &Calendar) -> Timestamp {
    let mut time = now;
    for _ in 0..LOOK_AHEAD_STRETCHES {
        let Some(end) = hours.iter().filter_map(|hours| hours.end(time, calendar)).max() else { break };
        time = end;
    }
    time
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn night() -> Hours {
        Hours::new("22:00", "08:00", Days::All, "Asia/Shanghai").unwrap()
    }

    fn days_off() -> Hours {
        Hours::new("00:00", "24:00", Days::Off, "Asia/Shanghai").unwrap()
    }

    #[test]
    fn what_comes_at_night_waits_for_the_morning() {
        let china = Calendar::china();
        for (now, free) in [
            ("2026-07-20T21:59:59+08:00", "2026-07-20T21:59:59+08:00"),
            ("2026-07-20T22:00:00+08:00", "2026-07-21T08:00:00+08:00"),
            ("2026-07-21T03:00:00+08:00", "2026-07-21T08:00:00+08:00"),
            ("2026-07-21T08:00:00+08:00", "2026-07-21T08:00:00+08:00"),
        ] {
            assert_eq!(first_outside(&[night()], at(now), &china), at(free), "{now}");
        }
    }

    #[test]
    fn a_holiday_is_quiet_to_its_end_and_a_make_up_workday_is_not() {
        let (quiet, china) = ([night(), days_off()], Calendar::china());
        let golden_week = first_outside(&quiet, at("2026-09-30T23:00:00+08:00"), &china);
        assert_eq!(golden_week, at("2026-10-08T08:00:00+08:00"));
        let make_up = at("2026-10-10T10:00:00+08:00");
        assert_eq!(first_outside(&quiet, make_up, &china), make_up);
    }

    #[test]
    fn a_clock_put_ahead_for_summer_time_moves_the_end_with_it() {
        let hours = Hours::new("22:00", "08:00", Days::All, "Europe/Berlin").unwrap();
        let free = first_outside(&[hours], at("2026-03-28T23:00:00+01:00"), &Calendar::default());
        assert_eq!(free, at("2026-03-29T08:00:00+02:00"));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        assert_eq!(Hours::new("25:00", "08:00", Days::All, "Asia/Shanghai"), Err(InvalidHours::Time("25:00".into())));
        assert_eq!(Hours::new("22:00", "08:00", Days::All, "Mars"), Err(InvalidHours::Zone("Mars".into())));
    }

    proptest! {
        #[test]
        fn the_first_moment_outside_is_outside_and_never_earlier(seconds in 0_i64..63_072_000) {
            let (quiet, china) = ([night(), days_off()], Calendar::china());
            let now = Timestamp::from_millis(1_767_225_600_000 - 31_536_000_000 + seconds * 1000);
            let free = first_outside(&quiet, now, &china);
            prop_assert!(free >= now);
            prop_assert!(quiet.iter().all(|hours| !hours.contain(free, &china)));
        }
    }
}
