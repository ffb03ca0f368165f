//! Counting calls in sliding windows, and the blocks that follow an excess (path/90312).

use std::collections::VecDeque;

use crate::clock::Millis;

/// At most `limit` events in any window.
#[derive(Debug)]
pub(crate) struct Window {
    limit: usize,
    length: Millis,
    events: VecDeque<Millis>,
    blocked_until: Millis,
}

impl Window {
    pub(crate) fn new(limit: usize, length: Millis) -> Self {
        Self { limit, length, events: VecDeque::new(), blocked_until: 0 }
    }

    /// Tells whether one more fits at `now`, without counting it.
    pub(crate) fn fits(&mut self, now: Millis) -> bool {
        while self.events.front().is_some_and(|&at| at + self.length <= now) {
            self.events.pop_front();
        }
        self.events.len() < self.limit
    }

    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    pub(crate) fn is_blocked(&self, now: Millis) -> bool {
        now < self.blocked_until
    }

    /// Counts one more; the one that reaches the limit blocks for as long as the window is.
    pub(crate) fn count_or_block(&mut self, now: Millis) {
        self.count(now);
        if !self.fits(now) {
            self.blocked_until = now + self.length;
        }
    }

    pub(crate) fn count(&mut self, now: Millis) {
        self.events.push_back(now);
    }

    /// Counts one more if it fits; an excess blocks for as long as the window is.
    pub(crate) fn admit_or_block(&mut self, now: Millis) -> bool {
        if now < self.blocked_until {
            return false;
        }
        if self.fits(now) {
            self.count(now);
            return true;
        }
        self.blocked_until = now + self.length;
        false
    }
}

/// Counts one more in both windows if both have room.
pub(crate) fn admit_both((short, long): &mut (Window, Window), now: Millis) -> bool {
    let fits = short.fits(now) && long.fits(now);
    if fits {
        short.count(now);
        long.count(now);
    }
    fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_twenty_first_message_of_a_minute_blocks_for_a_minute() {
        let mut window = Window::new(20, 60_000);
        assert!((0..20).all(|i| window.admit_or_block(i * 100)));
        assert!(!window.admit_or_block(2_000));
        assert!(!window.admit_or_block(61_000), "the block lasts a minute from the excess");
        assert!(window.admit_or_block(62_000));
    }
}
