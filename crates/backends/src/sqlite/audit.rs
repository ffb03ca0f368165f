//! The chain of what administrators changed: each hash covers the row and the hash before.

use async_trait::async_trait;
use pipeline::ports::{Audit, AuditEntry, AuditRecord, LedgerError};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use sha2::{Digest as _, Sha256};

use super::{SqliteLedger, rows};

/// What the first row's hash covers in place of one before.
const BEGINNING: &[u8] = b"hongyan audit";

fn add(connection: &Connection, entry: &AuditEntry) -> rusqlite::Result<()> {
    let last: Option<(i64, Vec<u8>)> = connection
        .query_row("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let used: Option<i64> = connection
        .query_row("SELECT seq FROM sqlite_sequence WHERE name = 'audit'", [], |row| row.get(0))
        .optional()?;
    let (_, before) = last.unwrap_or((0, BEGINNING.to_vec()));
    let number = used.unwrap_or(0) + 1;
    let hash = hash(&before, number, entry);
    connection
        .prepare_cached(
            "INSERT INTO audit (number, at, who, action, subject, before, after, hash)
             VALUES (?1, ?2, ?3, ?4, ?5, seal_text('audit', ?1, ?6), seal_text('audit', ?1, ?7), ?8)",
        )?
        .execute(params![
            number,
            entry.at.as_millis(),
            entry.who,
            entry.action,
            entry.subject,
            entry.before,
            entry.after,
            hash
        ])
        .map(drop)
}

/// Every field with its length, so that none can pass for a part of another.
fn hash(before: &[u8], number: i64, entry: &AuditEntry) -> Vec<u8> {
    let AuditEntry { at, who, action, subject, before: was, after: is } = entry;
    let mut hasher = Sha256::new();
    let (number, at) = (number.to_string(), at.as_millis().to_string());
    let texts = [Some(&number), Some(&at), Some(who), Some(action), Some(subject), was.as_ref(), is.as_ref()];
    hasher.update(before);
    for text in texts {
        match text {
            Some(text) => {
                hasher.update((text.len() as u64).to_be_bytes());
                hasher.update(text);
            }
            None => hasher.update(u64::MAX.to_be_bytes()),
        }
    }
    hasher.finalize().to_vec()
}

fn record(row: &Row<'_>) -> rusqlite::Result<AuditRecord> {
    let entry = AuditEntry {
        at: rows::time(row, 1)?,
        who: row.get(2)?,
        action: row.get(3)?,
        subject: row.get(4)?,
        before: row.get(5)?,
        after: row.get(6)?,
    };
    Ok(AuditRecord { number: row.get(0)?, entry, hash: row.get(7)? })
}

/// What is read of an entry.
const COLUMNS: &str = "SELECT number, at, who, action, subject, open_text('audit', number, before), open_text('audit', number, after), hash
     FROM audit";

fn first_broken(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let mut find = connection.prepare(&format!("{COLUMNS} ORDER BY number"))?;
    let mut rows = find.query([])?;
    let (mut before, mut last) = (BEGINNING.to_vec(), 0);
    while let Some(row) = rows.next()? {
        let AuditRecord { number, entry, hash: kept } = record(row)?;
        if number != last + 1 {
            return Ok(Some(last + 1));
        }
        if hash(&before, number, &entry) != kept {
            return Ok(Some(number));
        }
        (before, last) = (kept, number);
    }
    drop(rows);
    let used: Option<i64> = connection
        .query_row("SELECT seq FROM sqlite_sequence WHERE name = 'audit'", [], |row| row.get(0))
        .optional()?;
    // The newest may have been taken away, too.
    Ok(used.filter(|used| *used > last).map(|_| last + 1))
}

#[async_trait]
impl Audit for SqliteLedger {
    async fn audit(&self, entry: AuditEntry) -> Result<(), LedgerError> {
        self.writer.change("record a change", move |connection| add(connection, &entry)).await
    }

    async fn audited(&self, after: i64, limit: usize) -> Result<Vec<AuditRecord>, LedgerError> {
        let find = move |connection: &mut Connection| {
            let mut find = connection.prepare_cached(&format!("{COLUMNS} WHERE number > ? ORDER BY number LIMIT ?"))?;
            find.query_map(params![after, rows::limit(limit)], record)?.collect()
        };
        self.readers.read("read what was changed", find).await
    }

    async fn first_broken_audit(&self) -> Result<Option<i64>, LedgerError> {
        self.readers.read("look through what was changed", |connection| first_broken(connection)).await
    }
}
