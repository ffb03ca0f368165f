//! When may a message be sent? Hours of the day, in a time zone, on every day or on workdays or days off.
//!
//! Quiet hours hold what is not urgent until they end. Which days are workdays is a calendar's to say: in China weekends
//! are worked before long holidays. Knows nothing about what time it is.

mod calendar;
mod hours;

pub use self::calendar::{Calendar, InvalidCalendar};
pub use self::hours::{Days, Hours, InvalidHours, first_outside};
