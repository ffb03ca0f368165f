//! Routes: ordered steps, and who goes where after which.

use serde::{Deserialize, Serialize};

use super::Leg;
use crate::{DigestPolicy, Lane, Overflow, Reason, Recipient, RecipientSet, Span};

/// How long a step is tried before what is still open moves on to the next, if it does not say.
const WITHIN: Span = Span::seconds(5 * 60);
/// The most steps of a route.
const MAX_STEPS: usize = 8;

/// Where a message goes, step by step. Its shape is the same in the configuration, in a submission and in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The name it is configured under; none for one that came with its message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The steps, in order.
    pub steps: Vec<RouteStep>,
    /// For whom a message is that names nobody: `user:zhangsan`, `party:2`, `robot:ops` …
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// Whether every step is taken at once, each for everybody it can address.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fan_out: bool,
    /// What is risked where nobody knows whether a message was taken and the channel finds no repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncertain: Option<Uncertain>,
    /// What is done with content that is longer than a channel takes, if the submission does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overflow: Option<Overflow>,
    /// When waiting messages are merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<DigestPolicy>,
    /// The quiet hours that hold what is not urgent, by their configured name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet: Option<String>,
    /// What is done while nobody acknowledges, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub escalate: Vec<Escalation>,
}

/// One step of a route: a channel and its conditions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteStep {
    /// What carries it.
    pub channel: StepChannel,
    /// The configured name of the application, robot, group chat or mail server; default: the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The step's own mailboxes: one mail for all, instead of one to each member's address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// How long it is tried before what is still open moves on; default 5 minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
    /// The share of the quota, in percent, beyond which messages move on instead of waiting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<u8>,
}

/// What carries a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepChannel {
    /// An application: members, departments, tags.
    App,
    /// A group chat of an application's.
    Appchat,
    /// A group robot.
    Robot,
    /// Mail.
    Email,
}

/// What is risked where nobody knows whether a message was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Uncertain {
    /// That it is seen twice: it is sent again.
    #[default]
    Repeat,
    /// That nobody sees it: it is not sent again.
    Lose,
}

/// What is done if nobody has acknowledged some time after a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Escalation {
    /// How long after the success, or after the escalation before this one.
    pub after: Span,
    /// Where it goes then.
    pub step: RouteStep,
    /// For whom; default: the message's own recipients.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
}

/// The accounts that are meant when none is named.
#[derive(Clone, Copy, Debug)]
pub struct Accounts<'a> {
    /// The application.
    pub app: &'a str,
    /// The mail server.
    pub mail: &'a str,
}

/// A leg that is a step of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutedLeg {
    /// The step, from 0.
    pub step: u8,
    /// What it does.
    pub leg: Leg,
}

/// Where recipients go from a step on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journey {
    /// Those that some step addresses.
    pub legs: Vec<RoutedLeg>,
    /// Those that none does, and why if it might have.
    pub left: Vec<(Recipient, Option<Reason>)>,
}

/// A route cannot be what it says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {message}")]
pub struct InvalidRoute {
    /// The field, such as `steps[1].name`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl Route {
    /// Checks what needs no account to be checked.
    ///
    /// # Errors
    /// [`InvalidRoute`] names the first field that is wrong.
    pub fn check(&self) -> Result<(), InvalidRoute> {
        let wrong = |field: String, message: String| Err(InvalidRoute { field, message });
        if self.steps.is_empty() || self.steps.len() > MAX_STEPS {
            return wrong("steps".into(), format!("has {} steps; a route has 1 to {MAX_STEPS}", self.steps.len()));
        }
        let steps = self.steps.iter().enumerate().map(|(i, step)| (format!("steps[{i}]"), step));
        let escalations =
            self.escalate.iter().enumerate().map(|(i, later)| (format!("escalate[{i}].step"), &later.step));
        for (field, step) in steps.chain(escalations) {
            let is_group = matches!(step.channel, StepChannel::Robot | StepChannel::Appchat);
            if is_group && step.name.is_none() {
                return wrong(format!("{field}.name"), "is missing: a group is named".into());
            }
            if !step.to.is_empty() && step.channel != StepChannel::Email {
                return wrong(format!("{field}.to"), "is for steps of the channel email".into());
            }
            if step.budget.is_some_and(|budget| budget == 0 || budget > 100) {
                return wrong(format!("{field}.budget"), "is not between 1 and 100 percent".into());
            }
        }
        let recipients = self.to.iter().map(|to| ("to".to_owned(), to));
        let later = self.escalate.iter().enumerate();
        let later = later.flat_map(|(i, later)| later.to.iter().map(move |to| (format!("escalate[{i}].to"), to)));
        for (field, to) in recipients.chain(later) {
            if let Err(error) = to.parse::<Recipient>() {
                return wrong(field, format!("holds what is none: {error}"));
            }
        }
        let escalated = self.escalate.iter().enumerate().flat_map(|(i, later)| later.to.iter().map(move |to| (i, to)));
        for (i, to) in escalated {
            if let Ok(Recipient::Person(entry)) = to.parse() {
                // Nobody listens any more who could hear that the directory does not know them.
                return wrong(format!("escalate[{i}].to"), format!("holds the person `{entry}`; name a userid"));
            }
        }
        if let Some(digest) = &self.digest
            && digest.max_wait.is_some_and(|longest| longest.0 < digest.window.0)
        {
            return wrong("digest.max_wait".into(), "is shorter than the window".into());
        }
        Ok(())
    }

    /// Returns whom the route itself names.
    pub fn recipients(&self) -> RecipientSet {
        self.to.iter().filter_map(|to| to.parse().ok()).collect()
    }

    /// Sends each recipient to the first step from `from` on that can address it.
    ///
    /// `address` finds a member's mailbox.
    pub fn journey<'a>(
        &self,
        from: usize,
        open: &RecipientSet,
        accounts: &Accounts<'_>,
        address: impl Fn(&str) -> Option<&'a str>,
    ) -> Journey {
        let mut journey = Journey::default();
        let mut open: Vec<(Recipient, Option<Reason>)> =
            open.iter().map(|recipient| (recipient.clone(), None)).collect();
        for (index, step) in self.steps.iter().enumerate().skip(from) {
            if open.is_empty() {
                break;
            }
            let (taken, others): (Vec<_>, Vec<_>) = open.into_iter().partition(|(recipient, _)| step.takes(recipient));
            open = others;
            let taken = taken.into_iter().map(|(recipient, _)| recipient).collect();
            let (legs, without) = step.legs(taken, accounts, &address);
            let step = u8::try_from(index).unwrap_or(u8::MAX);
            journey.legs.extend(legs.into_iter().map(|leg| RoutedLeg { step, leg }));
            open.extend(without.into_iter().map(|recipient| {
                let reason = Reason::new("no_address", format!("`{recipient}` has no mail address in the directory"));
                (recipient, Some(reason.with_hint("add one to the directory, or give the step mailboxes of its own")))
            }));
        }
        journey.left = open;
        journey
    }

    /// Sends everybody to every step that can address them.
    pub fn fan_out<'a>(
        &self,
        to: &RecipientSet,
        accounts: &Accounts<'_>,
        address: impl Fn(&str) -> Option<&'a str>,
    ) -> Journey {
        let mut journey = Journey::default();
        let mut reached = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            let taken: Vec<_> = to.iter().filter(|recipient| step.takes(recipient)).cloned().collect();
            reached.extend(taken.iter().cloned());
            let (legs, _without) = step.legs(taken, accounts, &address);
            let step = u8::try_from(index).unwrap_or(u8::MAX);
            journey.legs.extend(legs.into_iter().map(|leg| RoutedLeg { step, leg }));
        }
        let left = to.iter().filter(|recipient| !reached.contains(recipient));
        journey.left = left.map(|recipient| (recipient.clone(), None)).collect();
        journey
    }

    /// Tells whether anybody could go on to a step after this one.
    pub fn goes_on_after(&self, step: u8) -> bool {
        !self.fan_out && usize::from(step) + 1 < self.steps.len()
    }
}

impl RouteStep {
    /// Returns how long it is tried.
    pub fn within(&self) -> std::time::Duration {
        self.within.unwrap_or(WITHIN).0
    }

    /// Returns the lane it goes out on.
    pub fn lane(&self, accounts: &Accounts<'_>) -> Lane {
        let named = |default: &str| self.name.clone().unwrap_or_else(|| default.to_owned());
        match self.channel {
            StepChannel::App => Lane::new("wecom_app", &named(accounts.app)),
            StepChannel::Appchat => Lane::new("wecom_appchat", &named("")),
            StepChannel::Robot => Lane::new("wecom_robot", &named("")),
            StepChannel::Email => Lane::new("email", &named(accounts.mail)),
        }
    }

    /// Tells whether it can address a recipient at all.
    pub fn takes(&self, recipient: &Recipient) -> bool {
        let own = |name: &String| self.name.as_ref() == Some(name);
        match (self.channel, recipient) {
            (StepChannel::App, _) => recipient.channel() == "wecom_app",
            (StepChannel::Robot, Recipient::Robot(name)) | (StepChannel::Appchat, Recipient::Chat(name)) => own(name),
            (StepChannel::Robot | StepChannel::Appchat, _) => recipient.channel() == "wecom_app",
            (StepChannel::Email, Recipient::User(_) | Recipient::Email(_)) => true,
            (StepChannel::Email, _) => !self.to.is_empty(),
        }
    }

    /// Makes the legs for recipients that it takes; returns also the members without a mailbox.
    fn legs<'a>(
        &self,
        taken: Vec<Recipient>,
        accounts: &Accounts<'_>,
        address: impl Fn(&str) -> Option<&'a str>,
    ) -> (Vec<Leg>, Vec<Recipient>) {
        if taken.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let lane = self.lane(accounts);
        if self.channel != StepChannel::Email || !self.to.is_empty() {
            let address = (!self.to.is_empty()).then(|| self.to.join(", "));
            return (vec![Leg { lane, recipients: RecipientSet::new(taken), address }], Vec::new());
        }
        let (mut legs, mut without) = (Vec::new(), Vec::new());
        for recipient in taken {
            let mailbox = match &recipient {
                Recipient::Email(mailbox) => Some(mailbox.clone()),
                Recipient::User(userid) => address(userid).map(str::to_owned),
                _ => None,
            };
            match mailbox {
                Some(mailbox) => {
                    let recipients = RecipientSet::new([recipient]);
                    legs.push(Leg { lane: lane.clone(), recipients, address: Some(mailbox) });
                }
                None => without.push(recipient),
            }
        }
        (legs, without)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ACCOUNTS: Accounts<'_> = Accounts { app: "default", mail: "mx" };

    fn route(steps: &str) -> Route {
        serde_json::from_str(&format!(r#"{{"steps": {steps}}}"#)).unwrap()
    }

    fn pmc() -> Route {
        route(r#"[{"channel":"app"},{"channel":"robot","name":"ops"},{"channel":"email"}]"#)
    }

    fn set(texts: &[&str]) -> RecipientSet {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn book(userid: &str) -> Option<&'static str> {
        (userid == "zhang").then_some("zhang@x.cn")
    }

    fn shown(journey: &Journey) -> Vec<(u8, String, String)> {
        let leg = |routed: &RoutedLeg| {
            (routed.step, routed.leg.lane.to_string(), routed.leg.recipients.to_stored().replace('\n', " "))
        };
        journey.legs.iter().map(leg).collect()
    }

    #[test]
    fn each_recipient_begins_with_the_first_step_that_can_address_it() {
        let journey = pmc().journey(
            0,
            &set(&["user:zhang", "party:2", "robot:ops", "email:li@x.cn", "robot:hr"]),
            &ACCOUNTS,
            book,
        );
        assert_eq!(
            shown(&journey),
            [
                (0, "wecom_app:default".into(), "user:zhang party:2".into()),
                (1, "wecom_robot:ops".into(), "robot:ops".into()),
                (2, "email:mx".into(), "email:li@x.cn".into()),
            ]
        );
        assert_eq!(journey.left, [("robot:hr".parse().unwrap(), None)]);
    }

    #[test]
    fn who_is_still_open_goes_on_and_who_has_no_address_stays() {
        let group = pmc().journey(1, &set(&["user:zhang", "user:li"]), &ACCOUNTS, book);
        assert_eq!(shown(&group), [(1, "wecom_robot:ops".into(), "user:zhang user:li".into())]);
        let mail = pmc().journey(2, &set(&["user:zhang", "user:li", "party:2"]), &ACCOUNTS, book);
        assert_eq!(shown(&mail), [(2, "email:mx".into(), "user:zhang".into())]);
        assert_eq!(mail.legs[0].leg.address.as_deref(), Some("zhang@x.cn"));
        let left: Vec<_> =
            mail.left.iter().map(|(r, why)| (r.to_string(), why.as_ref().map(|why| why.code.as_str()))).collect();
        assert_eq!(left, [("party:2".to_owned(), None), ("user:li".to_owned(), Some("no_address"))]);
    }

    #[test]
    fn a_steps_own_mailboxes_serve_everybody() {
        let route = route(r#"[{"channel":"email","to":["ops@x.cn","b@x.cn"]}]"#);
        let journey = route.journey(0, &set(&["user:li", "party:2"]), &ACCOUNTS, book);
        assert_eq!(journey.legs[0].leg.address.as_deref(), Some("ops@x.cn, b@x.cn"));
        assert!(journey.left.is_empty());
    }

    #[test]
    fn fanned_out_every_step_serves_everybody_it_can() {
        let journey = pmc().fan_out(&set(&["user:zhang", "user:li"]), &ACCOUNTS, book);
        assert_eq!(journey.legs.len(), 3);
        assert_eq!(journey.legs[1].leg.recipients.len(), 2);
    }

    #[test]
    fn what_is_wrong_with_a_route_is_named() {
        let field = |steps: &str| route(steps).check().unwrap_err().field;
        assert_eq!(field("[]"), "steps");
        assert_eq!(field(r#"[{"channel":"app"},{"channel":"robot"}]"#), "steps[1].name");
        assert_eq!(field(r#"[{"channel":"app","to":["x"]}]"#), "steps[0].to");
        assert_eq!(field(r#"[{"channel":"app","budget":101}]"#), "steps[0].budget");
        let escalated = r#"{"steps":[{"channel":"app"}],"escalate":[{"after":"1m","step":{"channel":"app"},"to":["person:emp:1"]}]}"#;
        assert_eq!(serde_json::from_str::<Route>(escalated).unwrap().check().unwrap_err().field, "escalate[0].to");
        assert!(serde_json::from_str::<Route>(r#"{"steps":[{"channel":"pigeon"}]}"#).is_err());
        assert_eq!(pmc().check(), Ok(()));
    }

    fn any_recipient() -> impl Strategy<Value = Recipient> {
        prop_oneof![
            "[a-d]".prop_map(Recipient::User),
            "[0-3]".prop_map(Recipient::Party),
            Just(Recipient::All),
            "(ops|hr)".prop_map(Recipient::Robot),
            "(plan|x)".prop_map(Recipient::Chat),
            "[a-c]@x".prop_map(Recipient::Email),
        ]
    }

    proptest! {
        /// However a route is walked, every recipient is at one place at a time, and the walk ends.
        #[test]
        fn nobody_is_lost_or_doubled_on_the_way(to in prop::collection::vec(any_recipient(), 1..12), mut from in 0_usize..4) {
            let route = route(r#"[{"channel":"app"},{"channel":"robot","name":"ops"},{"channel":"appchat","name":"plan"},{"channel":"email"}]"#);
            let mut open = RecipientSet::new(to);
            while !open.is_empty() {
                let journey = route.journey(from, &open, &ACCOUNTS, |user| (user == "a").then_some("a@x"));
                let mut found: Vec<_> = journey.legs.iter().flat_map(|leg| leg.leg.recipients.iter().cloned()).collect();
                found.extend(journey.left.iter().map(|(recipient, _)| recipient.clone()));
                found.sort();
                let mut expected: Vec<_> = open.iter().cloned().collect();
                expected.sort();
                prop_assert_eq!(found, expected);
                prop_assert!(journey.legs.iter().all(|leg| usize::from(leg.step) >= from));
                from += 1;
                open = journey.legs.into_iter().flat_map(|leg| leg.leg.recipients.iter().cloned().collect::<Vec<_>>()).collect();
            }
            prop_assert!(from <= 9);
        }
    }
}
