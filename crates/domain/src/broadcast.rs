//! Broadcasts: one message for many, tier after tier, a group at a time, with variables for each of them.
//!
//! Knows nothing about how a list is written, or when a group goes.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Recipient, Submission, SubmissionContent};

/// Where a broadcast stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BroadcastState {
    /// Its list is being written: nothing is sent, and it is gone if that is cut short.
    Preparing,
    /// Group after group is handed in.
    Running,
    /// It rests until somebody lets it go on.
    Paused,
    /// Every group was handed in.
    Done,
    /// It was stopped before its end.
    Cancelled,
}

impl BroadcastState {
    /// Every state, by number.
    pub const ALL: [Self; 5] = [Self::Preparing, Self::Running, Self::Paused, Self::Done, Self::Cancelled];

    /// Returns the name that is shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }

    /// Tells whether nothing more will be handed in.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled)
    }
}

/// Whom a row of a list is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Addressee {
    /// A recipient.
    Recipient(Recipient),
    /// A business identity, such as `emp:1001`.
    Person(String),
}

impl fmt::Display for Addressee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recipient(recipient) => recipient.fmt(f),
            Self::Person(identity) => f.write_str(identity),
        }
    }
}

/// The text names nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names nobody")]
pub struct InvalidAddressee(String);

impl FromStr for Addressee {
    type Err = InvalidAddressee;

    /// Reads what lists say: `zhangsan`, `li@example.com`, `party:2`, `robot:ops`, `@all`, `emp:1001`, `mobile:138…`.
    fn from_str(text: &str) -> Result<Self, InvalidAddressee> {
        let text = text.trim();
        if text.is_empty() || text.ends_with(':') || text.starts_with(':') {
            return Err(InvalidAddressee(text.to_owned()));
        }
        Ok(match text.parse() {
            Ok(recipient) => Self::Recipient(recipient),
            Err(_) if text == "@all" => Self::Recipient(Recipient::All),
            Err(_) if text.contains(':') => Self::Person(text.to_owned()),
            Err(_) if text.contains('@') => Self::Recipient(Recipient::Email(text.to_owned())),
            Err(_) => Self::Recipient(Recipient::User(text.to_owned())),
        })
    }
}

/// One row of a list: somebody, and what the message is to say to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BroadcastRow {
    /// Where it stands in the list, as whoever wrote it counts.
    pub line: u32,
    /// Which tier it belongs to, from 0.
    pub tier: u16,
    /// Which group it goes with, from 0.
    pub group: u32,
    /// Whom it is for.
    pub to: Addressee,
    /// What the template is given, besides what is the same for all.
    pub variables: Map<String, Value>,
}

/// How a row is stored: sealed, and only until it was handed in.
#[derive(Serialize, Deserialize)]
struct StoredRow<'a> {
    to: std::borrow::Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    variables: std::borrow::Cow<'a, Map<String, Value>>,
}

impl BroadcastRow {
    /// Writes whom it is for and its variables, as the ledger stores them.
    pub fn to_stored(&self) -> String {
        let to = self.to.to_string().into();
        let stored = StoredRow { to, variables: std::borrow::Cow::Borrowed(&self.variables) };
        serde_json::to_string(&stored).unwrap_or_default()
    }

    /// Reads what [`Self::to_stored`] wrote; `None` if it was something else.
    pub fn from_stored((line, tier, group): (u32, u16, u32), stored: &str) -> Option<Self> {
        let stored: StoredRow<'_> = serde_json::from_str(stored).ok()?;
        let variables = stored.variables.into_owned();
        Some(Self { line, tier, group, to: stored.to.parse().ok()?, variables })
    }
}

/// Divides rows into groups of at most `size`, none of which spans two tiers: rows of the first tier go first.
pub fn in_groups(mut rows: Vec<BroadcastRow>, size: usize) -> Vec<BroadcastRow> {
    rows.sort_by_key(|row| row.tier);
    let (mut group, mut held, mut tier) = (0_u32, 0_usize, rows.first().map_or(0, |row| row.tier));
    for row in &mut rows {
        if held >= size.max(1) || row.tier != tier {
            (group, held, tier) = (group + 1, 0, row.tier);
        }
        row.group = group;
        held += 1;
    }
    rows
}

/// Finds the rows that are told the same: one message carries it to all of them. In the order of the rows.
pub fn told_the_same(rows: &[BroadcastRow]) -> Vec<Vec<usize>> {
    let mut by_variables: HashMap<String, usize> = HashMap::new();
    let mut found: Vec<Vec<usize>> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let said = serde_json::to_string(&row.variables).unwrap_or_default();
        let place = *by_variables.entry(said).or_insert_with(|| {
            found.push(Vec::new());
            found.len() - 1
        });
        found[place].push(index);
    }
    found
}

/// What is handed in for rows that are told the same.
pub fn submission_for<'a>(message: &Submission, rows: impl IntoIterator<Item = &'a BroadcastRow>) -> Submission {
    let mut submission = message.clone();
    let mut recipients = Vec::new();
    for row in rows {
        match &row.to {
            Addressee::Recipient(recipient) => recipients.push(recipient.clone()),
            Addressee::Person(identity) => submission.people.push(identity.clone()),
        }
        if let SubmissionContent::Templated(wanted) = &mut submission.content {
            wanted.variables.extend(row.variables.clone());
        }
    }
    submission.to = recipients.into_iter().collect();
    submission
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: u32, tier: u16, to: &str, variables: Value) -> BroadcastRow {
        let variables = variables.as_object().cloned().unwrap_or_default();
        BroadcastRow { line, tier, group: 0, to: to.parse().unwrap(), variables }
    }

    #[test]
    fn a_list_names_people_as_people_write_them() {
        for (text, shown) in [
            ("zhangsan", "user:zhangsan"),
            (" user:zhangsan ", "user:zhangsan"),
            ("li@example.com", "email:li@example.com"),
            ("party:2", "party:2"),
            ("@all", "all"),
            ("emp:1001", "emp:1001"),
            ("mobile:13800138000", "mobile:13800138000"),
            ("oncall:ops", "oncall:ops"),
        ] {
            let read: Addressee = text.parse().unwrap();
            assert_eq!(read.to_string(), shown);
            assert_eq!(shown.parse(), Ok(read), "what is stored is read as the same");
        }
        for text in ["", "  ", "user:", ":1001"] {
            assert!(text.parse::<Addressee>().is_err(), "{text}");
        }
    }

    #[test]
    fn groups_keep_the_order_of_tiers_and_span_none() {
        let rows = [(1, 1), (2, 0), (3, 1), (4, 0), (5, 0), (6, 2)]
            .map(|(line, tier)| row(line, tier, &format!("user:u{line}"), Value::Null));
        let grouped = in_groups(rows.to_vec(), 2);
        let seen: Vec<_> = grouped.iter().map(|row| (row.line, row.tier, row.group)).collect();
        assert_eq!(seen, [(2, 0, 0), (4, 0, 0), (5, 0, 1), (1, 1, 2), (3, 1, 2), (6, 2, 3)]);
        assert!(in_groups(Vec::new(), 2).is_empty());
        assert_eq!(in_groups(rows.to_vec(), 0).last().unwrap().group, 5, "a group has at least one");
    }

    #[test]
    fn those_who_are_told_the_same_are_told_together() {
        let rows = [
            row(1, 0, "a", serde_json::json!({ "name": "甲" })),
            row(2, 0, "b", serde_json::json!({})),
            row(3, 0, "c", serde_json::json!({ "name": "甲" })),
            row(4, 0, "emp:1", serde_json::json!({})),
        ];
        assert_eq!(told_the_same(&rows), [vec![0, 2], vec![1, 3]]);
        let message = Submission::new(SubmissionContent::Ready(crate::Content::plain(crate::ContentKind::Text, "x")));
        let joint = submission_for(&message, [&rows[1], &rows[3]]);
        assert_eq!((joint.to.to_stored().as_str(), joint.people.as_slice()), ("user:b", &["emp:1".to_owned()][..]));
    }

    #[test]
    fn a_row_is_read_as_it_was_stored() {
        let row = row(7, 1, "emp:1001", serde_json::json!({ "item": "高级会员\n\"资格\"" }));
        assert_eq!(BroadcastRow::from_stored((7, 1, 0), &row.to_stored()), Some(row));
        assert_eq!(BroadcastRow::from_stored((7, 1, 0), "{}"), None);
    }
}
