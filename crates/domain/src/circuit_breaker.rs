//! When does a lane stop trying, and how does it find out that it may go on?
//!
//! A closed lane asks with one delivery at a time (a probe), which costs that delivery none of its tries. What closes
//! a lane, and for how long, depends on what went wrong: the figures are WeCom's (path/90312).

use std::time::Duration;

use crate::{Attempt, FailureClass, Timestamp};

/// When a lane closes and how often it probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// Failures in a row that close the lane.
    pub failures: u32,
    /// How long a closed lane waits between probes.
    pub probe_every: Duration,
    /// How long a throttled lane waits between probes; probing sooner prolongs the block.
    pub throttled_for: Duration,
    /// How long a lane with a wrong credential or configuration waits between probes; WeCom blocks an address that
    /// repeats a wrong secret.
    pub misconfigured_for: Duration,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            failures: 3,
            probe_every: Duration::from_secs(10),
            throttled_for: Duration::from_secs(60),
            misconfigured_for: Duration::from_secs(60),
        }
    }
}

/// Whether the lane is open for traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneState {
    /// Everything may go.
    Open,
    /// Nothing goes before `until`; then one probe.
    Closed {
        /// When the next probe may go.
        until: Timestamp,
        /// What closed it.
        why: FailureClass,
    },
    /// One probe is under way.
    Probing {
        /// What closed it.
        why: FailureClass,
    },
}

/// Whether a call may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Go,
    /// One may, as a probe.
    Probe,
    /// Not before.
    Wait(Timestamp),
    /// Not before the probe under way is answered.
    AfterProbe,
}

/// The breaker of one lane.
#[derive(Clone, Debug)]
pub struct CircuitBreaker {
    policy: BreakerPolicy,
    state: LaneState,
    failures: u32,
    halvings: u32,
    successes: u32,
}

impl CircuitBreaker {
    /// Starts with an open lane.
    pub fn new(policy: BreakerPolicy) -> Self {
        Self { policy, state: LaneState::Open, failures: 0, halvings: 0, successes: 0 }
    }

    /// Returns the state.
    pub fn state(&self) -> LaneState {
        self.state
    }

    /// Says whether a call may start.
    pub fn admit(&self, now: Timestamp) -> Admission {
        match self.state {
            LaneState::Open => Admission::Go,
            LaneState::Closed { until, .. } if until <= now => Admission::Probe,
            LaneState::Closed { until, .. } => Admission::Wait(until),
            LaneState::Probing { .. } => Admission::AfterProbe,
        }
    }

    /// Notes that a probe starts.
    pub fn probe_started(&mut self) {
        if let LaneState::Closed { why, .. } = self.state {
            self.state = LaneState::Probing { why };
        }
    }

    /// Notes that a probe ended without a call: the next delivery may probe at once.
    pub fn probe_unused(&mut self) {
        if let LaneState::Probing { why } = self.state {
            self.state = LaneState::Closed { until: Timestamp::EPOCH, why };
        }
    }

    /// Returns how many calls may be under way at once, out of the configured `most`.
    pub fn concurrency(&self, most: usize) -> usize {
        (most >> self.halvings.min(16)).max(1)
    }

    /// Notes what an attempt met. Returns the new state if it changed.
    pub fn note(&mut self, attempt: &Attempt, was_probe: bool, now: Timestamp) -> Option<LaneState> {
        let before = self.state;
        match attempt {
            // A refusal is an answer: the upstream is there and knows us.
            Attempt::Sent { .. }
            | Attempt::Refused { .. }
            | Attempt::Gone { .. }
            | Attempt::Deferred { class: FailureClass::Rejected, .. } => self.on_answer(was_probe),
            Attempt::Deferred { class, retry_after, .. } => self.on_failure(*class, *retry_after, was_probe, now),
            Attempt::Uncertain { .. } => self.on_failure(FailureClass::Unreachable, None, was_probe, now),
            // Nobody was asked.
            Attempt::NotYet { .. } if was_probe => self.probe_unused(),
            Attempt::NotYet { .. } => {}
        }
        (self.state != before).then_some(self.state)
    }

    fn on_answer(&mut self, was_probe: bool) {
        self.failures = 0;
        if was_probe {
            self.state = LaneState::Open;
        }
        self.successes += 1;
        // What a congested upstream took away comes back slowly.
        if self.halvings > 0 && self.successes >= 32 {
            self.halvings -= 1;
            self.successes = 0;
        }
    }

    fn on_failure(&mut self, class: FailureClass, retry_after: Option<Duration>, was_probe: bool, now: Timestamp) {
        self.failures += 1;
        if class == FailureClass::Congested {
            self.halvings = (self.halvings + 1).min(16);
            self.successes = 0;
        }
        let wait = match class {
            FailureClass::Throttled => self.policy.throttled_for.max(retry_after.unwrap_or_default()),
            FailureClass::Misconfigured => self.policy.misconfigured_for,
            FailureClass::Congested
            | FailureClass::Busy
            | FailureClass::Unreachable
            | FailureClass::Internal
            | FailureClass::Rejected => self.policy.probe_every.max(retry_after.unwrap_or_default()),
        };
        let at_once = matches!(class, FailureClass::Throttled | FailureClass::Congested);
        match self.state {
            LaneState::Open if at_once || self.failures >= self.policy.failures => {
                self.state = LaneState::Closed { until: now + wait, why: class };
            }
            LaneState::Probing { .. } if was_probe => self.state = LaneState::Closed { until: now + wait, why: class },
            // A block that is reported while closed begins anew.
            LaneState::Closed { .. } if class == FailureClass::Throttled => {
                self.state = LaneState::Closed { until: now + wait, why: class };
            }
            LaneState::Open | LaneState::Closed { .. } | LaneState::Probing { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reason;

    fn failed(class: FailureClass) -> Attempt {
        Attempt::Deferred { class, reason: Reason::new("test", "failed"), retry_after: None }
    }

    fn sent() -> Attempt {
        Attempt::Sent { refused: Vec::new(), handle: None, note: None }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn a_busy_upstream_closes_the_lane_after_three_failures_and_is_probed_every_ten_seconds() {
        let mut breaker = CircuitBreaker::new(BreakerPolicy::default());
        for _ in 0..3 {
            assert_eq!(breaker.admit(at(0)), Admission::Go);
            breaker.note(&failed(FailureClass::Busy), false, at(0));
        }
        assert_eq!(breaker.admit(at(0)), Admission::Wait(at(10)));
        assert_eq!(breaker.admit(at(10)), Admission::Probe);
        breaker.probe_started();
        assert_eq!(breaker.admit(at(10)), Admission::AfterProbe);
        breaker.note(&failed(FailureClass::Busy), true, at(10));
        assert_eq!(breaker.admit(at(11)), Admission::Wait(at(20)));
        breaker.probe_started();
        breaker.note(&sent(), true, at(20));
        assert_eq!(breaker.admit(at(20)), Admission::Go);
    }

    #[test]
    fn a_throttled_lane_closes_at_once_for_a_window() {
        let mut breaker = CircuitBreaker::new(BreakerPolicy::default());
        breaker.note(&failed(FailureClass::Throttled), false, at(5));
        assert_eq!(breaker.admit(at(6)), Admission::Wait(at(65)));
    }

    #[test]
    fn congestion_halves_the_concurrency_until_enough_went_well() {
        let mut breaker = CircuitBreaker::new(BreakerPolicy::default());
        breaker.note(&failed(FailureClass::Congested), false, at(0));
        assert_eq!(breaker.concurrency(16), 8);
        for _ in 0..32 {
            breaker.note(&sent(), false, at(1));
        }
        assert_eq!(breaker.concurrency(16), 16);
    }

    #[test]
    fn a_refused_message_says_nothing_against_the_lane() {
        let mut breaker = CircuitBreaker::new(BreakerPolicy::default());
        let refused = Attempt::Refused { class: FailureClass::Rejected, reason: Reason::new("44004", "empty content") };
        for _ in 0..10 {
            breaker.note(&refused, false, at(0));
        }
        assert_eq!(breaker.admit(at(0)), Admission::Go);
    }

    #[test]
    fn a_late_failure_of_an_ordinary_call_does_not_end_the_probe() {
        let mut breaker = CircuitBreaker::new(BreakerPolicy::default());
        for _ in 0..3 {
            breaker.note(&failed(FailureClass::Unreachable), false, at(0));
        }
        breaker.probe_started();
        breaker.note(&failed(FailureClass::Unreachable), false, at(11));
        assert_eq!(breaker.admit(at(11)), Admission::AfterProbe);
    }
}
