//! Where a message goes: recipients → the lanes that reach them, divided as the calls demand.
//!
//! A route is an ordered list of steps. Each recipient begins with the first step that can address it, and whoever is
//! still open after a step goes on to the next that can. Without a route each kind of recipient goes by its own channel,
//! each to its own end.

mod hand_over;
mod rules;
mod steps;

use crate::{Lane, Recipient, RecipientSet};

pub use self::hand_over::hand_over;
pub use self::rules::{Choice, Missed, Rule, choose};
pub use self::steps::{
    Accounts, Escalation, InvalidRoute, Journey, Route, RouteStep, RoutedLeg, StepChannel, Uncertain,
};

/// One delivery to be: a lane, and the recipients it serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Where it goes out.
    pub lane: Lane,
    /// For whom.
    pub recipients: RecipientSet,
    /// Where it goes, if that is not said by the recipients: the mailboxes of a mail.
    pub address: Option<String>,
}

impl Leg {
    fn new(lane: Lane, recipients: RecipientSet) -> Self {
        Self { lane, recipients, address: None }
    }
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
/// Members, departments and tags go through the application `app`; every robot and every group chat has a lane of its
/// own; every mailbox gets a mail of its own.
pub fn each_by_its_own_channel(recipients: &RecipientSet, accounts: &Accounts<'_>) -> Vec<Leg> {
    let mut legs = Vec::new();
    let through_app: RecipientSet = recipients.iter().filter(|r| r.channel() == "wecom_app").cloned().collect();
    if !through_app.is_empty() {
        legs.push(Leg::new(Lane::new("wecom_app", accounts.app), through_app));
    }
    for recipient in recipients {
        let account = match recipient {
            Recipient::Robot(name) | Recipient::Chat(name) => name,
            Recipient::Email(_) => accounts.mail,
            // Who is found goes out through the application afterwards.
            Recipient::Person(_) => accounts.app,
            Recipient::User(_) | Recipient::Party(_) | Recipient::Tag(_) | Recipient::All => continue,
        };
        let address = if let Recipient::Email(address) = recipient { Some(address.clone()) } else { None };
        let lane = Lane::new(recipient.channel(), account);
        legs.push(Leg { lane, recipients: RecipientSet::new([recipient.clone()]), address });
    }
    legs
}

/// Divides members, departments and tags into sets that one call can take, in order; anything else is a call of its own.
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
    let (users, parties, tags) = (users.chunks(limits.users), parties.chunks(limits.parties), tags.chunks(limits.tags));
    let calls = users.len().max(parties.len()).max(tags.len());
    let (mut users, mut parties, mut tags) = (users, parties, tags);
    let others = of(|r| r.channel() != "wecom_app");
    let mut sets: Vec<RecipientSet> = (0..calls)
        .map(|_| {
            let parts = [users.next(), parties.next(), tags.next()];
            parts.into_iter().flatten().flatten().cloned().collect()
        })
        .collect();
    sets.extend(others.into_iter().map(|other| RecipientSet::new([other])));
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
        let to = set(&["user:a", "robot:ops", "party:1", "robot:hr", "email:li@x.cn", "chat:plan"]);
        let legs = each_by_its_own_channel(&to, &Accounts { app: "default", mail: "mx" });
        let shown: Vec<_> = legs.iter().map(|leg| (leg.lane.as_str(), leg.recipients.to_stored())).collect();
        assert_eq!(
            shown,
            [
                ("wecom_app:default", "user:a\nparty:1".to_owned()),
                ("wecom_robot:ops", "robot:ops".to_owned()),
                ("wecom_robot:hr", "robot:hr".to_owned()),
                ("email:mx", "email:li@x.cn".to_owned()),
                ("wecom_appchat:plan", "chat:plan".to_owned()),
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
