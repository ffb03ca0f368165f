//! Settling: outcomes under a fence, attempts, refused recipients, and the state of the message they add up to.

use std::collections::{HashMap, HashSet};

use domain::{DeliveryId, MessageId, MessageState, Outcome, RecipientState, Timestamp};
use pipeline::ports::{Settled, Settlement};
use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;

use super::rows;

const WAITING: i64 = RecipientState::Waiting as i64;

/// Records outcomes; one whose fence is not the delivery's changes nothing.
pub(super) async fn settle(
    connection: &mut SqliteConnection,
    settlements: &[Settlement],
) -> Result<Vec<Settled>, sqlx::Error> {
    if settlements.is_empty() {
        return Ok(Vec::new());
    }
    let changes: Vec<Value> = settlements.iter().map(change).collect();
    let recorded = sqlx::query(
        "UPDATE delivery SET state = new.value ->> 2, due_at = COALESCE(new.value ->> 3, due_at),
             tries = COALESCE(new.value ->> 4, tries), uncertain_since = new.value ->> 5, handle = new.value ->> 6,
             unconfirmed = new.value ->> 7, reason = new.value ->> 8, settled_at = new.value ->> 9,
             attempts = attempts + (new.value ->> 10), body = new.value ->> 11,
             -- What failed cannot be recalled, and may be retried.
             recall = CASE WHEN new.value ->> 2 IN (4, 6) THEN 0 ELSE recall END
         FROM json_each(?) AS new
         WHERE delivery.id = new.value ->> 0 AND delivery.fence = new.value ->> 1 AND delivery.state = 1
         RETURNING delivery.id, delivery.recall",
    );
    let json = Value::Array(changes).to_string();
    let recorded = recorded.bind(json).fetch_all(&mut *connection).await?;
    let recorded: HashMap<String, bool> = recorded
        .iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get::<i64, _>(1)? != 0)))
        .collect::<Result<_, sqlx::Error>>()?;
    let kept: Vec<&Settlement> =
        settlements.iter().filter(|s| recorded.contains_key(&s.lease.delivery.base32())).collect();
    insert_attempts(connection, &kept).await?;
    insert_refusals(connection, &kept).await?;
    finish_messages(connection, &kept).await?;
    let told = |settlement: &Settlement| match recorded.get(&settlement.lease.delivery.base32()) {
        Some(recall_wanted) => Settled::Recorded { recall_wanted: *recall_wanted },
        None => Settled::Stale,
    };
    Ok(settlements.iter().map(told).collect())
}

fn change(settlement: &Settlement) -> Value {
    let id = settlement.lease.delivery.base32();
    let fence = settlement.lease.fence;
    let attempts = i64::from(settlement.attempt.is_some());
    match &settlement.outcome {
        Outcome::Final { state, handle, unconfirmed, reason, .. } => json!([
            id,
            fence,
            *state as u8,
            null,
            null,
            null,
            handle,
            i64::from(*unconfirmed),
            rows::reason_to_stored(reason.as_ref()),
            settlement.now.as_millis(),
            attempts,
            null,
        ]),
        Outcome::Again { at, tries, uncertain_since, reason } => json!([
            id,
            fence,
            WAITING,
            at.as_millis(),
            tries,
            uncertain_since.map(Timestamp::as_millis),
            null,
            0,
            rows::reason_to_stored(Some(reason)),
            null,
            attempts,
            settlement.frozen.as_ref().and_then(|body| std::str::from_utf8(body).ok()),
        ]),
    }
}

async fn insert_attempts(connection: &mut SqliteConnection, kept: &[&Settlement]) -> Result<(), sqlx::Error> {
    let attempts: Vec<Value> = kept
        .iter()
        .filter_map(|settlement| {
            let attempt = settlement.attempt.as_ref()?;
            let flags =
                if attempt.probe { rows::PROBE } else { 0 } | if attempt.redelivery { rows::REDELIVERY } else { 0 };
            Some(json!([
                settlement.lease.delivery.attempt(attempt.number).base32(),
                attempt.started_at.as_millis(),
                attempt.ended_at.as_millis(),
                attempt.result,
                rows::reason_to_stored(attempt.reason.as_ref()),
                flags,
                settlement.metered.then(|| settlement.lane.as_str()),
            ]))
        })
        .collect();
    if attempts.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT OR REPLACE INTO attempt (id, started_at, ended_at, result, reason, flags, lane)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6 FROM json_each(?)",
    )
    .bind(Value::Array(attempts).to_string())
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_refusals(connection: &mut SqliteConnection, kept: &[&Settlement]) -> Result<(), sqlx::Error> {
    let refusals: Vec<Value> = kept
        .iter()
        .flat_map(|settlement| {
            let id = settlement.lease.delivery.base32();
            let refused = match &settlement.outcome {
                Outcome::Final { refused, .. } => refused.as_slice(),
                Outcome::Again { .. } => &[],
            };
            refused.iter().map(move |refusal| {
                let reason = rows::reason_to_stored(Some(&refusal.reason));
                json!([id, refusal.recipient.to_string(), RecipientState::Failed as u8, reason])
            })
        })
        .collect();
    if refusals.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT OR REPLACE INTO recipient (delivery_id, recipient, state, reason)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?)",
    )
    .bind(Value::Array(refusals).to_string())
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes the state of messages whose last delivery was settled.
async fn finish_messages(connection: &mut SqliteConnection, kept: &[&Settlement]) -> Result<(), sqlx::Error> {
    let mut states: Vec<(MessageId, MessageState)> = Vec::new();
    let mut shared: HashSet<MessageId> = HashSet::new();
    for settlement in kept {
        let message = settlement.lease.delivery.message();
        match &settlement.outcome {
            Outcome::Again { .. } => {}
            Outcome::Final { state, refused, .. } if settlement.sole => {
                let refused = if refused.is_empty() { None } else { Some(RecipientState::Failed) };
                states.push((message, MessageState::of(std::iter::once(*state).chain(refused))));
            }
            Outcome::Final { .. } => _ = shared.insert(message),
        }
    }
    for message in shared {
        states.push((message, derived_state(connection, message).await?));
    }
    write_states(connection, &states).await
}

/// Works out the state of a message from all its deliveries and recipients.
pub(super) async fn derived_state(
    connection: &mut SqliteConnection,
    message: MessageId,
) -> Result<MessageState, sqlx::Error> {
    let (first, last) = message.delivery_range();
    let found: Vec<i64> = sqlx::query_scalar(
        "SELECT state FROM delivery WHERE id BETWEEN ?1 AND ?2
         UNION SELECT state FROM recipient WHERE delivery_id BETWEEN ?1 AND ?2",
    )
    .bind(first.base32())
    .bind(last.base32())
    .fetch_all(connection)
    .await?;
    let states = found.into_iter().map(rows::recipient_state).collect::<Result<Vec<_>, _>>()?;
    Ok(MessageState::of(states))
}

pub(super) async fn write_states(
    connection: &mut SqliteConnection,
    states: &[(MessageId, MessageState)],
) -> Result<(), sqlx::Error> {
    if states.is_empty() {
        return Ok(());
    }
    // Only final states are written: whether an open message is accepted or sending is read off its deliveries.
    let stored = |state: MessageState| {
        if state.is_final() { state as u8 } else { MessageState::Accepted as u8 }
    };
    let changes: Vec<Value> = states.iter().map(|(id, state)| json!([id.base32(), stored(*state)])).collect();
    sqlx::query(
        "UPDATE message SET state = new.value ->> 1 FROM json_each(?) AS new WHERE message.id = new.value ->> 0",
    )
    .bind(Value::Array(changes).to_string())
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes anew the states of the messages whose deliveries changed.
pub(super) async fn refresh_messages(
    connection: &mut SqliteConnection,
    deliveries: &[String],
) -> Result<(), sqlx::Error> {
    let messages: HashSet<MessageId> =
        deliveries.iter().map(|id| rows::delivery_id(id).map(DeliveryId::message)).collect::<Result<_, _>>()?;
    let mut states = Vec::with_capacity(messages.len());
    for message in messages {
        states.push((message, derived_state(connection, message).await?));
    }
    write_states(connection, &states).await
}
