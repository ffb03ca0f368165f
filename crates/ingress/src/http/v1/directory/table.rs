//! Tables of people: CSV in and out, in the encodings that spreadsheets write.
//!
//! Knows nothing about the directory but its columns: `userid,name,department,mobile,email,status,sync_time`, those of the
//! table `wechat_users`; and `identities`, or `identity:KIND` for a kind of one's own.

use domain::{Identity, InvalidPerson, Person, PersonChange, PersonStatus};

/// The columns of a table, in order.
pub(super) const COLUMNS: [&str; 7] = ["userid", "name", "department", "mobile", "email", "status", "sync_time"];
/// What divides departments, and identities, within a cell.
const DIVIDERS: [char; 4] = [';', '；', '|', '\n'];
/// What a spreadsheet would take for a formula at the beginning of a cell.
const FORMULA: [char; 4] = ['=', '+', '-', '@'];

/// Reads bytes as text: UTF-8 with a byte-order mark or without, UTF-16 with one, else GB18030. `None` if it is none.
pub(super) fn decoded(bytes: &[u8]) -> Option<String> {
    if let Some((encoding, mark)) = encoding_rs::Encoding::for_bom(bytes) {
        let (text, wrong) = encoding.decode_without_bom_handling(&bytes[mark..]);
        return (!wrong).then(|| text.into_owned());
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Some(text.to_owned());
    }
    let (text, wrong) = encoding_rs::GB18030.decode_without_bom_handling(bytes);
    (!wrong).then(|| text.into_owned())
}

/// A line of a table: its number, from 1, and its cells.
type Row = (usize, Vec<String>);

/// Divides CSV (RFC 4180) into rows; what divides the cells is told by the first line: `,`, `;` or a tab.
///
/// # Errors
/// The number of the line whose quotes never end.
pub(super) fn rows(text: &str) -> Result<Vec<Row>, usize> {
    let head = text.lines().next().unwrap_or_default();
    let divider =
        [',', '\t', ';'].into_iter().rev().max_by_key(|divider| head.matches(*divider).count()).unwrap_or(',');
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut line, mut began, mut quoted) = (1, 1, None::<usize>);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if c == '\n' {
            line += 1;
        }
        match (c, quoted) {
            ('"', Some(_)) if characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            ('"', Some(_)) => quoted = None,
            (c, Some(_)) => cell.push(c),
            ('"', None) if cell.is_empty() => quoted = Some(line),
            ('\r', None) if characters.peek() == Some(&'\n') => {}
            ('\n', None) => {
                row.push(std::mem::take(&mut cell));
                rows.push((began, std::mem::take(&mut row)));
                began = line;
            }
            (c, None) if c == divider => row.push(std::mem::take(&mut cell)),
            (c, None) => cell.push(c),
        }
    }
    if let Some(line) = quoted {
        return Err(line);
    }
    if !cell.is_empty() || !row.is_empty() {
        row.push(cell);
        rows.push((began, row));
    }
    rows.retain(|(_, cells)| cells.iter().any(|cell| !cell.trim().is_empty()));
    Ok(rows)
}

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

/// What people chose themselves must not become a formula where the table is opened.
fn harmless(cell: &str) -> String {
    if cell.starts_with(FORMULA) { format!("'{cell}") } else { cell.to_owned() }
}

/// Takes away what [`harmless`] put before.
fn plain(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| rest.starts_with(FORMULA)).unwrap_or(cell)
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::PersonSource;

    fn cells(text: &str) -> Vec<(usize, Vec<String>)> {
        rows(text).unwrap()
    }

    #[test]
    fn rows_and_cells_are_divided_as_spreadsheets_write_them() {
        let expected = |rows: &[(usize, &[&str])]| -> Vec<(usize, Vec<String>)> {
            rows.iter().map(|(line, cells)| (*line, cells.iter().map(|cell| (*cell).to_owned()).collect())).collect()
        };
        assert_eq!(
            cells("a,b\r\n1,\"x, \"\"y\"\"\nz\"\r\n\r\n3,"),
            expected(&[(1, &["a", "b"]), (2, &["1", "x, \"y\"\nz"]), (5, &["3", ""])])
        );
        assert_eq!(cells("a;b\n1;2\n"), expected(&[(1, &["a", "b"]), (2, &["1", "2"])]));
        assert_eq!(cells("a\tb\n1\t2"), expected(&[(1, &["a", "b"]), (2, &["1", "2"])]));
        assert_eq!(rows("a,b\n1,\"open"), Err(2));
    }

    #[test]
    fn texts_are_read_in_the_encodings_that_there_are() {
        let (gb, _, _) = encoding_rs::GB18030.encode("张三,生产计划部");
        for bytes in [gb.as_ref(), "\u{feff}张三,生产计划部".as_bytes(), "张三,生产计划部".as_bytes()] {
            assert_eq!(decoded(bytes).as_deref(), Some("张三,生产计划部"));
        }
        assert_eq!(decoded(b"\xff\xff\xff"), None);
    }

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
        let rows = cells(&text);
        let columns: Vec<Column> = rows[0].1.iter().filter_map(|heading| Column::of(heading)).collect();
        let again = person(&columns, &rows[1].1).unwrap();
        assert_eq!((again.name, again.departments), (formula.name, Some(formula.departments)));
    }
}
