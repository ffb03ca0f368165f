//! Reading and changing what was accepted: every statement names the caller, unless an administrator asks.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::{
    CallerId, Delivery, DeliveryId, MessageId, MessageState, Reason, Recipient, RecipientSet, RecipientState, Timestamp,
};
use pipeline::ports::{
    Acknowledged, CancelAnswer, DeliveryRecord, DueEscalation, LedgerError, MessageFilter, MessageRecord,
    MessageSummary, PendingRecall, Records, RetryAnswer, StatRow,
};
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter, types::Value};

use super::admit::{insert_more, last_position};
use super::memory::Memory;
use super::queue::standing;
use super::rows::{delivery_columns, message_columns};
use super::search::{self, Condition};
use super::settle::{derived_state, refresh_messages, write_state};
use super::{SqliteLedger, erasure, rows, stats};

/// Before and after any id.
const LEAST: [u8; 16] = [0; 16];
const GREATEST: [u8; 16] = [u8::MAX; 16];

/// Whether a message exists, and is this caller's.
fn owned(connection: &Connection, id: MessageId, caller: Option<&str>) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM message WHERE id = ?1 AND (?2 IS NULL OR caller = ?2)")?
        .exists(params![id.to_bytes(), caller])
}

fn read(connection: &Connection, id: MessageId, caller: Option<&str>) -> rusqlite::Result<Option<MessageRecord>> {
    let mut find = connection.prepare_cached(concat!(
        message_columns!(),
        " FROM message AS m WHERE id = ?1 AND (?2 IS NULL OR caller = ?2)"
    ))?;
    let found = find.query_row(params![id.to_bytes(), caller], |row| {
        Ok((rows::message(row)?, rows::message_state(row.get("state")?)?))
    });
    let Some((message, stored)) = found.optional()? else { return Ok(None) };
    let deliveries = deliveries_of(connection, id)?;
    let tried = deliveries.iter().any(|d| d.standing.attempts > 0 || d.state != RecipientState::Waiting);
    let state = if stored == MessageState::Accepted && tried { MessageState::Sending } else { stored };
    Ok(Some(MessageRecord { message, state, deliveries }))
}

fn deliveries_of(connection: &Connection, id: MessageId) -> rusqlite::Result<Vec<DeliveryRecord>> {
    let (first, last) = id.delivery_range();
    let range = [first.to_bytes(), last.to_bytes()];
    let mut find = connection
        .prepare_cached(concat!(delivery_columns!(), "FROM delivery WHERE id BETWEEN ? AND ? ORDER BY id"))?;
    let mut deliveries: BTreeMap<DeliveryId, DeliveryRecord> = BTreeMap::new();
    for found in find.query_map(range, delivery_record)? {
        let record = found?;
        deliveries.insert(record.delivery.id, record);
    }
    let mut find = connection.prepare_cached(
        "SELECT delivery_id, open_recipients(recipient) AS recipient, state, open_pii(reason) AS reason FROM recipient
         WHERE delivery_id BETWEEN ? AND ?",
    )?;
    let exceptions = find.query_map(range, |row| Ok((rows::delivery_id(row, "delivery_id")?, exception(row)?)))?;
    for found in exceptions {
        let (id, exception) = found?;
        if let Some(record) = deliveries.get_mut(&id) {
            record.exceptions.push(exception);
        }
    }
    let (first, last) = id.attempt_range();
    let mut find = connection.prepare_cached(
        "SELECT *, open_text('attempt', id, request) AS opened_request, open_pii(reason) AS opened_reason FROM attempt WHERE id BETWEEN ? AND ? ORDER BY id",
    )?;
    for found in find.query_map([first.to_bytes(), last.to_bytes()], rows::attempt)? {
        let (id, attempt) = found?;
        if let Some(record) = deliveries.get_mut(&id.delivery()) {
            // The first of them is there in place of the one that was only implied.
            record.attempts.retain(|known| known.number != attempt.number);
            record.attempts.push(attempt);
        }
    }
    Ok(deliveries.into_values().collect())
}

fn exception(row: &Row<'_>) -> rusqlite::Result<(Recipient, RecipientState, Option<Reason>)> {
    let recipient = row.get_ref("recipient")?.as_str()?.parse().map_err(|_| rows::corrupt("a recipient"))?;
    let reason = rows::reason_from_stored(row.get_ref("reason")?.as_str_or_null()?);
    Ok((recipient, rows::recipient_state(row.get("state")?)?, reason))
}

fn delivery_record(row: &Row<'_>) -> rusqlite::Result<DeliveryRecord> {
    let standing = standing(row)?;
    let settled_at = rows::maybe_time(row, 21)?;
    let attempts = match (standing.attempts, rows::maybe_time(row, 17)?, settled_at) {
        (1, Some(started_at), Some(ended_at)) => vec![rows::implied_attempt(started_at, ended_at)],
        _ => Vec::new(),
    };
    Ok(DeliveryRecord {
        delivery: rows::shown_delivery(row)?,
        state: rows::recipient_state(row.get(16)?)?,
        standing,
        handle: row.get(18)?,
        unconfirmed: row.get(19)?,
        digest_of: row.get::<_, Option<[u8; 16]>>(28)?.map(DeliveryId::from_bytes),
        reason: rows::reason_from_stored(row.get_ref(20)?.as_str_or_null()?),
        settled_at,
        exceptions: Vec::new(),
        attempts,
    })
}

/// Whether a delivery of the message `m` was tried, or is being tried.
const TRIED: &str = "EXISTS (SELECT 1 FROM delivery WHERE delivery.id > m.id
    AND delivery.id < COALESCE((SELECT MIN(id) FROM message WHERE id > m.id), x'ffffffffffffffffffffffffffffffff')
    AND (delivery.attempts > 0 OR delivery.state <> 0))";

pub(super) fn list(connection: &Connection, filter: &MessageFilter) -> rusqlite::Result<Vec<MessageSummary>> {
    let mut open = Vec::new();
    if matches!(filter.state, Some(MessageState::Accepted | MessageState::Sending)) {
        // None is older than the oldest delivery that is open.
        let Some(oldest) = oldest_open(connection)? else { return Ok(Vec::new()) };
        open.push(("m.id >= ?".to_owned(), Value::from(oldest.to_bytes().to_vec())));
    }
    if filter.recipient.is_none() && filter.tag.is_none() {
        return page(connection, filter, open, filter.limit);
    }
    // The newest are looked through, the others are found by their terms.
    let until = Value::from(search::indexed_until(connection)?.to_bytes().to_vec());
    let newer = search::unwritten(filter).into_iter().chain([("m.id > ?".to_owned(), until.clone())]);
    let mut found = page(connection, filter, newer.chain(open.clone()).collect(), filter.limit)?;
    if found.len() < filter.limit {
        let older = search::written(filter).into_iter().chain([("m.id <= ?".to_owned(), until)]);
        found.extend(page(connection, filter, older.chain(open).collect(), filter.limit - found.len())?);
    }
    Ok(found)
}

/// The oldest message of which something is open.
fn oldest_open(connection: &Connection) -> rusqlite::Result<Option<MessageId>> {
    let mut find = connection.prepare_cached("SELECT MIN(id) FROM delivery WHERE state < 2 AND state = ?")?;
    let mut oldest = |state: RecipientState| {
        let found = find.query_row([state as u8], |row| row.get::<_, Option<[u8; 16]>>(0))?;
        Ok::<_, rusqlite::Error>(found.map(|id| DeliveryId::from_bytes(id).message()))
    };
    let (waiting, leased) = (oldest(RecipientState::Waiting)?, oldest(RecipientState::Sending)?);
    Ok(waiting.into_iter().chain(leased).min())
}

fn page(
    connection: &Connection,
    filter: &MessageFilter,
    mut conditions: Vec<Condition>,
    limit: usize,
) -> rusqlite::Result<Vec<MessageSummary>> {
    let mut and = |condition: &str, value: Value| conditions.push((condition.to_owned(), value));
    if let Some(caller) = &filter.caller {
        and("m.caller = ?", caller.as_str().to_owned().into());
    }
    match filter.state {
        Some(MessageState::Accepted) => and(&format!("m.state = ? AND NOT {TRIED}"), 0.into()),
        Some(MessageState::Sending) => and(&format!("m.state = ? AND {TRIED}"), 0.into()),
        Some(MessageState::Delivered) => and("m.state = ?", (MessageState::Delivered as i64).into()),
        // The index of troubled messages is used only where its condition is seen.
        Some(troubled) => and("m.state > 2 AND m.state = ?", (troubled as i64).into()),
        None => {}
    }
    if filter.dead {
        // The index of troubled messages is used only where its condition is seen.
        let dead = "m.state > 2 AND NOT EXISTS (SELECT 1 FROM message AS r WHERE r.replay_of = m.id)
            AND EXISTS (SELECT 1 FROM delivery WHERE delivery.id > m.id AND delivery.state = ?
                AND delivery.id < COALESCE((SELECT MIN(id) FROM message WHERE id > m.id), x'ffffffffffffffffffffffffffffffff'))";
        and(dead, (RecipientState::Failed as i64).into());
    }
    if let Some(since) = filter.since {
        and("m.accepted_at >= ?", since.as_millis().into());
        and("m.id >= ?", MessageId::first_at(since).to_bytes().to_vec().into());
    }
    if let Some(until) = filter.until {
        and("m.accepted_at < ?", until.as_millis().into());
        and("m.id < ?", MessageId::first_at(until).to_bytes().to_vec().into());
    }
    if let Some(before) = filter.before {
        and("m.id < ?", before.to_bytes().to_vec().into());
    }
    let mut sql = format!("{}, {TRIED} AS tried FROM message AS m WHERE 1", message_columns!());
    let mut bound = Vec::with_capacity(conditions.len() + 1);
    for (condition, value) in conditions {
        sql.push_str(" AND ");
        sql.push_str(&condition);
        bound.push(value);
    }
    sql.push_str(" ORDER BY m.id DESC LIMIT ?");
    bound.push(rows::limit(limit).into());
    let mut find = connection.prepare_cached(&sql)?;
    let found = find.query_map(params_from_iter(bound), |row| {
        let stored = rows::message_state(row.get("state")?)?;
        let state = if stored == MessageState::Accepted && row.get("tried")? { MessageState::Sending } else { stored };
        Ok(MessageSummary { message: rows::message(row)?, state })
    })?;
    found.collect()
}

fn cancel(
    connection: &Connection,
    id: MessageId,
    caller: Option<&str>,
    now: Timestamp,
) -> rusqlite::Result<CancelAnswer> {
    if !owned(connection, id, caller)? {
        return Ok(CancelAnswer::Unknown);
    }
    let changed = withdraw_waiting(connection, id, RecipientState::Cancelled, now)?;
    if changed > 0 {
        return Ok(CancelAnswer::Cancelled(changed));
    }
    Ok(read(connection, id, caller)?.map_or(CancelAnswer::Unknown, |record| CancelAnswer::TooLate(record.state)))
}

/// Settles what waits and may not have been sent; what may have been sent is left to be tried again.
fn withdraw_waiting(
    connection: &Connection,
    id: MessageId,
    state: RecipientState,
    now: Timestamp,
) -> rusqlite::Result<usize> {
    let (first, last) = id.delivery_range();
    let mut withdraw = connection.prepare_cached(
        "UPDATE delivery SET state = CASE WHEN uncertain_since IS NULL AND part IS NULL THEN ?1 ELSE ?2 END, settled_at = ?3
         WHERE id BETWEEN ?4 AND ?5 AND state = 0 AND digest_of IS NULL RETURNING id",
    )?;
    let changed = withdraw.query_map(
        params![state as u8, RecipientState::Uncertain as u8, now.as_millis(), first.to_bytes(), last.to_bytes()],
        |row| rows::delivery_id(row, "id"),
    )?;
    let changed = changed.collect::<rusqlite::Result<Vec<_>>>()?;
    refresh_messages(connection, &changed)?;
    Ok(changed.len())
}

fn retry(
    connection: &Connection,
    id: MessageId,
    caller: Option<&str>,
    due_at: Timestamp,
    give_up_at: Timestamp,
) -> rusqlite::Result<RetryAnswer> {
    let Some(record) = read(connection, id, caller)? else { return Ok(RetryAnswer::Unknown) };
    let mut lanes = Vec::new();
    for delivery in &record.deliveries {
        if matches!(delivery.state, RecipientState::Failed | RecipientState::Uncertain) {
            requeue(connection, delivery.delivery.id, due_at, give_up_at)?;
            lanes.push(delivery.delivery.lane.clone());
        } else if matches!(delivery.state, RecipientState::Delivered | RecipientState::MovedOn)
            && delivery.exceptions.iter().any(|(_, state, _)| *state == RecipientState::Failed)
        {
            split_off_refused(connection, &record, delivery, due_at, give_up_at)?;
            lanes.push(delivery.delivery.lane.clone());
        }
    }
    if lanes.is_empty() {
        return Ok(RetryAnswer::NothingFailed(record.state));
    }
    write_state(connection, id, derived_state(connection, id)?)?;
    Ok(RetryAnswer::Requeued(lanes))
}

fn requeue(connection: &Connection, id: DeliveryId, due_at: Timestamp, give_up_at: Timestamp) -> rusqlite::Result<()> {
    connection
        .execute(
            // What may have been taken under the duplicate check stays under it: a repeat inside the interval is
            // swallowed, and what it answers is unconfirmed.
            "UPDATE delivery SET state = 0, due_at = ?1, give_up_at = ?2, tries = 0, recall = 0,
                 uncertain_since = CASE WHEN state = ?4 AND duplicate_check = 1 AND last_attempt_at > ?1 - 500000 THEN last_attempt_at END,
                 duplicate_check = CASE WHEN state = ?4 AND duplicate_check = 1 AND last_attempt_at > ?1 - 500000 THEN 1 END,
                 body = NULL, handle = CASE WHEN part > 0 THEN handle END, unconfirmed = 0, reason = NULL, settled_at = NULL, moves_at = NULL,
                 digest = NULL, digest_of = NULL WHERE id = ?3",
            params![due_at.as_millis(), give_up_at.as_millis(), id.to_bytes(), RecipientState::Uncertain as u8],
        )
        .map(drop)
}

/// Moves the refused recipients of a delivered delivery to a delivery of their own: the others have the message.
fn split_off_refused(
    connection: &Connection,
    record: &MessageRecord,
    from: &DeliveryRecord,
    due_at: Timestamp,
    give_up_at: Timestamp,
) -> rusqlite::Result<()> {
    // Who moved on is somebody else's to retry.
    let failed = from.exceptions.iter().filter(|(_, state, _)| *state == RecipientState::Failed);
    let refused: Vec<&Recipient> = failed.map(|(recipient, ..)| recipient).collect();
    let (again, reached): (Vec<_>, Vec<_>) =
        from.delivery.recipients.iter().cloned().partition(|recipient| refused.contains(&recipient));
    let (again, reached) = (RecipientSet::new(again), RecipientSet::new(reached));
    let id = record.message.id;
    let (first, last) = id.delivery_range();
    let range = [first.to_bytes(), last.to_bytes()];
    let position = last_position(connection, id)?.checked_add(1).ok_or_else(|| rows::corrupt("too many deliveries"))?;
    let from_id = from.delivery.id.to_bytes();
    connection.execute(
        "INSERT INTO delivery (id, lane, caller, recipients, state, priority, due_at, expires_at, give_up_at, sole, request_hash,
             fence, attempts, tries, unconfirmed, recall, address, step)
         SELECT ?1, lane, caller, seal_recipients(?2), 0, priority, ?3, expires_at, ?4, 0, random(), 0, 0, 0, 0, 0, address, step FROM delivery WHERE id = ?5",
        params![
            id.delivery(position).to_bytes(),
            again.to_stored(),
            due_at.as_millis(),
            give_up_at.as_millis(),
            from_id
        ],
    )?;
    connection.execute(
        "UPDATE delivery SET recipients = seal_recipients(?) WHERE id = ?",
        params![reached.to_stored(), from_id],
    )?;
    connection.execute("UPDATE delivery SET sole = 0 WHERE id BETWEEN ? AND ?", range)?;
    connection
        .execute(
            "DELETE FROM recipient WHERE delivery_id = ? AND state = ?",
            params![from_id, RecipientState::Failed as u8],
        )
        .map(drop)
}

fn acknowledge(
    connection: &Connection,
    id: MessageId,
    caller: Option<&str>,
    now: Timestamp,
) -> rusqlite::Result<Acknowledged> {
    let mut note = connection.prepare_cached(
        "UPDATE message SET acknowledged_at = COALESCE(acknowledged_at, ?3) WHERE id = ?1 AND (?2 IS NULL OR caller = ?2)
         RETURNING acknowledged_at",
    )?;
    let since = note.query_row(params![id.to_bytes(), caller, now.as_millis()], |row| rows::time(row, 0)).optional()?;
    connection.execute("DELETE FROM escalation WHERE message_id = ?", [id.to_bytes()])?;
    Ok(since.map_or(Acknowledged::Unknown, Acknowledged::Since))
}

fn due_escalations(connection: &Connection, now: Timestamp, limit: usize) -> rusqlite::Result<Vec<DueEscalation>> {
    let mut find =
        connection.prepare_cached("SELECT message_id, level FROM escalation WHERE at <= ? ORDER BY at LIMIT ?")?;
    let found = find.query_map(params![now.as_millis(), rows::limit(limit)], |row| {
        Ok(DueEscalation { message: rows::message_id(row, 0)?, level: row.get(1)? })
    })?;
    found.collect()
}

fn escalate(
    connection: &Connection,
    due: DueEscalation,
    deliveries: &[Delivery],
    next_at: Option<Timestamp>,
) -> rusqlite::Result<()> {
    let message = due.message.to_bytes();
    let changed = match next_at {
        Some(at) => connection.execute(
            "UPDATE escalation SET at = ?, level = level + 1 WHERE message_id = ? AND level = ?",
            params![at.as_millis(), message, due.level],
        )?,
        // The last one is kept in mind, so that a later success does not begin them anew.
        None => connection.execute(
            "UPDATE escalation SET at = ? WHERE message_id = ? AND level = ?",
            params![Timestamp::NEVER.as_millis(), message, due.level],
        )?,
    };
    // Somebody acknowledged it meanwhile.
    if changed == 0 {
        return Ok(());
    }
    let caller = "SELECT caller FROM message WHERE id = ?";
    if let Some(caller) = connection.query_row(caller, [message], |row| row.get::<_, String>(0)).optional()? {
        insert_more(connection, &caller, deliveries)?;
        write_state(connection, due.message, derived_state(connection, due.message)?)?;
    }
    Ok(())
}

fn want_recall(
    connection: &Connection,
    memory: &mut Memory,
    id: MessageId,
    caller: Option<&str>,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    if !owned(connection, id, caller)? {
        return Ok(false);
    }
    withdraw_waiting(connection, id, RecipientState::Recalled, now)?;
    connection.prepare_cached("DELETE FROM escalation WHERE message_id = ?")?.execute([id.to_bytes()])?;
    let (first, last) = id.delivery_range();
    let mut mark = connection.prepare_cached(
        "UPDATE delivery SET recall = 1 WHERE id BETWEEN ? AND ? AND state IN (?, ?, ?, ?) AND digest_of IS NULL RETURNING id",
    )?;
    let marked = mark.query_map(
        params![
            first.to_bytes(),
            last.to_bytes(),
            RecipientState::Sending as u8,
            RecipientState::Delivered as u8,
            RecipientState::Uncertain as u8,
            RecipientState::MovedOn as u8
        ],
        |row| rows::delivery_id(row, 0),
    )?;
    for delivery in marked {
        memory.wanted_back.insert(delivery?);
    }
    Ok(true)
}

fn pending_recalls(
    connection: &Connection,
    of: Option<MessageId>,
    limit: usize,
) -> rusqlite::Result<Vec<PendingRecall>> {
    let (first, last) = of.map_or((LEAST, GREATEST), |id| {
        let (first, last) = id.delivery_range();
        (first.to_bytes(), last.to_bytes())
    });
    let mut find = connection.prepare_cached(
        "SELECT id, open_member(lane) AS lane, handle, unconfirmed, settled_at FROM delivery
         WHERE recall = 1 AND (state IN (?1, ?2) OR (state = ?6 AND handle IS NOT NULL)) AND id BETWEEN ?3 AND ?4
         ORDER BY id LIMIT ?5",
    )?;
    let asked = params![
        RecipientState::Delivered as u8,
        RecipientState::Uncertain as u8,
        first,
        last,
        rows::limit(limit),
        RecipientState::MovedOn as u8
    ];
    let found = find.query_map(asked, |row| {
        Ok(PendingRecall {
            delivery: rows::delivery_id(row, "id")?,
            lane: domain::Lane::from_stored(row.get_ref("lane")?.as_str()?),
            handle: row.get("handle")?,
            unconfirmed: row.get("unconfirmed")?,
            settled_at: rows::maybe_time(row, "settled_at")?,
        })
    })?;
    found.collect()
}

fn recall_ended(
    connection: &Connection,
    memory: &mut Memory,
    delivery: DeliveryId,
    state: Option<RecipientState>,
    reason: Option<&Reason>,
) -> rusqlite::Result<()> {
    connection.execute(
        // Who moved on is counted elsewhere, whatever becomes of what came late.
        "UPDATE delivery SET recall = 0, state = CASE WHEN state = ?4 THEN state ELSE COALESCE(?1, state) END,
             reason = COALESCE(seal_pii(?2), reason) WHERE id = ?3",
        params![
            state.map(|state| state as u8),
            rows::reason_to_stored(reason),
            delivery.to_bytes(),
            RecipientState::MovedOn as u8
        ],
    )?;
    memory.wanted_back.remove(&delivery);
    refresh_messages(connection, &[delivery])
}

/// A caller as statements take it.
fn stored(caller: Option<&CallerId>) -> Option<String> {
    caller.map(|caller| caller.as_str().to_owned())
}

#[async_trait]
impl Records for SqliteLedger {
    async fn message(&self, id: MessageId, caller: Option<&CallerId>) -> Result<Option<MessageRecord>, LedgerError> {
        let caller = stored(caller);
        let read = move |connection: &mut Connection| {
            // One transaction, so that message, deliveries and attempts are of one moment.
            let moment = connection.transaction()?;
            let record = read(&moment, id, caller.as_deref())?;
            moment.commit()?;
            Ok(record)
        };
        self.readers.read("read a message", read).await
    }

    async fn list(&self, filter: MessageFilter) -> Result<Vec<MessageSummary>, LedgerError> {
        self.readers.read("list messages", move |connection| list(connection, &filter)).await
    }

    async fn cancel(
        &self,
        id: MessageId,
        caller: Option<&CallerId>,
        now: Timestamp,
    ) -> Result<CancelAnswer, LedgerError> {
        let caller = stored(caller);
        let cancel = move |connection: &Connection| cancel(connection, id, caller.as_deref(), now);
        self.writer.change("cancel a message", cancel).await
    }

    async fn retry(
        &self,
        id: MessageId,
        caller: Option<&CallerId>,
        due_at: Timestamp,
        give_up_at: Timestamp,
    ) -> Result<RetryAnswer, LedgerError> {
        let caller = stored(caller);
        let retry = move |connection: &Connection| retry(connection, id, caller.as_deref(), due_at, give_up_at);
        self.writer.change("requeue a message", retry).await
    }

    async fn want_recall(&self, id: MessageId, caller: Option<&CallerId>, now: Timestamp) -> Result<bool, LedgerError> {
        let caller = stored(caller);
        let mark = move |connection: &Connection, memory: &mut Memory| {
            want_recall(connection, memory, id, caller.as_deref(), now)
        };
        self.writer.change_memory("mark a message as wanted back", mark).await
    }

    async fn acknowledge(
        &self,
        id: MessageId,
        caller: Option<&CallerId>,
        now: Timestamp,
    ) -> Result<Acknowledged, LedgerError> {
        let caller = stored(caller);
        let acknowledge = move |connection: &Connection| acknowledge(connection, id, caller.as_deref(), now);
        self.writer.change("note an acknowledgement", acknowledge).await
    }

    async fn due_escalations(&self, now: Timestamp, limit: usize) -> Result<Vec<DueEscalation>, LedgerError> {
        self.readers
            .read("find what nobody acknowledged", move |connection| due_escalations(connection, now, limit))
            .await
    }

    async fn escalate(
        &self,
        due: DueEscalation,
        deliveries: Vec<Delivery>,
        next_at: Option<Timestamp>,
    ) -> Result<(), LedgerError> {
        let escalate = move |connection: &Connection| escalate(connection, due, &deliveries, next_at);
        self.writer.change("escalate a message", escalate).await
    }

    async fn stats(
        &self,
        caller: Option<&CallerId>,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<StatRow>, LedgerError> {
        let caller = stored(caller);
        let count = move |connection: &mut Connection| stats::stats(connection, caller.as_deref(), since, until);
        self.readers.read("count deliveries", count).await
    }

    async fn erase(&self, recipient: &Recipient, limit: usize) -> Result<usize, LedgerError> {
        let recipient = recipient.clone();
        let erase = move |connection: &Connection| erasure::erase(connection, &recipient, limit);
        let erased = self.writer.change("erase a recipient", erase).await?;
        self.take_away(erased.files).await?;
        self.file.wipe_log().await?;
        Ok(erased.messages)
    }

    async fn pending_recalls(&self, of: Option<MessageId>, limit: usize) -> Result<Vec<PendingRecall>, LedgerError> {
        let find = move |connection: &mut Connection| pending_recalls(connection, of, limit);
        self.readers.read("find messages wanted back", find).await
    }

    async fn recall_ended(
        &self,
        delivery: DeliveryId,
        state: Option<RecipientState>,
        reason: Option<Reason>,
    ) -> Result<(), LedgerError> {
        let end = move |connection: &Connection, memory: &mut Memory| {
            recall_ended(connection, memory, delivery, state, reason.as_ref())
        };
        self.writer.change_memory("record a recall", end).await
    }
}
