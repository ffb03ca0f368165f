//! The queue: claims under a fence, what is due and what is overdue, leases that end with their process.

use async_trait::async_trait;
use bytes::Bytes;
use domain::{Content, Lane, Priority, Reason, RecipientState, Standing, Timestamp};
use pipeline::claim_order;
use pipeline::ports::{Claim, Claimed, Lease, LedgerError, Queue, Settled, Settlement};
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::admit::set_duplicate_checks;
use super::settle::refresh_messages;
use super::writer::ledger_error;
use super::{SqliteLedger, rows};

const LEASED: i64 = RecipientState::Sending as i64;

/// Claims what is due on a lane. Reads first: a lane on which nothing is due costs no write.
pub(super) async fn claim(connection: &mut SqliteConnection, claim: &Claim) -> Result<Vec<Claimed>, sqlx::Error> {
    let mut ids = Vec::new();
    for priority in claim_order(claim.lowest_first) {
        if ids.len() < claim.limit {
            ids.extend(due(connection, claim, priority, claim.limit - ids.len()).await?);
        }
    }
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let json = serde_json::to_string(&ids).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    sqlx::query("UPDATE delivery SET state = ?, fence = fence + 1, last_attempt_at = ? WHERE id IN (SELECT value FROM json_each(?))")
        .bind(LEASED)
        .bind(claim.now.as_millis())
        .bind(&json)
        .execute(&mut *connection)
        .await?;
    set_duplicate_checks(connection, &ids, claim.equal_since.as_millis()).await?;
    let taken = sqlx::query(
        "SELECT d.*, m.content AS content, m.options AS options FROM json_each(?) AS wanted
         JOIN delivery AS d ON d.id = wanted.value
         JOIN message AS m ON m.id = (
             -- The message's id is the first a delivery range can hold.
             SELECT id FROM message WHERE id <= d.id ORDER BY id DESC LIMIT 1)",
    );
    let rows = taken.bind(json).fetch_all(&mut *connection).await?;
    let (mut readable, mut unreadable) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in &rows {
        match claimed(row) {
            Ok(claimed) => readable.push(claimed),
            Err(_) => unreadable.push(row.try_get::<String, _>("id")?),
        }
    }
    bury(connection, &unreadable, claim.now).await?;
    Ok(readable)
}

/// Settles as dead what this binary cannot read, so that it does not keep the others waiting.
async fn bury(connection: &mut SqliteConnection, ids: &[String], now: Timestamp) -> Result<(), sqlx::Error> {
    if ids.is_empty() {
        return Ok(());
    }
    let json = serde_json::to_string(ids).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    let reason = Reason::new("unreadable", "what is stored of this delivery cannot be read by this version");
    sqlx::query(
        "UPDATE delivery SET state = ?, reason = ?, settled_at = ? WHERE id IN (SELECT value FROM json_each(?))",
    )
    .bind(RecipientState::Failed as i64)
    .bind(rows::reason_to_stored(Some(&reason)))
    .bind(now.as_millis())
    .bind(json)
    .execute(&mut *connection)
    .await?;
    refresh_messages(connection, ids).await
}

async fn due(
    connection: &mut SqliteConnection,
    claim: &Claim,
    priority: Priority,
    limit: usize,
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT id FROM delivery WHERE state = 0 AND lane = ? AND priority = ? AND due_at <= ? AND recall = 0 ORDER BY due_at LIMIT ?",
    )
    .bind(claim.lane.as_str())
    .bind(priority.rank())
    .bind(claim.now.as_millis())
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(connection)
    .await
}

fn claimed(row: &SqliteRow) -> Result<Claimed, sqlx::Error> {
    let delivery = rows::delivery(row)?;
    let standing = standing(row)?;
    let lease =
        Lease { delivery: delivery.id, fence: row.try_get("fence")?, duplicate_check: standing.duplicate_check };
    Ok(Claimed {
        lease,
        standing,
        content: Content::from_stored(row.try_get("content")?),
        options: rows::options_from_stored(row.try_get("options")?),
        frozen: row.try_get::<Option<String>, _>("body")?.map(Bytes::from),
        sole: row.try_get::<i64, _>("sole")? != 0,
        delivery,
    })
}

pub(super) fn standing(row: &SqliteRow) -> Result<Standing, sqlx::Error> {
    Ok(Standing {
        attempts: row.try_get("attempts")?,
        tries: row.try_get("tries")?,
        uncertain_since: rows::maybe_time(row, "uncertain_since")?,
        duplicate_check: row.try_get::<Option<i64>, _>("duplicate_check")?.is_some_and(|check| check != 0),
    })
}

/// Ends every lease: nobody holds them any more. The calls may have been made, so each is recorded as an attempt
/// without an answer, which also counts against the lane's quota from now on.
pub(super) async fn void_leases(connection: &mut SqliteConnection, now: Timestamp) -> Result<usize, sqlx::Error> {
    let leased =
        sqlx::query("SELECT id, lane, attempts, last_attempt_at, uncertain_since FROM delivery WHERE state = 1");
    let leased = leased.fetch_all(&mut *connection).await?;
    let interrupted = Reason::new("interrupted", "the gateway ended before the answer came");
    for row in &leased {
        let id = rows::delivery_id(row.try_get("id")?)?;
        let number = row.try_get::<u16, _>("attempts")?.saturating_add(1);
        let flags = if row.try_get::<Option<i64>, _>("uncertain_since")?.is_some() { rows::REDELIVERY } else { 0 };
        sqlx::query("INSERT OR REPLACE INTO attempt (id, started_at, ended_at, result, reason, flags, lane) VALUES (?, ?, ?, 'uncertain', ?, ?, ?)")
            .bind(id.attempt(number).base32())
            .bind(row.try_get::<Option<i64>, _>("last_attempt_at")?.unwrap_or(now.as_millis()))
            .bind(now.as_millis())
            .bind(rows::reason_to_stored(Some(&interrupted)))
            .bind(flags)
            .bind(row.try_get::<String, _>("lane")?)
            .execute(&mut *connection)
            .await?;
    }
    sqlx::query(
        "UPDATE delivery SET state = 0, attempts = attempts + 1, uncertain_since = COALESCE(uncertain_since, last_attempt_at)
         WHERE state = 1",
    )
    .execute(connection)
    .await?;
    Ok(leased.len())
}

#[async_trait]
impl Queue for SqliteLedger {
    async fn claim(&self, claim: Claim) -> Result<Vec<Claimed>, LedgerError> {
        self.writer.claim(claim).await
    }

    async fn settle(&self, settlement: Settlement) -> Result<Settled, LedgerError> {
        self.writer.settle(settlement).await
    }

    async fn release(&self, now: Timestamp) -> Result<usize, LedgerError> {
        self.writer.change("give leases back", move |connection| Box::pin(void_leases(connection, now))).await
    }

    async fn waiting_lanes(&self) -> Result<Vec<(Lane, Timestamp)>, LedgerError> {
        // Skips from lane to lane in the index, however many deliveries wait on each.
        let found = sqlx::query(
            "WITH RECURSIVE waiting (lane) AS (
                 SELECT MIN(lane) FROM delivery WHERE state = 0
                 UNION ALL
                 SELECT (SELECT MIN(lane) FROM delivery WHERE state = 0 AND lane > waiting.lane) FROM waiting WHERE waiting.lane IS NOT NULL)
             SELECT lane, (SELECT MIN(first) FROM (
                 SELECT MIN(due_at) AS first FROM delivery WHERE state = 0 AND delivery.lane = waiting.lane AND priority = 0
                 UNION ALL SELECT MIN(due_at) FROM delivery WHERE state = 0 AND delivery.lane = waiting.lane AND priority = 1
                 UNION ALL SELECT MIN(due_at) FROM delivery WHERE state = 0 AND delivery.lane = waiting.lane AND priority = 2))
             FROM waiting WHERE lane IS NOT NULL",
        );
        let found = found.fetch_all(&self.readers).await.map_err(|e| failed("find waiting lanes", e))?;
        let lane = |row: &SqliteRow| Ok((Lane::from_stored(row.try_get(0)?), Timestamp::from_millis(row.try_get(1)?)));
        found.iter().map(lane).collect::<Result<_, sqlx::Error>>().map_err(|e| failed("find waiting lanes", e))
    }

    async fn next_due(&self, lane: &Lane) -> Result<Option<Timestamp>, LedgerError> {
        let found: Option<i64> = sqlx::query_scalar(
            "SELECT MIN(first) FROM (
                 SELECT MIN(due_at) AS first FROM delivery WHERE state = 0 AND recall = 0 AND lane = ?1 AND priority = 0
                 UNION ALL SELECT MIN(due_at) FROM delivery WHERE state = 0 AND recall = 0 AND lane = ?1 AND priority = 1
                 UNION ALL SELECT MIN(due_at) FROM delivery WHERE state = 0 AND recall = 0 AND lane = ?1 AND priority = 2)",
        )
        .bind(lane.as_str())
        .fetch_one(&self.readers)
        .await
        .map_err(|e| failed("find what is due next", e))?;
        Ok(found.map(Timestamp::from_millis))
    }

    async fn recent_calls(&self, lane: &Lane, since: Timestamp) -> Result<Vec<Timestamp>, LedgerError> {
        let found: Vec<i64> =
            sqlx::query_scalar("SELECT ended_at FROM attempt WHERE lane = ? AND ended_at >= ? ORDER BY ended_at")
                .bind(lane.as_str())
                .bind(since.as_millis())
                .fetch_all(&self.readers)
                .await
                .map_err(|e| failed("read recent calls", e))?;
        Ok(found.into_iter().map(Timestamp::from_millis).collect())
    }

    async fn settle_overdue(&self, now: Timestamp, limit: usize) -> Result<usize, LedgerError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.writer
            .change("settle what is overdue", move |connection| Box::pin(settle_overdue(connection, now, limit)))
            .await
    }

    async fn forget_expired_keys(
        &self,
        idempotency_before: Timestamp,
        now: Timestamp,
        limit: usize,
    ) -> Result<usize, LedgerError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.writer
            .change("forget expired keys", move |connection| {
                Box::pin(forget_keys(connection, idempotency_before, now, limit))
            })
            .await
    }
}

async fn forget_keys(
    connection: &mut SqliteConnection,
    idempotency_before: Timestamp,
    now: Timestamp,
    limit: i64,
) -> Result<usize, sqlx::Error> {
    let keys = sqlx::query("DELETE FROM idempotency WHERE (caller, key) IN (SELECT caller, key FROM idempotency WHERE accepted_at < ? LIMIT ?)")
        .bind(idempotency_before.as_millis())
        .bind(limit)
        .execute(&mut *connection)
        .await?;
    let repeats = sqlx::query(
        "DELETE FROM dedupe WHERE (caller, key) IN (SELECT caller, key FROM dedupe WHERE until <= ? LIMIT ?)",
    )
    .bind(now.as_millis())
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(usize::try_from(keys.rows_affected() + repeats.rows_affected()).unwrap_or(usize::MAX))
}

/// Settles what expired while it waited, and what was in flight when it was wanted back and then waited again.
async fn settle_overdue(connection: &mut SqliteConnection, now: Timestamp, limit: i64) -> Result<usize, sqlx::Error> {
    let reason = Reason::new("expired", "its time passed before it could be sent");
    let mut settled: Vec<String> = sqlx::query_scalar(
        "UPDATE delivery SET state = CASE WHEN uncertain_since IS NULL THEN ?1 ELSE ?2 END, reason = ?3, settled_at = ?4
         WHERE id IN (SELECT id FROM delivery WHERE state = 0 AND expires_at IS NOT NULL AND expires_at <= ?4 LIMIT ?5)
         RETURNING id",
    )
    .bind(RecipientState::Expired as i64)
    .bind(RecipientState::Uncertain as i64)
    .bind(rows::reason_to_stored(Some(&reason)))
    .bind(now.as_millis())
    .bind(limit)
    .fetch_all(&mut *connection)
    .await?;
    let withdrawn: Vec<String> = sqlx::query_scalar(
        "UPDATE delivery SET state = CASE WHEN uncertain_since IS NULL THEN ?1 ELSE ?2 END, recall = 0, settled_at = ?3
         WHERE id IN (SELECT id FROM delivery WHERE state = 0 AND recall = 1 LIMIT ?4) RETURNING id",
    )
    .bind(RecipientState::Recalled as i64)
    .bind(RecipientState::Uncertain as i64)
    .bind(now.as_millis())
    .bind(limit)
    .fetch_all(&mut *connection)
    .await?;
    settled.extend(withdrawn);
    refresh_messages(connection, &settled).await?;
    Ok(settled.len())
}

pub(super) fn failed(operation: &'static str, error: sqlx::Error) -> LedgerError {
    ledger_error(operation, &std::sync::Arc::new(error))
}
