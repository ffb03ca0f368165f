//! When may a message be sent, and when is one sent by itself? Hours of the day, in a time zone, on every day or on
//! workdays or days off; patterns of cron.
//!
//! Quiet hours hold what is not urgent until they end. Which days are workdays is a calendar's to say: in China weekends
//! are worked before long holidays. Knows nothing about what time it is.

mod calendar;
mod cron;
mod hours;
mod run;
mod variables;

pub use self::calendar::{Calendar, InvalidCalendar};
pub use self::cron::{Cron, DEFAULT_ZONE, InvalidCron};
pub use self::hours::{Days, Hours, InvalidHours, first_outside};
pub use self::run::{MOST_MADE_UP, MissedRuns, PlannedRun, RunStep, When};
pub use self::variables::VariablesFrom;
