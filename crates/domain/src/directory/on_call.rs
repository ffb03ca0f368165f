//! Groups and on-call lists of one's own: whom `group:ops` and `oncall:ops` mean.

use jiff::tz::TimeZone;
use jiff::{Unit, Zoned};

use crate::{Span, Timestamp};

/// The most members of a group or an on-call list.
const MAX_MEMBERS: usize = 1000;
/// The longest name of a list, in characters.
const MAX_NAME_CHARS: usize = 64;
/// The shortest shift, in seconds.
const SHORTEST_SHIFT: u64 = 60;
const A_DAY: u64 = 24 * 3600;

/// A group: `group:ops`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its members: userids, or entries such as `emp:1001`.
    pub members: Vec<String>,
}

/// An on-call list, whose members take turns: `oncall:ops`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnCall {
    /// Its name.
    pub name: String,
    /// Its members, in the order of their turns: userids, or entries such as `emp:1001`.
    pub members: Vec<String>,
    /// When the first member's turn begins; before, the turns are as if they had always been taken.
    pub since: Timestamp,
    /// How long a turn is. Whole days end at the same time of day, whatever the clocks do.
    pub every: Span,
    /// The time zone whose days are meant.
    pub zone: String,
}

/// A group or an on-call list cannot be what it says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {message}")]
pub struct InvalidList {
    /// The field.
    pub field: &'static str,
    /// What is wrong with it.
    pub message: String,
}

impl Group {
    /// Checks every field.
    ///
    /// # Errors
    /// [`InvalidList`] names the first that cannot be kept.
    pub fn check(&self) -> Result<(), InvalidList> {
        check(&self.name, &self.members)
    }
}

impl OnCall {
    /// Checks every field.
    ///
    /// # Errors
    /// [`InvalidList`] names the first that cannot be kept.
    pub fn check(&self) -> Result<(), InvalidList> {
        check(&self.name, &self.members)?;
        if self.every.0.as_secs() < SHORTEST_SHIFT {
            return Err(InvalidList { field: "every", message: "is less than a minute".into() });
        }
        if TimeZone::get(&self.zone).is_err() || at_zone(self.since, &self.zone).is_none() {
            let message = format!("`{}` is not a time zone such as Asia/Shanghai", self.zone);
            return Err(InvalidList { field: "zone", message });
        }
        Ok(())
    }

    /// Returns the members in the order in which they are asked at an instant: who is on call, then who comes next.
    pub fn at(&self, now: Timestamp) -> impl Iterator<Item = &str> {
        let (turn, members) = (self.turn(now), self.members.len());
        let first = usize::try_from(turn.rem_euclid(i64::try_from(members.max(1)).unwrap_or(1))).unwrap_or(0);
        let (before, from) = self.members.split_at(first.min(members));
        from.iter().chain(before).map(String::as_str)
    }

    /// Counts the turns since the first; negative before it.
    fn turn(&self, now: Timestamp) -> i64 {
        let seconds = self.every.0.as_secs().max(1);
        if seconds.is_multiple_of(A_DAY)
            && let (Some(since), Some(now)) = (at_zone(self.since, &self.zone), at_zone(now, &self.zone))
            && let Ok(days) = since.date().until((Unit::Day, now.date()))
        {
            // A day of the list begins at the time of day at which the first turn did.
            let begun = i64::from(now.time() >= since.time());
            let days = i64::from(days.get_days()) + begun - 1;
            return days.div_euclid(i64::try_from(seconds / A_DAY).unwrap_or(1));
        }
        let millis = now.as_millis().saturating_sub(self.since.as_millis());
        millis.div_euclid(i64::try_from(self.every.0.as_millis()).unwrap_or(i64::MAX).max(1))
    }
}

fn at_zone(time: Timestamp, zone: &str) -> Option<Zoned> {
    let zone = TimeZone::get(zone).ok()?;
    Some(jiff::Timestamp::from_millisecond(time.as_millis()).ok()?.to_zoned(zone))
}

/// Tells whether a text can name a group or an on-call list.
pub fn is_list_name(name: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    (1..=MAX_NAME_CHARS).contains(&name.chars().count()) && name.chars().all(plain)
}

fn check(name: &str, members: &[String]) -> Result<(), InvalidList> {
    let wrong = |field, message: String| Err(InvalidList { field, message });
    if !is_list_name(name) {
        return wrong("name", format!("`{name}` is not 1 to {MAX_NAME_CHARS} letters, digits, `-`, `_` and `.`"));
    }
    if members.is_empty() || members.len() > MAX_MEMBERS {
        return wrong("members", format!("has {} entries; there are 1 to {MAX_MEMBERS}", members.len()));
    }
    for member in members {
        let bad = |c: char| c.is_control() || c == '|' || c == ',';
        if member.trim().is_empty() || member.len() > 256 || member.chars().any(bad) {
            return wrong("members", format!("holds {member:?}, which is neither a userid nor such as `emp:1001`"));
        }
        // A list within a list could hold itself.
        if let Some((kind @ ("group" | "oncall"), _)) = member.split_once(':') {
            return wrong("members", format!("holds `{member}`, a {kind}; a list holds people, not lists"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(since: &str, every: u64, zone: &str) -> OnCall {
        OnCall {
            name: "ops".into(),
            members: ["a", "b", "c"].map(str::to_owned).into(),
            since: since.parse().unwrap(),
            every: Span::seconds(every),
            zone: zone.into(),
        }
    }

    fn on_call(list: &OnCall, at: &str) -> String {
        list.at(at.parse().unwrap()).next().unwrap().to_owned()
    }

    #[test]
    fn turns_are_taken_one_after_another() {
        let weekly = list("2026-11-02T09:00:00+08:00", 7 * A_DAY, "Asia/Shanghai");
        for (at, who) in [
            ("2026-11-02T09:00:00+08:00", "a"),
            ("2026-11-09T08:59:59+08:00", "a"),
            ("2026-11-09T09:00:00+08:00", "b"),
            ("2026-11-16T12:00:00+08:00", "c"),
            ("2026-11-23T09:00:00+08:00", "a"),
            ("2026-11-02T08:59:59+08:00", "c"),
            ("2026-10-26T09:00:00+08:00", "c"),
            ("2026-10-26T08:00:00+08:00", "b"),
        ] {
            assert_eq!(on_call(&weekly, at), who, "{at}");
        }
        let order: Vec<_> = weekly.at("2026-11-09T10:00:00+08:00".parse().unwrap()).collect();
        assert_eq!(order, ["b", "c", "a"]);
    }

    #[test]
    fn a_day_ends_at_the_same_time_of_day_whatever_the_clocks_do() {
        // Berlin's clocks go back on 2026-10-25.
        let daily = list("2026-10-24T08:00:00+02:00", A_DAY, "Europe/Berlin");
        assert_eq!(on_call(&daily, "2026-10-26T07:59:00+01:00"), "b");
        assert_eq!(on_call(&daily, "2026-10-26T08:00:00+01:00"), "c");
        let half = list("2026-10-24T08:00:00+02:00", A_DAY / 2, "Europe/Berlin");
        assert_eq!(on_call(&half, "2026-10-24T20:00:00+02:00"), "b");
    }

    #[test]
    fn what_cannot_be_kept_is_named() {
        let good = list("2026-11-02T09:00:00+08:00", A_DAY, "Asia/Shanghai");
        assert_eq!(good.check(), Ok(()));
        let field = |list: OnCall| list.check().unwrap_err().field;
        assert_eq!(field(OnCall { name: "a b".into(), ..good.clone() }), "name");
        assert_eq!(field(OnCall { members: Vec::new(), ..good.clone() }), "members");
        assert_eq!(field(OnCall { members: vec!["group:ops".into()], ..good.clone() }), "members");
        assert_eq!(field(OnCall { every: Span::seconds(1), ..good.clone() }), "every");
        assert_eq!(field(OnCall { zone: "Mars/Olympus".into(), ..good }), "zone");
        assert!(is_list_name("运维-1"));
    }
}
