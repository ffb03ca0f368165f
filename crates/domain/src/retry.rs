//! How long a retry waits, and when to give up.

use std::time::Duration;

/// Exponential backoff with full jitter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryPolicy {
    /// Tries before a delivery is dead; waiting behind a closed lane is no try.
    pub attempts: u16,
    /// The most that the first retry waits.
    pub base: Duration,
    /// How much longer each further retry may wait.
    pub factor: f64,
    /// The most that any retry waits.
    pub cap: Duration,
    /// Whether each wait is drawn evenly between zero and its most (full jitter), or is its most.
    pub jitter: bool,
    /// How long after its due time a delivery is given up, however few its tries.
    pub deadline: Duration,
}

impl RetryPolicy {
    /// Returns the wait after `tries` failed tries; `random` lies in 0..1.
    pub fn delay(&self, tries: u16, random: f64) -> Duration {
        let exponent = f64::from(tries.saturating_sub(1).min(63));
        let most = (self.base.as_secs_f64() * self.factor.powf(exponent)).min(self.cap.as_secs_f64());
        Duration::from_secs_f64(if self.jitter { most * random.clamp(0.0, 1.0) } else { most })
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 8,
            base: Duration::from_secs(2),
            factor: 2.0,
            cap: Duration::from_secs(300),
            jitter: true,
            deadline: Duration::from_secs(24 * 3600),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap() {
        let policy = RetryPolicy { jitter: false, ..RetryPolicy::default() };
        let waits: Vec<_> = (1..=10).map(|tries| policy.delay(tries, 0.5).as_secs()).collect();
        assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    }

    #[test]
    fn full_jitter_draws_between_zero_and_the_most() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.delay(3, 0.0), Duration::ZERO);
        assert_eq!(policy.delay(3, 0.5), Duration::from_secs(4));
        assert_eq!(policy.delay(u16::MAX, 1.0), Duration::from_secs(300));
    }
}
