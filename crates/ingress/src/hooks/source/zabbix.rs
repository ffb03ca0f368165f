//! Zabbix: what the script of our guide (docs/guides/zabbix.md) posts of a problem, its update, its end.
//!
//! Zabbix posts nothing by itself: a media type's script makes JSON of macros, every value a text. A macro that stands for
//! nothing stays as it is written, or becomes `*UNKNOWN*`.

use domain::{Priority, Violation};
use serde_json::{Map, Value, json};

use super::read::{mention, missing, scalar, short, tags};
use super::{Notice, Posted, Source};

const MEND: &str = "use the script and the parameters of docs/guides/zabbix.md";

pub(in crate::hooks) struct Zabbix;

impl Source for Zabbix {
    fn name(&self) -> &'static str {
        "zabbix"
    }

    fn read(&self, posted: &Posted<'_>) -> Result<Vec<Notice>, Violation> {
        let body = posted.object()?;
        let field = |name: &str| body.get(name).map(said).unwrap_or_default();
        let needed = |name: &str| Some(field(name)).filter(|text| !text.is_empty()).ok_or_else(|| missing(name, MEND));
        let id = needed("event_id")?;
        let value = needed("event_value")?;
        let status = match (value.as_str(), field("event_update_status").as_str()) {
            ("0" | "1", "1") => "updated",
            ("1", _) => "problem",
            ("0", _) => "resolved",
            _ => return Err(Violation::new("invalid", "event_value", "is neither 1 nor 0").with_hint(MEND)),
        };
        let level: u8 = field("event_nseverity").parse().unwrap_or(0);
        let severity = field("event_severity");
        let mut variables = Map::new();
        let mut put = |name: &str, value: Value| variables.insert(name.to_owned(), value);
        put("status", json!(status));
        put("over", json!(value == "0"));
        put("level", json!(level));
        for (name, longest) in SHOWN {
            put(name, json!(short(&field(name), longest)));
        }
        put("since", json!(together(&field("event_date"), &field("event_time"))));
        put("until", json!(together(&field("event_recovery_date"), &field("event_recovery_time"))));
        put("url", json!(field("url")));
        // Of one problem there may be many updates.
        let update = if status == "updated" {
            format!(
                "{} {} {} {}",
                field("event_update_date"),
                field("event_update_time"),
                field("event_update_action"),
                field("event_update_message")
            )
        } else {
            String::new()
        };
        let called = mention(&field("mention"), &field("mention_mobiles"));
        put("body", Value::Object(body));
        Ok(vec![Notice {
            key: format!("{id} {value} {update}"),
            // High and disaster.
            priority: if status == "problem" && level >= 4 { Priority::Urgent } else { Priority::Normal },
            tags: tags([self.name(), status, &severity]),
            mention: called,
            variables,
        }])
    }

    fn template(&self) -> Option<&'static str> {
        Some(include_str!("templates/zabbix.md.j2"))
    }
}

/// What is shown as it comes, and how much of it, in characters.
const SHOWN: [(&str, usize); 8] = [
    ("event_name", 200),
    ("event_severity", 40),
    ("host", 120),
    ("event_opdata", 200),
    ("event_duration", 40),
    ("event_update_user", 60),
    ("event_update_action", 120),
    ("event_update_message", 300),
];

/// What a macro stood for.
fn said(value: &Value) -> String {
    let text = scalar(value);
    let unresolved = text == "*UNKNOWN*" || (text.starts_with('{') && text.ends_with('}') && is_macro(&text));
    if unresolved { String::new() } else { text }
}

/// `{EVENT.OPDATA}`, `{$ZABBIX.URL}`
fn is_macro(text: &str) -> bool {
    text[1..text.len() - 1]
        .bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b".$_#".contains(&byte))
}

/// `2026.11.26` and `10:03:04` → `2026-11-26 10:03`.
fn together(date: &str, time: &str) -> String {
    let time = time.rsplit_once(':').map_or(time, |(minutes, _)| minutes);
    short(&format!("{} {time}", date.replace('.', "-")), 40)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{read, recorded, refused};
    use super::*;

    #[test]
    fn a_problem_its_update_and_its_end_are_told_apart() {
        let told = |file: &str| read(&Zabbix, &recorded(&format!("zabbix/{file}")), &[]);
        let (problem, update, resolved) = (told("problem"), told("update"), told("resolved"));
        assert_eq!(problem.tags, ["zabbix", "problem", "High"]);
        assert_eq!(update.tags, ["zabbix", "updated", "High"]);
        assert_eq!(resolved.tags, ["zabbix", "resolved", "High"]);
        let priorities = [problem.priority, update.priority, resolved.priority];
        assert_eq!(priorities, [Priority::Urgent, Priority::Normal, Priority::Normal]);
        assert!(problem.key != update.key && update.key != resolved.key && problem.key != resolved.key);
        assert_eq!(problem.mention.users, ["zhangsan"]);
    }

    #[test]
    fn a_macro_that_stands_for_nothing_says_nothing() {
        for (text, shown) in [
            ("{EVENT.OPDATA}", ""),
            ("{$ZABBIX.URL}", ""),
            ("*UNKNOWN*", ""),
            ("{}", ""),
            ("{\"a\":1}", "{\"a\":1}"),
            ("97 %", "97 %"),
        ] {
            assert_eq!(said(&json!(text)), shown);
        }
        let problem = read(&Zabbix, &recorded("zabbix/problem"), &[]);
        assert_eq!((&problem.variables["until"], &problem.variables["event_update_message"]), (&json!(""), &json!("")));
        assert_eq!(problem.variables["since"], "2026-11-26 10:03");
    }

    #[test]
    fn a_body_of_another_kind_is_refused_by_field() {
        assert_eq!(refused(&Zabbix, "{}", &[]).field, "event_id");
        assert_eq!(refused(&Zabbix, r#"{"event_id":1}"#, &[]).field, "event_value");
        assert_eq!(refused(&Zabbix, r#"{"event_id":1,"event_value":"{EVENT.VALUE}"}"#, &[]).field, "event_value");
        assert_eq!(refused(&Zabbix, r#"{"event_id":1,"event_value":2}"#, &[]).field, "event_value");
    }
}
