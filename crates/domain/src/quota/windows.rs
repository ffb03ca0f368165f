//! Several windows over the same calls, such as a minute's and an hour's: a call needs a slot in each.

use super::{Quota, SlidingWindow, Slot};
use crate::Timestamp;

/// The windows of one thing that is counted.
#[derive(Clone, Debug)]
pub struct Windows(Vec<SlidingWindow>);

impl Windows {
    /// Starts with empty windows.
    pub fn new(quotas: &[Quota]) -> Self {
        Self(quotas.iter().copied().map(SlidingWindow::new).collect())
    }

    /// Counts calls of so much weight each that were answered before these windows were made.
    pub fn remember_for(&mut self, answered: &[Timestamp], weight: u32) {
        self.0.iter_mut().for_each(|window| window.remember_for(answered.iter().copied(), weight));
    }

    /// Says when a call that counts `weight` may start.
    pub fn next_slot_for(&mut self, now: Timestamp, weight: u32) -> Slot {
        self.0.iter_mut().fold(Slot::Free, |slot, window| slot.and(window.next_slot_for(now, weight)))
    }

    /// Takes slots for a call that counts `weight`.
    pub fn take_for(&mut self, now: Timestamp, weight: u32) {
        self.0.iter_mut().for_each(|window| window.take_for(now, weight));
    }

    /// Notes that a call that counts `weight` was answered or timed out.
    pub fn answer_for(&mut self, now: Timestamp, weight: u32) {
        self.0.iter_mut().for_each(|window| window.answer_for(now, weight));
    }

    /// Gives back what a call that was not made would have counted.
    pub fn untake_for(&mut self, weight: u32) {
        self.0.iter_mut().for_each(|window| window.untake_for(weight));
    }

    /// Notes that nothing waits any more: the next calls may again go at once.
    pub fn backlog_gone(&mut self) {
        self.0.iter_mut().for_each(SlidingWindow::backlog_gone);
    }

    /// Returns how much of each is used at a time.
    pub fn used_at(&mut self, now: Timestamp) -> Vec<(Quota, u32)> {
        self.0.iter_mut().map(|window| (window.quota(), window.used_at(now))).collect()
    }

    /// Since when calls count, if any do.
    pub fn since(&self, now: Timestamp) -> Option<Timestamp> {
        self.0.iter().map(|window| now - window.quota().window).min()
    }

    /// The longest time between two slots that are spaced evenly.
    pub fn spacing(&self) -> std::time::Duration {
        self.0.iter().map(SlidingWindow::spacing).max().unwrap_or_default()
    }

    /// Tells whether they say nothing that new windows would not say.
    pub fn is_fresh(&mut self, now: Timestamp) -> bool {
        self.0.iter_mut().all(|window| window.is_fresh(now))
    }
}
