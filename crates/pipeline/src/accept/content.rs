//! What a submission says, made ready: templates rendered, files fetched and kept.

use domain::{Content, Grant, Scope, Submission, SubmissionContent, TemplateUse, Timestamp, Violation};

use super::{AcceptError, Intake, invalid};

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
            // One that was sent before may bring the link that it had.
            SubmissionContent::Ready(content) => (content.with_link(None), None),
            SubmissionContent::Templated(wanted) => {
                let (content, template) = self.templates.render(wanted).map_err(invalid)?;
                (content, Some(template))
            }
        };
        Ok(Ready { submission, content, template })
    }

    /// Renders, fetches files that a content names by URL, and keeps what is too long as a file.
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
                        .with_hint("the URL must be public and https, and lead to the file itself, of at most 20 MiB"),
                )
            })?;
            let file = self.keep(grant, file_name, bytes, now).await?;
            content = crate::media::with_id(&content, file.id);
        }
        let ready = Ready { submission, content, template };
        match self.overflow_asked(grant, &ready.submission, &ready.content, now) {
            Some(asked) => {
                let names_own = crate::media::names_own(&ready.content);
                let file = match names_own {
                    true => self.check_own_media(grant, &ready.content, asked.overflow).await?,
                    false => None,
                };
                self.kept_whole(grant, ready, &asked, file, now).await
            }
            None => Ok(ready),
        }
    }
}
