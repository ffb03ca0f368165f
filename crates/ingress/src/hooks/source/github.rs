//! GitHub's webhooks: pushes, pull requests, issues, comments, workflow runs, releases; anything else in a few words.
//! Gitea follows it field by field, under headers of its own.
//!
//! <https://docs.github.com/en/webhooks/webhook-events-and-payloads>

use domain::Violation;
use serde_json::Value;

use super::forge::{self, Change, Run, Scene, Told};
use super::read::{first, missing, scalar, seconds_between, string};
use super::{Notice, Posted, Proof, Source};

pub(in crate::hooks) struct Github;

impl Source for Github {
    fn name(&self) -> &'static str {
        "github"
    }

    fn proof(&self) -> Proof {
        Proof::Signature { header: "x-hub-signature-256", prefix: "sha256=", timestamp: None }
    }

    fn read(&self, posted: &Posted<'_>) -> Result<Vec<Notice>, Violation> {
        let names = Names { source: self.name(), event: "X-GitHub-Event", delivery: "X-GitHub-Delivery" };
        read(&names, posted)
    }

    fn template(&self) -> Option<&'static str> {
        Some(forge::TEMPLATE)
    }
}

/// What Gitea calls otherwise.
pub(super) struct Names {
    pub(super) source: &'static str,
    pub(super) event: &'static str,
    pub(super) delivery: &'static str,
}

/// Reads what GitHub posts, or who posts the same.
pub(super) fn read(names: &Names, posted: &Posted<'_>) -> Result<Vec<Notice>, Violation> {
    let event = posted.header(names.event);
    let event = event.ok_or_else(|| missing(names.event, "it comes with what the webhook itself posts"))?;
    let body = body(posted)?;
    // A delivery is the same when somebody presses "redeliver".
    let delivery = posted.header(names.delivery).map(str::to_owned);
    let key = delivery.unwrap_or_else(|| posted.print());
    let told = told(event, &body)?;
    Ok(told.map(|told| told.notice(names.source, key, &scene(&body), &body)).into_iter().collect())
}

/// Reads a body of JSON, also where a form holds it as `payload`, as GitHub and Gitea post it if nobody chooses. The body
/// tells which it is: whoever posts JSON by hand seldom says so.
fn body(posted: &Posted<'_>) -> Result<Value, Violation> {
    if !posted.body.starts_with(b"payload=") {
        return posted.object().map(Value::Object);
    }
    let payload = url::form_urlencoded::parse(posted.body).next().map(|(_, value)| value).unwrap_or_default();
    Posted { headers: posted.headers, body: payload.as_bytes() }.object().map(Value::Object)
}

/// Reads what GitHub writes; `None` where there is nothing to tell.
fn told(event: &str, body: &Value) -> Result<Option<Told>, Violation> {
    let part = |name: &str| {
        let mend = format!("an event `{event}` has it: post what the webhook itself posts");
        body.get(name).filter(|part| part.is_object()).ok_or_else(|| missing(name, &mend))
    };
    let action = string(&body["action"]);
    Ok(Some(match event {
        "ping" => return Ok(None),
        "push" => {
            if string(&body["ref"]).is_empty() {
                return Err(missing("ref", "an event `push` has it: post what the webhook itself posts"));
            }
            forge::push(
                body,
                body["total_commits"].as_u64(),
                first(&[&body["compare"], &body["compare_url"]]).to_owned(),
            )
        }
        "pull_request" => pull_request(action, part("pull_request")?),
        "issues" => {
            let about = part("issue")?;
            let text = |name: &str| string(&about[name]);
            let wrote = if action == "opened" { text("body") } else { "" };
            Told::new(event, action, forge::issue(&about["number"], text("title"), text("html_url"), wrote))
        }
        "issue_comment" => {
            let (about, said) = (part("issue")?, part("comment")?);
            let on = if about["pull_request"].is_object() { "pull_request" } else { "issue" };
            let (number, title) = (scalar(&about["number"]), string(&about["title"]));
            let comment = forge::comment(on, &number, title, string(&said["html_url"]), string(&said["body"]));
            Told::new(event, action, comment)
        }
        // That one was asked for or has begun is told by its end.
        "workflow_run" if action != "completed" => return Ok(None),
        "workflow_run" => workflow_run(part("workflow_run")?, &body["workflow"]),
        "release" => {
            let about = part("release")?;
            let text = |name: &str| string(&about[name]);
            Told::new(event, action, forge::release(text("tag_name"), text("name"), text("html_url"), text("body")))
        }
        _ => forge::other(event, action, &body[event]),
    }))
}

fn pull_request(action: &str, about: &Value) -> Told {
    let text = |name: &str| string(&about[name]);
    let change = Change {
        mark: "#",
        number: &about["number"],
        title: text("title"),
        url: text("html_url"),
        from: string(&about["head"]["ref"]),
        into: string(&about["base"]["ref"]),
        text: if action == "opened" { text("body") } else { "" },
        draft: about["draft"] == true,
    };
    let merged = action == "closed" && about["merged"] == true;
    Told::new("pull_request", if merged { "merged" } else { action }, change.variables())
}

fn workflow_run(about: &Value, workflow: &Value) -> Told {
    let text = |name: &str| string(&about[name]);
    let run = Run {
        name: first(&[&about["name"], &workflow["name"]]).to_owned(),
        number: scalar(&about["run_number"]),
        title: first(&[&about["display_title"], &about["head_commit"]["message"]]),
        branch: text("head_branch"),
        commit: text("head_sha"),
        url: text("html_url").to_owned(),
        seconds: seconds_between(first(&[&about["run_started_at"], &about["created_at"]]), text("updated_at")),
        failed: Vec::new(),
    };
    run.told("workflow_run", text("conclusion"))
}

/// Where GitHub says that something happened, and who did it.
fn scene(body: &Value) -> Scene<'_> {
    let (repository, sender, pusher) = (&body["repository"], &body["sender"], &body["pusher"]);
    Scene {
        repository: first(&[&repository["full_name"], &body["organization"]["login"]]),
        url: string(&repository["html_url"]),
        who: first(&[&sender["login"], &pusher["login"], &pusher["name"]]),
    }
}

#[cfg(test)]
mod tests {
    use domain::Priority;

    use super::super::tests::{headers, read, recorded, refused};
    use super::*;

    fn told(event: &str, file: &str) -> Notice {
        read(&Github, &recorded(&format!("github/{file}")), &[("x-github-event", event), ("x-github-delivery", file)])
    }

    #[test]
    fn each_event_has_its_tags_and_its_priority() {
        for (event, file, tags, priority) in [
            ("push", "push", vec!["github", "push", "acme/mes"], Priority::Normal),
            ("push", "push_tag", vec!["github", "push", "created", "acme/mes"], Priority::Normal),
            (
                "pull_request",
                "pull_request_opened",
                vec!["github", "pull_request", "opened", "acme/mes"],
                Priority::Normal,
            ),
            (
                "pull_request",
                "pull_request_merged",
                vec!["github", "pull_request", "merged", "acme/mes"],
                Priority::Normal,
            ),
            ("issues", "issues_opened", vec!["github", "issues", "opened", "acme/mes"], Priority::Normal),
            (
                "issue_comment",
                "issue_comment",
                vec!["github", "issue_comment", "created", "acme/mes"],
                Priority::Normal,
            ),
            (
                "workflow_run",
                "workflow_run_failure",
                vec!["github", "workflow_run", "failure", "acme/mes"],
                Priority::Normal,
            ),
            (
                "workflow_run",
                "workflow_run_success",
                vec!["github", "workflow_run", "success", "acme/mes"],
                Priority::Bulk,
            ),
            ("release", "release", vec!["github", "release", "published", "acme/mes"], Priority::Normal),
            ("star", "star", vec!["github", "star", "created", "acme/mes"], Priority::Normal),
        ] {
            let notice = told(event, file);
            assert_eq!(
                (notice.tags, notice.priority, notice.key.as_str()),
                (tags.iter().map(ToString::to_string).collect(), priority, file)
            );
        }
    }

    #[test]
    fn a_ping_and_a_run_that_only_begins_are_nothing_to_tell() {
        let begins = recorded("github/workflow_run_success").replace("\"completed\"", "\"requested\"");
        for (event, body) in [("ping", recorded("github/ping")), ("workflow_run", begins)] {
            let headers = headers(&[("x-github-event", event)]);
            let posted = Posted { headers: &headers, body: body.as_bytes() };
            assert_eq!(Github.read(&posted).unwrap(), []);
        }
    }

    #[test]
    fn a_form_holds_the_same() {
        let json = recorded("github/push");
        let form: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", &json).finish();
        let named = [("x-github-event", "push"), ("x-github-delivery", "1")];
        assert_eq!(read(&Github, &form, &named), read(&Github, &json, &named));
        assert_eq!(refused(&Github, "payload=%7B", &named).field, "(body)");
    }

    #[test]
    fn a_body_of_another_kind_is_refused_by_field() {
        let push = [("x-github-event", "push")];
        assert_eq!(refused(&Github, "{}", &[]).field, "X-GitHub-Event");
        assert_eq!(refused(&Github, "{}", &push).field, "ref");
        assert_eq!(refused(&Github, "{}", &[("x-github-event", "issues")]).field, "issue");
        assert_eq!(refused(&Github, "[]", &push).field, "(body)");
    }
}
