//! Brings a ledger over when `pii` was changed: at the start, before anything else reads it, a piece at a time.
//!
//! Each piece is a transaction, and the table `pii` says how far it is: a start after a crash goes on there. What has been brought
//! over already is left alone where it is met again. When what was plain is sealed, the
//! database is written anew at the end: free pages and the log hold none of it any more.

use std::time::{Duration, Instant};

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Result, params_from_iter};

use crate::config::Pii;
use crate::sealing::PiiKey;
use crate::sqlite::clicks::own_secret;

/// Rows of one transaction.
const PIECE: i64 = 500;
/// How often the log says how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(10);
/// The key's name among the gateway's own secrets.
const KEY: &str = "pii";

/// A table that names people, by its primary key: what its columns should hold, and what is sealed anew with them because it is
/// bound to one of them.
struct Table {
    name: &'static str,
    key: &'static str,
    holds: &'static [(&'static str, &'static str)],
    bound: &'static [(&'static str, &'static str)],
}

/// What a column of each kind should hold.
macro_rules! pii {
    ($column:literal) => {
        ($column, concat!("seal_pii(open_pii(", $column, "))"))
    };
}
macro_rules! recipients {
    ($column:literal) => {
        ($column, concat!("seal_recipients(open_recipients(", $column, "))"))
    };
}
macro_rules! lane {
    ($column:literal) => {
        ($column, concat!("seal_member(open_member(", $column, "))"))
    };
}
/// What is sealed for a row whose name becomes another; what does not open is kept as it is.
macro_rules! bound {
    ($kind:literal, $name:literal, $column:literal) => {
        (
            $column,
            concat!(
                "COALESCE(seal_text('",
                $kind,
                "', seal_pii(open_pii(",
                $name,
                ")), open_text('",
                $kind,
                "', ",
                $name,
                ", ",
                $column,
                ")), ",
                $column,
                ")"
            ),
        )
    };
}

/// All of them. A column that is not here names nobody, or is sealed for its row: docs/decisions/0020.
const TABLES: &[Table] = &[
    Table { name: "message", key: "id", holds: &[pii!("options"), pii!("route")], bound: &[] },
    Table {
        name: "delivery",
        key: "id",
        holds: &[lane!("lane"), recipients!("recipients"), pii!("address"), pii!("reason")],
        bound: &[],
    },
    Table {
        name: "recipient",
        key: "delivery_id, recipient",
        holds: &[recipients!("recipient"), pii!("reason")],
        bound: &[],
    },
    Table { name: "attempt", key: "id", holds: &[lane!("lane"), pii!("reason")], bound: &[] },
    Table { name: "term", key: "run, term, message_id", holds: &[recipients!("term")], bound: &[] },
    Table { name: "idempotency", key: "caller, key", holds: &[pii!("key")], bound: &[] },
    Table { name: "dedupe", key: "caller, key", holds: &[pii!("key")], bound: &[] },
    Table {
        name: "person",
        key: "userid",
        holds: &[pii!("userid"), pii!("shown")],
        bound: &[bound!("person", "userid", "sealed")],
    },
    Table {
        name: "heard",
        key: "id",
        holds: &[pii!("key"), pii!("sender")],
        bound: &[bound!("event", "key", "body"), bound!("event", "key", "reply")],
    },
    Table { name: "feedback", key: "message_id, at, who, action, key", holds: &[pii!("who")], bound: &[] },
    Table {
        name: "webhook_event",
        key: "id",
        // An event of a message is named by the message, which a trigger writes.
        holds: &[("key", "CASE WHEN body IS NULL THEN key ELSE seal_pii(open_pii(key)) END"), pii!("error")],
        bound: &[bound!("event", "key", "body")],
    },
    Table { name: "schedule", key: "id", holds: &[pii!("last_error")], bound: &[] },
    Table { name: "broadcast", key: "id", holds: &[pii!("request_key")], bound: &[] },
    Table { name: "media", key: "id", holds: &[pii!("file_name")], bound: &[] },
];

/// Takes the key, if it is needed, and brings the ledger over if it is not as it should be.
pub(in crate::sqlite) fn bring_over(connection: &Connection, key: &PiiKey, pii: Pii) -> Result<()> {
    let wanted = pii == Pii::Sealed;
    let (sealed, mut step, done): (bool, u32, bool) =
        connection
            .query_row("SELECT sealed, step, done FROM pii", [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    if done && !wanted && !sealed {
        return Ok(());
    }
    key.take(&own_secret(connection, KEY)?, wanted);
    if done && sealed == wanted {
        return Ok(());
    }
    if sealed != wanted {
        connection.execute("UPDATE pii SET sealed = ?, step = 0, after = NULL, done = 0", [wanted])?;
        step = 0;
    }
    let began = Instant::now();
    let setting = if wanted { "sealed" } else { "plain" };
    if connection.prepare("SELECT 1 FROM message")?.exists([])? {
        tracing::info!(setting, "Bringing the ledger over to encryption.pii as it is set; it is served afterwards");
    }
    bring_tables_over(connection, step)?;
    if wanted {
        connection.execute_batch("VACUUM")?;
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    }
    connection.execute("UPDATE pii SET done = 1", [])?;
    tracing::info!(setting, seconds = began.elapsed().as_secs(), "The ledger is as encryption.pii is set");
    Ok(())
}

/// Brings over all tables but the first so many.
fn bring_tables_over(connection: &Connection, done: u32) -> Result<()> {
    for (number, table) in (1..).zip(TABLES).skip_while(|(number, _)| *number <= done) {
        let rows = bring_table_over(connection, table)?;
        connection.execute("UPDATE pii SET step = ?, after = NULL", [number])?;
        if rows > 0 {
            tracing::info!(table = table.name, rows, "Brought a table over");
        }
    }
    Ok(())
}

/// Brings over what is left of a table; returns how many rows were changed.
fn bring_table_over(connection: &Connection, table: &Table) -> Result<usize> {
    let left: Option<String> = connection.query_row("SELECT after FROM pii", [], |row| row.get(0))?;
    let mut later = left.map_or_else(Later::default, |key| Later { sql: table.later_than(&key), key: Vec::new() });
    let (mut rows, mut told) = (0, Instant::now());
    loop {
        let piece = connection.unchecked_transaction()?;
        let (last, changed) = bring_piece_over(&piece, table, &later)?;
        piece.commit()?;
        rows += changed;
        let Some(key) = last else { return Ok(rows) };
        later = Later { sql: table.later_than(&table.marks()), key };
        if told.elapsed() >= TOLD_EVERY {
            tracing::info!(table = table.name, rows, "Bringing a table over");
            told = Instant::now();
        }
    }
}

/// Which rows of a table are still to be looked at, and the key that is bound in it.
struct Later {
    sql: String,
    key: Vec<Value>,
}

impl Default for Later {
    fn default() -> Self {
        Self { sql: "1".to_owned(), key: Vec::new() }
    }
}

impl Table {
    fn later_than(&self, key: &str) -> String {
        format!("({}) > ({key})", self.key)
    }

    fn key_columns(&self) -> Vec<&'static str> {
        self.key.split(", ").collect()
    }

    /// A question mark for each column of the key.
    fn marks(&self) -> String {
        vec!["?"; self.key_columns().len()].join(", ")
    }
}

/// Brings over some rows; returns the key of the last, or `None` if that was the table's last, and how many were changed.
///
/// A row whose key becomes another may be met again further on: it is as it should be then.
fn bring_piece_over(connection: &Connection, table: &Table, later: &Later) -> Result<(Option<Vec<Value>>, usize)> {
    let Table { name, key, holds, bound } = table;
    let columns = table.key_columns();
    let quoted: Vec<_> = columns.iter().map(|column| format!("quote({column})")).collect();
    let find = format!(
        "SELECT {key}, {} FROM {name} WHERE {} ORDER BY {key} LIMIT 1 OFFSET {}",
        quoted.join(" || ', ' || "),
        later.sql,
        PIECE - 1
    );
    let last = connection
        .prepare_cached(&find)?
        .query_row(params_from_iter(&later.key), |found| {
            let key = (0..columns.len()).map(|column| found.get(column)).collect::<Result<Vec<Value>>>()?;
            Ok((key, found.get::<_, String>(columns.len())?))
        })
        .optional()?;
    let (last, written) = last.unzip();
    let until = if last.is_some() { format!("({key}) <= ({})", table.marks()) } else { "1".to_owned() };
    let set: Vec<_> = holds.iter().chain(*bound).map(|(column, value)| format!("{column} = {value}")).collect();
    let is_other: Vec<_> = holds.iter().map(|(column, value)| format!("{column} IS NOT {value}")).collect();
    let change = format!(
        "UPDATE OR REPLACE {name} SET {} WHERE {} AND {until} AND ({})",
        set.join(", "),
        later.sql,
        is_other.join(" OR ")
    );
    let range = later.key.iter().chain(last.iter().flatten());
    let changed = connection.prepare_cached(&change)?.execute(params_from_iter(range))?;
    connection.execute("UPDATE pii SET after = ?", [written])?;
    Ok((last, changed))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use rusqlite::Connection;

    use super::super::super::schema;
    use super::TABLES;

    /// Columns of text that hold no name of a person in the clear: ours, callers' words for things, or sealed for their row.
    const NAMELESS: &[(&str, &str)] = &[
        ("api_call", "api"),
        ("api_key", "hash prefix caller scopes allow settings secret"),
        ("attempt", "result request"),
        ("audit", "who action subject before after"),
        ("broadcast", "name caller scopes allow key tiers held_by"),
        ("broadcast_row", "error"),
        ("callback_keys", "callback body"),
        ("card", "task_id"),
        ("dedupe", "caller"),
        ("delivery", "caller body handle digest"),
        ("feedback", "action key"),
        ("front_token", "hash key"),
        ("heard", "callback"),
        ("idempotency", "caller"),
        ("key_use", "hash"),
        ("link", "target"),
        ("long_content", "content"),
        ("media", "caller"),
        ("message", "caller content tags metadata template webhook"),
        ("own_secret", "name body"),
        ("person", "source"),
        ("person_list", "kind name sealed"),
        ("person_lookup", "sealed"),
        // While a ledger is brought over, and never after.
        ("pii", "after"),
        ("request", "lane"),
        ("schedule", "name caller scopes allow key cron zone missed"),
        ("template", "name body"),
        ("upload", "scope media_id"),
        ("webhook_event", "target topic"),
    ];

    fn columns<'a>(of: impl IntoIterator<Item = (&'a str, &'a str)>) -> BTreeSet<String> {
        of.into_iter().flat_map(|(table, names)| names.split(' ').map(move |name| format!("{table}.{name}"))).collect()
    }

    #[test]
    fn of_every_column_of_text_it_is_decided_whether_it_names_people() {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection, Path::new("")).unwrap();
        let mut find = connection
            .prepare(
                "SELECT t.name || '.' || c.name FROM sqlite_schema AS t JOIN pragma_table_info(t.name) AS c
                 WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND c.type = 'TEXT'",
            )
            .unwrap();
        let found: BTreeSet<String> = find.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        let named =
            TABLES.iter().flat_map(|table| table.holds.iter().chain(table.bound).map(|column| (table.name, column.0)));
        assert_eq!(found, columns(named.chain(NAMELESS.iter().copied())));
    }
}
