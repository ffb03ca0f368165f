//! Exact sliding windows: when is the next slot?
//!
//! A slot is taken when a call starts and is free one window after its answer. The upstream counts a call somewhere
//! between the two, so however long calls travel, no window of the upstream ever holds more than the limit. A token
//! bucket with a burst would let nearly twice the limit through one window. Knows nothing about what is counted.

mod appointments;
mod day;
mod members;
mod sliding_window;
mod windows;

use std::time::Duration;

use crate::Timestamp;

pub use self::appointments::Appointments;
pub use self::day::DayBudget;
pub use self::members::{MemberUse, MemberWindows};
pub use self::sliding_window::SlidingWindow;
pub use self::windows::Windows;

/// So many calls in any window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The most calls in any window; at least 1.
    pub limit: u32,
    /// How long a window is.
    pub window: Duration,
}

/// When the next call may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// At once.
    Free,
    /// Not before.
    At(Timestamp),
    /// Not before one of the calls under way is answered.
    AfterAnswer,
}

impl Slot {
    /// Returns the later of two: what has to be waited for when both must be free.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::AfterAnswer, _) | (_, Self::AfterAnswer) => Self::AfterAnswer,
            (Self::At(one), Self::At(two)) => Self::At(one.max(two)),
            (Self::At(one), Self::Free) | (Self::Free, Self::At(one)) => Self::At(one),
            (Self::Free, Self::Free) => Self::Free,
        }
    }
}
