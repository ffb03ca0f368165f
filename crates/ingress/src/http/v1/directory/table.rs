//! Tables of people: what a row says, and how it is written.
//!
//! Knows nothing about the directory but its columns: `userid,name,department,mobile,email,status,sync_time`, those of the
//! table `wechat_users`; and `identities`, or `identity:KIND` for a kind of one's own.

use domain::{Identity, InvalidPerson, Person, PersonChange, PersonStatus};

use crate::http::v1::csv::{DIVIDERS, harmless, plain, quoted};

/// The columns of a table, in order.
pub(super) const COLUMNS: [&str; 7] = ["userid", "name", "department", "mobile", "email", "status", "sync_time"];

/// What a column says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Userid,
    Name,
    Departments,
    Mobile,
    Email,
    Status,
    Identities,
    /// One kind of identity.
    Identity(String),
    /// Read by nobody: when WeCom said it is not for a file to say.
    SyncTime,
}

impl Column {
    /// Reads a heading, also in the words of WeCom's own exports.
    pub(super) fn of(heading: &str) -> Option<Self> {
        let heading = heading.trim().to_lowercase();
        Some(match heading.as_str() {
            "userid" | "账号" | "帐号" => Self::Userid,
            "name" | "姓名" => Self::Name,
            "department" | "departments" | "部门" => Self::Departments,
            "mobile" | "手机" | "手机号" | "移动电话" => Self::Mobile,
            "email" | "邮箱" => Self::Email,
            "status" | "状态" => Self::Status,
            "identities" => Self::Identities,
            "sync_time" => Self::SyncTime,
            other => {
                let kind = other.strip_prefix("identity:")?;
                // Whether the kind can be one is told by reading an identity of it.
                format!("{kind}:x").parse::<Identity>().ok()?;
                Self::Identity(kind.to_owned())
            }
        })
    }
}

/// Reads a row. An empty cell says nothing: what is known stays.
pub(super) fn person(columns: &[Column], cells: &[String]) -> Result<PersonChange, InvalidPerson> {
    let mut person = PersonChange::default();
    let mut identities: Vec<Identity> = Vec::new();
    for (column, cell) in columns.iter().zip(cells) {
        let cell = plain(cell.trim());
        if cell.is_empty() {
            continue;
        }
        let divided = || cell.split(DIVIDERS).map(str::trim).filter(|part| !part.is_empty());
        match column {
            Column::Userid => person.userid = cell.to_owned(),
            Column::Name => person.name = Some(cell.to_owned()),
            Column::Departments => person.departments = Some(divided().map(str::to_owned).collect()),
            Column::Mobile => person.mobile = Some(cell.to_owned()),
            Column::Email => person.email = Some(cell.to_owned()),
            Column::Status => person.status = Some(cell.parse()?),
            Column::Identities => {
                for own in divided() {
                    identities.push(own.parse()?);
                }
            }
            Column::Identity(kind) => identities.push(format!("{kind}:{cell}").parse()?),
            Column::SyncTime => {}
        }
    }
    person.identities = (!identities.is_empty()).then_some(identities);
    if cells.len() > columns.len() {
        let message = format!("is followed by more cells than the {} columns", columns.len());
        return Err(InvalidPerson { field: "userid", message });
    }
    Ok(person)
}

/// Writes people as CSV, with the columns of `wechat_users`.
pub(super) fn written<'a>(people: impl Iterator<Item = &'a Person>) -> String {
    let mut text = COLUMNS.join(",");
    text.push_str("\r\n");
    for person in people {
        let status = person.status.map(PersonStatus::number).map(|number| number.to_string());
        let cells = [
            person.userid.clone(),
            harmless(person.name.as_deref().unwrap_or_default()),
            harmless(&person.departments.join(";")),
            person.mobile.clone().unwrap_or_default(),
            person.email.clone().unwrap_or_default(),
            status.unwrap_or_default(),
            person.synced_at.map(|at| at.to_string()).unwrap_or_default(),
        ];
        let cells: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::v1::csv::rows;
    use domain::PersonSource;

    #[test]
    fn a_row_says_what_its_cells_say() {
        let columns: Vec<Column> = ["账号", "姓名", "部门", "identity:emp", "status"]
            .iter()
            .filter_map(|heading| Column::of(heading))
            .collect();
        let row = ["zhangsan", "张三", "2；3", "1001", ""].map(str::to_owned);
        let person = person(&columns, &row).unwrap();
        assert_eq!((person.userid.as_str(), person.name.as_deref(), person.status), ("zhangsan", Some("张三"), None));
        assert_eq!(person.departments, Some(vec!["2".to_owned(), "3".to_owned()]));
        assert_eq!(person.identities.unwrap()[0].to_string(), "emp:1001");
        assert_eq!((Column::of("moble"), Column::of("identity:mobile")), (None, None));
    }

    #[test]
    fn what_is_written_is_read_again_and_runs_nowhere() {
        let formula = Person {
            name: Some("=cmd()".into()),
            departments: vec!["a,b".into(), "2".into()],
            ..Person::new("x", PersonSource::Own)
        };
        let text = written([&formula].into_iter());
        assert_eq!(text, "userid,name,department,mobile,email,status,sync_time\r\nx,'=cmd(),\"a,b;2\",,,,\r\n");
        let rows = rows(&text).unwrap();
        let columns: Vec<Column> = rows[0].1.iter().filter_map(|heading| Column::of(heading)).collect();
        let again = person(&columns, &rows[1].1).unwrap();
        assert_eq!((again.name, again.departments), (formula.name, Some(formula.departments)));
    }
}
