//! What Alertmanager and Grafana have in common: a group of alerts that fire or are resolved.
//!
//! Two senders of a pair tell of the same group: group, status and the alerts' fingerprints make it the same notice.

use domain::{Priority, Violation};
use serde_json::{Map, Value, json};

use super::read::{first, list, mention, minute, missing, scalar, short, string, tags, text};
use super::{Notice, Posted};

/// How many alerts of a group are shown; the rest is counted.
const SHOWN: usize = 5;
/// How many labels of an alert are shown.
const LABELS: usize = 8;
/// Labels that are shown elsewhere, or meant for us.
const KNOWN: [&str; 5] = ["alertname", "severity", "mention", "mention_mobiles", "grafana_folder"];

/// A group of alerts.
pub(super) struct Group {
    body: Map<String, Value>,
    labels: Map<String, Value>,
}

impl Group {
    /// Reads what was posted.
    ///
    /// # Errors
    /// The field that both senders write and that is not there, with how to mend it.
    pub(super) fn read(posted: &Posted<'_>, mend: &str) -> Result<Self, Violation> {
        let body = posted.object()?;
        text(&body, "status").ok_or_else(|| missing("status", mend))?;
        body.get("alerts").and_then(Value::as_array).ok_or_else(|| missing("alerts", mend))?;
        text(&body, "groupKey").ok_or_else(|| missing("groupKey", mend))?;
        let labels = body.get("commonLabels").and_then(Value::as_object).cloned().unwrap_or_default();
        Ok(Self { body, labels })
    }

    /// Returns a field of the group itself.
    pub(super) fn text(&self, name: &str) -> &str {
        text(&self.body, name).unwrap_or_default()
    }

    /// Returns a number of the group itself, as text.
    pub(super) fn number(&self, name: &str) -> String {
        self.body.get(name).map(scalar).unwrap_or_default()
    }

    /// Returns the labels that all of its alerts have.
    pub(super) fn labels(&self) -> &Map<String, Value> {
        &self.labels
    }

    /// Makes the notice: with each alert as `shown` shows it, and with what only this source knows.
    pub(super) fn notice(self, source: &str, shown: fn(&Value) -> Value, more: Value) -> Notice {
        let alerts = self.body.get("alerts").map(list).unwrap_or_default();
        let is_firing = |alert: &&Value| alert["status"] == "firing";
        let firing: Vec<&Value> = alerts.iter().filter(is_firing).collect();
        let resolved: Vec<&Value> = alerts.iter().filter(|alert| !is_firing(alert)).collect();
        let truncated = self.body.get("truncatedAlerts").and_then(Value::as_u64).unwrap_or(0);
        let (status, severity) = (self.text("status"), text(&self.labels, "severity").unwrap_or_default());
        let mut variables = Map::new();
        let mut put = |name: &str, value: Value| variables.insert(name.to_owned(), value);
        put("status", json!(status));
        put("firing", json!(firing.len()));
        put("resolved", json!(resolved.len()));
        put("name", json!(short(text(&self.labels, "alertname").unwrap_or_default(), 120)));
        put("severity", json!(short(severity, 40)));
        // Those that fire are what is to be seen.
        put("alerts", firing.iter().chain(&resolved).take(SHOWN).map(|alert| shown(alert)).collect());
        put("more", json!((alerts.len().saturating_sub(SHOWN) as u64).saturating_add(truncated)));
        if let Value::Object(more) = more {
            variables.extend(more);
        }
        let mut notice = Notice {
            key: format!("{} {status} {}", self.text("groupKey"), prints(alerts)),
            priority: priority(status, severity),
            tags: tags([source, status, severity]),
            // What is over calls nobody.
            mention: if status == "firing" {
                mention(
                    text(&self.labels, "mention").unwrap_or_default(),
                    text(&self.labels, "mention_mobiles").unwrap_or_default(),
                )
            } else {
                domain::Mention::default()
            },
            variables,
        };
        notice.variables.insert("group".to_owned(), Value::Object(self.body));
        notice
    }
}

/// The alerts and their states, whatever order they come in.
fn prints(alerts: &[Value]) -> String {
    let print = |alert: &Value| format!("{}:{}", string(&alert["fingerprint"]), string(&alert["status"]));
    let mut prints: Vec<String> = alerts.iter().map(print).collect();
    prints.sort();
    prints.join(",")
}

/// What is critical goes first; what is over need not.
fn priority(status: &str, severity: &str) -> Priority {
    match (status, severity) {
        ("firing", "critical" | "page" | "emergency" | "disaster") => Priority::Urgent,
        _ => Priority::Normal,
    }
}

/// An alert as a template sees it.
pub(super) fn shown(alert: &Value) -> Value {
    let annotations = &alert["annotations"];
    let said = ["summary", "description", "message"].iter().map(|name| string(&annotations[*name]));
    let said: Vec<&str> = said.filter(|text| !text.is_empty()).collect();
    let said = |nth: usize| short(said.get(nth).copied().unwrap_or_default(), 200);
    json!({
        "status": string(&alert["status"]),
        "name": short(string(&alert["labels"]["alertname"]), 120),
        "summary": said(0),
        "description": said(1),
        "labels": labels(&alert["labels"]),
        "since": minute(string(&alert["startsAt"])),
        "until": minute(string(&alert["endsAt"])),
        "runbook_url": first(&[&annotations["runbook_url"]]),
        "url": string(&alert["generatorURL"]),
    })
}

/// The labels that tell alerts apart.
fn labels(labels: &Value) -> Map<String, Value> {
    let labels = labels.as_object().into_iter().flatten();
    let told = labels.filter(|(name, _)| !KNOWN.contains(&name.as_str()) && !name.starts_with("__"));
    told.take(LABELS).map(|(name, value)| (name.clone(), json!(short(&scalar(value), 80)))).collect()
}
