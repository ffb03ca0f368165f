//! Gitea's webhooks, which say what GitHub's say, under headers of their own.
//!
//! <https://docs.gitea.com/usage/webhooks>

use domain::Violation;

use super::github::{self, Names};
use super::{Notice, Posted, Proof, Source, forge};

pub(in crate::hooks) struct Gitea;

impl Source for Gitea {
    fn name(&self) -> &'static str {
        "gitea"
    }

    fn proof(&self) -> Proof {
        Proof::Signature { header: "x-gitea-signature", prefix: "", timestamp: None }
    }

    fn read(&self, posted: &Posted<'_>) -> Result<Vec<Notice>, Violation> {
        let names = Names { source: self.name(), event: "X-Gitea-Event", delivery: "X-Gitea-Delivery" };
        github::read(&names, posted)
    }

    fn template(&self) -> Option<&'static str> {
        Some(forge::TEMPLATE)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{read, recorded, refused};
    use super::*;

    #[test]
    fn each_event_has_its_tags() {
        for (event, file, state) in [
            ("push", "push", ""),
            ("pull_request", "pull_request_opened", "opened"),
            ("pull_request", "pull_request_merged", "merged"),
            ("issues", "issues_closed", "closed"),
            ("issue_comment", "issue_comment", "created"),
            ("release", "release", "published"),
        ] {
            let notice = read(
                &Gitea,
                &recorded(&format!("gitea/{file}")),
                &[("x-gitea-event", event), ("x-gitea-delivery", file)],
            );
            let tags: Vec<&str> =
                ["gitea", event, state, "acme/mes"].into_iter().filter(|tag| !tag.is_empty()).collect();
            assert_eq!((notice.tags.iter().map(String::as_str).collect(), notice.key.as_str()), (tags, file));
        }
    }

    #[test]
    fn it_counts_the_commits_that_it_does_not_send() {
        let notice = read(&Gitea, &recorded("gitea/push"), &[("x-gitea-event", "push")]);
        assert_eq!((&notice.variables["count"], &notice.variables["more"]), (&8.into(), &6.into()));
        assert_eq!(notice.key.len(), 64, "without a delivery the body tells it apart");
    }

    #[test]
    fn a_body_of_another_kind_is_refused_by_field() {
        assert_eq!(refused(&Gitea, "{}", &[]).field, "X-Gitea-Event");
        assert_eq!(refused(&Gitea, "{}", &[("x-gitea-event", "pull_request")]).field, "pull_request");
    }
}
