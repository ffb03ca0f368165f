//! What is more than a channel on its way carries: a text that becomes a file, a text or file that is kept to be linked
//! to.
//!
//! Each channel makes its own of it afterwards: one that carries all of it takes no notice of the link.

use std::sync::Arc;

use domain::{
    Accounts, Content, ContentKind, Grant, Lane, MediaId, Overflow, Route, Submission, Timestamp, Violation,
    each_by_its_own_channel,
};

use super::content::Ready;
use super::{AcceptError, Intake, invalid};
use crate::ports::MediaRecord;

/// Every channel carries so many bytes.
const SHORT: usize = 1024;

/// What is done with what is too long, and on which way it is.
pub(super) struct Asked {
    pub(super) overflow: Option<Overflow>,
    route: Option<Arc<Route>>,
}

impl Intake {
    /// Finds what a submission or its route asks for, if its content might be too long at all.
    pub(super) fn overflow_asked(
        &self,
        grant: &Grant,
        submission: &Submission,
        content: &Content,
        now: Timestamp,
    ) -> Option<Asked> {
        if content.object().len() <= SHORT && !crate::media::names_own(content) {
            return None;
        }
        // A route that cannot be taken is refused when the way is drawn.
        let route = self.route_of(grant, submission, now).ok().flatten();
        let overflow = submission.overflow.or_else(|| route.as_ref().and_then(|route| route.overflow));
        Some(Asked { overflow, route })
    }

    /// Keeps a content that is too long for a channel on its way: as a file that is sent, or one that is linked to.
    pub(super) async fn kept_whole(
        &self,
        grant: &Grant,
        ready: Ready,
        asked: &Asked,
        file: Option<MediaRecord>,
        now: Timestamp,
    ) -> Result<Ready, AcceptError> {
        let Some(way) = self.way_out(&ready, asked, file.as_ref()) else { return Ok(ready) };
        let file = match (file, ready.content.plain_content()) {
            (Some(file), _) => file,
            (None, Some(text)) => self.keep(grant, text_file_name(&ready.content), text.into(), now).await?,
            (None, None) => return Ok(ready),
        };
        Ok(self.with_file(ready, way, file, now))
    }

    /// The same without keeping anything, to find out where such a message would go.
    pub(super) fn as_if_kept(&self, grant: &Grant, ready: Ready, now: Timestamp) -> Ready {
        let Some(asked) = self.overflow_asked(grant, &ready.submission, &ready.content, now) else { return ready };
        let (Some(way), Some(text)) = (self.way_out(&ready, &asked, None), ready.content.plain_content()) else {
            return ready;
        };
        let file = MediaRecord {
            id: MediaId::from_bytes([0; 16]),
            caller: grant.caller.clone(),
            file_name: text_file_name(&ready.content),
            size: text.len() as u64,
            created_at: now,
        };
        self.with_file(ready, way, file, now)
    }

    /// Finds whether anything is to be done, and what.
    fn way_out(&self, ready: &Ready, asked: &Asked, file: Option<&MediaRecord>) -> Option<Overflow> {
        let way = asked.overflow?;
        let possible = match way {
            Overflow::File => file.is_none(),
            Overflow::Link => self.config.file_links.is_some(),
            Overflow::Reject | Overflow::Split | Overflow::Truncate => false,
        };
        let is_too_much = || {
            let size = file.map(|file| file.size);
            let lanes = self.lanes_of(&ready.submission, asked.route.as_deref());
            let mut channels = lanes.iter().filter_map(|lane| self.planner.channel(lane));
            channels.any(|channel| channel.exceeds(&ready.content, size))
        };
        (possible && is_too_much()).then_some(way)
    }

    fn with_file(&self, ready: Ready, way: Overflow, file: MediaRecord, now: Timestamp) -> Ready {
        let content = match (way, &self.config.file_links) {
            (Overflow::Link, Some(links)) => {
                let sent_at = ready.submission.send_at.unwrap_or(now).max(now);
                ready.content.with_link(Some(links.link_to(file, sent_at)))
            }
            _ => Content::new(ContentKind::File, format!(r#"{{"media_id":"{}"}}"#, file.id)),
        };
        Ready { content, ..ready }
    }

    /// Every lane that a submission may take.
    fn lanes_of(&self, submission: &Submission, route: Option<&Route>) -> Vec<Lane> {
        let app = submission.app.clone().or_else(|| self.planner.routing.default_app.clone()).unwrap_or_default();
        let accounts = Accounts { app: &app, ..self.planner.accounts() };
        let legs = each_by_its_own_channel(&submission.to, &accounts);
        let mut lanes: Vec<Lane> = legs.into_iter().map(|leg| leg.lane).collect();
        if !submission.people.is_empty() {
            lanes.push(Lane::new("wecom_app", &app));
        }
        if let Some(route) = route {
            let steps = route.steps.iter().chain(route.escalate.iter().map(|later| &later.step));
            lanes.extend(steps.map(|step| step.lane(&accounts)));
        }
        lanes
    }

    /// Links need an address to lead to.
    pub(super) fn check_overflow(&self, overflow: Overflow) -> Result<(), AcceptError> {
        if overflow != Overflow::Link || self.config.file_links.is_some() {
            return Ok(());
        }
        let violation = Violation::new(
            "invalid",
            "overflow",
            "is `link`, and this gateway has no address that a link could lead to",
        );
        Err(invalid(violation.with_hint(
            "set public_url in the gateway's configuration to where it is reached from outside, or use another overflow",
        )))
    }
}

/// What a text is called as a file.
fn text_file_name(content: &Content) -> String {
    format!("message.{}", if content.kind() == ContentKind::Text { "txt" } else { "md" })
}
