//! Jenkins: what the Notification plugin posts of a build's phases, and the smaller form of `Outbound WebHook`.
//!
//! <https://plugins.jenkins.io/notification/>, <https://plugins.jenkins.io/outbound-webhook/>

use domain::{Mention, Priority, Violation};
use serde_json::{Map, Value, json};

use super::read::{commit, duration, first, list, missing, scalar, short, string, tags};
use super::{Notice, Posted, Source};

const MEND: &str = "post here with the Notification plugin, format JSON, or with Outbound WebHook";
/// How many failed tests, and how many lines of the log are shown.
const SHOWN: usize = 5;

pub(in crate::hooks) struct Jenkins;

impl Source for Jenkins {
    fn name(&self) -> &'static str {
        "jenkins"
    }

    fn read(&self, posted: &Posted<'_>) -> Result<Vec<Notice>, Violation> {
        let body = Value::Object(posted.object()?);
        let build = if body["build"].is_object() { notification(&body)? } else { outbound(&body)? };
        Ok(build.map(|build| build.notice(self.name(), body)).into_iter().collect())
    }

    fn template(&self) -> Option<&'static str> {
        Some(include_str!("templates/jenkins.md.j2"))
    }
}

/// A build, and how far it is.
struct Build {
    job: String,
    number: String,
    url: String,
    /// What Jenkins calls it: `SUCCESS`, `FAILURE`, `UNSTABLE`, `ABORTED`, `NOT_BUILT`; nothing while it runs.
    status: String,
    more: Value,
}

/// Reads what the Notification plugin posts; `None` for a build that only waits.
fn notification(body: &Value) -> Result<Option<Build>, Violation> {
    let build = &body["build"];
    let phase = string(&build["phase"]);
    if phase.is_empty() {
        return Err(missing("build.phase", MEND));
    }
    if phase == "QUEUED" {
        return Ok(None);
    }
    let (scm, tests) = (&build["scm"], &build["test_summary"]);
    let has_ended = phase != "STARTED";
    Ok(Some(Build {
        job: first(&[&body["display_name"], &body["name"]]).to_owned(),
        number: scalar(&build["number"]),
        url: string(&build["full_url"]).to_owned(),
        // A plugin that is told when a build begins may write how the one before ended.
        status: if has_ended { string(&build["status"]).to_owned() } else { String::new() },
        more: json!({
            "phase": phase,
            "branch": short(string(&scm["branch"]), 80),
            "commit": commit(string(&scm["commit"])),
            "culprits": names(&scm["culprits"]),
            "duration": if has_ended { duration(build["duration"].as_f64().unwrap_or(0.0) / 1000.0) } else { String::new() },
            "tests": { "total": tests["total"], "failed": tests["failed"] },
            "failed_tests": names(&tests["failed_tests"]),
            "notes": short(string(&build["notes"]), 200),
            "log": last_lines(string(&build["log"])),
        }),
    }))
}

/// Reads what `Outbound WebHook` posts.
fn outbound(body: &Value) -> Result<Option<Build>, Violation> {
    let event = string(&body["event"]);
    if string(&body["buildName"]).is_empty() || event.is_empty() {
        return Err(missing("build", MEND));
    }
    let status = match event {
        "start" => String::new(),
        other => other.to_uppercase(),
    };
    Ok(Some(Build {
        job: string(&body["projectName"]).to_owned(),
        number: string(&body["buildName"]).trim_start_matches('#').to_owned(),
        url: string(&body["buildUrl"]).to_owned(),
        status,
        more: json!({ "phase": event }),
    }))
}

impl Build {
    fn notice(self, source: &str, body: Value) -> Notice {
        let (outcome, priority) = match self.status.as_str() {
            "" => ("begun", Priority::Bulk),
            "SUCCESS" => ("good", Priority::Bulk),
            "FAILURE" => ("bad", Priority::Normal),
            "UNSTABLE" => ("unstable", Priority::Normal),
            _ => ("stopped", Priority::Normal),
        };
        let mut variables = Map::new();
        let mut put = |name: &str, value: Value| variables.insert(name.to_owned(), value);
        put("outcome", json!(outcome));
        put("status", json!(short(&self.status, 40)));
        put("job", json!(short(&self.job, 120)));
        put("number", json!(short(&self.number, 40)));
        put("url", json!(self.url));
        let base = self.url.trim_end_matches('/');
        put("console_url", json!(if base.is_empty() { String::new() } else { format!("{base}/console") }));
        if let Value::Object(more) = self.more {
            variables.extend(more);
        }
        let tags = tags([source, outcome, &self.job]);
        // The end is told as COMPLETED and, when all is stored, as FINALIZED: both end it in the same way.
        let which = first(&[&body["build"]["url"], &Value::from(self.url)]).to_owned();
        let key = format!("{} {} {which} {}", self.job, self.number, self.status);
        variables.insert("body".to_owned(), body);
        Notice { key, priority, tags, mention: Mention::default(), variables }
    }
}

/// The first of some names.
fn names(value: &Value) -> Vec<String> {
    list(value).iter().map(|name| short(string(name), 80)).filter(|name| !name.is_empty()).take(SHOWN).collect()
}

/// The last lines of a log, where the job sends any.
fn last_lines(log: &str) -> Vec<String> {
    let lines = log.lines().rev().map(|line| short(line, 120)).filter(|line| !line.is_empty());
    let mut last: Vec<String> = lines.take(SHOWN).collect();
    last.reverse();
    last
}

#[cfg(test)]
mod tests {
    use super::super::tests::{headers, read, recorded, refused};
    use super::*;

    #[test]
    fn a_build_that_begins_fails_or_succeeds_is_told_apart() {
        for (file, tags, priority) in [
            ("started", vec!["jenkins", "begun", "mes-build"], Priority::Bulk),
            ("failure", vec!["jenkins", "bad", "mes-build"], Priority::Normal),
            ("success", vec!["jenkins", "good", "mes-build"], Priority::Bulk),
            ("outbound_failure", vec!["jenkins", "bad", "mes build"], Priority::Normal),
        ] {
            let notice = read(&Jenkins, &recorded(&format!("jenkins/{file}")), &[]);
            assert_eq!((notice.tags, notice.priority), (tags.iter().map(ToString::to_string).collect(), priority));
        }
        let key = |file: &str| read(&Jenkins, &recorded(file), &[]).key;
        assert_ne!(key("jenkins/started"), key("jenkins/failure"));
    }

    #[test]
    fn an_end_is_told_once_and_a_build_that_waits_not_at_all() {
        let completed = recorded("jenkins/failure");
        let finalized = completed.replace("\"COMPLETED\"", "\"FINALIZED\"");
        assert_eq!(read(&Jenkins, &completed, &[]).key, read(&Jenkins, &finalized, &[]).key);
        let queued = completed.replace("\"COMPLETED\"", "\"QUEUED\"");
        let none = headers(&[]);
        assert_eq!(Jenkins.read(&Posted { headers: &none, body: queued.as_bytes() }).unwrap(), []);
    }

    #[test]
    fn how_the_build_before_ended_is_not_how_this_one_begins() {
        let body = r#"{"name":"x","build":{"phase":"STARTED","status":"FAILURE","number":1}}"#;
        assert_eq!(read(&Jenkins, body, &[]).variables["outcome"], "begun");
    }

    #[test]
    fn a_body_of_another_kind_is_refused_by_field() {
        assert_eq!(refused(&Jenkins, "{}", &[]).field, "build");
        assert_eq!(refused(&Jenkins, r#"{"build":{}}"#, &[]).field, "build.phase");
    }
}
