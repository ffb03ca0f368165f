//! Alertmanager's webhook, version 4: a group of alerts that fire or are resolved.
//!
//! Two Alertmanagers of a pair tell of the same group: group, status and the alerts' fingerprints make it the same notice.

use std::fmt::Write as _;

use domain::{Priority, Violation};
use serde_json::{Map, Value, json};

use super::read::{mention, minute, string, text};
use super::{Notice, Posted, Source};

/// How many alerts of a group are shown; the rest is counted.
const SHOWN: usize = 10;

pub(in crate::hooks) struct Alertmanager;

impl Source for Alertmanager {
    fn name(&self) -> &'static str {
        "alertmanager"
    }

    fn read(&self, posted: &Posted<'_>) -> Result<Vec<Notice>, Violation> {
        let group = posted.object()?;
        let missing = |field: &str| {
            Violation::new("missing", field, "is missing").with_hint("point a webhook_configs receiver here, version 4")
        };
        let status = text(&group, "status").ok_or_else(|| missing("status"))?;
        let alerts = group.get("alerts").and_then(Value::as_array).ok_or_else(|| missing("alerts"))?;
        let key = text(&group, "groupKey").ok_or_else(|| missing("groupKey"))?;
        let mut prints: Vec<String> = alerts
            .iter()
            .map(|alert| format!("{}:{}", string(&alert["fingerprint"]), string(&alert["status"])))
            .collect();
        prints.sort();
        let labels = group.get("commonLabels").and_then(Value::as_object).cloned().unwrap_or_default();
        let severity = text(&labels, "severity").unwrap_or_default();
        let firing = alerts.iter().filter(|alert| alert["status"] == "firing").count();
        let mut variables = Map::new();
        variables.insert("status".to_owned(), json!(status));
        variables.insert("firing".to_owned(), json!(firing));
        variables.insert("resolved".to_owned(), json!(alerts.len() - firing));
        variables.insert("name".to_owned(), json!(text(&labels, "alertname").unwrap_or_default()));
        variables.insert("severity".to_owned(), json!(severity));
        variables.insert("alerts".to_owned(), Value::Array(alerts.iter().take(SHOWN).map(shown).collect()));
        let truncated = group.get("truncatedAlerts").and_then(Value::as_u64).unwrap_or(0);
        let more = alerts.len().saturating_sub(SHOWN) as u64 + truncated;
        variables.insert("more".to_owned(), json!(more));
        variables.insert("silence_url".to_owned(), json!(silence_url(&group, &labels)));
        variables.insert("group".to_owned(), Value::Object(group.clone()));
        let mut tags = vec!["alertmanager".to_owned(), status.to_owned()];
        tags.extend(Some(severity.to_owned()).filter(|severity| !severity.is_empty()));
        Ok(vec![Notice {
            key: format!("{key} {status} {}", prints.join(",")),
            priority: priority(status, severity),
            tags,
            mention: mention(
                text(&labels, "mention").unwrap_or_default(),
                text(&labels, "mention_mobiles").unwrap_or_default(),
            ),
            variables,
        }])
    }

    fn template(&self) -> Option<&'static str> {
        Some(include_str!("templates/alertmanager.md.j2"))
    }
}

/// What is critical goes first; what is over need not.
fn priority(status: &str, severity: &str) -> Priority {
    match (status, severity) {
        ("firing", "critical" | "page" | "emergency" | "disaster") => Priority::Urgent,
        _ => Priority::Normal,
    }
}

/// An alert as the template sees it.
fn shown(alert: &Value) -> Value {
    let annotations = &alert["annotations"];
    let said = ["summary", "description", "message"].iter().map(|name| string(&annotations[*name]));
    let said: Vec<&str> = said.filter(|text| !text.is_empty()).collect();
    let labels = alert["labels"].as_object().cloned().unwrap_or_default();
    let known = ["alertname", "severity", "mention", "mention_mobiles"];
    let labels: Map<String, Value> = labels.into_iter().filter(|(name, _)| !known.contains(&name.as_str())).collect();
    json!({
        "status": alert["status"],
        "name": alert["labels"]["alertname"],
        "summary": said.first().copied().unwrap_or_default(),
        "description": said.get(1).copied().unwrap_or_default(),
        "labels": labels,
        "since": minute(string(&alert["startsAt"])),
        "until": minute(string(&alert["endsAt"])),
        "runbook_url": string(&annotations["runbook_url"]),
        "url": string(&alert["generatorURL"]),
    })
}

/// The page on which a group is silenced, filled in.
fn silence_url(group: &Map<String, Value>, labels: &Map<String, Value>) -> String {
    let Some(base) = text(group, "externalURL").filter(|url| !url.is_empty()) else { return String::new() };
    let mut matchers = String::new();
    for (name, value) in labels {
        let separator = if matchers.is_empty() { "" } else { "," };
        let _infallible = write!(matchers, "{separator}{name}={}", Value::from(string(value)));
    }
    let filter: String = url::form_urlencoded::byte_serialize(format!("{{{matchers}}}").as_bytes()).collect();
    format!("{}/#/silences/new?filter={}", base.trim_end_matches('/'), filter.replace('+', "%20"))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::*;

    fn read(body: &str) -> Notice {
        let headers = HeaderMap::new();
        let mut read = Alertmanager.read(&Posted { headers: &headers, body: body.as_bytes() }).unwrap();
        assert_eq!(read.len(), 1);
        read.remove(0)
    }

    fn recorded(name: &str) -> String {
        let path = format!("{}/../../fixtures/hooks/alertmanager/{name}.json", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_group_that_fires_and_one_that_is_over_are_two_notices() {
        let (firing, resolved) = (read(&recorded("firing")), read(&recorded("resolved")));
        assert_ne!(firing.key, resolved.key);
        assert_eq!((firing.priority, resolved.priority), (Priority::Urgent, Priority::Normal));
        assert_eq!(firing.mention.users, ["zhangsan", "lisi"]);
        assert_eq!(firing.tags, ["alertmanager", "firing", "critical"]);
    }

    #[test]
    fn the_other_of_a_pair_tells_the_same() {
        let one = recorded("firing");
        let mut other: Value = serde_json::from_str(&one).unwrap();
        other["externalURL"] = json!("http://am-2:9093");
        other["alerts"].as_array_mut().unwrap().reverse();
        assert_eq!(read(&one).key, read(&other.to_string()).key);
    }

    #[test]
    fn it_can_be_silenced_from_the_message() {
        let url = read(&recorded("firing")).variables["silence_url"].clone();
        let url = url.as_str().unwrap();
        assert!(
            url.starts_with("http://alertmanager.example:9093/#/silences/new?filter=%7Balertname%3D%22DiskFull%22"),
            "{url}"
        );
    }

    #[test]
    fn a_body_of_another_kind_is_refused_by_field() {
        let headers = HeaderMap::new();
        let refused =
            |body: &str| Alertmanager.read(&Posted { headers: &headers, body: body.as_bytes() }).unwrap_err().field;
        assert_eq!((refused("{}"), refused("[]"), refused("no")), ("status".into(), "(body)".into(), "(body)".into()));
    }
}
