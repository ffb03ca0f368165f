//! Admissions: repeats are found before anything is inserted, also those of the same commit; then row by row.

use std::sync::Arc;

use async_trait::async_trait;
use domain::{
    CallerId, Delivery, DeliveryId, Message, MessageId, MessageState, RecipientState, RequestHash, Timestamp,
};
use pipeline::ports::{Accepted, Admission, Admissions, BornLeased, Idempotency, Lease, LedgerError};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::json;

use super::memory::Memory;
use super::{SqliteLedger, callbacks, clicks, media, rows, search};

/// Content of more bytes than this has a row of its own.
const LONG_CONTENT: usize = 500;
/// The fence of a delivery that was never claimed, and of one that is claimed by the commit that accepts it.
const UNCLAIMED: i64 = 0;
const BORN_LEASED: i64 = 1;

pub(super) fn admit(connection: &Connection, memory: &mut Memory, admission: &Admission) -> rusqlite::Result<Accepted> {
    let message = &admission.message;
    if let Some(idempotency) = &admission.idempotency
        && let Some(known) = known_key(connection, &message.caller, idempotency)?
    {
        return Ok(known);
    }
    let duplicate_of = match &admission.dedupe {
        Some(dedupe) => first_of(connection, message, &dedupe.key)?,
        None => None,
    };
    insert_message(connection, message, duplicate_of)?;
    if message.id <= memory.indexed_until {
        // Accepted long before it could be stored: its turn with the others has passed.
        let terms = rows::terms(&admission.deliveries, &message.tags).collect();
        search::insert_late(connection, message.id, terms)?;
    }
    callbacks::note_card(connection, message.id, &message.content)?;
    clicks::insert_links(connection, message.id, &admission.links)?;
    if let Some(link) = message.content.link() {
        media::insert_link(connection, message.id, link)?;
    }
    if let Some(idempotency) = &admission.idempotency {
        insert_key(connection, message, idempotency, duplicate_of)?;
    }
    if let Some(of) = duplicate_of {
        return Ok(Accepted::Duplicate { of });
    }
    if let Some(dedupe) = &admission.dedupe {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO dedupe (caller, key, message_id, until) VALUES (?, seal_pii(?), ?, ?)",
            )?
            .execute(params![message.caller.as_str(), dedupe.key, message.id.to_bytes(), dedupe.until.as_millis()])?;
    }
    let sole = admission.deliveries.len() == 1;
    let mut leases = Vec::with_capacity(admission.born_leased.len());
    for (index, delivery) in admission.deliveries.iter().enumerate() {
        let born = admission.born_leased.iter().find(|born| born.index == index);
        leases.extend(insert_delivery(connection, memory, message, (delivery, sole), born)?);
    }
    Ok(Accepted::New { leases })
}

/// Looks up what an idempotency key stands for.
fn known_key(
    connection: &Connection,
    caller: &CallerId,
    idempotency: &Idempotency,
) -> rusqlite::Result<Option<Accepted>> {
    let mut find = connection.prepare_cached(
        "SELECT hash, message_id, accepted_at, duplicate_of FROM idempotency
         WHERE caller = ? AND key = seal_pii(?) AND accepted_at >= ?",
    )?;
    let asked = params![caller.as_str(), idempotency.key, idempotency.not_before.as_millis()];
    find.query_row(asked, |row| {
        if RequestHash::new(row.get(0)?) != idempotency.hash {
            return Ok(Accepted::KeyReused);
        }
        Ok(Accepted::Replayed {
            id: MessageId::from_bytes(row.get(1)?),
            accepted_at: Timestamp::from_millis(row.get(2)?),
            duplicate_of: row.get::<_, Option<[u8; 16]>>(3)?.map(MessageId::from_bytes),
        })
    })
    .optional()
}

/// Finds the message that this one repeats.
fn first_of(connection: &Connection, message: &Message, key: &str) -> rusqlite::Result<Option<MessageId>> {
    let mut find = connection
        .prepare_cached("SELECT message_id FROM dedupe WHERE caller = ? AND key = seal_pii(?) AND until > ?")?;
    let asked = params![message.caller.as_str(), key, message.accepted_at.as_millis()];
    find.query_row(asked, |row| Ok(MessageId::from_bytes(row.get(0)?))).optional()
}

fn insert_message(connection: &Connection, message: &Message, duplicate_of: Option<MessageId>) -> rusqlite::Result<()> {
    let state = if duplicate_of.is_some() { MessageState::Duplicate } else { MessageState::Accepted };
    let content = message.content.to_stored();
    let is_long = content.len() > LONG_CONTENT;
    if is_long {
        connection
            .prepare_cached(
                "INSERT INTO long_content (message_id, content, sealed) VALUES (?1, '', seal('content', ?1, ?2))",
            )?
            .execute(params![message.id.to_bytes(), content])?;
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO message (id, caller, state, sealed, options, priority, accepted_at, send_at, expires_at, tags, sealed_notes,
             duplicate_of, route, replay_of, template, webhook)
         VALUES (?1, ?2, ?3, seal('content', ?1, ?4), seal_pii(?5), ?6, ?7, ?8, ?9, ?10, seal('notes', ?1, ?11), ?12, seal_pii(?13), ?14,
             ?15, ?16)",
    )?;
    insert
        .execute(params![
            message.id.to_bytes(),
            message.caller.as_str(),
            state as u8,
            (!is_long).then_some(content),
            rows::options_to_stored(&message.options),
            message.priority.rank(),
            message.accepted_at.as_millis(),
            message.send_at.map(Timestamp::as_millis),
            message.expires_at.map(Timestamp::as_millis),
            (!message.tags.is_empty()).then(|| json!(message.tags).to_string()),
            rows::notes_to_stored(message),
            duplicate_of.map(MessageId::to_bytes),
            rows::route_to_stored(message.route.as_deref()),
            message.replay_of.map(MessageId::to_bytes),
            rows::template_to_stored(message.template.as_deref()),
            message.webhook.as_deref(),
        ])
        .map(drop)
}

fn insert_key(
    connection: &Connection,
    message: &Message,
    idempotency: &Idempotency,
    duplicate_of: Option<MessageId>,
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT OR REPLACE INTO idempotency (caller, key, hash, message_id, accepted_at, duplicate_of)
         VALUES (?, seal_pii(?), ?, ?, ?, ?)",
    )?;
    insert
        .execute(params![
            message.caller.as_str(),
            idempotency.key,
            idempotency.hash.as_bytes(),
            message.id.to_bytes(),
            message.accepted_at.as_millis(),
            duplicate_of.map(MessageId::to_bytes),
        ])
        .map(drop)
}

/// Adds deliveries to a message that is stored: they get the next ids of its family.
pub(super) fn insert_more(connection: &Connection, caller: &str, deliveries: &[Delivery]) -> rusqlite::Result<()> {
    let Some(message) = deliveries.first().map(|delivery| delivery.id.message()) else { return Ok(()) };
    let mut position = last_position(connection, message)?;
    connection
        .prepare_cached("UPDATE delivery SET sole = 0 WHERE id BETWEEN ? AND ? AND sole = 1")?
        .execute([message.delivery_range().0.to_bytes(), message.delivery_range().1.to_bytes()])?;
    for delivery in deliveries {
        position = position.checked_add(1).ok_or_else(|| rows::corrupt("a message with too many deliveries"))?;
        let delivery = Delivery { id: message.delivery(position), ..delivery.clone() };
        insert_row(connection, caller, (&delivery, false), (RecipientState::Waiting, UNCLAIMED), None, None)?;
    }
    Ok(())
}

/// The position of the last delivery of a message.
pub(super) fn last_position(connection: &Connection, message: MessageId) -> rusqlite::Result<u16> {
    let (first, last) = message.delivery_range();
    connection
        .prepare_cached("SELECT MAX(id) FROM delivery WHERE id BETWEEN ? AND ?")?
        .query_row([first.to_bytes(), last.to_bytes()], |row| rows::delivery_id(row, 0))
        .map(DeliveryId::position)
}

fn insert_delivery(
    connection: &Connection,
    memory: &mut Memory,
    message: &Message,
    (delivery, sole): (&Delivery, bool),
    born: Option<&BornLeased>,
) -> rusqlite::Result<Option<Lease>> {
    let check = match born {
        Some(BornLeased { equal_since: Some(_), .. }) => Some(!memory.requests.holds(delivery.request_hash, delivery)),
        _ => None,
    };
    let (state, fence) = match born {
        Some(_) => (RecipientState::Sending, BORN_LEASED),
        None => (RecipientState::Waiting, UNCLAIMED),
    };
    let attempted = born.map(|_| message.accepted_at);
    insert_row(connection, message.caller.as_str(), (delivery, sole), (state, fence), check, attempted)?;
    if let (Some(_), Some(at)) = (check, attempted) {
        memory.requests.note(connection, delivery.request_hash, delivery, at)?;
    }
    let lease = Lease { delivery: delivery.id, fence, duplicate_check: check.unwrap_or(false) };
    Ok(born.map(|_| lease))
}

fn insert_row(
    connection: &Connection,
    caller: &str,
    (delivery, sole): (&Delivery, bool),
    (state, fence): (RecipientState, i64),
    check: Option<bool>,
    attempted: Option<Timestamp>,
) -> rusqlite::Result<()> {
    let placed = delivery.step;
    let mut insert = connection.prepare_cached(
        "INSERT INTO delivery (id, lane, caller, recipients, state, priority, due_at, expires_at, give_up_at, sole, request_hash,
             duplicate_check, fence, last_attempt_at, attempts, tries, unconfirmed, recall, address, step, moves_at, budget, digest,
             part)
         VALUES (?, seal_member(?), ?, seal_recipients(?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, seal_pii(?), ?, ?, ?, ?, ?)",
    )?;
    insert
        .execute(params![
            delivery.id.to_bytes(),
            delivery.lane.as_str(),
            caller,
            delivery.recipients.to_stored(),
            state as u8,
            delivery.priority.rank(),
            delivery.due_at.as_millis(),
            delivery.expires_at.map(Timestamp::as_millis),
            delivery.give_up_at.as_millis(),
            sole,
            delivery.request_hash.short(),
            check,
            fence,
            attempted.map(Timestamp::as_millis),
            delivery.address.as_deref(),
            placed.map(|placed| placed.index),
            placed.and_then(|placed| placed.moves_at).map(Timestamp::as_millis),
            placed.and_then(|placed| placed.budget),
            delivery.digest.as_deref(),
            Some(delivery.part).filter(|part| *part > 0),
        ])
        .map(drop)
}

#[async_trait]
impl Admissions for SqliteLedger {
    async fn accept(&self, admissions: Vec<Arc<Admission>>) -> Result<Vec<Accepted>, LedgerError> {
        self.writer.accept(admissions).await
    }

    async fn known_key(&self, caller: &CallerId, idempotency: &Idempotency) -> Result<Option<Accepted>, LedgerError> {
        let (caller, idempotency) = (caller.clone(), idempotency.clone());
        let find = move |connection: &mut Connection| known_key(connection, &caller, &idempotency);
        self.readers.read("look up an idempotency key", find).await
    }
}
