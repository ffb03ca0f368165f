//! What a submission says, made ready: templates rendered, files fetched and kept.

use std::sync::Arc;

use bytes::Bytes;
use domain::{
    Content, ContentKind, Grant, MediaId, Overflow, Recipient, RouteChoice, Scope, Submission, SubmissionContent,
    TemplateUse, Timestamp, Violation,
};

use super::{AcceptError, Intake, invalid};
use crate::ports::MediaRecord;
use crate::telemetry::{Happening as _, LedgerFailed};

/// A submission, and what it says.
pub(super) struct Ready {
    pub(super) submission: Submission,
    pub(super) content: Content,
    /// What made the content.
    pub(super) template: Option<TemplateUse>,
}

impl Intake {
    /// Finds out whether the caller may send such a thing, and renders what a template makes.
    pub(super) fn rendered(&self, grant: &Grant, submission: Submission) -> Result<Ready, AcceptError> {
        if !grant.scopes.include(Scope::Send) {
            return Err(AcceptError::MayNotSend);
        }
        let named = match &submission.content {
            SubmissionContent::Templated(wanted) => Some(wanted.name.as_str()),
            SubmissionContent::Ready(_) => None,
        };
        if !grant.may_use(named) {
            let template =
                named.map_or_else(|| "content without a template".to_owned(), |name| format!("the template `{name}`"));
            return Err(AcceptError::ForbiddenTemplate { template });
        }
        let (content, template) = match submission.content.clone() {
            SubmissionContent::Ready(content) => (content, None),
            SubmissionContent::Templated(wanted) => {
                let (content, template) = self.templates.render(wanted).map_err(invalid)?;
                (content, Some(template))
            }
        };
        Ok(Ready { submission, content, template })
    }

    /// Renders, fetches files that a content names by URL, and makes one of a text that is to be sent as a file.
    pub(super) async fn with_content(
        &self,
        grant: &Grant,
        submission: Submission,
        now: Timestamp,
    ) -> Result<Ready, AcceptError> {
        let Ready { submission, mut content, template } = self.rendered(grant, submission)?;
        if content.object().contains("\"url\"")
            && let Some((kind, url)) = crate::media::named_by_url(&content)
        {
            let fetched = self.fetch.fetch(&url, crate::media::LARGEST_FILE).await;
            let (file_name, bytes) = fetched.map_err(|why| {
                let field = format!("{kind}.media_id.url");
                invalid(
                    Violation::new("invalid", field, format!("cannot be fetched: {why}"))
                        .with_hint("the URL must be public and https, and lead to the file itself"),
                )
            })?;
            let id = self.keep(grant, file_name, bytes, now).await?;
            content = crate::media::with_id(&content, id);
        }
        if crate::media::names_own(&content) {
            self.check_own_media(grant, &content).await?;
        }
        let wants_file = |overflow: Option<Overflow>| overflow == Some(Overflow::File);
        let by_route = || match &submission.route {
            Some(RouteChoice::Own(route)) => route.overflow,
            Some(RouteChoice::Named(name)) => self.planner.routing.routes.get(name).and_then(|route| route.overflow),
            None => None,
        };
        if wants_file(submission.overflow.or_else(by_route))
            && let Some(text) = content.plain_content()
            && self.is_too_long(&submission, content.kind(), text.len())
        {
            let ending = if content.kind() == ContentKind::Text { "txt" } else { "md" };
            let id = self.keep(grant, format!("message.{ending}"), text.into(), now).await?;
            content = Content::new(ContentKind::File, format!(r#"{{"media_id":"{id}"}}"#));
        }
        Ok(Ready { submission, content, template })
    }

    /// Whether a text is longer than the channel takes that it would begin with.
    fn is_too_long(&self, submission: &Submission, kind: ContentKind, bytes: usize) -> bool {
        let app = submission.app.clone().or_else(|| self.planner.routing.default_app.clone()).unwrap_or_default();
        let lanes = submission.to.iter().map(|to| match to {
            Recipient::Robot(name) | Recipient::Chat(name) => domain::Lane::new(to.channel(), name),
            _ => domain::Lane::new(to.channel(), &app),
        });
        let steps = match &submission.route {
            Some(RouteChoice::Own(route)) => route.steps.clone(),
            Some(RouteChoice::Named(name)) => {
                self.planner.routing.routes.get(name).map(|route| route.steps.clone()).unwrap_or_default()
            }
            None => Vec::new(),
        };
        let accounts = self.planner.accounts();
        let lanes = lanes.chain(steps.iter().map(|step| step.lane(&accounts)));
        let limits = lanes.filter_map(|lane| self.planner.channel(&lane)?.longest(kind));
        limits.min().is_some_and(|limit| bytes > limit)
    }

    /// Keeps a file for a caller.
    ///
    /// # Errors
    /// [`AcceptError::NotStored`].
    pub async fn keep(
        &self,
        grant: &Grant,
        file_name: String,
        content: Bytes,
        now: Timestamp,
    ) -> Result<MediaId, AcceptError> {
        let id = self.ids.next_media(now);
        let size = content.len() as u64;
        let record = MediaRecord { id, caller: grant.caller.clone(), file_name, size, created_at: now };
        match self.door.ledger.put_media(record, content).await {
            Ok(()) => Ok(id),
            Err(error) => {
                LedgerFailed { error: &error }.emit();
                Err(AcceptError::NotStored(Arc::new(error)))
            }
        }
    }

    /// A file that a message names must be there, and its caller's.
    async fn check_own_media(&self, grant: &Grant, content: &Content) -> Result<(), AcceptError> {
        for (field, id) in crate::media::own_ids(content) {
            let unknown = || {
                let violation = Violation::new(
                    "invalid",
                    field.clone(),
                    format!("names `{id}`, which is no file of this caller's"),
                );
                invalid(violation.with_hint("hand the file in by POST /v1/media, and give the id that it answers"))
            };
            let id: MediaId = id.parse().map_err(|_| unknown())?;
            let found = self.door.ledger.media(id, grant.reads()).await;
            let found = found.map_err(|error| AcceptError::NotStored(Arc::new(error)))?;
            let record = found.ok_or_else(unknown)?;
            crate::media::check_size(content.kind(), &record).map_err(invalid)?;
        }
        Ok(())
    }
}
