//! The gate of a lane: concurrency, breaker and quota, asked in this order. A value; the desk locks it.

use domain::{
    Admission, Attempt, BreakerPolicy, CircuitBreaker, FailureClass, LaneState, SlidingWindow, Slot, Timestamp,
};

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
    /// Whether the window knows what was called before this process started.
    ready: bool,
    /// Whether more waits in the ledger than the last claim took.
    pub(crate) backlog: bool,
    /// Whether the desk waits for room.
    pub(crate) awaited: bool,
    /// Whether the last call was.
    pub(crate) is_quick: bool,
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
}

impl Room {
    fn none(opens_at: Option<Timestamp>) -> Self {
        Self { free: 0, probe: false, opens_at, is_scant: false }
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
            ready: window.is_none(),
            window,
            backlog: false,
            awaited: false,
            is_quick: false,
            closed_for: None,
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready
    }

    pub(crate) fn remember(&mut self, calls: Vec<Timestamp>) {
        if let Some(window) = &mut self.window {
            window.remember(calls);
        }
        self.ready = true;
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
            Admission::Probe => (1, true),
            Admission::Wait(until) => return Room::none(Some(until)),
            Admission::AfterProbe => return Room::none(None),
        };
        match self.window.as_mut().map(|window| window.next_slot(now)) {
            None => {
                let is_scant = self.backlog && self.is_quick && !probe && free < self.concurrency / SCANT;
                Room { free, probe, opens_at: None, is_scant }
            }
            // A window gives out one slot at a time, each after a look at the last.
            Some(Slot::Free) => Room { free: 1, probe, opens_at: None, is_scant: false },
            Some(Slot::At(time)) => Room::none(Some(time)),
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
            self.breaker.probe_started();
        }
    }

    /// Frees a call; returns the lane's new state, if it changed, and whether the desk waits for this.
    pub(crate) fn answered(&mut self, attempt: &Attempt, probe: bool, now: Timestamp) -> (Option<LaneState>, bool) {
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

    /// Gives everything back at the end; `answered` says whether a call was made and answered. Returns whether the desk
    /// waits for this.
    pub(crate) fn leave(&mut self, answered: bool, probe: bool) -> bool {
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
