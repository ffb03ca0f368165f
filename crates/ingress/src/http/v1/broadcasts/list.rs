//! The list of a broadcast: tiers in JSON, or a table with a row for each.

use std::fmt;

use domain::{Addressee, BroadcastRow, Violation};
use pipeline::MOST_ROWS;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::http::ApiError;
use crate::http::v1::csv;
use crate::http::v1::submission::is_plausible;

/// One tier.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http::v1) struct TierBody {
    /// What it is called; default: its number.
    name: Option<String>,
    /// Who belongs to it.
    #[serde(deserialize_with = "no_more_than_a_broadcast_has")]
    people: Vec<PersonBody>,
}

/// Somebody of a tier: a name alone, or names and what the template is told about them.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub(in crate::http::v1) enum PersonBody {
    /// Whom: `zhangsan`, `emp:1001`, `mobile:138…`, `party:2`, `robot:ops`, `li@example.com`.
    Name(String),
    /// Whom, and variables of the template.
    WithVariables(WithVariables),
}

/// Whom, and variables of the template.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http::v1) struct WithVariables {
    /// One name, or several.
    to: Names,
    /// What the template is given, besides the variables of the message.
    #[serde(default)]
    #[schema(value_type = Object)]
    variables: Map<String, Value>,
}

/// One name, or several.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub(in crate::http::v1) enum Names {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

/// Reads people, and no more of them than a broadcast may have: a list that is far too long is not built first.
fn no_more_than_a_broadcast_has<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PersonBody>, D::Error> {
    struct People;

    impl<'de> Visitor<'de> for People {
        type Value = Vec<PersonBody>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut people = Vec::new();
            while let Some(person) = list.next_element()? {
                if people.len() == MOST_ROWS {
                    return Err(A::Error::custom(format_args!("a tier has more than {MOST_ROWS} people")));
                }
                people.push(person);
            }
            Ok(people)
        }
    }

    deserializer.deserialize_seq(People)
}

/// A list as it was read.
#[derive(Debug)]
pub(super) struct List {
    /// What tiers are called, in their order.
    pub(super) tiers: Vec<String>,
    /// The rows, in the order in which they were written.
    pub(super) rows: Vec<BroadcastRow>,
}

impl List {
    /// Reads tiers.
    pub(super) fn of_tiers(tiers: Vec<TierBody>) -> Result<Self, ApiError> {
        let mut list = Self { tiers: Vec::with_capacity(tiers.len()), rows: Vec::new() };
        let mut line = 0;
        for tier in tiers {
            let number = list.number_of(tier.name.unwrap_or_else(|| (list.tiers.len() + 1).to_string()))?;
            for person in tier.people {
                line += 1;
                let (names, variables) = match person {
                    PersonBody::Name(name) => (vec![name], Map::new()),
                    PersonBody::WithVariables(with) => match with.to {
                        Names::One(name) => (vec![name], with.variables),
                        Names::Several(names) => (names, with.variables),
                    },
                };
                list.add(line, number, names.iter().map(String::as_str), &variables)?;
            }
        }
        Ok(list)
    }

    /// Reads a table: a column says whom a row is for, one perhaps which tier it belongs to, all others are variables.
    pub(super) fn of_table(bytes: &[u8]) -> Result<Self, ApiError> {
        let wrong =
            |message: String, hint: &str| ApiError::from(Violation::new("invalid", "people", message).with_hint(hint));
        let text = csv::decoded(bytes)
            .ok_or_else(|| wrong("is neither UTF-8 nor GB18030".to_owned(), "save it as CSV in one of these"))?;
        let rows = csv::rows(&text)
            .map_err(|line| wrong(format!("has a quote in line {line} that never ends"), "write `\"\"` for one"))?;
        let mut rows = rows.into_iter();
        let columns: Vec<Column> = match rows.next() {
            Some((_, headings)) => headings.iter().map(|heading| Column::of(heading)).collect(),
            None => return Err(wrong("is empty".to_owned(), "its first line names the columns: to,tier,…")),
        };
        if !columns.contains(&Column::To) {
            let hint = "it says whom a row is for; userid and 接收人 are taken, too";
            return Err(wrong("has no column `to`".to_owned(), hint));
        }
        let mut read = Vec::new();
        let mut names: Vec<String> = Vec::new();
        for (line, cells) in rows {
            if cells.len() > columns.len() {
                let message = format!("has more cells in line {line} than the {} columns", columns.len());
                return Err(wrong(message, "quote a cell that holds the divider"));
            }
            let row = Row::of(&columns, &cells);
            if !names.contains(&row.tier) {
                names.push(row.tier.clone());
            }
            read.push((line, row));
        }
        // Tiers that are numbered go by their numbers, others as they come.
        if names.iter().all(|name| name.parse::<u32>().is_ok()) {
            names.sort_by_key(|name| name.parse::<u32>().unwrap_or_default());
        }
        let mut list = Self { tiers: Vec::new(), rows: Vec::with_capacity(read.len()) };
        for name in names {
            list.number_of(name)?;
        }
        for (line, row) in read {
            let number = list.number_of(row.tier)?;
            let line = u32::try_from(line).unwrap_or(u32::MAX);
            list.add(line, number, row.to.split(csv::DIVIDERS), &row.variables)?;
        }
        Ok(list)
    }

    /// The number of a tier; a name that is new is the next.
    fn number_of(&mut self, name: String) -> Result<u16, ApiError> {
        let known = self.tiers.iter().position(|tier| *tier == name);
        let index = known.unwrap_or(self.tiers.len());
        if known.is_none() {
            self.tiers.push(name);
        }
        u16::try_from(index).map_err(|_| {
            let violation = Violation::new("too_many", "tiers", "are more than 65 536");
            violation.with_hint("a tier holds many people").into()
        })
    }

    fn add<'a>(
        &mut self,
        line: u32,
        tier: u16,
        names: impl Iterator<Item = &'a str>,
        variables: &Map<String, Value>,
    ) -> Result<(), ApiError> {
        let before = self.rows.len();
        let field = || format!("line {line}.to");
        for name in names.map(str::trim).filter(|name| !name.is_empty()) {
            let to = name.parse::<Addressee>().ok().filter(|to| match to {
                Addressee::Recipient(recipient) => is_plausible(recipient),
                Addressee::Person(_) => true,
            });
            let to = to.ok_or_else(|| {
                let shown: String = name.chars().take(80).collect();
                Violation::new("invalid", field(), format!("holds {shown:?}, which names nobody"))
                    .with_hint("write zhangsan, emp:1001, mobile:138…, party:2, robot:ops or li@example.com")
            })?;
            if self.rows.len() == MOST_ROWS {
                let violation = Violation::new("too_many", "tiers", format!("name more than {MOST_ROWS} people"));
                return Err(violation.with_hint("divide the list, or address departments or tags").into());
            }
            self.rows.push(BroadcastRow { line, tier, group: 0, to, variables: variables.clone() });
        }
        if self.rows.len() == before {
            let violation = Violation::new("missing", field(), "names nobody");
            return Err(violation.with_hint("take the row out, or say whom it is for").into());
        }
        Ok(())
    }
}

/// What a column of a table says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Column {
    To,
    Tier,
    Variable(String),
}

impl Column {
    fn of(heading: &str) -> Self {
        match heading.trim().to_lowercase().as_str() {
            "to" | "userid" | "接收人" | "账号" | "帐号" => Self::To,
            "tier" | "级别" | "层级" => Self::Tier,
            _ => Self::Variable(heading.trim().to_owned()),
        }
    }
}

/// A row of a table. What an empty cell would say is not said: a template's default stands.
#[derive(Default)]
struct Row {
    to: String,
    tier: String,
    variables: Map<String, Value>,
}

impl Row {
    fn of(columns: &[Column], cells: &[String]) -> Self {
        let mut row = Self { tier: "1".to_owned(), ..Self::default() };
        for (column, cell) in columns.iter().zip(cells) {
            let cell = csv::plain(cell.trim());
            match column {
                _ if cell.is_empty() => {}
                Column::To => row.to = cell.to_owned(),
                Column::Tier => row.tier = cell.to_owned(),
                Column::Variable(name) => {
                    row.variables.insert(name.clone(), cell.into());
                }
            }
        }
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(list: &List) -> Vec<(u32, u16, String, String)> {
        let variables = |row: &BroadcastRow| Value::Object(row.variables.clone()).to_string();
        list.rows.iter().map(|row| (row.line, row.tier, row.to.to_string(), variables(row))).collect()
    }

    #[test]
    fn a_table_says_whom_which_tier_and_what_else() {
        let table =
            "tier,to,item_name,note\n2,zhangsan;emp:1001,\"高级会员,资格\",\n10,li@example.com,x,'=1\n1,all,y,z\n";
        let list = List::of_table(table.as_bytes()).unwrap();
        assert_eq!(list.tiers, ["1", "2", "10"], "numbers go by their order");
        assert_eq!(
            shown(&list),
            [
                (2, 1, "user:zhangsan".to_owned(), r#"{"item_name":"高级会员,资格"}"#.to_owned()),
                (2, 1, "emp:1001".to_owned(), r#"{"item_name":"高级会员,资格"}"#.to_owned()),
                (3, 2, "email:li@example.com".to_owned(), r#"{"item_name":"x","note":"=1"}"#.to_owned()),
                (4, 0, "all".to_owned(), r#"{"item_name":"y","note":"z"}"#.to_owned()),
            ]
        );
        let named = List::of_table("接收人,级别\na,领导\nb,员工\nc,领导".as_bytes()).unwrap();
        assert_eq!((named.tiers, named.rows.len()), (vec!["领导".to_owned(), "员工".to_owned()], 3));
    }

    #[test]
    fn what_is_wrong_with_a_table_is_said_by_line() {
        for (table, said) in [
            ("", "is empty"),
            ("name\nx", "no column `to`"),
            ("to,a\nx,1,2", "more cells in line 2"),
            ("to\n\"x", "quote in line 2"),
            ("to,a\n,1", "`line 2.to` names nobody"),
            ("to\nx y", "`line 2.to` holds \"x y\""),
        ] {
            let refused = List::of_table(table.as_bytes()).unwrap_err();
            assert!(refused.message().contains(said), "{table:?}: {}", refused.message());
        }
    }

    #[test]
    fn tiers_hold_names_alone_or_with_variables() {
        let tiers = serde_json::json!([
            { "name": "领导", "people": ["zhangsan", { "to": ["lisi", "emp:7"], "variables": { "n": 1 } }] },
            { "people": ["party:2"] },
        ]);
        let list = List::of_tiers(serde_json::from_value(tiers).unwrap()).unwrap();
        assert_eq!(list.tiers, ["领导", "2"]);
        let seen: Vec<_> = shown(&list).into_iter().map(|(line, tier, to, _)| (line, tier, to)).collect();
        let expected = [(1, 0, "user:zhangsan"), (2, 0, "user:lisi"), (2, 0, "emp:7"), (3, 1, "party:2")];
        assert_eq!(seen, expected.map(|(line, tier, to)| (line, tier, to.to_owned())));
    }
}
