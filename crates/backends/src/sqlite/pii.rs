//! `pii = "sealed"`: which columns hold what names people, and how SQL seals and opens it.
//!
//! As with other sealed columns, the statements themselves do it, by functions that every connection of ours knows:
//! - `seal_recipients` and `open_recipients` for recipients, one a line: members, mailboxes and people to be looked up. Robots,
//!   group chats, departments and tags are nobody's name.
//! - `seal_member` and `open_member` for lanes: the member of a side lane.
//! - `seal_pii` and `open_pii` for texts as a whole.
//!
//! Sealed values are equal where the texts are, so statements compare and join them as before. Where `pii` is `plain`, sealing
//! gives back what it got; opening gives back what is not sealed. So `seal_x(open_x(…))` is what a column should hold, whatever
//! it holds now: by that a ledger is brought from one setting to the other (`convert`).

mod convert;

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Result};

use crate::sealing::{PII_MARK as MARK, PiiKey};

pub(super) use self::convert::bring_over;

/// The kinds of recipients that are people, as they are printed.
const PEOPLE: [&str; 3] = ["user:", "email:", "person:"];
/// What parts a side lane from its member.
const MEMBER: char = '#';

/// What one of the functions makes of a text; `None`: it stays as it is.
type Change = fn(&PiiKey, &str) -> Option<String>;

/// Registers the functions on a connection.
pub(super) fn register(connection: &Connection, key: &PiiKey) -> Result<()> {
    let functions: [(&str, Change); 6] = [
        ("seal_pii", PiiKey::seal),
        ("open_pii", PiiKey::open),
        ("seal_recipients", seal_recipients),
        ("open_recipients", |key, text| if text.contains(MARK) { by_line(text, |line| key.open(line)) } else { None }),
        ("seal_member", |key, lane| of_member(lane, |member| key.seal(member))),
        ("open_member", |key, lane| of_member(lane, |member| key.open(member))),
    ];
    // The key is taken before any of them is called, and once.
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    for (name, change) in functions {
        let key = key.clone();
        connection.create_scalar_function(name, 1, flags, move |call| changed(call, |text| change(&key, text)))?;
    }
    Ok(())
}

/// What a text becomes; itself, uncopied, if that is no other.
fn changed(call: &Context<'_>, change: impl FnOnce(&str) -> Option<String>) -> Result<ToSqlOutput<'static>> {
    let changed = match call.get_raw(0) {
        ValueRef::Text(text) => std::str::from_utf8(text).ok().and_then(change),
        _ => None,
    };
    Ok(changed.map_or(ToSqlOutput::Arg(0), |text| ToSqlOutput::Owned(Value::Text(text))))
}

fn seal_recipients(key: &PiiKey, text: &str) -> Option<String> {
    // Of very many, too, nothing is copied where nothing is sealed.
    if !key.seals() {
        return None;
    }
    by_line(text, |line| if is_person(line) { key.seal(line) } else { None })
}

fn is_person(recipient: &str) -> bool {
    PEOPLE.iter().any(|kind| recipient.starts_with(kind))
}

/// Changes lines; `None` if none of them changes.
fn by_line(text: &str, change: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut any = false;
    let lines: Vec<_> = text
        .split('\n')
        .map(|line| {
            let changed = change(line);
            any |= changed.is_some();
            changed.map_or(std::borrow::Cow::Borrowed(line), Into::into)
        })
        .collect();
    any.then(|| lines.join("\n"))
}

fn of_member(lane: &str, change: impl FnOnce(&str) -> Option<String>) -> Option<String> {
    let (main, member) = lane.split_once(MEMBER)?;
    Some(format!("{main}{MEMBER}{}", change(member)?))
}

#[cfg(test)]
mod tests {
    use domain::{Lane, Recipient};

    use super::*;

    fn connection(seals: bool) -> Connection {
        let key = PiiKey::default();
        key.take(&[7; 32], seals);
        let connection = Connection::open_in_memory().unwrap();
        register(&connection, &key).unwrap();
        connection
    }

    fn ask(connection: &Connection, function: &str, text: &str) -> String {
        connection.query_row(&format!("SELECT {function}(?)"), [text], |row| row.get(0)).unwrap()
    }

    /// Whether a kind of recipient is a person; a new kind has to be decided here.
    fn names_a_person(recipient: &Recipient) -> bool {
        match recipient {
            Recipient::User(_) | Recipient::Email(_) | Recipient::Person(_) => true,
            Recipient::Party(_) | Recipient::Tag(_) | Recipient::All | Recipient::Robot(_) | Recipient::Chat(_) => {
                false
            }
        }
    }

    #[test]
    fn recipients_who_are_people_are_sealed_and_the_others_are_not() {
        let connection = connection(true);
        let x = || "x".to_owned();
        let kinds = [
            Recipient::User(x()),
            Recipient::Party(x()),
            Recipient::Tag(x()),
            Recipient::All,
            Recipient::Robot(x()),
            Recipient::Chat(x()),
            Recipient::Email(x()),
            Recipient::Person(x()),
        ];
        let lines: Vec<_> = kinds.iter().map(ToString::to_string).collect();
        let sealed = ask(&connection, "seal_recipients", &lines.join("\n"));
        for ((kind, plain), sealed) in kinds.iter().zip(&lines).zip(sealed.lines()) {
            assert_eq!(sealed.starts_with('~'), names_a_person(kind), "{kind}");
            assert_eq!(ask(&connection, "seal_recipients", plain), *sealed);
        }
        assert_eq!(ask(&connection, "open_recipients", &sealed), lines.join("\n"));
        assert_eq!(ask(&connection, "seal_recipients", ""), "");
    }

    #[test]
    fn of_a_lane_the_member_is_sealed() {
        let connection = connection(true);
        let side = Lane::new("wecom_app", "default").of_member("zhangsan");
        let sealed = ask(&connection, "seal_member", side.as_str());
        assert!(sealed.starts_with("wecom_app:default#~") && !sealed.contains("zhangsan"), "{sealed}");
        assert_eq!(ask(&connection, "open_member", &sealed), side.as_str());
        assert_eq!(Lane::from_stored(&sealed).main(), side.main());
        assert_eq!(ask(&connection, "seal_member", "wecom_app:default"), "wecom_app:default");
    }

    #[test]
    fn what_a_column_should_hold_is_so_whatever_it_holds() {
        let (sealing, plain) = (connection(true), connection(false));
        let sealed = ask(&sealing, "seal_pii", "wang");
        for (connection, expected) in [(&sealing, sealed.as_str()), (&plain, "wang")] {
            for held in ["wang", &sealed] {
                let found: String =
                    connection.query_row("SELECT seal_pii(open_pii(?))", [held], |row| row.get(0)).unwrap();
                assert_eq!(found, expected);
            }
        }
        let nothing: Option<String> = sealing.query_row("SELECT seal_pii(NULL)", [], |row| row.get(0)).unwrap();
        assert_eq!(nothing, None);
    }
}
