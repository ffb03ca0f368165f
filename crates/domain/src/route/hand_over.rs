//! What of an outcome goes on to a later step of the route.

use super::{Accounts, Journey, Route, RoutedLeg, Uncertain};
use crate::{Outcome, Placed, Reason, RecipientSet, RecipientState, Refusal};

/// Lets whoever is still open after an outcome go on to a later step, if there is one that can address them.
///
/// What failed for good, was refused, or will not be tried within its step's time goes on; so does what is uncertain,
/// unless the route would rather lose it. Returns the outcome as it is to be recorded, and where they go.
pub fn hand_over<'a>(
    outcome: Outcome,
    (route, placed, uncertain): (&Route, Placed, Uncertain),
    recipients: &RecipientSet,
    accounts: &Accounts<'_>,
    address: impl Fn(&str) -> Option<&'a str>,
) -> (Outcome, Vec<RoutedLeg>) {
    if !route.goes_on_after(placed.index) {
        return (outcome, Vec::new());
    }
    let onward = |open: &RecipientSet| route.journey(usize::from(placed.index) + 1, open, accounts, &address);
    let risks_repeat = uncertain == Uncertain::Repeat;
    match outcome {
        Outcome::Final { state: RecipientState::Delivered, refused, handle, unconfirmed, reason } => {
            let open = refused.iter().map(|refusal| refusal.recipient.clone()).collect();
            let journey = onward(&open);
            let refused = refused.into_iter().map(|refusal| mark(refusal, &journey)).collect();
            (Outcome::Final { state: RecipientState::Delivered, refused, handle, unconfirmed, reason }, journey.legs)
        }
        Outcome::Final { state, reason: Some(ref reason), .. }
            if state == RecipientState::Failed || (state == RecipientState::Uncertain && risks_repeat) =>
        {
            let journey = onward(recipients);
            moved(outcome.clone(), reason.clone(), journey)
        }
        Outcome::Again { at, uncertain_since, ref reason, hopeless, .. }
            if (hopeless || placed.moves_at.is_some_and(|deadline| at >= deadline))
                && (uncertain_since.is_none() || risks_repeat) =>
        {
            let journey = onward(recipients);
            moved(outcome.clone(), reason.clone(), journey)
        }
        other => (other, Vec::new()),
    }
}

/// Moves everybody on who is on the journey; the outcome stands if nobody is.
fn moved(outcome: Outcome, reason: Reason, journey: Journey) -> (Outcome, Vec<RoutedLeg>) {
    if journey.legs.is_empty() {
        return (outcome, Vec::new());
    }
    let left = journey.left.into_iter();
    let refused = left.map(|(recipient, why)| Refusal {
        recipient,
        reason: why.unwrap_or_else(|| reason.clone()),
        moves_on: false,
    });
    let moved = Outcome::Final {
        state: RecipientState::MovedOn,
        refused: refused.collect(),
        handle: None,
        unconfirmed: false,
        reason: Some(reason),
    };
    (moved, journey.legs)
}

fn mark(refusal: Refusal, journey: &Journey) -> Refusal {
    let moves_on = journey.legs.iter().any(|leg| leg.leg.recipients.iter().any(|known| *known == refusal.recipient));
    Refusal { moves_on, ..refusal }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Recipient, Timestamp};
    use proptest::prelude::*;

    const ACCOUNTS: Accounts<'_> = Accounts { app: "default", mail: "mx" };

    fn route(more: &str) -> Route {
        let steps = r#"[{"channel":"app"},{"channel":"robot","name":"ops"},{"channel":"email"}]"#;
        serde_json::from_str(&format!(r#"{{"steps": {steps}{more}}}"#)).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn placed(index: u8) -> Placed {
        Placed { index, moves_at: Some(at(300)), budget: None }
    }

    fn reason() -> Reason {
        Reason::new("81013", "all invalid")
    }

    fn users(names: &[&str]) -> RecipientSet {
        names.iter().map(|name| Recipient::User((*name).to_owned())).collect()
    }

    fn again(at: Timestamp, uncertain_since: Option<Timestamp>, hopeless: bool) -> Outcome {
        Outcome::Again { at, tries: 1, uncertain_since, reason: reason(), hopeless }
    }

    fn hand(outcome: Outcome, route: &Route, index: u8) -> (Outcome, Vec<RoutedLeg>) {
        let uncertain = route.uncertain.unwrap_or_default();
        let recipients = users(&["a", "b"]);
        hand_over(outcome, (route, placed(index), uncertain), &recipients, &ACCOUNTS, |user| {
            (user == "a").then_some("a@x")
        })
    }

    fn state(outcome: &Outcome) -> Option<RecipientState> {
        if let Outcome::Final { state, .. } = outcome { Some(*state) } else { None }
    }

    #[test]
    fn what_failed_goes_on_to_the_next_step() {
        let (outcome, legs) = hand(Outcome::dead(reason()), &route(""), 0);
        assert_eq!(state(&outcome), Some(RecipientState::MovedOn));
        assert_eq!((legs.len(), legs[0].step, legs[0].leg.lane.as_str()), (1, 1, "wecom_robot:ops"));
    }

    #[test]
    fn only_who_was_refused_goes_on() {
        let refused = vec![Refusal { recipient: Recipient::User("b".into()), reason: reason(), moves_on: false }];
        let sent = Outcome::Final {
            state: RecipientState::Delivered,
            refused,
            handle: Some("m".into()),
            unconfirmed: false,
            reason: None,
        };
        let (outcome, legs) = hand(sent, &route(""), 0);
        assert!(
            matches!(&outcome, Outcome::Final { state: RecipientState::Delivered, refused, .. } if refused[0].moves_on)
        );
        assert_eq!(legs[0].leg.recipients, users(&["b"]));
    }

    #[test]
    fn who_has_no_address_ends_here() {
        let (outcome, legs) = hand(Outcome::dead(reason()), &route(""), 1);
        assert_eq!(legs.len(), 1);
        assert!(
            matches!(&outcome, Outcome::Final { state: RecipientState::MovedOn, refused, .. } if refused[0].reason.code == "no_address")
        );
        assert_eq!(hand(Outcome::dead(reason()), &route(""), 2), (Outcome::dead(reason()), Vec::new()));
    }

    #[test]
    fn a_retry_beyond_the_steps_time_or_without_hope_is_not_waited_for() {
        let goes_on = |outcome| !hand(outcome, &route(""), 0).1.is_empty();
        assert!(!goes_on(again(at(299), None, false)));
        assert!(goes_on(again(at(300), None, false)));
        assert!(goes_on(again(at(10), None, true)));
    }

    #[test]
    fn what_is_uncertain_goes_on_unless_the_route_would_rather_lose_it() {
        let rather_lost = route(r#","uncertain":"lose""#);
        for outcome in [Outcome::uncertain(reason()), again(at(300), Some(at(1)), false)] {
            assert_eq!(hand(outcome.clone(), &route(""), 0).1.len(), 1);
            assert_eq!(hand(outcome, &rather_lost, 0).1.len(), 0);
        }
    }

    proptest! {
        /// However each step ends, every recipient ends in exactly one state that counts.
        #[test]
        fn each_recipient_ends_in_exactly_one_state(ends in prop::collection::vec((0_u8..4, prop::collection::vec(any::<bool>(), 2)), 8)) {
            let (route, mut ends) = (route(""), ends.into_iter());
            let mut open = vec![(0_u8, users(&["a", "b"]))];
            let mut ended: Vec<Recipient> = Vec::new();
            while let Some((step, recipients)) = open.pop() {
                let (end, refused) = ends.next().unwrap_or((3, vec![false; 2]));
                let outcome = match end {
                    0 => Outcome::dead(reason()),
                    1 => Outcome::uncertain(reason()),
                    2 => {
                        let some = recipients.iter().zip(refused).filter(|(_, refused)| *refused);
                        let refused = some.map(|(r, _)| Refusal { recipient: r.clone(), reason: reason(), moves_on: false });
                        Outcome::Final { state: RecipientState::Delivered, refused: refused.collect(), handle: None, unconfirmed: false, reason: None }
                    }
                    _ => Outcome::Final { state: RecipientState::Delivered, refused: vec![], handle: None, unconfirmed: false, reason: None },
                };
                let (outcome, legs) = hand_over(outcome, (&route, placed(step), Uncertain::Repeat), &recipients, &ACCOUNTS, |user| (user == "a").then_some("a@x"));
                let Outcome::Final { state, refused, .. } = outcome else { unreachable!() };
                for recipient in &recipients {
                    match refused.iter().find(|refusal| refusal.recipient == *recipient) {
                        Some(refusal) if refusal.moves_on => {}
                        Some(_) => ended.push(recipient.clone()),
                        None if state == RecipientState::MovedOn => {}
                        None => ended.push(recipient.clone()),
                    }
                }
                open.extend(legs.into_iter().map(|leg| (leg.step, leg.leg.recipients)));
            }
            ended.sort();
            prop_assert_eq!(ended, [Recipient::User("a".into()), Recipient::User("b".into())]);
        }
    }
}
