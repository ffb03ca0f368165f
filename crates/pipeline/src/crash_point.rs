//! Named places at which a trial lets the process die, as a machine would at that very moment.
//!
//! Compiled in behind the feature `trials` only. `HONGYAN_CRASH=settle-before:3` aborts at the third pass of that place.

/// Every place, in the order in which a message passes them; then those beside its way.
pub const CRASH_POINTS: &[&str] = &[
    "accept-before-commit",
    "commit-before",
    "commit-after",
    "accept-after-commit",
    "claim-after-commit",
    "call-before",
    "call-after",
    "settle-before",
    "settle-after",
    "retry-after-settle",
    "hand-over-before-commit",
    "hand-over-after-settle",
    "divide-before-commit",
    "digest-before-close",
    "digest-before-commit",
    "digest-after-close",
    "escalation-before-commit",
    "schedule-before-advance",
    "broadcast-before-advance",
    "token-before-save",
    "token-after-save",
    "recall-wanted",
    "recall-after-call",
    "overdue-before-commit",
    "forget-keys-before-commit",
    "forget-messages-before-commit",
    "migration-before-commit",
    "release-before",
];

/// Passes a place, or dies there if the trial says so.
#[cfg(not(feature = "trials"))]
#[inline]
pub const fn crash_point(_name: &str) {}

/// Passes a place, or dies there if the trial says so.
#[cfg(feature = "trials")]
pub fn crash_point(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    static PLAN: OnceLock<Option<(String, u32)>> = OnceLock::new();
    static PASSES: AtomicU32 = AtomicU32::new(0);
    debug_assert!(CRASH_POINTS.contains(&name), "{name} is not in the list");
    let plan = PLAN.get_or_init(|| {
        let plan = std::env::var("HONGYAN_CRASH").ok()?;
        let (name, pass) = plan.split_once(':')?;
        Some((name.to_owned(), pass.parse().ok()?))
    });
    if let Some((place, pass)) = plan
        && place == name
        && PASSES.fetch_add(1, Ordering::Relaxed) + 1 == *pass
    {
        std::process::abort();
    }
}
