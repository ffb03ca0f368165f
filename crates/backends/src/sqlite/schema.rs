//! The schema: brought up to date step by step, and whether the file is ours at all.

use std::path::Path;

use domain::MessageId;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::OpenError;

/// Marks the file as Hongyan's (`PRAGMA application_id`): "`HYan`".
const APPLICATION_ID: i64 = 0x4859_616e;

const MIGRATIONS: &[(i64, &str)] = &[
    (1, include_str!("../../migrations/sqlite/0001_ledger.sql")),
    (2, include_str!("../../migrations/sqlite/0002_compact.sql")),
    (3, include_str!("../../migrations/sqlite/0003_delivery_rules.sql")),
    (4, include_str!("../../migrations/sqlite/0004_api_calls.sql")),
    (5, include_str!("../../migrations/sqlite/0005_templates.sql")),
    (6, include_str!("../../migrations/sqlite/0006_sealing.sql")),
    (7, include_str!("../../migrations/sqlite/0007_webhooks.sql")),
    (8, include_str!("../../migrations/sqlite/0008_callbacks.sql")),
    (9, include_str!("../../migrations/sqlite/0009_front.sql")),
    (10, include_str!("../../migrations/sqlite/0010_clicks.sql")),
    (11, include_str!("../../migrations/sqlite/0011_audit.sql")),
    (12, include_str!("../../migrations/sqlite/0012_schedules.sql")),
    (13, include_str!("../../migrations/sqlite/0013_directory.sql")),
    (14, include_str!("../../migrations/sqlite/0014_broadcasts.sql")),
    (15, include_str!("../../migrations/sqlite/0015_file_links.sql")),
    (16, include_str!("../../migrations/sqlite/0016_pii.sql")),
];

/// Brings an empty or older file to the newest schema, one transaction a step; refuses a foreign or newer one.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let found = recognise(connection, path)?;
    let failed = |source| OpenError::Database { path: path.to_owned(), source };
    register_id_bytes(connection).map_err(failed)?;
    for (version, sql) in MIGRATIONS.iter().filter(|(version, _)| *version > found) {
        let step = Transaction::new(connection, TransactionBehavior::Immediate).map_err(failed)?;
        step.execute_batch(sql).map_err(failed)?;
        step.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
        step.pragma_update(None, "user_version", version).map_err(failed)?;
        pipeline::crash_point("migration-before-commit");
        step.commit().map_err(failed)?;
    }
    Ok(())
}

/// Returns the schema of a file that is ours: 0 if it is empty.
pub(super) fn recognise(connection: &Connection, path: &Path) -> Result<i64, OpenError> {
    let number = |sql| {
        let number = connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        number.map_err(|source| OpenError::Database { path: path.to_owned(), source })
    };
    let application = number("PRAGMA application_id")?;
    let found = number("PRAGMA user_version")?;
    if application != APPLICATION_ID && (application != 0 || number("SELECT COUNT(*) FROM sqlite_schema")? > 0) {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    let known = MIGRATIONS.last().map_or(0, |(version, _)| *version);
    if found > known {
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    }
    Ok(found)
}

/// `id_bytes(text)`: the 16 bytes of an id that the first schema kept as 26 characters.
fn register_id_bytes(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("id_bytes", 1, flags, |context| {
        let Some(text) = context.get::<Option<String>>(0)? else { return Ok(None) };
        let id = MessageId::from_base32(&text).map_err(|error| rusqlite::Error::UserFunctionError(error.into()))?;
        Ok(Some(id.to_bytes()))
    })
}
