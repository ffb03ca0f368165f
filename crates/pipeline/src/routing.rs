//! Which way a message goes: rules → route → legs → deliveries, each rendered once.
//!
//! Used when a message is accepted, when it goes on to a later step, and when it is escalated. Knows nothing about the
//! ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use domain::{
    Accounts, Calendar, Choice, Content, Delivery, Hours, InvalidSubmission, Journey, Lane, Leg, MessageId, Options,
    Overflow, Placed, Priority, Recipient, RecipientSet, RequestHash, Route, RoutedLeg, Rule, StepChannel, Timestamp,
    Uncertain, Violation, can_merge, choose, divide, each_by_its_own_channel, first_outside,
};

use sha2::{Digest as _, Sha256};

use crate::directory::DirectoryBook;
use crate::ports::{Channel, Channels};

/// What the operator configured about ways.
#[derive(Clone, Debug, Default)]
pub struct Routing {
    /// Routes, by name.
    pub routes: BTreeMap<String, Arc<Route>>,
    /// Which route a message takes that names none; the first that applies.
    pub rules: Vec<Rule>,
    /// Quiet hours, by name.
    pub quiet: BTreeMap<String, Vec<Hours>>,
    /// Those that hold where no route names others.
    pub default_quiet: Option<String>,
    /// Which days are worked.
    pub calendar: Calendar,
    /// The webhooks that can be told, by name.
    pub webhooks: BTreeSet<String>,
    /// The application that is meant when none is named.
    pub default_app: Option<String>,
    /// The mail server that is meant when none is named.
    pub default_mail: Option<String>,
}

impl Routing {
    /// Returns the first moment from `now` on at which a message may leave; urgent ones always may.
    pub fn free_from(&self, quiet: Option<&str>, priority: Priority, now: Timestamp) -> Timestamp {
        match quiet.and_then(|name| self.quiet.get(name)) {
            Some(hours) if priority != Priority::Urgent => first_outside(hours, now, &self.calendar),
            _ => now,
        }
    }
}

/// Turns messages into deliveries.
#[derive(Clone)]
pub(crate) struct Planner {
    channels: Channels,
    pub(crate) routing: Arc<Routing>,
    pub(crate) directory: DirectoryBook,
    deadline: std::time::Duration,
}

/// What is to be delivered.
#[derive(Clone, Copy)]
pub(crate) struct Parcel<'a> {
    pub(crate) id: MessageId,
    pub(crate) content: &'a Content,
    pub(crate) options: &'a Options,
    pub(crate) priority: Priority,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) route: Option<&'a Route>,
}

/// A delivery and its request.
pub(crate) struct Planned {
    pub(crate) delivery: Delivery,
    pub(crate) request: Bytes,
}

impl Planner {
    pub(crate) fn new(
        channels: Channels,
        routing: Arc<Routing>,
        directory: DirectoryBook,
        deadline: std::time::Duration,
    ) -> Self {
        Self { channels, routing, directory, deadline }
    }

    /// The accounts that are meant when none is named.
    pub(crate) fn accounts(&self) -> Accounts<'_> {
        let Routing { default_app, default_mail, .. } = &*self.routing;
        Accounts { app: default_app.as_deref().unwrap_or_default(), mail: default_mail.as_deref().unwrap_or_default() }
    }

    /// Finds the rule that a message without a route falls under.
    pub(crate) fn choose(&self, caller: &str, tags: &[String], priority: Priority, now: Timestamp) -> Choice {
        choose(&self.routing.rules, (caller, tags, priority), now, &self.routing.calendar)
    }

    /// Walks a route from a step on.
    pub(crate) fn journey(&self, route: &Route, from: usize, open: &RecipientSet) -> Journey {
        let directory = self.directory.read();
        let address = |user: &str| directory.address(user);
        if route.fan_out {
            route.fan_out(open, &self.accounts(), address)
        } else {
            route.journey(from, open, &self.accounts(), address)
        }
    }

    /// Lets whoever is still open after an outcome go on.
    pub(crate) fn hand_over(
        &self,
        outcome: domain::Outcome,
        route: &Route,
        placed: Placed,
        recipients: &RecipientSet,
        uncertain: Uncertain,
    ) -> (domain::Outcome, Vec<RoutedLeg>) {
        let place = (route, placed, route.uncertain.unwrap_or(uncertain));
        let directory = self.directory.read();
        domain::hand_over(outcome, place, recipients, &self.accounts(), |user| directory.address(user))
    }

    /// Plans the way of a message that is handed in: its route's first steps, and for everybody whom no step addresses
    /// a channel of their own.
    pub(crate) fn first(
        &self,
        parcel: Parcel<'_>,
        to: &RecipientSet,
        app: &str,
        due_at: Timestamp,
    ) -> Result<Vec<Planned>, InvalidSubmission> {
        let accounts = Accounts { app, ..self.accounts() };
        let Some(route) = parcel.route else {
            let legs = each_by_its_own_channel(to, &accounts).into_iter().map(|leg| (None, leg));
            return self.deliveries(parcel, legs.collect(), due_at);
        };
        let journey = self.journey(route, 0, to);
        if let Some((recipient, Some(reason))) = journey.left.iter().find(|(_, reason)| reason.is_some()) {
            let field = if matches!(recipient, Recipient::User(_)) { "to.users" } else { "to" };
            let violation = Violation::new("no_address", field, format!("cannot be reached: {}", reason.text));
            return Err(InvalidSubmission(match &reason.hint {
                Some(hint) => violation.with_hint(hint.clone()),
                None => violation,
            }));
        }
        let mut legs: Vec<(Option<u8>, Leg)> = journey.legs.into_iter().map(|leg| (Some(leg.step), leg.leg)).collect();
        let left: RecipientSet = journey.left.into_iter().map(|(recipient, _)| recipient).collect();
        legs.extend(each_by_its_own_channel(&left, &accounts).into_iter().map(|leg| (None, leg)));
        self.check_later_steps(parcel, route, to)?;
        self.deliveries(parcel, legs, due_at)
    }

    /// Plans the way of somebody who was looked up, from the first step on, as if they had been named.
    pub(crate) fn found(
        &self,
        parcel: Parcel<'_>,
        userid: &str,
        app: &str,
        now: Timestamp,
    ) -> Result<Vec<Delivery>, InvalidSubmission> {
        let to = RecipientSet::new([Recipient::User(userid.to_owned())]);
        let due_at = self.routing.free_from(self.quiet_of(parcel.route), parcel.priority, now);
        let planned = self.first(parcel, &to, app, due_at)?;
        Ok(planned.into_iter().map(|planned| planned.delivery).collect())
    }

    /// Plans the deliveries of a later step; what cannot be rendered there is left out, with why.
    pub(crate) fn later(
        &self,
        parcel: Parcel<'_>,
        legs: Vec<RoutedLeg>,
        now: Timestamp,
    ) -> Result<Vec<Delivery>, InvalidSubmission> {
        let quiet = self.quiet_of(parcel.route);
        let due_at = self.routing.free_from(quiet, parcel.priority, now);
        let legs = legs.into_iter().map(|leg| (Some(leg.step), leg.leg)).collect();
        Ok(self.deliveries(parcel, legs, due_at)?.into_iter().map(|planned| planned.delivery).collect())
    }

    /// The quiet hours that hold a message of a route.
    pub(crate) fn quiet_of<'a>(&'a self, route: Option<&'a Route>) -> Option<&'a str> {
        route.and_then(|route| route.quiet.as_deref()).or(self.routing.default_quiet.as_deref())
    }

    /// A message that its first step takes must not be refused by a later one when nobody listens any more.
    fn check_later_steps(&self, parcel: Parcel<'_>, route: &Route, to: &RecipientSet) -> Result<(), InvalidSubmission> {
        // Who is looked up first takes the same steps as any member.
        let as_members = to.iter().map(|recipient| match recipient {
            Recipient::Person(entry) => Recipient::User(entry.clone()),
            other => other.clone(),
        });
        let to = &as_members.collect::<RecipientSet>();
        let steps = route.steps.iter().map(|step| (step, to.clone()));
        let later = route.escalate.iter().map(|later| {
            let named: RecipientSet = later.to.iter().filter_map(|to| to.parse().ok()).collect();
            (&later.step, if named.is_empty() { to.clone() } else { named })
        });
        for (step, to) in steps.chain(later) {
            let lane = step.lane(&self.accounts());
            let channel = self.channels.get(&lane).ok_or_else(|| self.unknown_account(&lane, true))?;
            // Whom it would take, and of them as many as one call takes.
            let taken: RecipientSet = to.iter().filter(|recipient| step.takes(recipient)).cloned().collect();
            let first = match channel.call_limits() {
                Some(limits) => divide(&taken, limits).into_iter().next().unwrap_or_default(),
                None => taken,
            };
            if !first.is_empty() {
                render(channel.as_ref(), parcel.content, parcel.options, &first)?;
            }
        }
        Ok(())
    }

    fn deliveries(
        &self,
        parcel: Parcel<'_>,
        legs: Vec<(Option<u8>, Leg)>,
        due_at: Timestamp,
    ) -> Result<Vec<Planned>, InvalidSubmission> {
        let mut planned: Vec<Planned> = Vec::with_capacity(legs.len());
        for (step, leg) in legs {
            let channel =
                self.channels.get(&leg.lane).ok_or_else(|| self.unknown_account(&leg.lane, step.is_some()))?;
            let sets = match channel.call_limits() {
                Some(limits) => divide(&leg.recipients, limits),
                None => vec![leg.recipients],
            };
            for recipients in sets {
                let position = u16::try_from(planned.len() + 1).map_err(|_| too_many_calls())?;
                let request = render(channel.as_ref(), parcel.content, parcel.options, &recipients)?;
                let digest = parcel.route.and_then(|route| digest_group(route, &leg.lane, parcel.content, &recipients));
                let due_at = match (&digest, parcel.route.and_then(|route| route.digest.as_ref())) {
                    (Some(_), Some(policy)) => due_at + policy.window.0,
                    _ => due_at,
                };
                let delivery = Delivery {
                    id: parcel.id.delivery(position),
                    lane: leg.lane.clone(),
                    recipients,
                    priority: parcel.priority,
                    due_at,
                    expires_at: parcel.expires_at,
                    give_up_at: due_at + self.deadline,
                    request_hash: request_hash(&request),
                    address: leg.address.as_deref().map(Into::into),
                    step: step.and_then(|step| placed(parcel.route, step, due_at)),
                    digest,
                    part: 0,
                };
                planned.push(Planned { delivery, request });
            }
        }
        Ok(planned)
    }

    pub(crate) fn unknown_account(&self, lane: &Lane, of_route: bool) -> InvalidSubmission {
        let (field, what) = match lane.channel() {
            "wecom_robot" => ("to.robots", "robot"),
            "wecom_appchat" => ("to.chats", "group chat"),
            "email" => ("to.emails", "mail server"),
            _ => ("app", "application"),
        };
        let names = self.names(lane.channel());
        let violation = match lane.account() {
            "" => Violation::new("missing", field, format!("needs a {what}, and none is configured")),
            name => {
                Violation::new("unknown_account", field, format!("names `{name}`, which is not a configured {what}"))
            }
        };
        let violation = if of_route { Violation { field: "route".to_owned(), ..violation } } else { violation };
        InvalidSubmission(violation.with_hint(format!("configured are: {names}")))
    }

    pub(crate) fn names(&self, channel: &str) -> String {
        let names = self.channels.accounts(channel);
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }

    pub(crate) fn channel(&self, lane: &Lane) -> Option<&Arc<dyn Channel>> {
        self.channels.get(lane)
    }

    /// Says whether any of the accounts of a kind is configured.
    pub(crate) fn has(&self, channel: &str) -> bool {
        !self.channels.accounts(channel).is_empty()
    }
}

/// Whom a route speaks to that names nobody, with a message that names nobody: the groups of its first step.
pub(crate) fn own_recipients(route: &Route) -> RecipientSet {
    let named = route.recipients();
    if !named.is_empty() {
        return named;
    }
    let Some(first) = route.steps.first() else { return named };
    let name = || first.name.clone().unwrap_or_default();
    match first.channel {
        StepChannel::Robot => RecipientSet::new([Recipient::Robot(name())]),
        StepChannel::Appchat => RecipientSet::new([Recipient::Chat(name())]),
        StepChannel::Email => first.to.iter().cloned().map(Recipient::Email).collect(),
        StepChannel::App => named,
    }
}

/// Whether a step of a route speaks to a group, which can be called by name.
pub(crate) fn speaks_to_group(route: &Route) -> bool {
    route.steps.iter().any(|step| matches!(step.channel, StepChannel::Robot | StepChannel::Appchat))
}

fn placed(route: Option<&Route>, index: u8, due_at: Timestamp) -> Option<Placed> {
    let route = route?;
    let step = route.steps.get(usize::from(index))?;
    let goes_on = route.goes_on_after(index);
    let moves_at = goes_on.then(|| due_at + step.within());
    Some(Placed { index, moves_at, budget: step.budget.filter(|_| goes_on) })
}

/// The group in which a delivery may be merged: one robot's or one member's plain words.
fn digest_group(route: &Route, lane: &Lane, content: &Content, recipients: &RecipientSet) -> Option<Box<str>> {
    let policy = route.digest.as_ref()?;
    let one_target = match lane.channel() {
        "wecom_robot" => true,
        "wecom_app" => recipients.len() == 1 && recipients.iter().all(|r| matches!(r, Recipient::User(_))),
        _ => false,
    };
    let group = policy.group.as_deref().or(route.name.as_deref()).unwrap_or("default");
    (one_target && can_merge(content.kind())).then(|| group.into())
}

fn too_many_calls() -> InvalidSubmission {
    let message = format!("needs more than {} calls upstream", u16::MAX);
    InvalidSubmission(
        Violation::new("too_many", "to", message).with_hint("address a department or a tag, or divide the submission"),
    )
}

/// Renders the request once, to find out whether it can be sent at all, and to know its hash: that of the first part, if
/// it has several.
fn render(
    channel: &dyn Channel,
    content: &Content,
    options: &Options,
    recipients: &RecipientSet,
) -> Result<Bytes, InvalidSubmission> {
    let refuse = |violations: Vec<Violation>| {
        let unexplained = || Violation::new("invalid", content.kind().name(), "cannot be sent by this channel");
        InvalidSubmission(violations.into_iter().next().unwrap_or_else(unexplained))
    };
    if options.overflow == Overflow::Reject {
        return channel.render(content, options, recipients, true).map_err(refuse);
    }
    let mut first = None;
    for part in channel.parts(content, options).map_err(refuse)? {
        let request = channel.render(&part, options, recipients, true).map_err(refuse)?;
        first.get_or_insert(request);
    }
    first.ok_or_else(|| refuse(Vec::new()))
}

/// The hash that finds equal requests.
pub fn request_hash(body: &[u8]) -> RequestHash {
    RequestHash::new(Sha256::digest(body).into())
}
