//! Alertmanager's webhook, version 4: a group of alerts that fire or are resolved.

use std::fmt::Write as _;

use domain::Violation;
use serde_json::{Value, json};

use super::alerts::{Group, shown};
use super::read::string;
use super::{Notice, Posted, Source};

const MEND: &str = "point a webhook_configs receiver here, version 4";

pub(in crate::hooks) struct Alertmanager;

impl Source for Alertmanager {
    fn name(&self) -> &'static str {
        "alertmanager"
    }

    fn read(&self, posted: &Posted<'_>) -> Result<Vec<Notice>, Violation> {
        let group = Group::read(posted, MEND)?;
        let more = json!({ "silence_url": silence_url(&group) });
        Ok(vec![group.notice(self.name(), shown, more)])
    }

    fn template(&self) -> Option<&'static str> {
        Some(include_str!("templates/alertmanager.md.j2"))
    }
}

/// The page on which a group is silenced, filled in.
fn silence_url(group: &Group) -> String {
    let base = group.text("externalURL");
    if base.is_empty() {
        return String::new();
    }
    let mut matchers = String::new();
    for (name, value) in group.labels() {
        let separator = if matchers.is_empty() { "" } else { "," };
        let _infallible = write!(matchers, "{separator}{name}={}", Value::from(string(value)));
    }
    let filter: String = url::form_urlencoded::byte_serialize(format!("{{{matchers}}}").as_bytes()).collect();
    format!("{}/#/silences/new?filter={}", base.trim_end_matches('/'), filter.replace('+', "%20"))
}

#[cfg(test)]
mod tests {
    use domain::Priority;

    use super::super::tests::{read, recorded, refused};
    use super::*;

    #[test]
    fn a_group_that_fires_and_one_that_is_over_are_two_notices() {
        let (firing, resolved) = (
            read(&Alertmanager, &recorded("alertmanager/firing"), &[]),
            read(&Alertmanager, &recorded("alertmanager/resolved"), &[]),
        );
        assert_ne!(firing.key, resolved.key);
        assert_eq!((firing.priority, resolved.priority), (Priority::Urgent, Priority::Normal));
        assert_eq!(firing.mention.users, ["zhangsan", "lisi"]);
        assert_eq!(firing.tags, ["alertmanager", "firing", "critical"]);
    }

    #[test]
    fn the_other_of_a_pair_tells_the_same() {
        let one = recorded("alertmanager/firing");
        let mut other: Value = serde_json::from_str(&one).unwrap();
        other["externalURL"] = json!("http://am-2:9093");
        other["alerts"].as_array_mut().unwrap().reverse();
        assert_eq!(read(&Alertmanager, &one, &[]).key, read(&Alertmanager, &other.to_string(), &[]).key);
    }

    #[test]
    fn it_can_be_silenced_from_the_message() {
        let url = read(&Alertmanager, &recorded("alertmanager/firing"), &[]).variables["silence_url"].clone();
        let url = url.as_str().unwrap();
        assert!(
            url.starts_with("http://alertmanager.example:9093/#/silences/new?filter=%7Balertname%3D%22DiskFull%22"),
            "{url}"
        );
    }

    #[test]
    fn a_body_of_another_kind_is_refused_by_field() {
        for (body, field) in [("{}", "status"), ("[]", "(body)"), ("no", "(body)")] {
            assert_eq!(refused(&Alertmanager, body, &[]).field, field);
        }
    }
}
