//! Keeping in order: what is overdue is settled, what has expired is forgotten, damage is looked for.

use async_trait::async_trait;
use domain::{DeliveryId, Reason, RecipientState, Timestamp};
use pipeline::ports::{LedgerError, Upkeep};
use rusqlite::{Connection, params};

use super::memory::forget_requests;
use super::settle::refresh_messages;
use super::{SqliteLedger, retention, rows, search};

fn forget_keys(
    connection: &Connection,
    idempotency_before: Timestamp,
    now: Timestamp,
    limit: usize,
) -> rusqlite::Result<usize> {
    let keys = connection.execute(
        "DELETE FROM idempotency WHERE (caller, key) IN (SELECT caller, key FROM idempotency WHERE accepted_at < ? LIMIT ?)",
        params![idempotency_before.as_millis(), rows::limit(limit)],
    )?;
    let repeats = connection.execute(
        "DELETE FROM dedupe WHERE (caller, key) IN (SELECT caller, key FROM dedupe WHERE until <= ? LIMIT ?)",
        params![now.as_millis(), rows::limit(limit)],
    )?;
    pipeline::crash_point("forget-keys-before-commit");
    Ok(keys + repeats)
}

/// Settles what expired while it waited, and what was in flight when it was wanted back and then waited again.
fn settle_overdue(connection: &Connection, now: Timestamp, limit: usize) -> rusqlite::Result<usize> {
    let reason = Reason::new("expired", "its time passed before it could be sent");
    let ids = |row: &rusqlite::Row<'_>| Ok(DeliveryId::from_bytes(row.get(0)?));
    let mut expire = connection.prepare_cached(
        "UPDATE delivery SET state = CASE WHEN uncertain_since IS NULL AND part IS NULL THEN ?1 ELSE ?2 END, reason = seal_pii(?3), settled_at = ?4
         WHERE id IN (SELECT id FROM delivery WHERE state = 0 AND expires_at IS NOT NULL AND expires_at <= ?4 LIMIT ?5)
         RETURNING id",
    )?;
    let expired = expire.query_map(
        params![
            RecipientState::Expired as u8,
            RecipientState::Uncertain as u8,
            rows::reason_to_stored(Some(&reason)),
            now.as_millis(),
            rows::limit(limit)
        ],
        ids,
    )?;
    let mut settled = expired.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut withdraw = connection.prepare_cached(
        // Of what was sent in part, the parts are still to be withdrawn.
        "UPDATE delivery SET state = CASE WHEN uncertain_since IS NULL AND part IS NULL THEN ?1 ELSE ?2 END,
             recall = CASE WHEN part IS NULL THEN 0 ELSE 1 END, settled_at = ?3
         WHERE id IN (SELECT id FROM delivery WHERE state = 0 AND recall = 1 AND digest_of IS NULL LIMIT ?4) RETURNING id",
    )?;
    let withdrawn = withdraw.query_map(
        params![RecipientState::Recalled as u8, RecipientState::Uncertain as u8, now.as_millis(), rows::limit(limit)],
        ids,
    )?;
    settled.extend(withdrawn.collect::<rusqlite::Result<Vec<_>>>()?);
    refresh_messages(connection, &settled)?;
    pipeline::crash_point("overdue-before-commit");
    Ok(settled.len())
}

fn find_damage(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok((found != "ok").then_some(found))
}

#[async_trait]
impl Upkeep for SqliteLedger {
    async fn settle_overdue(&self, now: Timestamp, limit: usize) -> Result<usize, LedgerError> {
        self.writer.change("settle what is overdue", move |connection| settle_overdue(connection, now, limit)).await
    }

    async fn forget_expired_keys(
        &self,
        idempotency_before: Timestamp,
        now: Timestamp,
        limit: usize,
    ) -> Result<usize, LedgerError> {
        let forget = move |connection: &Connection| forget_keys(connection, idempotency_before, now, limit);
        self.writer.change("forget expired keys", forget).await
    }

    async fn forget_requests(&self, before: Timestamp, limit: usize) -> Result<usize, LedgerError> {
        let forget = move |connection: &Connection| forget_requests(connection, before, rows::limit(limit));
        self.writer.change("forget old requests", forget).await
    }

    async fn index_messages(&self, before: Timestamp, limit: usize) -> Result<usize, LedgerError> {
        self.writer
            .change_memory("index messages", move |connection, memory| {
                search::index_messages(connection, memory, before, limit)
            })
            .await
    }

    async fn forget_messages(&self, before: Timestamp, limit: usize) -> Result<usize, LedgerError> {
        let forget = move |connection: &Connection| retention::forget_messages(connection, before, limit);
        self.writer.change("forget old messages", forget).await
    }

    async fn close(&self) {
        self.readers.close();
        // The last connection to close copies the log back and removes it.
        self.writer.close().await;
    }

    async fn find_damage(&self) -> Result<Option<String>, LedgerError> {
        self.readers.read("look for damage", |connection| find_damage(connection)).await
    }
}
