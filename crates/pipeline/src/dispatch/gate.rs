//! The gate of a lane: concurrency, breaker and quota, asked in this order. A value; the desk locks it.

use std::sync::Arc;

use domain::{
    Admission, Attempt, BreakerPolicy, CircuitBreaker, FailureClass, LaneState, Quota, SlidingWindow, Slot, Timestamp,
};
use tokio::sync::Notify;

use crate::ports::Channel;

/// How many deliveries may be claimed and not yet settled, for each call that may be under way.
const IN_FLIGHT_PER_CALL: usize = 2;
/// Less room than this part of all is scant.
const SCANT: usize = 8;
/// Calls a lane without a channel settles at once as dead.
const UNCONFIGURED: usize = 64;

pub(crate) struct Gate {
    concurrency: usize,
    calls: usize,
    in_flight: usize,
    breaker: CircuitBreaker,
    window: Option<SlidingWindow>,
    /// Whether the windows know what was called before this process started.
    ready: bool,
    /// Whether more waits in the ledger than the last claim took.
    pub(crate) backlog: bool,
    /// The desks that wait for room.
    awaited: Vec<Arc<Notify>>,
    /// Whether the last call was quick.
    pub(crate) is_quick: bool,
    /// Whether one of the desks was told that it may probe, and has not claimed for it yet.
    probe_offered: bool,
    /// Why the lane is closed, as it was announced.
    closed_for: Option<FailureClass>,
}

/// What may start now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) free: usize,
    /// Whether what starts is a probe.
    pub(crate) probe: bool,
    /// When there will be room, if time alone makes it.
    pub(crate) opens_at: Option<Timestamp>,
    /// Whether most of the calls are under way, are quick, and more waits: in a moment there will be more room.
    pub(crate) is_scant: bool,
    /// Whether there is none because the breaker or the quota says so, and not because calls are under way.
    pub(crate) is_closed: bool,
}

impl Room {
    pub(crate) fn none(opens_at: Option<Timestamp>) -> Self {
        Self { free: 0, probe: false, opens_at, is_scant: false, is_closed: false }
    }

    /// No room, and not because calls are under way.
    pub(crate) fn closed(opens_at: Option<Timestamp>) -> Self {
        Self { is_closed: true, ..Self::none(opens_at) }
    }
}

impl Gate {
    pub(crate) fn new(channel: Option<&dyn Channel>, policy: BreakerPolicy) -> Self {
        let window = channel.and_then(Channel::quota).map(SlidingWindow::new);
        Self {
            concurrency: channel.map_or(UNCONFIGURED, Channel::concurrency).max(1),
            calls: 0,
            in_flight: 0,
            breaker: CircuitBreaker::new(policy),
            ready: channel.is_none(),
            window,
            backlog: false,
            awaited: Vec::new(),
            is_quick: false,
            probe_offered: false,
            closed_for: None,
        }
    }

    /// Notes that a desk waits for room: it is woken by whatever makes some.
    pub(crate) fn wait(&mut self, desk: &Arc<Notify>) {
        if !self.awaited.iter().any(|known| Arc::ptr_eq(known, desk)) {
            self.awaited.push(desk.clone());
        }
    }

    /// How much of the quota is used, in percent.
    pub(crate) fn used_percent(&mut self, now: Timestamp) -> u8 {
        let Some(window) = &mut self.window else { return 0 };
        percent(window.used_at(now), window.quota().limit)
    }

    /// The quota, how much of it is used, and when the next call may start.
    pub(crate) fn quota(&mut self, now: Timestamp) -> Option<(Quota, u32, Slot)> {
        let window = self.window.as_mut()?;
        Some((window.quota(), window.used_at(now), window.next_slot(now)))
    }

    /// Whether the breaker keeps the lane closed.
    pub(crate) fn state(&self) -> LaneState {
        self.breaker.state()
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready
    }

    pub(crate) fn remember(&mut self, calls: Vec<Timestamp>) {
        if let Some(window) = &mut self.window {
            window.remember(calls);
        }
    }

    /// Notes that the windows know what was called before this process started; returns the desks that wait for this.
    pub(crate) fn set_ready(&mut self) -> Vec<Arc<Notify>> {
        self.ready = true;
        std::mem::take(&mut self.awaited)
    }

    /// Takes the offer of a probe back: nothing was claimed for it.
    pub(crate) fn withdraw_probe(&mut self) -> Vec<Arc<Notify>> {
        self.probe_offered = false;
        std::mem::take(&mut self.awaited)
    }

    pub(crate) fn room(&mut self, now: Timestamp) -> Room {
        let calls = self.breaker.concurrency(self.concurrency).saturating_sub(self.calls);
        let in_flight = (self.concurrency * IN_FLIGHT_PER_CALL).saturating_sub(self.in_flight);
        let free = calls.min(in_flight);
        if free == 0 {
            return Room::none(None);
        }
        let (free, probe) = match self.breaker.admit(now) {
            Admission::Go => (free, false),
            Admission::Probe if self.probe_offered => return Room::closed(None),
            Admission::Probe => (1, true),
            Admission::Wait(until) => return Room::closed(Some(until)),
            Admission::AfterProbe => return Room::closed(None),
        };
        match self.window.as_mut().map(|window| window.next_slot(now)) {
            None => {
                let is_scant = self.backlog && self.is_quick && !probe && free < self.concurrency / SCANT;
                Room { free, probe, opens_at: None, is_scant, is_closed: false }
            }
            // A window gives out one slot at a time, each after a look at the last.
            Some(Slot::Free) => Room { free: 1, probe, opens_at: None, is_scant: false, is_closed: false },
            Some(Slot::At(time)) => Room::closed(Some(time)),
            Some(Slot::AfterAnswer) => Room::none(None),
        }
    }

    pub(crate) fn take(&mut self, now: Timestamp, probe: bool) {
        self.calls += 1;
        self.in_flight += 1;
        if let Some(window) = &mut self.window {
            window.take(now);
        }
        if probe {
            self.probe_offered = false;
            self.breaker.probe_started();
        }
    }

    /// Offers the probe that a room was for to one desk alone.
    pub(crate) fn offer_probe(&mut self) {
        self.probe_offered = true;
    }

    /// Frees a call; returns the lane's new state, if it changed, and the desks that wait for this.
    pub(crate) fn answered(
        &mut self,
        attempt: &Attempt,
        probe: bool,
        now: Timestamp,
    ) -> (Option<LaneState>, Vec<Arc<Notify>>) {
        self.calls -= 1;
        if let Some(window) = &mut self.window {
            window.answer(now);
        }
        let changed = self.breaker.note(attempt, probe, now).filter(|state| self.is_news(*state));
        (changed, std::mem::take(&mut self.awaited))
    }

    /// Whether a new state says anything new: a closed lane whose probe failed is as closed as it was.
    fn is_news(&mut self, state: LaneState) -> bool {
        match state {
            LaneState::Open => self.closed_for.take().is_some(),
            LaneState::Closed { why, .. } => self.closed_for.replace(why) != Some(why),
            LaneState::Probing { .. } => false,
        }
    }

    /// Gives everything back at the end; `answered` says whether a call was made and answered. Returns the desks that wait
    /// for this.
    pub(crate) fn leave(&mut self, answered: bool, probe: bool) -> Vec<Arc<Notify>> {
        self.in_flight -= 1;
        if !answered {
            self.calls -= 1;
            if let Some(window) = &mut self.window {
                window.untake();
            }
            if probe {
                self.breaker.probe_unused();
            }
        }
        std::mem::take(&mut self.awaited)
    }

    pub(crate) fn backlog_gone(&mut self) {
        if let Some(window) = &mut self.window {
            window.backlog_gone();
        }
    }
}

/// A part of a whole, in percent, never more than all of it.
pub(super) fn percent(part: u32, whole: u32) -> u8 {
    u8::try_from(u64::from(part) * 100 / u64::from(whole.max(1))).unwrap_or(u8::MAX).min(100)
}
