//! Grafana's alerting webhook: a group of alerts like Alertmanager's, with pages of Grafana's own.
//!
//! <https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/>

use domain::Violation;
use serde_json::{Value, json};

use super::alerts::{self, Group};
use super::read::{scalar, short, string, text};
use super::{Notice, Posted, Proof, Source};

const MEND: &str = "point a contact point of the kind Webhook here, without a payload of its own";
/// How many values of an alert are shown.
const VALUES: usize = 5;

pub(in crate::hooks) struct Grafana;

impl Source for Grafana {
    fn name(&self) -> &'static str {
        "grafana"
    }

    /// Grafana names the first header so by itself; the second one has no name until the operator gives it this one.
    fn proof(&self) -> Proof {
        Proof::Signature {
            header: "x-grafana-alerting-signature",
            prefix: "",
            timestamp: Some("x-grafana-alerting-timestamp"),
        }
    }

    fn read(&self, posted: &Posted<'_>) -> Result<Vec<Notice>, Violation> {
        let group = Group::read(posted, MEND)?;
        let more = json!({
            "title": short(group.text("title"), 200),
            "message": short(group.text("message"), 500),
            "folder": short(text(group.labels(), "grafana_folder").unwrap_or_default(), 80),
        });
        let organisation = group.number("orgId");
        let mut notice = group.notice(self.name(), shown, more);
        // Each organisation of one Grafana counts its groups by itself.
        notice.key = format!("{organisation} {}", notice.key);
        Ok(vec![notice])
    }

    fn template(&self) -> Option<&'static str> {
        Some(include_str!("templates/grafana.md.j2"))
    }
}

/// An alert as the template sees it.
fn shown(alert: &Value) -> Value {
    let mut shown = alerts::shown(alert);
    shown["values"] = json!(values(alert));
    for (name, field) in [("silence_url", "silenceURL"), ("dashboard_url", "dashboardURL"), ("panel_url", "panelURL")] {
        shown[name] = json!(string(&alert[field]));
    }
    shown
}

/// `B=44.2  C=1`; older versions write nothing but a text.
fn values(alert: &Value) -> String {
    let values = alert["values"].as_object().into_iter().flatten().take(VALUES);
    let shown: Vec<String> = values.map(|(name, value)| format!("{}={}", short(name, 40), rounded(value))).collect();
    if shown.is_empty() { short(string(&alert["valueString"]), 200) } else { shown.join("  ") }
}

/// A number with no more digits than are read.
fn rounded(value: &Value) -> String {
    let Some(number) = value.as_f64().filter(|number| number.fract() != 0.0) else { return short(&scalar(value), 40) };
    let digits = format!("{number:.3}");
    // What is smaller than that is better shown as it is.
    if digits.trim_start_matches('-') == "0.000" { scalar(value) } else { digits.trim_end_matches('0').to_owned() }
}

#[cfg(test)]
mod tests {
    use domain::Priority;

    use super::super::tests::{read, recorded, refused};
    use super::*;

    #[test]
    fn a_group_that_fires_and_one_that_is_over_are_two_notices() {
        let firing = read(&Grafana, &recorded("grafana/firing"), &[]);
        let resolved = read(&Grafana, &recorded("grafana/resolved"), &[]);
        assert_ne!(firing.key, resolved.key);
        assert_eq!((firing.priority, resolved.priority), (Priority::Urgent, Priority::Normal));
        assert_eq!(firing.tags, ["grafana", "firing", "critical"]);
        assert_eq!(firing.variables["alerts"][0]["values"], "A=97.132  C=1");
        assert!(firing.variables["alerts"][0]["silence_url"].as_str().unwrap().contains("/alerting/silence/new"));
    }

    #[test]
    fn another_organisation_tells_of_another_group() {
        let one = recorded("grafana/firing");
        let other = one.replace("\"orgId\": 1", "\"orgId\": 2");
        assert_ne!(read(&Grafana, &one, &[]).key, read(&Grafana, &other, &[]).key);
    }

    #[test]
    fn values_are_short() {
        for (alert, shown) in [
            (json!({ "values": { "A": 97.131_93, "C": 1 } }), "A=97.132  C=1"),
            (json!({ "values": { "A": 0.000_01, "B": -2.5 } }), "A=0.00001  B=-2.5"),
            (
                json!({ "values": null, "valueString": "[ var='A' labels={} value=97 ]" }),
                "[ var='A' labels={} value=97 ]",
            ),
            (json!({}), ""),
        ] {
            assert_eq!(values(&alert), shown);
        }
    }

    #[test]
    fn the_alerting_before_version_nine_is_refused_by_field() {
        let body = r#"{"ruleName":"Test","state":"alerting","title":"[Alerting] Test"}"#;
        assert_eq!(refused(&Grafana, body, &[]).field, "status");
    }
}
