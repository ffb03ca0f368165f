//! Where a message goes: recipients → the lanes that reach them, divided as the calls demand.

use crate::{Lane, Recipient, RecipientSet};

/// One stop on the way: a lane, and the recipients it takes in one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Where it goes out.
    pub lane: Lane,
    /// For whom.
    pub recipients: RecipientSet,
}

/// How many recipients of each kind one call takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// Members a call.
    pub users: usize,
    /// Departments a call.
    pub parties: usize,
    /// Tags a call.
    pub tags: usize,
}

/// Sends each kind of recipient by its own channel, each to its own end: what holds without a route.
///
/// Members, departments and tags go through the application `app`; every robot has a lane of its own.
pub fn each_by_its_own_channel(recipients: &RecipientSet, app: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let through_app: RecipientSet = recipients.iter().filter(|r| !matches!(r, Recipient::Robot(_))).cloned().collect();
    if !through_app.is_empty() {
        steps.push(Step { lane: Lane::new("wecom_app", app), recipients: through_app });
    }
    for recipient in recipients {
        if let Recipient::Robot(name) = recipient {
            let only = RecipientSet::new([recipient.clone()]);
            steps.push(Step { lane: Lane::new("wecom_robot", name), recipients: only });
        }
    }
    steps
}

/// Divides recipients into sets that one call can take, in order.
///
/// Everybody is a call of its own: beside `@all` WeCom ignores every other recipient.
pub fn divide(recipients: &RecipientSet, limits: CallLimits) -> Vec<RecipientSet> {
    let of = |pick: fn(&Recipient) -> bool| recipients.iter().filter(|r| pick(r)).cloned().collect::<Vec<_>>();
    let all = of(|r| matches!(r, Recipient::All));
    if !all.is_empty() {
        return vec![RecipientSet::new(all)];
    }
    let users = of(|r| matches!(r, Recipient::User(_)));
    let parties = of(|r| matches!(r, Recipient::Party(_)));
    let tags = of(|r| matches!(r, Recipient::Tag(_)));
    let robots = of(|r| matches!(r, Recipient::Robot(_)));
    let (users, parties, tags) = (users.chunks(limits.users), parties.chunks(limits.parties), tags.chunks(limits.tags));
    let calls = users.len().max(parties.len()).max(tags.len());
    let (mut users, mut parties, mut tags) = (users, parties, tags);
    let mut sets: Vec<RecipientSet> = (0..calls)
        .map(|_| {
            let parts = [users.next(), parties.next(), tags.next()];
            parts.into_iter().flatten().flatten().cloned().collect()
        })
        .collect();
    sets.extend(robots.into_iter().map(|robot| RecipientSet::new([robot])));
    sets
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: CallLimits = CallLimits { users: 3, parties: 2, tags: 2 };

    fn set(texts: &[&str]) -> RecipientSet {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn each_kind_goes_by_its_own_channel() {
        let steps = each_by_its_own_channel(&set(&["user:a", "robot:ops", "party:1", "robot:hr"]), "default");
        let shown: Vec<_> = steps.iter().map(|s| (s.lane.as_str(), s.recipients.to_stored())).collect();
        assert_eq!(
            shown,
            [
                ("wecom_app:default", "user:a\nparty:1".to_owned()),
                ("wecom_robot:ops", "robot:ops".to_owned()),
                ("wecom_robot:hr", "robot:hr".to_owned()),
            ]
        );
    }

    #[test]
    fn everybody_swallows_the_rest() {
        assert_eq!(divide(&set(&["user:a", "all", "tag:1"]), LIMITS), [set(&["all"])]);
    }

    proptest! {
        #[test]
        fn division_keeps_everyone_once_and_every_call_within_limits(users in 0_usize..20, parties in 0_usize..9, tags in 0_usize..9) {
            let all: RecipientSet = (0..users).map(|i| Recipient::User(i.to_string()))
                .chain((0..parties).map(|i| Recipient::Party(i.to_string())))
                .chain((0..tags).map(|i| Recipient::Tag(i.to_string())))
                .collect();
            let calls = divide(&all, LIMITS);
            let count = |set: &RecipientSet, pick: fn(&Recipient) -> bool| set.iter().filter(|r| pick(r)).count();
            for call in &calls {
                prop_assert!(count(call, |r| matches!(r, Recipient::User(_))) <= LIMITS.users);
                prop_assert!(count(call, |r| matches!(r, Recipient::Party(_))) <= LIMITS.parties);
                prop_assert!(count(call, |r| matches!(r, Recipient::Tag(_))) <= LIMITS.tags);
                prop_assert!(!call.is_empty());
            }
            let mut reached: Vec<_> = calls.iter().flatten().cloned().collect();
            let mut named: Vec<_> = all.iter().cloned().collect();
            reached.sort();
            named.sort();
            prop_assert_eq!(reached, named);
        }
    }
}
