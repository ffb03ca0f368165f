//! Sentry: what an integration's webhook posts (issue alerts, metric alerts, issues, errors), and the older plugin's form.
//!
//! <https://docs.sentry.io/integrations/integration-platform/webhooks/>

use domain::{Mention, Priority, Violation};
use serde_json::{Map, Value, json};

use super::read::{first, list, minute, missing, scalar, short, string, tags};
use super::{Notice, Posted, Proof, Source};

const MEND: &str = "it comes with what an integration's webhook posts, or the plugin WebHooks";

pub(in crate::hooks) struct Sentry;

impl Source for Sentry {
    fn name(&self) -> &'static str {
        "sentry"
    }

    fn proof(&self) -> Proof {
        Proof::Signature { header: "sentry-hook-signature", prefix: "", timestamp: None }
    }

    fn read(&self, posted: &Posted<'_>) -> Result<Vec<Notice>, Violation> {
        let body = Value::Object(posted.object()?);
        let Some(resource) = posted.header("Sentry-Hook-Resource") else {
            return Ok(vec![plugin(&body)?.notice(self.name(), body)]);
        };
        // That it was installed is nothing that happened.
        if resource == "installation" {
            return Ok(Vec::new());
        }
        if !body["data"].is_object() {
            return Err(missing("data", MEND));
        }
        let told = match resource {
            "event_alert" => event(resource, &body, needed(&body, "event")?),
            "error" => event(resource, &body, needed(&body, "error")?),
            "metric_alert" => metric_alert(&body, needed(&body, "metric_alert")?),
            "issue" => issue(resource, &body, needed(&body, "issue")?),
            _ => other(resource, &body),
        };
        Ok(vec![told.notice(self.name(), body)])
    }

    fn template(&self) -> Option<&'static str> {
        Some(include_str!("templates/sentry.md.j2"))
    }
}

fn needed<'a>(body: &'a Value, part: &str) -> Result<&'a Value, Violation> {
    let found = &body["data"][part];
    if found.is_object() { Ok(found) } else { Err(missing(&format!("data.{part}"), MEND)) }
}

/// What happened, whatever Sentry calls it.
struct Told {
    kind: String,
    action: String,
    /// `fatal`, `error`, `warning`, `info`, `debug`; of metric alerts `critical` or `warning`; nothing once it is over.
    level: String,
    /// What tells it apart from others of its kind.
    id: String,
    title: String,
    url: String,
    /// What stands below: project, culprit, rule, text, time.
    more: Value,
}

impl Told {
    fn notice(self, source: &str, body: Value) -> Notice {
        let is_over = matches!(self.action.as_str(), "resolved" | "archived" | "ignored");
        let urgent = !is_over && matches!(self.level.as_str(), "fatal" | "critical");
        let mut variables = Map::new();
        let mut put = |name: &str, value: Value| variables.insert(name.to_owned(), value);
        put("kind", json!(short(&self.kind, 40)));
        put("action", json!(short(&self.action, 40)));
        put("level", json!(short(&self.level, 40)));
        put("resolved", json!(is_over));
        put("title", json!(short(&self.title, 200)));
        put("url", json!(self.url));
        put("who", json!(who(&body)));
        if let Value::Object(more) = self.more {
            variables.extend(more);
        }
        variables.insert("body".to_owned(), body);
        Notice {
            key: format!("{} {} {}", self.kind, self.id, self.action),
            priority: if urgent { Priority::Urgent } else { Priority::Normal },
            tags: tags([source, &self.kind, &self.action, &self.level]),
            mention: Mention::default(),
            variables,
        }
    }
}

/// Who did it, unless Sentry did it by itself.
fn who(body: &Value) -> String {
    let actor = &body["actor"];
    if actor["type"] == "application" { String::new() } else { short(string(&actor["name"]), 60) }
}

/// An event that set off a rule, or an error that was seen.
fn event(kind: &str, body: &Value, event: &Value) -> Told {
    let data = &body["data"];
    let rule = first(&[&data["triggered_rule"], &data["issue_alert"]["title"]]);
    Told {
        kind: kind.to_owned(),
        action: string(&body["action"]).to_owned(),
        level: string(&event["level"]).to_owned(),
        id: format!("{} {rule}", string(&event["event_id"])),
        title: first(&[&event["title"], &event["message"]]).to_owned(),
        url: string(&event["web_url"]).to_owned(),
        more: json!({
            "project": project(event),
            "culprit": short(string(&event["culprit"]), 120),
            "rule": short(rule, 120),
            "environment": short(&environment(event), 60),
            "at": minute(string(&event["datetime"])),
        }),
    }
}

/// The project's name, which an event has only in the address of its page in the API.
fn project(event: &Value) -> String {
    let url = string(&event["url"]);
    let in_url = url.split_once("/projects/").and_then(|(_, path)| path.split('/').nth(1));
    short(in_url.unwrap_or_default(), 80)
}

/// Among an event's tags, which are pairs, or objects in the plugin's form.
fn environment(event: &Value) -> String {
    let named = |tag: &&Value| tag[0] == "environment" || tag["key"] == "environment";
    let found = list(&event["tags"]).iter().find(named);
    found.map(|tag| first(&[&tag[1], &tag["value"]]).to_owned()).unwrap_or_default()
}

fn issue(kind: &str, body: &Value, issue: &Value) -> Told {
    Told {
        kind: kind.to_owned(),
        action: string(&body["action"]).to_owned(),
        level: string(&issue["level"]).to_owned(),
        id: scalar(&issue["id"]),
        title: string(&issue["title"]).to_owned(),
        url: first(&[&issue["web_url"], &issue["permalink"]]).to_owned(),
        more: json!({
            "project": short(first(&[&issue["project"]["name"], &issue["project"]["slug"]]), 80),
            "culprit": short(string(&issue["culprit"]), 120),
            "short_id": short(string(&issue["shortId"]), 60),
            "substatus": short(string(&issue["substatus"]), 40),
            "count": scalar(&issue["count"]),
            "users": scalar(&issue["userCount"]),
            "at": minute(string(&issue["lastSeen"])),
        }),
    }
}

fn metric_alert(body: &Value, alert: &Value) -> Told {
    let (data, action) = (&body["data"], string(&body["action"]));
    let projects = list(&alert["projects"]).iter().map(string).take(5).collect::<Vec<_>>();
    Told {
        kind: "metric_alert".to_owned(),
        action: action.to_owned(),
        level: if action == "resolved" { String::new() } else { action.to_owned() },
        id: scalar(&alert["id"]),
        title: first(&[&data["description_title"], &alert["title"]]).to_owned(),
        url: string(&data["web_url"]).to_owned(),
        more: json!({
            "project": short(&projects.join("、"), 80),
            "rule": short(string(&alert["alert_rule"]["name"]), 120),
            // Sentry writes a line break as two characters.
            "text": short(&string(&data["description_text"]).replace("\\n", " "), 200),
            "at": minute(first(&[&alert["date_started"], &alert["date_created"]])),
        }),
    }
}

/// The older plugin's form: an issue alert, flat.
fn plugin(body: &Value) -> Result<Told, Violation> {
    if !body["event"].is_object() && string(&body["culprit"]).is_empty() && string(&body["url"]).is_empty() {
        return Err(missing("Sentry-Hook-Resource", MEND));
    }
    let event = &body["event"];
    let rules = list(&body["triggering_rules"]).iter().map(string).filter(|rule| !rule.is_empty());
    let rules = rules.take(5).collect::<Vec<_>>().join("、");
    let which = first(&[&event["event_id"], &event["id"]]);
    Ok(Told {
        kind: "event_alert".to_owned(),
        action: "triggered".to_owned(),
        level: string(&body["level"]).to_owned(),
        id: format!("{} {which} {rules}", scalar(&body["id"])),
        title: first(&[&event["title"], &body["message"], &body["culprit"]]).to_owned(),
        url: string(&body["url"]).to_owned(),
        more: json!({
            "project": short(first(&[&body["project_name"], &body["project"]]), 80),
            "culprit": short(string(&body["culprit"]), 120),
            "rule": short(&rules, 120),
            "environment": short(&environment(event), 60),
        }),
    })
}

/// What is told in a few words: comments, and what Sentry may add.
fn other(resource: &str, body: &Value) -> Told {
    let data = &body["data"];
    if data["issue"].is_object() {
        return issue(resource, body, &data["issue"]);
    }
    Told {
        kind: resource.to_owned(),
        action: string(&body["action"]).to_owned(),
        level: String::new(),
        id: format!("{} {}", scalar(&data["comment_id"]), scalar(&data["timestamp"])),
        title: first(&[&data["title"], &data["comment"]]).to_owned(),
        url: first(&[&data["web_url"], &data["url"]]).to_owned(),
        more: json!({ "project": short(string(&data["project_slug"]), 80) }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{headers, read, recorded, refused};
    use super::*;

    #[test]
    fn each_resource_has_its_tags_and_its_priority() {
        for (resource, file, tags, priority) in [
            ("event_alert", "event_alert", vec!["sentry", "event_alert", "triggered", "error"], Priority::Normal),
            ("error", "error", vec!["sentry", "error", "created", "fatal"], Priority::Urgent),
            ("issue", "issue_created", vec!["sentry", "issue", "created", "error"], Priority::Normal),
            ("issue", "issue_resolved", vec!["sentry", "issue", "resolved", "error"], Priority::Normal),
            ("metric_alert", "metric_alert_critical", vec!["sentry", "metric_alert", "critical"], Priority::Urgent),
            ("metric_alert", "metric_alert_resolved", vec!["sentry", "metric_alert", "resolved"], Priority::Normal),
            ("comment", "comment", vec!["sentry", "comment", "created"], Priority::Normal),
        ] {
            let notice = read(&Sentry, &recorded(&format!("sentry/{file}")), &[("sentry-hook-resource", resource)]);
            assert_eq!((notice.tags, notice.priority), (tags.iter().map(ToString::to_string).collect(), priority));
        }
    }

    #[test]
    fn what_fires_and_what_is_over_are_two_notices() {
        let key = |resource, file: &str| read(&Sentry, &recorded(file), &[("sentry-hook-resource", resource)]).key;
        assert_ne!(
            key("metric_alert", "sentry/metric_alert_critical"),
            key("metric_alert", "sentry/metric_alert_resolved")
        );
        assert_ne!(key("issue", "sentry/issue_created"), key("issue", "sentry/issue_resolved"));
    }

    #[test]
    fn the_older_plugin_is_understood() {
        let notice = read(&Sentry, &recorded("sentry/plugin"), &[]);
        assert_eq!(notice.tags, ["sentry", "event_alert", "triggered", "error"]);
        assert_eq!(notice.variables["rule"], "新的错误");
        assert_eq!(notice.variables["environment"], "production");
    }

    #[test]
    fn that_it_is_installed_is_nothing_to_tell() {
        let headers = headers(&[("sentry-hook-resource", "installation")]);
        let body = br#"{"action":"created","data":{"installation":{}}}"#;
        assert_eq!(Sentry.read(&Posted { headers: &headers, body }).unwrap(), []);
    }

    #[test]
    fn a_body_of_another_kind_is_refused_by_field() {
        assert_eq!(refused(&Sentry, "{}", &[]).field, "Sentry-Hook-Resource");
        assert_eq!(refused(&Sentry, "{}", &[("sentry-hook-resource", "issue")]).field, "data");
        assert_eq!(refused(&Sentry, r#"{"data":{}}"#, &[("sentry-hook-resource", "issue")]).field, "data.issue");
    }
}
