//! Rules: which route a message takes that names none.

use serde::{Deserialize, Serialize};

use crate::{Calendar, Hours, Priority, Timestamp};

/// A rule: every condition that it names must hold; one that it does not name holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The route that is taken, by its configured name.
    pub route: String,
    /// The message has one of these tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The message has one of these priorities.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub priorities: Vec<Priority>,
    /// The message comes from one of these callers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub callers: Vec<String>,
    /// The message comes in these hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
}

/// Why a rule did not apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// The rule, from 0.
    pub rule: usize,
    /// The condition that did not hold: `tags`, `priorities`, `callers` or `hours`.
    pub condition: &'static str,
}

/// Which rule applied, and why those before it did not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// The rule, from 0; none applied without.
    pub rule: Option<usize>,
    /// Those before it.
    pub missed: Vec<Missed>,
}

/// Finds the first rule that applies.
pub fn choose(
    rules: &[Rule],
    (caller, tags, priority): (&str, &[String], Priority),
    now: Timestamp,
    calendar: &Calendar,
) -> Choice {
    let mut choice = Choice::default();
    for (i, rule) in rules.iter().enumerate() {
        let condition = if !rule.tags.is_empty() && !rule.tags.iter().any(|tag| tags.contains(tag)) {
            "tags"
        } else if !rule.priorities.is_empty() && !rule.priorities.contains(&priority) {
            "priorities"
        } else if !rule.callers.is_empty() && !rule.callers.iter().any(|name| name == caller) {
            "callers"
        } else if rule.hours.as_ref().is_some_and(|hours| !hours.contain(now, calendar)) {
            "hours"
        } else {
            choice.rule = Some(i);
            break;
        };
        choice.missed.push(Missed { rule: i, condition });
    }
    choice
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_holds_is_taken_and_the_others_say_why_not() {
        let rules: Vec<Rule> = serde_json::from_str(
            r#"[
                {"route":"night","hours":{"from":"22:00","to":"08:00"}},
                {"route":"plan","tags":["pmc","erp"],"priorities":["urgent"]},
                {"route":"rest","callers":["erp"]}
            ]"#,
        )
        .unwrap();
        let noon = "2026-07-20T12:00:00+08:00".parse().unwrap();
        let choose = |caller: &str, tags: &[&str], priority| {
            let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
            choose(&rules, (caller, &tags, priority), noon, &Calendar::china())
        };
        let missed = |rule, condition| Missed { rule, condition };
        assert_eq!(choose("x", &["pmc"], Priority::Urgent), Choice { rule: Some(1), missed: vec![missed(0, "hours")] });
        let plain = choose("erp", &["pmc"], Priority::Normal);
        assert_eq!(plain, Choice { rule: Some(2), missed: vec![missed(0, "hours"), missed(1, "priorities")] });
        assert_eq!(choose("x", &[], Priority::Bulk).rule, None);
    }
}
