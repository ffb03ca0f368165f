//! Which way a submission goes: its route, whom it is for, the application it takes, what its caller may.
//!
//! Every check that needs no storage is made here, and every delivery that a message begins with is planned.

use std::sync::Arc;

use domain::{Grant, MessageId, Recipient, RecipientSet, Route, RouteChoice, Submission, Timestamp, Violation};

use super::content::Ready;
use super::people::Named;
use super::{AcceptError, Intake, invalid};
use crate::routing::{Parcel, Planned, own_recipients, speaks_to_group};

/// A submission whose way is drawn.
pub(super) struct Drawn {
    pub(super) way: Way,
    pub(super) ready: Ready,
    pub(super) app: String,
}

/// Which way a submission goes, and why.
#[derive(Clone, Debug)]
pub struct Way {
    /// The route, if it has one.
    pub route: Option<Arc<Route>>,
    /// The rules that were asked, where it named none.
    pub choice: Option<domain::Choice>,
    /// Whom it is for.
    pub to: RecipientSet,
    /// Whom it does not go to although they were named, and why.
    pub warnings: Vec<String>,
    /// Where it begins: lane, recipients, step and due time of each delivery.
    pub deliveries: Vec<domain::Delivery>,
}

impl Intake {
    /// Says where a submission would go, and why, without accepting it.
    ///
    /// # Errors
    /// [`AcceptError`], as accepting it would.
    pub fn test_route(&self, grant: &Grant, submission: Submission) -> Result<Way, AcceptError> {
        let now = self.clock.now();
        let choose = || self.planner.choose(grant.caller.as_str(), &submission.tags, submission.priority, now);
        let choice = submission.route.is_none().then(choose);
        let ready = self.rendered(grant, submission)?;
        let ready = self.as_if_kept(grant, ready, now);
        let (drawn, planned) = self.draw(grant, ready, self.ids.next(now), now)?;
        let deliveries = planned.into_iter().map(|planned| planned.delivery).collect();
        Ok(Way { choice, deliveries, ..drawn.way })
    }

    /// Draws a submission's way: every check, and every delivery it begins with.
    pub(super) fn draw(
        &self,
        grant: &Grant,
        mut ready: Ready,
        id: MessageId,
        now: Timestamp,
    ) -> Result<(Drawn, Vec<Planned>), AcceptError> {
        let submission = &mut ready.submission;
        submission.check(now)?;
        let route = self.route_of(grant, submission, now)?;
        let (to, people) = (std::mem::take(&mut submission.to), std::mem::take(&mut submission.people));
        let Named { to: named, mut warnings } = self.people_of(&to, &people, now)?;
        // Where a configured route leads by itself, the operator has allowed with it.
        let by_route = named.is_empty() && !matches!(submission.route, Some(RouteChoice::Own(_)));
        let to = if named.is_empty() {
            let own = route.as_deref().map(own_recipients).unwrap_or_default();
            let Named { to, warnings: of_route } = self.people_of(&own, &[], now)?;
            warnings.extend(of_route);
            to
        } else {
            named
        };
        submission.check_recipients(&to, route.as_deref().is_some_and(speaks_to_group))?;
        let app = self.app_of(submission, &to)?;
        if !by_route && let Some(recipient) = to.iter().find(|recipient| !grant.may_address(recipient, &app)) {
            return Err(AcceptError::Forbidden { recipient: recipient.clone() });
        }
        let route = route.map(|route| with_app(route, submission.app.as_deref()));
        submission.webhook = self.webhook_of(grant, submission.webhook.take())?;
        submission.options.overflow =
            submission.overflow.or(route.as_ref().and_then(|route| route.overflow)).unwrap_or_default();
        self.check_overflow(submission.options.overflow)?;
        let due_at = submission.send_at.unwrap_or(now).max(now);
        let quiet = self.planner.quiet_of(route.as_deref());
        let due_at = self.planner.routing.free_from(quiet, submission.priority, due_at);
        let parcel = Parcel {
            id,
            content: &ready.content,
            options: &submission.options,
            priority: submission.priority,
            expires_at: submission.expires_at,
            route: route.as_deref(),
        };
        let planned = self.planner.first(parcel, &to, &app, due_at)?;
        let way = Way { route, choice: None, to, warnings, deliveries: Vec::new() };
        Ok((Drawn { way, ready, app }, planned))
    }

    /// Finds the route of a submission: the one it names or brings, or the one that the rules give it.
    pub(super) fn route_of(
        &self,
        grant: &Grant,
        submission: &Submission,
        now: Timestamp,
    ) -> Result<Option<Arc<Route>>, AcceptError> {
        let routing = &self.planner.routing;
        match &submission.route {
            Some(RouteChoice::Own(route)) => {
                self.check_own(grant, route)?;
                Ok(Some(Arc::new(route.clone())))
            }
            Some(RouteChoice::Named(name)) => {
                if !grant.may_take(name) {
                    return Err(AcceptError::ForbiddenRoute { route: name.clone() });
                }
                let found = routing.routes.get(name).cloned();
                found.map(Some).ok_or_else(|| {
                    let names: Vec<_> = routing.routes.keys().map(String::as_str).collect();
                    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                    let message = format!("names `{name}`, which is not a configured route");
                    let violation = Violation::new("unknown_route", "route", message);
                    invalid(violation.with_hint(format!("configured are: {names}")))
                })
            }
            None if routing.rules.is_empty() => Ok(None),
            None => {
                let choice = self.planner.choose(grant.caller.as_str(), &submission.tags, submission.priority, now);
                let name = choice.rule.and_then(|rule| routing.rules.get(rule)).map(|rule| &rule.route);
                Ok(name.and_then(|name| routing.routes.get(name)).cloned())
            }
        }
    }

    /// A route that comes with a message may lead only where the message itself may go.
    fn check_own(&self, grant: &Grant, route: &Route) -> Result<(), AcceptError> {
        let accounts = self.planner.accounts();
        let steps = route.steps.iter().chain(route.escalate.iter().map(|later| &later.step));
        let later = route.escalate.iter().flat_map(|later| &later.to).filter_map(|to| to.parse().ok());
        let mut places: Vec<Recipient> = later.collect();
        for step in steps {
            let lane = step.lane(&accounts);
            match lane.channel() {
                "wecom_robot" => places.push(Recipient::Robot(lane.account().to_owned())),
                "wecom_appchat" => places.push(Recipient::Chat(lane.account().to_owned())),
                "email" => places.extend(step.to.iter().cloned().map(Recipient::Email)),
                _ => {}
            }
        }
        if let Some(quiet) = &route.quiet
            && !self.planner.routing.quiet.contains_key(quiet)
        {
            let message = format!("names `{quiet}`, which are no configured quiet hours");
            return Err(invalid(Violation::new("invalid", "route.quiet", message)));
        }
        match places.into_iter().find(|place| !grant.may_address(place, accounts.app)) {
            Some(recipient) => Err(AcceptError::Forbidden { recipient }),
            None => Ok(()),
        }
    }

    /// Tells whether a webhook of this name is configured.
    pub fn has_webhook(&self, name: &str) -> bool {
        self.planner.routing.webhooks.contains(name)
    }

    /// Finds who hears what becomes of a message: whom it names, or whom its caller's key names.
    fn webhook_of(&self, grant: &Grant, named: Option<String>) -> Result<Option<String>, AcceptError> {
        let known = &self.planner.routing.webhooks;
        let Some(name) = named.or_else(|| grant.webhook.clone()) else { return Ok(None) };
        if !grant.may_tell(&name) {
            return Err(AcceptError::ForbiddenWebhook { webhook: name });
        }
        if !known.contains(&name) {
            let names =
                if known.is_empty() { "none".to_owned() } else { known.iter().cloned().collect::<Vec<_>>().join(", ") };
            let message = format!("names `{name}`, which is not a configured webhook");
            let violation = Violation::new("unknown_webhook", "webhook", message);
            return Err(invalid(violation.with_hint(format!("configured are: {names}"))));
        }
        Ok(Some(name))
    }

    /// Finds the application that members are addressed through; groups need none.
    fn app_of(&self, submission: &Submission, to: &RecipientSet) -> Result<String, AcceptError> {
        if let Some(app) = &submission.app {
            return Ok(app.clone());
        }
        let needs_app = || to.iter().any(|recipient| matches!(recipient.channel(), "wecom_app" | "directory"));
        match &self.planner.routing.default_app {
            Some(app) => Ok(app.clone()),
            None if submission.route.is_some() || !needs_app() => Ok(String::new()),
            None => Err(invalid(
                Violation::new("missing", "app", "is missing, and no default application is configured").with_hint(
                    if self.planner.has("wecom_app") {
                        format!("name one of the configured applications: {}", self.planner.names("wecom_app"))
                    } else {
                        "configure one: WECHAT_CORP_ID, WECHAT_AGENT_ID and WECHAT_CORP_SECRET".to_owned()
                    },
                ),
            )),
        }
    }
}

/// A route whose steps without a name go through the application that the message names.
fn with_app(route: Arc<Route>, app: Option<&str>) -> Arc<Route> {
    let Some(app) = app else { return route };
    let mut own = Route::clone(&route);
    for step in own.steps.iter_mut().chain(own.escalate.iter_mut().map(|later| &mut later.step)) {
        if step.channel == domain::StepChannel::App {
            step.name.get_or_insert_with(|| app.to_owned());
        }
    }
    Arc::new(own)
}
