//! Rows ↔ values: the ledger's own formats, and what is wrong with a row that cannot be read.

use std::sync::Arc;

use domain::{
    AttemptId, AttemptRecord, CallerId, Content, ContentKind, Delivery, DeliveryId, Lane, Mention, Message, MessageId,
    MessageState, Options, Overflow, Placed, Priority, Reason, RecipientSet, RecipientState, RequestHash, Route,
    TemplateUse, Timestamp,
};
use rusqlite::functions::FunctionFlags;
use rusqlite::types::Type;
use rusqlite::{Connection, Row, RowIndex};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The result of an attempt that was taken.
pub(super) const SENT: &str = "sent";

pub(super) fn corrupt(what: impl Into<String>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, what.into().into())
}

/// A number of rows, as SQL takes it.
pub(super) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

pub(super) fn message_id(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<MessageId> {
    Ok(MessageId::from_bytes(row.get(column)?))
}

pub(super) fn delivery_id(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<DeliveryId> {
    Ok(DeliveryId::from_bytes(row.get(column)?))
}

/// `message_of(delivery)`: the message that a delivery's id says it belongs to.
pub(super) fn register_message_of(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("message_of", 1, flags, |context| {
        Ok(DeliveryId::from_bytes(context.get(0)?).message().to_bytes())
    })
}

pub(super) fn time(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<Timestamp> {
    Ok(Timestamp::from_millis(row.get(column)?))
}

pub(super) fn maybe_time(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis))
}

/// What a message is searched by: its recipients and tags.
pub(super) fn terms<'a>(deliveries: &'a [Delivery], tags: &'a [String]) -> impl Iterator<Item = String> {
    let recipients = deliveries.iter().flat_map(|delivery| &delivery.recipients).map(ToString::to_string);
    recipients.chain(tags.iter().map(|tag| tag_term(tag)))
}

/// The term of a tag: no recipient begins so.
pub(super) fn tag_term(tag: &str) -> String {
    format!("#{tag}")
}

/// Reads the tags of a message.
pub(super) fn tags(stored: Option<&str>) -> Vec<String> {
    stored.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
}

pub(super) fn recipient_state(number: i64) -> rusqlite::Result<RecipientState> {
    let state = usize::try_from(number).ok().and_then(|i| RecipientState::ALL.get(i).copied());
    state.ok_or_else(|| corrupt(format!("{number} is no recipient state")))
}

pub(super) fn message_state(number: i64) -> rusqlite::Result<MessageState> {
    let state = usize::try_from(number).ok().and_then(|i| MessageState::ALL.get(i).copied());
    state.ok_or_else(|| corrupt(format!("{number} is no message state")))
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct StoredOptions {
    #[serde(skip_serializing_if = "is_zero")]
    safe: u8,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    id_trans: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mention_users: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mention_mobiles: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    mention_all: bool,
    #[serde(skip_serializing_if = "is_reject")]
    overflow: Overflow,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &u8) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_reject(overflow: &Overflow) -> bool {
    *overflow == Overflow::Reject
}

/// A route as it was when its message was accepted.
pub(super) fn route_to_stored(route: Option<&Route>) -> Option<String> {
    serde_json::to_string(route?).ok()
}

/// Reads a route; one that cannot be read leads nowhere.
pub(super) fn route_from_stored(stored: Option<&str>) -> Option<Arc<Route>> {
    serde_json::from_str(stored?).ok().map(Arc::new)
}

/// What a message's content was made by, without its variables: they are among the notes.
pub(super) fn template_to_stored(template: Option<&TemplateUse>) -> Option<String> {
    let TemplateUse { name, version, .. } = template?;
    serde_json::to_string(&TemplateUse { name: name.clone(), version: *version, variables: Map::new() }).ok()
}

fn template_from_stored(stored: Option<&str>, variables: Option<Map<String, Value>>) -> Option<Box<TemplateUse>> {
    let template: TemplateUse = serde_json::from_str(stored?).ok()?;
    Some(Box::new(TemplateUse { variables: variables.unwrap_or(template.variables), ..template }))
}

/// What is sealed beside the content.
#[derive(Serialize, Deserialize, Default)]
struct StoredNotes {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    variables: Option<Map<String, Value>>,
}

/// A message's metadata, and what its template was given.
pub(super) fn notes_to_stored(message: &Message) -> Option<String> {
    let variables =
        message.template.as_ref().map(|template| template.variables.clone()).filter(|given| !given.is_empty());
    if message.metadata.is_none() && variables.is_none() {
        return None;
    }
    serde_json::to_string(&StoredNotes { metadata: message.metadata.clone(), variables }).ok()
}

fn notes_from_stored(stored: Option<&str>) -> StoredNotes {
    stored.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

pub(super) fn options_to_stored(options: &Options) -> Option<String> {
    if *options == Options::default() {
        return None;
    }
    let Mention { users, mobiles, all } = options.mention.clone();
    let stored = StoredOptions {
        safe: options.safe,
        id_trans: options.id_trans,
        mention_users: users,
        mention_mobiles: mobiles,
        mention_all: all,
        overflow: options.overflow,
    };
    serde_json::to_string(&stored).ok()
}

pub(super) fn options_from_stored(stored: Option<&str>) -> Options {
    let stored: StoredOptions = stored.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let mention = Mention { users: stored.mention_users, mobiles: stored.mention_mobiles, all: stored.mention_all };
    Options { safe: stored.safe, id_trans: stored.id_trans, mention, overflow: stored.overflow }
}

#[derive(Serialize, Deserialize)]
struct StoredReason {
    code: String,
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

pub(super) fn reason_to_stored(reason: Option<&Reason>) -> Option<String> {
    let Reason { code, text, hint } = reason?.clone();
    serde_json::to_string(&StoredReason { code, text, hint }).ok()
}

pub(super) fn reason_from_stored(stored: Option<&str>) -> Option<Reason> {
    let StoredReason { code, text, hint } = serde_json::from_str(stored?).ok()?;
    Some(Reason { code, text, hint })
}

/// Reads what a message says; one that cannot be read is shown as such, and never sent.
pub(super) fn shown_content(stored: &str) -> Content {
    Content::from_stored(stored).unwrap_or_else(|| Content::new(ContentKind::Text, "null"))
}

pub(super) fn message(row: &Row<'_>) -> rusqlite::Result<Message> {
    let notes = notes_from_stored(row.get_ref("notes")?.as_str_or_null()?);
    let metadata = row.get::<_, Option<String>>("metadata")?.map(Into::into);
    Ok(Message {
        id: message_id(row, "id")?,
        caller: CallerId::new(row.get::<_, String>("caller")?),
        content: shown_content(row.get_ref("whole_content")?.as_str_or_null()?.unwrap_or_default()),
        options: options_from_stored(row.get_ref("opened_options")?.as_str_or_null()?),
        priority: Priority::from_rank(row.get("priority")?),
        accepted_at: time(row, "accepted_at")?,
        send_at: maybe_time(row, "send_at")?,
        expires_at: maybe_time(row, "expires_at")?,
        tags: tags(row.get_ref("tags")?.as_str_or_null()?),
        metadata: notes.metadata.or(metadata),
        duplicate_of: row.get::<_, Option<[u8; 16]>>("duplicate_of")?.map(MessageId::from_bytes),
        route: route_from_stored(row.get_ref("opened_route")?.as_str_or_null()?),
        replay_of: row.get::<_, Option<[u8; 16]>>("replay_of")?.map(MessageId::from_bytes),
        acknowledged_at: maybe_time(row, "acknowledged_at")?,
        template: template_from_stored(row.get_ref("template")?.as_str_or_null()?, notes.variables),
        webhook: row.get::<_, Option<String>>("webhook")?.map(Into::into),
    })
}

/// What a message `m` says.
macro_rules! whole_content {
    () => {
        "COALESCE(m.content, opened('content', m.id, COALESCE(m.sealed, (SELECT sealed FROM long_content WHERE message_id = m.id))),
             (SELECT content FROM long_content WHERE message_id = m.id))"
    };
}
pub(super) use whole_content;

/// What is read of a message `m`, by name.
macro_rules! message_columns {
    () => {
        concat!(
            "SELECT m.*, ",
            rows::whole_content!(),
            " AS whole_content, opened('notes', m.id, m.sealed_notes) AS notes,
                 open_pii(m.options) AS opened_options, open_pii(m.route) AS opened_route"
        )
    };
}
pub(super) use message_columns;

/// What is read of a delivery, in this order: first what makes its value (0 to 7), then its standing (8 to 11), then what
/// a claim asks for besides (12 to 15), then what a record shows besides (16 to 21), then what few have (22 to 28).
macro_rules! delivery_columns {
    () => {
        "SELECT id, open_member(lane), open_recipients(recipients), priority, due_at, expires_at, give_up_at, request_hash,
             attempts, tries, uncertain_since, duplicate_check, caller, fence, open_text('request', id, body), sole,
             state, last_attempt_at, handle, unconfirmed, open_pii(reason), settled_at,
             open_pii(address), step, moves_at, budget, digest, part, digest_of "
    };
}
pub(super) use delivery_columns;

/// Reads a delivery that is to be sent.
pub(super) fn delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let recipients = RecipientSet::from_stored(row.get_ref(2)?.as_str()?);
    delivery_to(row, recipients.map_err(|error| corrupt(error.to_string()))?)
}

/// Reads a delivery that is to be shown; one whose recipients cannot be read is shown without them, and never sent.
pub(super) fn shown_delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let recipients = RecipientSet::from_stored(row.get_ref(2)?.as_str()?);
    delivery_to(row, recipients.unwrap_or_default())
}

fn delivery_to(row: &Row<'_>, recipients: RecipientSet) -> rusqlite::Result<Delivery> {
    // Only the first 64 bits are kept: enough to tell whether a rendering has changed.
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&row.get::<_, i64>(7)?.to_be_bytes());
    let step = match row.get::<_, Option<u8>>(23)? {
        Some(index) => Some(Placed { index, moves_at: maybe_time(row, 24)?, budget: row.get(25)? }),
        None => None,
    };
    Ok(Delivery {
        id: delivery_id(row, 0)?,
        lane: Lane::from_stored(row.get_ref(1)?.as_str()?),
        recipients,
        priority: Priority::from_rank(row.get(3)?),
        due_at: time(row, 4)?,
        expires_at: maybe_time(row, 5)?,
        give_up_at: time(row, 6)?,
        request_hash: RequestHash::new(hash),
        address: row.get::<_, Option<String>>(22)?.map(Into::into),
        step,
        digest: row.get::<_, Option<String>>(26)?.map(Into::into),
        part: row.get::<_, Option<u16>>(27)?.unwrap_or(0),
    })
}

pub(super) const PROBE: i64 = 1;
pub(super) const REDELIVERY: i64 = 2;
pub(super) const LATE: i64 = 4;

pub(super) fn attempt(row: &Row<'_>) -> rusqlite::Result<(AttemptId, AttemptRecord)> {
    let id = AttemptId::from_bytes(row.get("id")?);
    let flags: i64 = row.get("flags")?;
    let record = AttemptRecord {
        number: id.number(),
        started_at: time(row, "started_at")?,
        ended_at: time(row, "ended_at")?,
        result: row.get("result")?,
        reason: reason_from_stored(row.get_ref("opened_reason")?.as_str_or_null()?),
        probe: flags & PROBE != 0,
        redelivery: flags & REDELIVERY != 0,
        late: flags & LATE != 0,
        bytes: row.get::<_, Option<u32>>("bytes")?.unwrap_or(0),
        request: row.get("opened_request")?,
    };
    Ok((id, record))
}

/// The attempt of a delivery that was taken at its only try, which is not stored by itself.
pub(super) fn implied_attempt(started_at: Timestamp, ended_at: Timestamp) -> AttemptRecord {
    AttemptRecord {
        number: 1,
        started_at,
        ended_at,
        result: SENT.to_owned(),
        reason: None,
        probe: false,
        redelivery: false,
        late: false,
        bytes: 0,
        request: None,
    }
}
