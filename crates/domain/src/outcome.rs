//! What an attempt meant: attempt → what follows for the delivery.
//!
//! A channel reports what it met as a value, [`Attempt`]; a refusal is a normal result. [`judge`] turns it, with the
//! delivery's history, into an [`Outcome`], which the ledger stores. The hard case is the call that was written and
//! never answered. WeCom's duplicate check makes re-sending it safe, but only if the first attempt carried the check,
//! and only inside its interval: so a protected delivery is re-sent inside the interval or not at all, and one without
//! protection risks a repeat rather than a loss.

use std::time::Duration;

use crate::{Lane, Recipient, RecipientState, RetryPolicy, Timestamp};

/// What kind of trouble it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// No connection, or none that answered; the message was not taken.
    Unreachable,
    /// The upstream is in trouble of its own.
    Busy,
    /// Too many calls in the window.
    Throttled,
    /// Too many calls at once.
    Congested,
    /// A credential, address or permission of the whole account is wrong: an operator must act.
    Misconfigured,
    /// This message will never be taken as it is.
    Rejected,
    /// A fault of our own.
    Internal,
}

impl FailureClass {
    /// Returns the name shown in records and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Busy => "busy",
            Self::Throttled => "throttled",
            Self::Congested => "congested",
            Self::Misconfigured => "misconfigured",
            Self::Rejected => "rejected",
            Self::Internal => "internal",
        }
    }

    /// Tells whether a failure of this class uses up one of the delivery's tries. Trouble of the lane does not.
    fn counts(self) -> bool {
        matches!(self, Self::Unreachable | Self::Busy | Self::Rejected | Self::Internal)
    }
}

/// Why something failed, as shown to the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// A stable code: WeCom's errcode in decimal, or a word of ours.
    pub code: String,
    /// What happened.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Reason {
    /// Names a reason.
    pub fn new(code: impl Into<String>, text: impl Into<String>) -> Self {
        Self { code: code.into(), text: text.into(), hint: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A recipient that the upstream refused while it took the message for others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Who.
    pub recipient: Recipient,
    /// Why.
    pub reason: Reason,
    /// Whether a later step of the route takes care of them.
    pub moves_on: bool,
}

/// What one call upstream met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// Taken, for all recipients but those refused.
    Sent {
        /// Who was refused.
        refused: Vec<Refusal>,
        /// The upstream's name for the message, needed to recall it.
        handle: Option<String>,
        /// What the upstream remarked besides, such as `Warning: wrong json format.`
        note: Option<String>,
    },
    /// Not taken now; later it may be.
    Deferred {
        /// What kind of trouble.
        class: FailureClass,
        /// Why.
        reason: Reason,
        /// What the upstream asks to wait.
        retry_after: Option<Duration>,
    },
    /// Not taken, and never will be as it is.
    Refused {
        /// What kind of trouble.
        class: FailureClass,
        /// Why.
        reason: Reason,
    },
    /// Not taken, because a file that it carries is no longer there: it must be uploaded again.
    Gone {
        /// Why.
        reason: Reason,
    },
    /// Written and not answered: perhaps taken.
    Uncertain {
        /// What was seen instead of an answer.
        reason: Reason,
    },
    /// Not called: something that is needed first, such as an upload, has no slot yet.
    NotYet {
        /// When to come again.
        at: Timestamp,
        /// What it waits for.
        reason: Reason,
    },
}

impl Attempt {
    /// Returns the name shown in records and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sent { .. } => "sent",
            Self::Deferred { .. } => "deferred",
            Self::Refused { .. } | Self::Gone { .. } => "refused",
            Self::Uncertain { .. } => "uncertain",
            Self::NotYet { .. } => "not_yet",
        }
    }

    /// Returns why it failed.
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Self::Sent { .. } => None,
            Self::Deferred { reason, .. }
            | Self::Refused { reason, .. }
            | Self::Gone { reason }
            | Self::Uncertain { reason }
            | Self::NotYet { reason, .. } => Some(reason),
        }
    }
}

/// An attempt as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRecord {
    /// Counted from 1 within the delivery.
    pub number: u16,
    /// When the call started.
    pub started_at: Timestamp,
    /// When it was answered or given up.
    pub ended_at: Timestamp,
    /// What it met: `sent`, `deferred`, `refused`, `uncertain`.
    pub result: String,
    /// Why it failed, or what the upstream remarked.
    pub reason: Option<Reason>,
    /// Whether the lane was closed and this asked whether it may open.
    pub probe: bool,
    /// Whether an earlier attempt may already have been taken.
    pub redelivery: bool,
    /// Whether the answer came after the delivery had moved on.
    pub late: bool,
    /// How many bytes were written.
    pub bytes: u32,
    /// What was written, without secrets, if it was not taken.
    pub request: Option<String>,
}

/// What is known about a delivery when its attempt is judged.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// The time.
    pub now: Timestamp,
    /// When the attempt started: an unanswered one may have been taken from then on.
    pub started_at: Timestamp,
    /// Counted tries before this attempt.
    pub tries: u16,
    /// Whether this attempt was a probe of a closed lane.
    pub probe: bool,
    /// Since when nobody knows whether the message was taken.
    pub uncertain_since: Option<Timestamp>,
    /// The upstream's duplicate check, if every attempt carried it: how long after the first it protects.
    pub protected_for: Option<Duration>,
    /// When the delivery is given up.
    pub give_up_at: Timestamp,
    /// When it is too late to send.
    pub expires_at: Option<Timestamp>,
    /// When it goes on to a later step of its route.
    pub moves_at: Option<Timestamp>,
    /// Whether the route would rather lose the message than have it seen twice.
    pub rather_lost: bool,
    /// A number in 0..1 for the jitter.
    pub random: f64,
}

/// What follows for the delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Settled for good.
    Final {
        /// What became of the recipients that were not refused one by one.
        state: RecipientState,
        /// Who was refused.
        refused: Vec<Refusal>,
        /// The upstream's name for the message.
        handle: Option<String>,
        /// Whether handle and refusals come from a re-send that the upstream may have swallowed.
        unconfirmed: bool,
        /// Why, unless it simply went well.
        reason: Option<Reason>,
    },
    /// To be tried again.
    Again {
        /// When.
        at: Timestamp,
        /// Counted tries, this one included.
        tries: u16,
        /// Since when nobody knows whether the message was taken.
        uncertain_since: Option<Timestamp>,
        /// Why it is not done.
        reason: Reason,
        /// Whether trying again soon is of no use: an operator must act first.
        hopeless: bool,
    },
    /// Not tried yet: it has to wait.
    Held {
        /// Until when.
        at: Timestamp,
        /// In which queue, if not in the one it came from.
        lane: Option<Lane>,
        /// Whether it stays at this step of its route, whatever happens.
        stays: bool,
        /// What it waits for.
        reason: Reason,
    },
    /// One part of several was taken; the next follows at once.
    PartSent {
        /// The upstream's names for the parts so far.
        handle: Option<String>,
    },
}

impl Outcome {
    fn ended(state: RecipientState, reason: Reason) -> Self {
        Self::Final { state, refused: Vec::new(), handle: None, unconfirmed: false, reason: Some(reason) }
    }

    /// Settles what expired before it could be sent.
    pub fn expired() -> Self {
        Self::ended(RecipientState::Expired, Reason::new("expired", "its time passed before it could be sent"))
    }

    /// Settles what may have been taken and can no longer be re-sent safely.
    pub fn uncertain(reason: Reason) -> Self {
        Self::ended(RecipientState::Uncertain, reason)
    }

    /// Settles what cannot be sent: dead, or uncertain if an earlier call may have been taken.
    pub fn ended_after(uncertain_since: Option<Timestamp>, reason: Reason) -> Self {
        match uncertain_since {
            Some(_) => Self::uncertain(reason),
            None => Self::dead(reason),
        }
    }

    /// Settles what is given up.
    pub fn dead(reason: Reason) -> Self {
        Self::ended(RecipientState::Failed, reason)
    }
}

/// Decides what follows from an attempt.
///
/// It always ends: every counted failure uses up a try, and whatever is not counted ends at `give_up_at`.
pub fn judge(attempt: Attempt, situation: &Situation, policy: &RetryPolicy) -> Outcome {
    match attempt {
        Attempt::Sent { refused, handle, .. } => Outcome::Final {
            state: RecipientState::Delivered,
            refused,
            handle,
            // A duplicate that WeCom swallowed is answered with a fresh msgid that recalls nothing.
            unconfirmed: situation.uncertain_since.is_some() && situation.protected_for.is_some(),
            reason: None,
        },
        // A refusal says nothing of an earlier call that was never answered.
        Attempt::Refused { reason, .. } => Outcome::ended_after(situation.uncertain_since, reason),
        Attempt::Gone { reason } if situation.tries + 1 >= policy.attempts => {
            Outcome::ended_after(situation.uncertain_since, reason)
        }
        Attempt::Gone { reason } => Outcome::Again {
            at: situation.now,
            tries: situation.tries + 1,
            uncertain_since: situation.uncertain_since,
            reason,
            hopeless: false,
        },
        Attempt::Deferred { class, reason, retry_after } => {
            // What is said about the message itself costs a try, also while the lane is being probed.
            let counted = class.counts() && (!situation.probe || class == FailureClass::Rejected);
            let outcome =
                again(counted, reason, retry_after.unwrap_or_default(), situation.uncertain_since, situation, policy);
            match outcome {
                Outcome::Again { at, tries, uncertain_since, reason, .. } => {
                    let hopeless = class == FailureClass::Misconfigured;
                    Outcome::Again { at, tries, uncertain_since, reason, hopeless }
                }
                other => other,
            }
        }
        // Nothing was tried. What expires meanwhile is settled by whoever looks at it then.
        Attempt::NotYet { at, reason } => {
            let ends = [situation.expires_at, situation.moves_at].into_iter().flatten();
            let at = ends.filter(|end| *end > situation.now).fold(at, Timestamp::min);
            Outcome::Held { at, lane: None, stays: false, reason }
        }
        // Where no check finds a repeat, the route says which harm is the lesser.
        Attempt::Uncertain { reason } if situation.rather_lost && situation.protected_for.is_none() => {
            Outcome::uncertain(reason)
        }
        Attempt::Uncertain { reason } => {
            let since = situation.uncertain_since.unwrap_or(situation.started_at);
            again(!situation.probe, reason, Duration::ZERO, Some(since), situation, policy)
        }
    }
}

fn again(
    counted: bool,
    reason: Reason,
    at_least: Duration,
    uncertain_since: Option<Timestamp>,
    situation: &Situation,
    policy: &RetryPolicy,
) -> Outcome {
    let tries = situation.tries + u16::from(counted);
    let at = situation.now + policy.delay(tries.max(1), situation.random).max(at_least);
    if let (Some(since), Some(interval)) = (uncertain_since, situation.protected_for)
        && at >= since + interval
    {
        return Outcome::uncertain(reason);
    }
    if situation.expires_at.is_some_and(|end| at >= end) {
        return if uncertain_since.is_some() { Outcome::uncertain(reason) } else { Outcome::expired() };
    }
    if tries >= policy.attempts || at >= situation.give_up_at {
        return Outcome::ended_after(uncertain_since, reason);
    }
    Outcome::Again { at, tries, uncertain_since, reason, hopeless: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POLICY: RetryPolicy = RetryPolicy {
        attempts: 3,
        base: Duration::from_secs(2),
        factor: 2.0,
        cap: Duration::from_secs(60),
        jitter: false,
        deadline: Duration::from_secs(3600),
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn situation() -> Situation {
        Situation {
            now: at(100),
            started_at: at(100),
            tries: 0,
            probe: false,
            uncertain_since: None,
            protected_for: Some(Duration::from_secs(600)),
            give_up_at: at(3700),
            expires_at: None,
            moves_at: None,
            rather_lost: false,
            random: 0.5,
        }
    }

    fn reason() -> Reason {
        Reason::new("-1", "system busy")
    }

    fn busy() -> Attempt {
        Attempt::Deferred { class: FailureClass::Busy, reason: reason(), retry_after: None }
    }

    fn state(outcome: &Outcome) -> Option<RecipientState> {
        match outcome {
            Outcome::Final { state, .. } => Some(*state),
            Outcome::Again { .. } | Outcome::Held { .. } | Outcome::PartSent { .. } => None,
        }
    }

    #[test]
    fn a_busy_upstream_is_tried_again_until_the_tries_are_used_up() {
        let first = judge(busy(), &situation(), &POLICY);
        assert_eq!(
            first,
            Outcome::Again { at: at(102), tries: 1, uncertain_since: None, reason: reason(), hopeless: false }
        );
        let last = judge(busy(), &Situation { tries: 2, ..situation() }, &POLICY);
        assert_eq!(last, Outcome::dead(reason()));
    }

    #[test]
    fn trouble_of_the_lane_costs_no_try() {
        for class in [FailureClass::Throttled, FailureClass::Congested, FailureClass::Misconfigured] {
            let attempt = Attempt::Deferred { class, reason: reason(), retry_after: None };
            let outcome = judge(attempt, &Situation { tries: 2, ..situation() }, &POLICY);
            assert!(matches!(outcome, Outcome::Again { tries: 2, .. }), "{class:?}");
        }
        let probe = judge(busy(), &Situation { tries: 2, probe: true, ..situation() }, &POLICY);
        assert!(matches!(probe, Outcome::Again { tries: 2, .. }));
    }

    #[test]
    fn an_unanswered_protected_call_is_sent_again_inside_the_interval_or_not_at_all() {
        let attempt = || Attempt::Uncertain { reason: reason() };
        let inside = judge(attempt(), &situation(), &POLICY);
        assert!(matches!(inside, Outcome::Again { uncertain_since: Some(since), .. } if since == at(100)));
        let late = Situation { now: at(699), uncertain_since: Some(at(100)), ..situation() };
        assert_eq!(state(&judge(attempt(), &late, &POLICY)), Some(RecipientState::Uncertain));
        assert_eq!(state(&judge(busy(), &late, &POLICY)), Some(RecipientState::Uncertain));
    }

    #[test]
    fn an_unanswered_unprotected_call_risks_a_repeat() {
        let unprotected =
            Situation { protected_for: None, now: at(2000), uncertain_since: Some(at(100)), ..situation() };
        let outcome = judge(Attempt::Uncertain { reason: reason() }, &unprotected, &POLICY);
        assert!(matches!(outcome, Outcome::Again { .. }));
    }

    #[test]
    fn a_route_may_rather_lose_an_unprotected_message_than_repeat_it() {
        let attempt = || Attempt::Uncertain { reason: reason() };
        let unprotected = Situation { protected_for: None, rather_lost: true, ..situation() };
        assert_eq!(state(&judge(attempt(), &unprotected, &POLICY)), Some(RecipientState::Uncertain));
        let protected = Situation { rather_lost: true, ..situation() };
        assert!(matches!(judge(attempt(), &protected, &POLICY), Outcome::Again { .. }));
    }

    #[test]
    fn a_file_that_is_gone_is_uploaded_again_at_once_but_not_for_ever() {
        let gone = || Attempt::Gone { reason: reason() };
        assert!(
            matches!(judge(gone(), &situation(), &POLICY), Outcome::Again { at: when, tries: 1, .. } if when == at(100))
        );
        assert_eq!(
            state(&judge(gone(), &Situation { tries: 2, ..situation() }, &POLICY)),
            Some(RecipientState::Failed)
        );
    }

    #[test]
    fn what_has_no_slot_yet_costs_no_try_and_waits_no_longer_than_it_may() {
        let not_yet = || Attempt::NotYet { at: at(500), reason: reason() };
        let held = |at| Outcome::Held { at, lane: None, stays: false, reason: reason() };
        assert_eq!(judge(not_yet(), &situation(), &POLICY), held(at(500)));
        let ends = Situation { expires_at: Some(at(400)), moves_at: Some(at(300)), ..situation() };
        assert_eq!(judge(not_yet(), &ends, &POLICY), held(at(300)));
        let nowhere_to_go = Situation { moves_at: Some(at(50)), ..situation() };
        assert_eq!(judge(not_yet(), &nowhere_to_go, &POLICY), held(at(500)));
    }

    #[test]
    fn what_a_swallowed_repeat_says_is_unconfirmed() {
        let sent = || Attempt::Sent { refused: Vec::new(), handle: Some("m1".into()), note: None };
        let resent = Situation { uncertain_since: Some(at(99)), ..situation() };
        assert!(matches!(judge(sent(), &resent, &POLICY), Outcome::Final { unconfirmed: true, .. }));
        assert!(matches!(judge(sent(), &situation(), &POLICY), Outcome::Final { unconfirmed: false, .. }));
    }

    #[test]
    fn a_retry_after_the_expiry_is_not_made() {
        let situation = Situation { expires_at: Some(at(101)), ..situation() };
        assert_eq!(state(&judge(busy(), &situation, &POLICY)), Some(RecipientState::Expired));
    }

    fn any_attempt() -> impl Strategy<Value = Attempt> {
        let class = prop::sample::select(vec![
            FailureClass::Unreachable,
            FailureClass::Busy,
            FailureClass::Throttled,
            FailureClass::Congested,
            FailureClass::Misconfigured,
            FailureClass::Internal,
        ]);
        prop_oneof![
            class.prop_map(|class| Attempt::Deferred { class, reason: reason(), retry_after: None }),
            Just(Attempt::Uncertain { reason: reason() }),
        ]
    }

    proptest! {
        #[test]
        fn judging_always_ends(attempts in prop::collection::vec((any_attempt(), any::<bool>(), 0.0..1.0_f64), 200)) {
            let policy = RetryPolicy { jitter: true, ..POLICY };
            let mut now = situation();
            let mut ended = false;
            for (attempt, probe, random) in attempts {
                // Every attempt takes a while; nothing else moves the clock.
                let step = Situation { probe, random, now: now.now + Duration::from_secs(20), ..now };
                match judge(attempt, &step, &policy) {
                    Outcome::Final { .. } => { ended = true; break; }
                    Outcome::Held { .. } | Outcome::PartSent { .. } => prop_assert!(false, "that is not judge's to say"),
                    Outcome::Again { at, tries, uncertain_since, .. } => {
                        prop_assert!(at >= step.now && at < step.give_up_at);
                        now = Situation { now: at, tries, uncertain_since, ..step };
                    }
                }
            }
            prop_assert!(ended);
        }
    }
}
