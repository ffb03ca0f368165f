//! Rows ↔ values: the ledger's own formats, and what is wrong with a row that cannot be read.

use domain::{
    AttemptId, AttemptRecord, CallerId, Content, ContentKind, Delivery, DeliveryId, Lane, Mention, Message, MessageId,
    MessageState, Options, Priority, Reason, RecipientSet, RecipientState, RequestHash, Timestamp,
};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

pub(super) fn corrupt(what: impl Into<String>) -> sqlx::Error {
    sqlx::Error::Decode(what.into().into())
}

pub(super) fn message_id(text: &str) -> Result<MessageId, sqlx::Error> {
    MessageId::from_base32(text).map_err(|error| corrupt(error.to_string()))
}

pub(super) fn delivery_id(text: &str) -> Result<DeliveryId, sqlx::Error> {
    DeliveryId::from_base32(text).map_err(|error| corrupt(error.to_string()))
}

pub(super) fn time(row: &SqliteRow, column: &str) -> Result<Timestamp, sqlx::Error> {
    Ok(Timestamp::from_millis(row.try_get(column)?))
}

pub(super) fn maybe_time(row: &SqliteRow, column: &str) -> Result<Option<Timestamp>, sqlx::Error> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_millis))
}

pub(super) fn recipient_state(number: i64) -> Result<RecipientState, sqlx::Error> {
    let state = usize::try_from(number).ok().and_then(|i| RecipientState::ALL.get(i).copied());
    state.ok_or_else(|| corrupt(format!("{number} is no recipient state")))
}

pub(super) fn message_state(number: i64) -> Result<MessageState, sqlx::Error> {
    let state = usize::try_from(number).ok().and_then(|i| MessageState::ALL.get(i).copied());
    state.ok_or_else(|| corrupt(format!("{number} is no message state")))
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct StoredOptions {
    #[serde(skip_serializing_if = "is_zero")]
    safe: u8,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mention_users: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mention_mobiles: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    mention_all: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &u8) -> bool {
    *number == 0
}

pub(super) fn options_to_stored(options: &Options) -> Option<String> {
    if *options == Options::default() {
        return None;
    }
    let Mention { users, mobiles, all } = options.mention.clone();
    let stored = StoredOptions { safe: options.safe, mention_users: users, mention_mobiles: mobiles, mention_all: all };
    serde_json::to_string(&stored).ok()
}

pub(super) fn options_from_stored(stored: Option<&str>) -> Options {
    let stored: StoredOptions = stored.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let mention = Mention { users: stored.mention_users, mobiles: stored.mention_mobiles, all: stored.mention_all };
    Options { safe: stored.safe, mention }
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

pub(super) fn message(row: &SqliteRow) -> Result<Message, sqlx::Error> {
    let tags: Option<String> = row.try_get("tags")?;
    let duplicate_of: Option<String> = row.try_get("duplicate_of")?;
    Ok(Message {
        id: message_id(row.try_get("id")?)?,
        caller: CallerId::new(row.try_get::<String, _>("caller")?),
        content: shown_content(row.try_get("content")?),
        options: options_from_stored(row.try_get("options")?),
        priority: Priority::from_rank(row.try_get("priority")?),
        accepted_at: time(row, "accepted_at")?,
        send_at: maybe_time(row, "send_at")?,
        expires_at: maybe_time(row, "expires_at")?,
        tags: tags.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default(),
        metadata: row.try_get::<Option<String>, _>("metadata")?.map(Into::into),
        duplicate_of: duplicate_of.map(|id| message_id(&id)).transpose()?,
    })
}

pub(super) fn delivery(row: &SqliteRow) -> Result<Delivery, sqlx::Error> {
    let recipients =
        RecipientSet::from_stored(row.try_get("recipients")?).map_err(|error| corrupt(error.to_string()))?;
    // Only the first 64 bits are kept: enough to tell whether a rendering has changed.
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&row.try_get::<i64, _>("request_hash")?.to_be_bytes());
    Ok(Delivery {
        id: delivery_id(row.try_get("id")?)?,
        lane: Lane::from_stored(row.try_get("lane")?),
        recipients,
        priority: Priority::from_rank(row.try_get("priority")?),
        due_at: time(row, "due_at")?,
        expires_at: maybe_time(row, "expires_at")?,
        give_up_at: time(row, "give_up_at")?,
        request_hash: RequestHash::new(hash),
    })
}

pub(super) const PROBE: i64 = 1;
pub(super) const REDELIVERY: i64 = 2;

pub(super) fn attempt(row: &SqliteRow) -> Result<(AttemptId, AttemptRecord), sqlx::Error> {
    let id = AttemptId::from_base32(row.try_get("id")?).map_err(|error| corrupt(error.to_string()))?;
    let flags: i64 = row.try_get("flags")?;
    let record = AttemptRecord {
        number: id.number(),
        started_at: time(row, "started_at")?,
        ended_at: time(row, "ended_at")?,
        result: row.try_get("result")?,
        reason: reason_from_stored(row.try_get("reason")?),
        probe: flags & PROBE != 0,
        redelivery: flags & REDELIVERY != 0,
    };
    Ok((id, record))
}
