//! GitLab's webhooks: pushes, tags, merge requests, issues, comments, pipelines, jobs; anything else in a few words.
//!
//! <https://docs.gitlab.com/user/project/integrations/webhook_events/>

use domain::Violation;
use serde_json::Value;

use super::forge::{self, Change, Run, Scene, Told};
use super::read::{commit, first, first_line, list, missing, scalar, string};
use super::{Notice, Posted, Proof, Source};

const MEND: &str = "it comes with what a project's or a group's webhook posts";

pub(in crate::hooks) struct Gitlab;

impl Source for Gitlab {
    fn name(&self) -> &'static str {
        "gitlab"
    }

    fn proof(&self) -> Proof {
        Proof::Token { header: "x-gitlab-token" }
    }

    fn read(&self, posted: &Posted<'_>) -> Result<Vec<Notice>, Violation> {
        let body = Value::Object(posted.object()?);
        // Events of groups have the second one only.
        let kind = first(&[&body["object_kind"], &body["event_name"]]);
        if kind.is_empty() {
            return Err(missing("object_kind", MEND));
        }
        let told = told(kind, &body)?;
        let key = key(posted, kind, &body);
        Ok(told.map(|told| told.notice(self.name(), key, &scene(&body), &body)).into_iter().collect())
    }

    fn template(&self) -> Option<&'static str> {
        Some(forge::TEMPLATE)
    }
}

/// The same when GitLab posts it again. Of the headers only the newer one is made for that: what one webhook sets off in
/// GitLab shares the other with it.
fn key(posted: &Posted<'_>, kind: &str, body: &Value) -> String {
    if let Some(key) = posted.header("Idempotency-Key") {
        return key.to_owned();
    }
    let about = &body["object_attributes"];
    let project = scalar(&body["project"]["id"]);
    let which = match kind {
        "push" | "tag_push" => [&body["ref"], &body["before"], &body["after"]],
        "pipeline" => [&about["id"], &about["status"], &about["finished_at"]],
        "build" => [&body["build_id"], &body["build_status"], &body["build_finished_at"]],
        _ => [&about["id"], &about["action"], &about["updated_at"]],
    };
    let event = posted.header("X-Gitlab-Event-UUID").unwrap_or_default();
    if which.iter().all(|part| part.is_null()) {
        return format!("{event} {}", posted.print());
    }
    format!("{event} {kind} {project} {}", which.map(scalar).join(" "))
}

/// Reads an event; `None` where there is nothing to tell.
fn told(kind: &str, body: &Value) -> Result<Option<Told>, Violation> {
    let about = &body["object_attributes"];
    let needed = || if about.is_object() { Ok(about) } else { Err(missing("object_attributes", MEND)) };
    let text = |name: &str| string(&about[name]);
    Ok(Some(match kind {
        "push" | "tag_push" => {
            if string(&body["ref"]).is_empty() {
                return Err(missing("ref", MEND));
            }
            let told = forge::push(body, body["total_commits_count"].as_u64(), compare_url(body));
            Told { event: kind.to_owned(), ..told }
        }
        "merge_request" => merge_request(needed()?),
        "issue" | "work_item" => {
            needed()?;
            let wrote = if text("action") == "open" { text("description") } else { "" };
            Told::new(kind, text("action"), forge::issue(&about["iid"], text("title"), text("url"), wrote))
        }
        "note" => note(needed()?, body),
        "pipeline" => {
            needed()?;
            return Ok(has_ended(text("status")).then(|| pipeline(about, body)));
        }
        "build" => return Ok(has_ended(string(&body["build_status"])).then(|| job(body))),
        "release" => {
            let text = |name: &str| string(&body[name]);
            let release = forge::release(text("tag"), text("name"), text("url"), text("description"));
            Told::new(kind, text("action"), release)
        }
        _ => forge::other(kind, first(&[&about["action"], &body["action"], &body["status"]]), about),
    }))
}

/// That something was created or runs is told by its end.
fn has_ended(status: &str) -> bool {
    matches!(status, "success" | "failed" | "canceled")
}

fn merge_request(about: &Value) -> Told {
    let text = |name: &str| string(&about[name]);
    let action = match text("action") {
        "merge" => "merged",
        other => other,
    };
    let change = Change {
        mark: "!",
        number: &about["iid"],
        title: text("title"),
        url: text("url"),
        from: text("source_branch"),
        into: text("target_branch"),
        text: if action == "open" { text("description") } else { "" },
        draft: about["draft"] == true || about["work_in_progress"] == true,
    };
    Told::new("merge_request", action, change.variables())
}

fn note(about: &Value, body: &Value) -> Told {
    let numbered = |on: &Value| (scalar(&on["iid"]), string(&on["title"]).to_owned());
    let (on, (number, title)) = match string(&about["noteable_type"]) {
        "MergeRequest" => ("merge_request", numbered(&body["merge_request"])),
        "Issue" => ("issue", numbered(&body["issue"])),
        "Commit" => {
            let made = &body["commit"];
            ("commit", (commit(string(&made["id"])), first_line(string(&made["message"]), 120)))
        }
        _ => ("", (String::new(), string(&body["snippet"]["title"]).to_owned())),
    };
    // Before 16.11 only new comments were told, without a word for it.
    let action = Some(string(&about["action"])).filter(|action| !action.is_empty()).unwrap_or("create");
    let comment = forge::comment(on, &number, &title, string(&about["url"]), string(&about["note"]));
    Told::new("note", action, comment)
}

fn pipeline(about: &Value, body: &Value) -> Told {
    let id = scalar(&about["id"]);
    let failed = list(&body["builds"]).iter().filter(|job| job["status"] == "failed" && job["allow_failure"] != true);
    let run = Run {
        name: string(&about["name"]).to_owned(),
        number: id.clone(),
        title: first(&[&body["commit"]["title"], &body["commit"]["message"]]),
        branch: string(&about["ref"]),
        commit: string(&about["sha"]),
        url: page(string(&about["url"]), body, "pipelines", &id),
        seconds: about["duration"].as_f64().unwrap_or(0.0),
        failed: failed.map(|job| string(&job["name"]).to_owned()).collect(),
    };
    run.told("pipeline", string(&about["status"]))
}

fn job(body: &Value) -> Told {
    let text = |name: &str| string(&body[name]);
    let reason = if text("build_status") == "failed" { text("build_failure_reason") } else { "" };
    let run = Run {
        name: format!("{}（{}）", text("build_name"), text("build_stage")),
        number: String::new(),
        title: string(&body["commit"]["message"]),
        branch: text("ref"),
        commit: text("sha"),
        url: page("", body, "jobs", &scalar(&body["build_id"])),
        seconds: body["build_duration"].as_f64().unwrap_or(0.0),
        failed: Some(reason.to_owned()).filter(|reason| !reason.is_empty()).into_iter().collect(),
    };
    run.told("build", text("build_status"))
}

/// A page of a project; older versions do not send its address.
fn page(given: &str, body: &Value, kind: &str, id: &str) -> String {
    match scene(body).url {
        _ if !given.is_empty() => given.to_owned(),
        "" => String::new(),
        project => format!("{project}/-/{kind}/{id}"),
    }
}

/// What a push changed, where there is something on both sides.
fn compare_url(body: &Value) -> String {
    let (before, after, project) = (&body["before"], &body["after"], scene(body).url);
    if project.is_empty() || forge::is_nothing(before) || forge::is_nothing(after) {
        return String::new();
    }
    format!("{project}/-/compare/{}...{}", string(before), string(after))
}

fn scene(body: &Value) -> Scene<'_> {
    let (project, user) = (&body["project"], &body["user"]);
    Scene {
        repository: first(&[
            &project["path_with_namespace"],
            &body["path_with_namespace"],
            &body["project_name"],
            &body["full_path"],
            &body["group_path"],
        ]),
        url: first(&[&project["web_url"], &body["repository"]["homepage"]]),
        who: first(&[&user["name"], &user["username"], &body["user_name"]]),
    }
}

#[cfg(test)]
mod tests {
    use domain::Priority;

    use super::super::tests::{headers, read, recorded, refused};
    use super::*;

    #[test]
    fn each_event_has_its_tags_and_its_priority() {
        for (file, tags, priority) in [
            ("push", vec!["push"], Priority::Normal),
            ("tag_push", vec!["tag_push", "created"], Priority::Normal),
            ("merge_request_open", vec!["merge_request", "open"], Priority::Normal),
            ("merge_request_merge", vec!["merge_request", "merged"], Priority::Normal),
            ("issue", vec!["issue", "open"], Priority::Normal),
            ("note_merge_request", vec!["note", "create"], Priority::Normal),
            ("note_commit", vec!["note", "create"], Priority::Normal),
            ("pipeline_failed", vec!["pipeline", "failed"], Priority::Normal),
            ("pipeline_success", vec!["pipeline", "success"], Priority::Bulk),
            ("job_failed", vec!["build", "failed"], Priority::Normal),
            ("wiki_page", vec!["wiki_page", "create"], Priority::Normal),
        ] {
            let notice = read(&Gitlab, &recorded(&format!("gitlab/{file}")), &[]);
            let all: Vec<String> = ["gitlab"].into_iter().chain(tags).chain(["acme/mes"]).map(str::to_owned).collect();
            assert_eq!((notice.tags, notice.priority), (all, priority), "{file}");
        }
    }

    #[test]
    fn what_is_posted_again_has_the_same_key_and_what_only_came_of_it_has_not() {
        let (failed, success) = (recorded("gitlab/pipeline_failed"), recorded("gitlab/pipeline_success"));
        let uuid = [("x-gitlab-event-uuid", "13792a34-cac6-4fda-95a8-c58e00a3954e")];
        assert_eq!(read(&Gitlab, &failed, &uuid).key, read(&Gitlab, &failed, &uuid).key);
        assert_ne!(read(&Gitlab, &failed, &uuid).key, read(&Gitlab, &success, &uuid).key);
        let once = [uuid[0], ("idempotency-key", "f5e5f430-f57b-4e6e-9fac-d9128cd7232f")];
        assert_eq!(read(&Gitlab, &failed, &once).key, "f5e5f430-f57b-4e6e-9fac-d9128cd7232f");
    }

    #[test]
    fn what_has_not_ended_is_nothing_to_tell() {
        let none = headers(&[]);
        for body in [
            recorded("gitlab/pipeline_success").replace("\"success\"", "\"running\""),
            recorded("gitlab/job_failed").replace("\"failed\"", "\"created\""),
        ] {
            assert_eq!(Gitlab.read(&Posted { headers: &none, body: body.as_bytes() }).unwrap(), []);
        }
    }

    #[test]
    fn a_page_is_found_where_its_address_is_not_sent() {
        let mut body: Value = serde_json::from_str(&recorded("gitlab/pipeline_failed")).unwrap();
        body["object_attributes"].as_object_mut().unwrap().remove("url");
        let notice = read(&Gitlab, &body.to_string(), &[]);
        assert_eq!(notice.variables["url"], "https://gitlab.example.com/acme/mes/-/pipelines/3107");
    }

    #[test]
    fn a_body_of_another_kind_is_refused_by_field() {
        for (body, field) in [
            ("{}", "object_kind"),
            (r#"{"object_kind":"push"}"#, "ref"),
            (r#"{"object_kind":"note"}"#, "object_attributes"),
        ] {
            assert_eq!(refused(&Gitlab, body, &[]).field, field);
        }
    }
}
