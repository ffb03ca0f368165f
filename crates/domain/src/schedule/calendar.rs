//! Which days are worked: Monday to Friday, but for the exceptions that a data file lists.

use std::collections::BTreeMap;

use jiff::civil::{Date, Weekday};

/// Public holidays and make-up workdays of China, as the State Council publishes them each autumn.
const CHINA: &str = include_str!("china.txt");

/// Days that are worked or off against the week's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    is_worked: BTreeMap<Date, bool>,
}

/// A line of a calendar cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line}: `{text}` is not a day such as `2026-10-01 off National Day` or `2026-10-10 work`")]
pub struct InvalidCalendar {
    line: usize,
    text: String,
}

impl Calendar {
    /// Returns China's calendar, for the years that were known when this version was made.
    pub fn china() -> Self {
        Self::parse(CHINA).unwrap_or_default()
    }

    /// Reads a calendar: a line a day, `2026-10-01 off National Day` or `2026-10-10 work`; `#` begins a comment.
    ///
    /// # Errors
    /// [`InvalidCalendar`] names the line.
    pub fn parse(text: &str) -> Result<Self, InvalidCalendar> {
        let mut is_worked = BTreeMap::new();
        for (i, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let mut words = line.split_whitespace();
            let date = words.next().and_then(|word| word.parse::<Date>().ok());
            let worked = match words.next() {
                Some("off") => Some(false),
                Some("work") => Some(true),
                _ => None,
            };
            let (Some(date), Some(worked)) = (date, worked) else {
                return Err(InvalidCalendar { line: i + 1, text: line.to_owned() });
            };
            is_worked.insert(date, worked);
        }
        Ok(Self { is_worked })
    }

    /// Tells whether a day is worked.
    pub fn is_workday(&self, date: Date) -> bool {
        let by_week = !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
        self.is_worked.get(&date).copied().unwrap_or(by_week)
    }

    /// Returns the last year that it says anything about.
    pub fn last_year(&self) -> Option<i16> {
        self.is_worked.keys().next_back().map(|date| date.year())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn weekends_are_worked_before_long_holidays_and_holidays_are_not() {
        let china = Calendar::china();
        for (day, worked) in [
            (date(2026, 10, 1), false),
            (date(2026, 10, 10), true),
            (date(2026, 2, 17), false),
            (date(2026, 2, 28), true),
            (date(2026, 7, 20), true),
            (date(2026, 7, 18), false),
            (date(2025, 10, 8), false),
        ] {
            assert_eq!(china.is_workday(day), worked, "{day}");
        }
        assert_eq!(china.last_year(), Some(2026));
    }

    #[test]
    fn a_line_that_is_no_day_is_named() {
        let error = Calendar::parse("2026-10-01 off\n\nsoon off").unwrap_err();
        assert_eq!(error.line, 3);
    }
}
