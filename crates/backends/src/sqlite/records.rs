//! Reading and changing what was accepted: every statement names the caller, unless an administrator asks.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::{CallerId, DeliveryId, MessageId, MessageState, Reason, Recipient, RecipientState, Timestamp};
use pipeline::ports::{
    CancelAnswer, DeliveryRecord, LedgerError, MessageFilter, MessageRecord, MessageSummary, PendingRecall, Records,
    RetryAnswer,
};
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::queue::{failed, standing};
use super::settle::{derived_state, refresh_messages, write_states};
use super::{SqliteLedger, rows};

/// Whether a message exists, and is this caller's.
async fn owned(connection: &mut SqliteConnection, id: MessageId, caller: Option<&str>) -> Result<bool, sqlx::Error> {
    let found: Option<i64> = sqlx::query_scalar("SELECT 1 FROM message WHERE id = ?1 AND (?2 IS NULL OR caller = ?2)")
        .bind(id.base32())
        .bind(caller)
        .fetch_optional(connection)
        .await?;
    Ok(found.is_some())
}

async fn read(
    connection: &mut SqliteConnection,
    id: MessageId,
    caller: Option<&str>,
) -> Result<Option<MessageRecord>, sqlx::Error> {
    let found = sqlx::query("SELECT * FROM message WHERE id = ?1 AND (?2 IS NULL OR caller = ?2)")
        .bind(id.base32())
        .bind(caller)
        .fetch_optional(&mut *connection)
        .await?;
    let Some(row) = found else { return Ok(None) };
    let message = rows::message(&row)?;
    let stored = rows::message_state(row.try_get("state")?)?;
    let (first, last) = id.delivery_range();
    let mut deliveries: BTreeMap<DeliveryId, DeliveryRecord> = BTreeMap::new();
    let found = sqlx::query("SELECT * FROM delivery WHERE id BETWEEN ? AND ? ORDER BY id");
    for row in found.bind(first.base32()).bind(last.base32()).fetch_all(&mut *connection).await? {
        let record = delivery_record(&row)?;
        deliveries.insert(record.delivery.id, record);
    }
    let found = sqlx::query("SELECT * FROM recipient WHERE delivery_id BETWEEN ? AND ?");
    for row in found.bind(first.base32()).bind(last.base32()).fetch_all(&mut *connection).await? {
        let recipient: Recipient =
            row.try_get::<&str, _>("recipient")?.parse().map_err(|_| rows::corrupt("a recipient"))?;
        let exception = (
            recipient,
            rows::recipient_state(row.try_get("state")?)?,
            rows::reason_from_stored(row.try_get("reason")?),
        );
        if let Some(record) = deliveries.get_mut(&rows::delivery_id(row.try_get("delivery_id")?)?) {
            record.exceptions.push(exception);
        }
    }
    let (first, last) = id.attempt_range();
    let found = sqlx::query("SELECT * FROM attempt WHERE id BETWEEN ? AND ? ORDER BY id");
    for row in found.bind(first.base32()).bind(last.base32()).fetch_all(connection).await? {
        let (id, attempt) = rows::attempt(&row)?;
        if let Some(record) = deliveries.get_mut(&id.delivery()) {
            record.attempts.push(attempt);
        }
    }
    let deliveries: Vec<DeliveryRecord> = deliveries.into_values().collect();
    let tried = deliveries.iter().any(|d| d.standing.attempts > 0 || d.state != RecipientState::Waiting);
    let state = if stored == MessageState::Accepted && tried { MessageState::Sending } else { stored };
    Ok(Some(MessageRecord { message, state, deliveries }))
}

fn delivery_record(row: &SqliteRow) -> Result<DeliveryRecord, sqlx::Error> {
    Ok(DeliveryRecord {
        delivery: rows::delivery(row)?,
        state: rows::recipient_state(row.try_get("state")?)?,
        standing: standing(row)?,
        handle: row.try_get("handle")?,
        unconfirmed: row.try_get::<i64, _>("unconfirmed")? != 0,
        reason: rows::reason_from_stored(row.try_get("reason")?),
        settled_at: rows::maybe_time(row, "settled_at")?,
        exceptions: Vec::new(),
        attempts: Vec::new(),
    })
}

/// Whether a delivery of the message `m` was tried, or is being tried.
const TRIED: &str = "EXISTS (SELECT 1 FROM delivery WHERE delivery.id > m.id
    AND delivery.id < COALESCE((SELECT MIN(id) FROM message WHERE id > m.id), 'Z')
    AND (delivery.attempts > 0 OR delivery.state <> 0))";

async fn list(connection: &mut SqliteConnection, filter: &MessageFilter) -> Result<Vec<MessageSummary>, sqlx::Error> {
    let mut query = sqlx::QueryBuilder::new("SELECT m.*, ");
    query.push(TRIED).push(" AS tried FROM message AS m WHERE 1");
    if let Some(caller) = &filter.caller {
        query.push(" AND m.caller = ").push_bind(caller.as_str().to_owned());
    }
    if let Some(state) = filter.state {
        let stored = if state == MessageState::Sending { MessageState::Accepted } else { state };
        query.push(" AND m.state = ").push_bind(i64::from(stored as u8));
        match state {
            MessageState::Accepted => _ = query.push(" AND NOT ").push(TRIED),
            MessageState::Sending => _ = query.push(" AND ").push(TRIED),
            _ => {}
        }
    }
    let terms = [filter.recipient.as_ref().map(ToString::to_string), filter.tag.as_ref().map(|tag| format!("#{tag}"))];
    for term in terms.into_iter().flatten() {
        query.push(" AND m.id IN (SELECT message_id FROM term WHERE term = ").push_bind(term).push(")");
    }
    if let Some(since) = filter.since {
        query.push(" AND m.accepted_at >= ").push_bind(since.as_millis());
    }
    if let Some(before) = filter.before {
        query.push(" AND m.id < ").push_bind(before.base32());
    }
    query.push(" ORDER BY m.id DESC LIMIT ").push_bind(i64::try_from(filter.limit).unwrap_or(i64::MAX));
    let found = query.build().fetch_all(connection).await?;
    let summary = |row: &SqliteRow| {
        let stored = rows::message_state(row.try_get("state")?)?;
        let tried = row.try_get::<i64, _>("tried")? != 0;
        let state = if stored == MessageState::Accepted && tried { MessageState::Sending } else { stored };
        Ok(MessageSummary { message: rows::message(row)?, state })
    };
    found.iter().map(summary).collect()
}

async fn cancel(
    connection: &mut SqliteConnection,
    id: MessageId,
    caller: Option<&str>,
    now: Timestamp,
) -> Result<CancelAnswer, sqlx::Error> {
    if !owned(connection, id, caller).await? {
        return Ok(CancelAnswer::Unknown);
    }
    let changed = withdraw_waiting(connection, id, RecipientState::Cancelled, now).await?;
    if changed > 0 {
        return Ok(CancelAnswer::Cancelled(changed));
    }
    let record = read(connection, id, caller).await?;
    Ok(record.map_or(CancelAnswer::Unknown, |record| CancelAnswer::TooLate(record.state)))
}

/// Settles what waits and may not have been sent; what may have been sent is left to be tried again.
async fn withdraw_waiting(
    connection: &mut SqliteConnection,
    id: MessageId,
    state: RecipientState,
    now: Timestamp,
) -> Result<usize, sqlx::Error> {
    let (first, last) = id.delivery_range();
    let changed: Vec<String> = sqlx::query_scalar(
        "UPDATE delivery SET state = CASE WHEN uncertain_since IS NULL THEN ?1 ELSE ?2 END, settled_at = ?3
         WHERE id BETWEEN ?4 AND ?5 AND state = 0 RETURNING id",
    )
    .bind(state as i64)
    .bind(RecipientState::Uncertain as i64)
    .bind(now.as_millis())
    .bind(first.base32())
    .bind(last.base32())
    .fetch_all(&mut *connection)
    .await?;
    if !changed.is_empty() {
        refresh_messages(connection, &changed).await?;
    }
    Ok(changed.len())
}

async fn retry(
    connection: &mut SqliteConnection,
    id: MessageId,
    caller: Option<&str>,
    now: Timestamp,
    give_up_at: Timestamp,
) -> Result<RetryAnswer, sqlx::Error> {
    let Some(record) = read(connection, id, caller).await? else { return Ok(RetryAnswer::Unknown) };
    let mut lanes = Vec::new();
    for delivery in &record.deliveries {
        if matches!(delivery.state, RecipientState::Failed | RecipientState::Uncertain) {
            requeue(connection, delivery.delivery.id, now, give_up_at).await?;
            lanes.push(delivery.delivery.lane.clone());
        } else if delivery.state == RecipientState::Delivered && !delivery.exceptions.is_empty() {
            split_off_refused(connection, &record, delivery, now, give_up_at).await?;
            lanes.push(delivery.delivery.lane.clone());
        }
    }
    if lanes.is_empty() {
        return Ok(RetryAnswer::NothingFailed(record.state));
    }
    let state = derived_state(connection, id).await?;
    write_states(connection, &[(id, state)]).await?;
    Ok(RetryAnswer::Requeued(lanes))
}

async fn requeue(
    connection: &mut SqliteConnection,
    id: DeliveryId,
    now: Timestamp,
    give_up_at: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        // What may have been taken under the duplicate check stays under it: a repeat inside the interval is swallowed,
        // and what it answers is unconfirmed.
        "UPDATE delivery SET state = 0, due_at = ?1, give_up_at = ?2, tries = 0, recall = 0,
             uncertain_since = CASE WHEN state = ?4 AND duplicate_check = 1 AND last_attempt_at > ?1 - 500000 THEN last_attempt_at END,
             duplicate_check = CASE WHEN state = ?4 AND duplicate_check = 1 AND last_attempt_at > ?1 - 500000 THEN 1 END,
             body = NULL, handle = NULL, unconfirmed = 0, reason = NULL, settled_at = NULL WHERE id = ?3",
    )
    .bind(now.as_millis())
    .bind(give_up_at.as_millis())
    .bind(id.base32())
    .bind(RecipientState::Uncertain as i64)
    .execute(connection)
    .await?;
    Ok(())
}

/// Moves the refused recipients of a delivered delivery to a delivery of their own: the others have the message.
async fn split_off_refused(
    connection: &mut SqliteConnection,
    record: &MessageRecord,
    from: &DeliveryRecord,
    now: Timestamp,
    give_up_at: Timestamp,
) -> Result<(), sqlx::Error> {
    let refused: Vec<&Recipient> = from.exceptions.iter().map(|(recipient, ..)| recipient).collect();
    let (again, reached): (Vec<_>, Vec<_>) =
        from.delivery.recipients.iter().cloned().partition(|recipient| refused.contains(&recipient));
    let (again, reached) = (domain::RecipientSet::new(again), domain::RecipientSet::new(reached));
    let id = record.message.id;
    let (first, last) = id.delivery_range();
    let newest: String = sqlx::query_scalar("SELECT MAX(id) FROM delivery WHERE id BETWEEN ? AND ?")
        .bind(first.base32())
        .bind(last.base32())
        .fetch_one(&mut *connection)
        .await?;
    let position =
        rows::delivery_id(&newest)?.position().checked_add(1).ok_or_else(|| rows::corrupt("too many deliveries"))?;
    sqlx::query(
        "INSERT INTO delivery (id, lane, recipients, state, priority, due_at, expires_at, give_up_at, sole, request_hash)
         SELECT ?1, lane, ?2, 0, priority, ?3, expires_at, ?4, 0, random() FROM delivery WHERE id = ?5",
    )
    .bind(id.delivery(position).base32())
    .bind(again.to_stored())
    .bind(now.as_millis())
    .bind(give_up_at.as_millis())
    .bind(from.delivery.id.base32())
    .execute(&mut *connection)
    .await?;
    sqlx::query("UPDATE delivery SET recipients = ? WHERE id = ?")
        .bind(reached.to_stored())
        .bind(from.delivery.id.base32())
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE delivery SET sole = 0 WHERE id BETWEEN ? AND ?")
        .bind(first.base32())
        .bind(last.base32())
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM recipient WHERE delivery_id = ?")
        .bind(from.delivery.id.base32())
        .execute(connection)
        .await?;
    Ok(())
}

async fn want_recall(
    connection: &mut SqliteConnection,
    id: MessageId,
    caller: Option<&str>,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    if !owned(connection, id, caller).await? {
        return Ok(false);
    }
    withdraw_waiting(connection, id, RecipientState::Recalled, now).await?;
    let (first, last) = id.delivery_range();
    sqlx::query("UPDATE delivery SET recall = 1 WHERE id BETWEEN ? AND ? AND state IN (?, ?, ?)")
        .bind(first.base32())
        .bind(last.base32())
        .bind(RecipientState::Sending as i64)
        .bind(RecipientState::Delivered as i64)
        .bind(RecipientState::Uncertain as i64)
        .execute(connection)
        .await?;
    Ok(true)
}

fn pending_recall(row: &SqliteRow) -> Result<PendingRecall, sqlx::Error> {
    Ok(PendingRecall {
        delivery: rows::delivery_id(row.try_get("id")?)?,
        lane: domain::Lane::from_stored(row.try_get("lane")?),
        handle: row.try_get("handle")?,
        unconfirmed: row.try_get::<i64, _>("unconfirmed")? != 0,
        settled_at: rows::maybe_time(row, "settled_at")?,
    })
}

async fn recall_ended(
    connection: &mut SqliteConnection,
    delivery: DeliveryId,
    state: Option<RecipientState>,
    reason: Option<Reason>,
) -> Result<(), sqlx::Error> {
    let id = delivery.base32();
    sqlx::query(
        "UPDATE delivery SET recall = 0, state = COALESCE(?, state), reason = COALESCE(?, reason) WHERE id = ?",
    )
    .bind(state.map(|state| state as i64))
    .bind(rows::reason_to_stored(reason.as_ref()))
    .bind(&id)
    .execute(&mut *connection)
    .await?;
    refresh_messages(connection, &[id]).await
}

#[async_trait]
impl Records for SqliteLedger {
    async fn message(&self, id: MessageId, caller: Option<&CallerId>) -> Result<Option<MessageRecord>, LedgerError> {
        let reading = async {
            // One transaction, so that message, deliveries and attempts are of one moment.
            let mut transaction = self.readers.begin().await?;
            let record = read(&mut transaction, id, caller.map(CallerId::as_str)).await?;
            transaction.commit().await?;
            Ok(record)
        };
        reading.await.map_err(|error| failed("read a message", error))
    }

    async fn list(&self, filter: MessageFilter) -> Result<Vec<MessageSummary>, LedgerError> {
        let reading = async {
            let mut connection = self.readers.acquire().await?;
            list(&mut connection, &filter).await
        };
        reading.await.map_err(|error| failed("list messages", error))
    }

    async fn cancel(
        &self,
        id: MessageId,
        caller: Option<&CallerId>,
        now: Timestamp,
    ) -> Result<CancelAnswer, LedgerError> {
        let caller = caller.map(|caller| caller.as_str().to_owned());
        self.writer
            .change("cancel a message", move |connection| {
                Box::pin(async move { cancel(connection, id, caller.as_deref(), now).await })
            })
            .await
    }

    async fn retry(
        &self,
        id: MessageId,
        caller: Option<&CallerId>,
        now: Timestamp,
        give_up_at: Timestamp,
    ) -> Result<RetryAnswer, LedgerError> {
        let caller = caller.map(|caller| caller.as_str().to_owned());
        self.writer
            .change("requeue a message", move |connection| {
                Box::pin(async move { retry(connection, id, caller.as_deref(), now, give_up_at).await })
            })
            .await
    }

    async fn want_recall(&self, id: MessageId, caller: Option<&CallerId>, now: Timestamp) -> Result<bool, LedgerError> {
        let caller = caller.map(|caller| caller.as_str().to_owned());
        self.writer
            .change("mark a message as wanted back", move |connection| {
                Box::pin(async move { want_recall(connection, id, caller.as_deref(), now).await })
            })
            .await
    }

    async fn pending_recalls(&self, of: Option<MessageId>, limit: usize) -> Result<Vec<PendingRecall>, LedgerError> {
        let range = of.map(MessageId::delivery_range);
        let found = sqlx::query(
            "SELECT id, lane, handle, unconfirmed, settled_at FROM delivery
             WHERE recall = 1 AND state IN (?1, ?2) AND id BETWEEN ?3 AND ?4 ORDER BY id LIMIT ?5",
        )
        .bind(RecipientState::Delivered as i64)
        .bind(RecipientState::Uncertain as i64)
        .bind(range.map_or_else(|| "0".to_owned(), |(first, _)| first.base32()))
        .bind(range.map_or_else(|| "Z".to_owned(), |(_, last)| last.base32()))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.readers)
        .await;
        let read = found.and_then(|found| found.iter().map(pending_recall).collect());
        read.map_err(|error| failed("find messages wanted back", error))
    }

    async fn recall_ended(
        &self,
        delivery: DeliveryId,
        state: Option<RecipientState>,
        reason: Option<Reason>,
    ) -> Result<(), LedgerError> {
        self.writer
            .change("record a recall", move |connection| {
                Box::pin(async move { recall_ended(connection, delivery, state, reason).await })
            })
            .await
    }
}
