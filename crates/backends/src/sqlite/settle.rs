//! Settling: outcomes under a fence, attempts, refused recipients, and the state of the message they add up to.

use std::collections::BTreeSet;

use domain::{AttemptRecord, DeliveryId, MessageId, MessageState, Outcome, RecipientState, Refusal, Timestamp};
use pipeline::ports::{Settled, Settlement};
use rusqlite::{Connection, params};

use super::admit::insert_more;
use super::memory::Memory;
use super::{digest, rows, search};

/// Records an outcome; one whose fence is not the delivery's changes nothing.
pub(super) fn settle(
    connection: &Connection,
    memory: &mut Memory,
    settlement: &Settlement,
) -> rusqlite::Result<Settled> {
    let withdrawn = withdrawn_meanwhile(connection, memory, settlement)?;
    let settlement = withdrawn.as_ref().unwrap_or(settlement);
    if !record(connection, settlement)? {
        return Ok(Settled::Stale);
    }
    let id = settlement.lease.delivery;
    if let Some(attempt) = &settlement.attempt
        && !is_implied(settlement, attempt)
    {
        insert_attempt(connection, id, attempt, settlement.metered.then_some(settlement.lane.as_str()))?;
    }
    let mut recall_wanted = memory.wanted_back.contains(&id);
    if let Outcome::Final { state, refused, .. } = &settlement.outcome {
        insert_refusals(connection, id, refused)?;
        if recall_wanted && matches!(state, RecipientState::Failed | RecipientState::Expired | RecipientState::Recalled)
        {
            // What failed cannot be recalled, and may be retried.
            connection.execute("UPDATE delivery SET recall = 0 WHERE id = ?", [id.to_bytes()])?;
            memory.wanted_back.remove(&id);
            recall_wanted = false;
        }
        if let Some(at) = settlement.escalate_at {
            remember_escalation(connection, id.message(), at)?;
        }
        if !settlement.next.is_empty() {
            insert_more(connection, &caller_of(connection, id)?, &settlement.next)?;
            let message = id.message();
            if settlement.lane.channel() == "directory" && message <= memory.indexed_until {
                // Who was looked up is found by the userid, too, although the message's terms are written already.
                let found = settlement.next.iter().flat_map(|next| next.recipients.iter().map(ToString::to_string));
                search::insert_late(connection, message, found.collect())?;
            }
            pipeline::crash_point("hand-over-before-commit");
        }
        if digest::end(connection, id, *state, settlement)? {
            // It failed as a digest: each of its messages goes on by itself, this one, too.
            return Ok(Settled::Recorded { recall_wanted: false });
        }
        let state = if settlement.sole && settlement.next.is_empty() {
            let refused = if refused.is_empty() { None } else { Some(RecipientState::Failed) };
            MessageState::of(std::iter::once(*state).chain(refused))
        } else {
            derived_state(connection, id.message())?
        };
        write_state(connection, id.message(), state)?;
    }
    Ok(Settled::Recorded { recall_wanted })
}

/// What is wanted back goes to no later step: the settlement as it is then, if that makes a difference.
fn withdrawn_meanwhile(
    connection: &Connection,
    memory: &Memory,
    settlement: &Settlement,
) -> rusqlite::Result<Option<Settlement>> {
    let id = settlement.lease.delivery;
    if settlement.next.is_empty() || !memory.wanted_back.contains(&id) {
        return Ok(None);
    }
    let mut find =
        connection.prepare_cached("SELECT recall, uncertain_since IS NOT NULL FROM delivery WHERE id = ?")?;
    let (wanted, uncertain): (bool, bool) = find.query_row([id.to_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if !wanted {
        return Ok(None);
    }
    let outcome = match settlement.outcome.clone() {
        Outcome::Final { state: RecipientState::MovedOn, reason, .. } => Outcome::Final {
            state: if uncertain { RecipientState::Uncertain } else { RecipientState::Recalled },
            refused: Vec::new(),
            handle: None,
            unconfirmed: false,
            reason,
        },
        Outcome::Final { state, refused, handle, unconfirmed, reason } => {
            let refused = refused.into_iter().map(|refusal| Refusal { moves_on: false, ..refusal }).collect();
            Outcome::Final { state, refused, handle, unconfirmed, reason }
        }
        other => other,
    };
    Ok(Some(Settlement { outcome, next: Vec::new(), ..settlement.clone() }))
}

/// Writes the outcome itself; `false` if the lease is not the last.
fn record(connection: &Connection, settlement: &Settlement) -> rusqlite::Result<bool> {
    let (id, fence) = (settlement.lease.delivery.to_bytes(), settlement.lease.fence);
    let attempts = i64::from(settlement.attempt.is_some());
    let started_at = settlement.attempt.as_ref().map(|attempt| attempt.started_at.as_millis());
    let changed = match &settlement.outcome {
        Outcome::Final { state, handle, unconfirmed, reason, .. } => connection
            .prepare_cached(
                "UPDATE delivery SET state = ?, handle = ?, unconfirmed = ?, reason = seal_pii(?), settled_at = ?, attempts = attempts + ?,
                     last_attempt_at = COALESCE(?, last_attempt_at), uncertain_since = NULL, body = NULL
                 WHERE id = ? AND fence = ? AND state = 1",
            )?
            .execute(params![
                *state as u8,
                handle,
                unconfirmed,
                rows::reason_to_stored(reason.as_ref()),
                settlement.now.as_millis(),
                attempts,
                started_at,
                id,
                fence
            ])?,
        Outcome::Held { at, lane, stays, reason } => connection
            .prepare_cached(
                "UPDATE delivery SET state = 0, due_at = ?, lane = COALESCE(seal_member(?), lane), reason = seal_pii(?),
                     moves_at = CASE WHEN ? THEN NULL ELSE moves_at END,
                     last_attempt_at = CASE WHEN attempts > 0 THEN last_attempt_at END
                 WHERE id = ? AND fence = ? AND state = 1",
            )?
            .execute(params![
                at.as_millis(),
                lane.as_ref().map(domain::Lane::as_str),
                rows::reason_to_stored(Some(reason)),
                stays,
                id,
                fence
            ])?,
        Outcome::PartSent { handle } => connection
            .prepare_cached(
                "UPDATE delivery SET state = 0, part = COALESCE(part, 0) + 1, handle = ?, tries = 0, uncertain_since = NULL, reason = NULL,
                     body = NULL, attempts = attempts + ?, last_attempt_at = COALESCE(?, last_attempt_at)
                 WHERE id = ? AND fence = ? AND state = 1",
            )?
            .execute(params![handle, attempts, started_at, id, fence])?,
        Outcome::Again { at, tries, uncertain_since, reason, .. } => connection
            .prepare_cached(
                "UPDATE delivery SET state = 0, due_at = ?, tries = ?, uncertain_since = ?, reason = seal_pii(?), body = seal_text('request', id, ?),
                     attempts = attempts + ?, last_attempt_at = COALESCE(?, last_attempt_at), unconfirmed = 0, settled_at = NULL,
                     handle = CASE WHEN part > 0 THEN handle END
                 WHERE id = ? AND fence = ? AND state = 1",
            )?
            .execute(params![
                at.as_millis(),
                tries,
                uncertain_since.map(Timestamp::as_millis),
                rows::reason_to_stored(Some(reason)),
                settlement.frozen.as_ref().and_then(|body| std::str::from_utf8(body).ok()),
                attempts,
                started_at,
                id,
                fence
            ])?,
    };
    Ok(changed > 0)
}

/// Whether the delivery itself says all there is to say about an attempt: its only one, and taken at once.
fn is_implied(settlement: &Settlement, attempt: &AttemptRecord) -> bool {
    matches!(settlement.outcome, Outcome::Final { .. })
        && attempt.number == 1
        && attempt.result == rows::SENT
        && attempt.reason.is_none()
        && !attempt.probe
        && !attempt.redelivery
        && !settlement.metered
        && attempt.ended_at == settlement.now
}

/// Remembers when a message must have been acknowledged; the first success of several counts.
pub(super) fn remember_escalation(connection: &Connection, message: MessageId, at: Timestamp) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO escalation (message_id, at, level)
             SELECT ?1, ?2, 0 FROM message WHERE id = ?1 AND acknowledged_at IS NULL",
        )?
        .execute(params![message.to_bytes(), at.as_millis()])
        .map(drop)
}

/// Whose a delivery is.
fn caller_of(connection: &Connection, id: DeliveryId) -> rusqlite::Result<String> {
    connection.prepare_cached("SELECT caller FROM delivery WHERE id = ?")?.query_row([id.to_bytes()], |row| row.get(0))
}

pub(super) fn insert_attempt(
    connection: &Connection,
    delivery: DeliveryId,
    attempt: &AttemptRecord,
    metered: Option<&str>,
) -> rusqlite::Result<()> {
    let flags = [(attempt.probe, rows::PROBE), (attempt.redelivery, rows::REDELIVERY), (attempt.late, rows::LATE)];
    let flags: i64 = flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag).sum();
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO attempt (id, started_at, ended_at, result, reason, flags, lane, bytes, request)
             VALUES (?1, ?2, ?3, ?4, seal_pii(?5), ?6, seal_member(?7), ?8, seal_text('attempt', ?1, ?9))",
        )?
        .execute(params![
            delivery.attempt(attempt.number).to_bytes(),
            attempt.started_at.as_millis(),
            attempt.ended_at.as_millis(),
            attempt.result,
            rows::reason_to_stored(attempt.reason.as_ref()),
            flags,
            metered,
            attempt.bytes,
            attempt.request,
        ])
        .map(drop)
}

fn insert_refusals(connection: &Connection, delivery: DeliveryId, refused: &[Refusal]) -> rusqlite::Result<()> {
    for refusal in refused {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO recipient (delivery_id, recipient, state, reason)
                 VALUES (?, seal_recipients(?), ?, seal_pii(?))",
            )?
            .execute(params![
                delivery.to_bytes(),
                refusal.recipient.to_string(),
                if refusal.moves_on { RecipientState::MovedOn } else { RecipientState::Failed } as u8,
                rows::reason_to_stored(Some(&refusal.reason)),
            ])?;
    }
    Ok(())
}

/// Works out the state of a message from all its deliveries and recipients.
pub(super) fn derived_state(connection: &Connection, message: MessageId) -> rusqlite::Result<MessageState> {
    let (first, last) = message.delivery_range();
    let mut find = connection.prepare_cached(
        // A message that was delivered stays so, whatever becomes of its escalation.
        "SELECT state FROM delivery WHERE id BETWEEN ?1 AND ?2 AND (step IS NULL OR step <> 255 OR state < 3)
         UNION SELECT state FROM recipient WHERE delivery_id BETWEEN ?1 AND ?2",
    )?;
    let states = find.query_map([first.to_bytes(), last.to_bytes()], |row| rows::recipient_state(row.get(0)?))?;
    Ok(MessageState::of(states.collect::<rusqlite::Result<Vec<_>>>()?))
}

/// Writes a message's state. Only final ones differ: whether an open message is accepted or sending is read off its
/// deliveries.
pub(super) fn write_state(connection: &Connection, id: MessageId, state: MessageState) -> rusqlite::Result<()> {
    let stored = if state.is_final() { state } else { MessageState::Accepted };
    connection
        .prepare_cached("UPDATE message SET state = ? WHERE id = ?")?
        .execute(params![stored as u8, id.to_bytes()])
        .map(drop)
}

/// Writes anew the states of the messages whose deliveries changed.
pub(super) fn refresh_messages(connection: &Connection, deliveries: &[DeliveryId]) -> rusqlite::Result<()> {
    let messages: BTreeSet<MessageId> = deliveries.iter().map(|id| id.message()).collect();
    for message in messages {
        write_state(connection, message, derived_state(connection, message)?)?;
    }
    Ok(())
}
