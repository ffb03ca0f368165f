//! Admissions: conflicts are settled row by row before anything is inserted, then everything is inserted by one
//! statement a table, bound as one JSON parameter.

use std::collections::HashMap;

use async_trait::async_trait;
use domain::{CallerId, MessageId, MessageState, RecipientState, Timestamp};
use pipeline::ports::{Accepted, Admission, Admissions, Idempotency, Lease, LedgerError};
use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;

use super::queue::failed;
use super::{SqliteLedger, rows};

/// The interval of the upstream's duplicate check that born-leased deliveries are held against; the longest any channel
/// uses. A longer look than needed only turns the check off.
/// The minute beyond it is for calls that reached the upstream late.
const EQUAL_WITHIN_MILLIS: i64 = 660_000;

pub(super) async fn admit(
    connection: &mut SqliteConnection,
    admissions: &[Admission],
) -> Result<Vec<Accepted>, sqlx::Error> {
    if admissions.is_empty() {
        return Ok(Vec::new());
    }
    let keys = known_keys(connection, admissions).await?;
    let repeats = known_repeats(connection, admissions).await?;
    let mut batch = Inserts::default();
    let mut decided = Decided { keys, repeats };
    let accepted: Vec<Accepted> = admissions.iter().map(|admission| decided.decide(admission, &mut batch)).collect();
    batch.insert(connection).await?;
    with_duplicate_checks(connection, accepted, &batch.born_leased, admissions).await
}

type KnownKey = (String, MessageId, Timestamp, Option<MessageId>);

/// What is known of earlier requests, in the database and in this batch.
struct Decided {
    keys: HashMap<(String, String), KnownKey>,
    repeats: HashMap<(String, String), (MessageId, Timestamp)>,
}

impl Decided {
    fn decide(&mut self, admission: &Admission, batch: &mut Inserts) -> Accepted {
        let message = &admission.message;
        let caller = message.caller.as_str().to_owned();
        if let Some(idempotency) = &admission.idempotency
            && let Some(known) = self.keys.get(&(caller.clone(), idempotency.key.clone()))
        {
            return answer_of(known, idempotency);
        }
        let duplicate_of = admission.dedupe.as_ref().and_then(|dedupe| {
            let first = self.repeats.get(&(caller.clone(), dedupe.key.clone()));
            first.filter(|(_, until)| message.accepted_at < *until).map(|(id, _)| *id)
        });
        if let Some(idempotency) = &admission.idempotency {
            let known = (idempotency.hash.to_string(), message.id, message.accepted_at, duplicate_of);
            self.keys.insert((caller.clone(), idempotency.key.clone()), known);
        }
        match duplicate_of {
            Some(of) => {
                batch.add(admission, Some(of));
                Accepted::Duplicate { of }
            }
            None => {
                if let Some(dedupe) = &admission.dedupe {
                    self.repeats.insert((caller, dedupe.key.clone()), (message.id, dedupe.until));
                }
                batch.add(admission, None);
                Accepted::New { leases: Vec::new() }
            }
        }
    }
}

/// What a known key says to a request: the same one, or another.
fn answer_of((hash, id, accepted_at, duplicate_of): &KnownKey, idempotency: &Idempotency) -> Accepted {
    if *hash == idempotency.hash.to_string() {
        Accepted::Replayed { id: *id, accepted_at: *accepted_at, duplicate_of: *duplicate_of }
    } else {
        Accepted::KeyReused
    }
}

async fn known_keys(
    connection: &mut SqliteConnection,
    admissions: &[Admission],
) -> Result<HashMap<(String, String), KnownKey>, sqlx::Error> {
    let asked: Vec<Value> = admissions
        .iter()
        .filter_map(|a| {
            a.idempotency.as_ref().map(|i| json!([a.message.caller.as_str(), i.key, i.not_before.as_millis()]))
        })
        .collect();
    find_keys(connection, asked).await
}

async fn find_keys(
    connection: &mut SqliteConnection,
    asked: Vec<Value>,
) -> Result<HashMap<(String, String), KnownKey>, sqlx::Error> {
    if asked.is_empty() {
        return Ok(HashMap::new());
    }
    let found = sqlx::query(
        "SELECT i.caller, i.key, i.hash, i.message_id, i.accepted_at, i.duplicate_of FROM json_each(?) AS asked
         JOIN idempotency AS i ON i.caller = asked.value ->> 0 AND i.key = asked.value ->> 1
         WHERE i.accepted_at >= asked.value ->> 2",
    );
    let found = found.bind(Value::Array(asked).to_string()).fetch_all(connection).await?;
    let mut keys = HashMap::new();
    for row in found {
        let duplicate_of = row.try_get::<Option<String>, _>(5)?.map(|id| rows::message_id(&id)).transpose()?;
        let known = (
            row.try_get(2)?,
            rows::message_id(row.try_get::<&str, _>(3)?)?,
            Timestamp::from_millis(row.try_get(4)?),
            duplicate_of,
        );
        keys.insert((row.try_get(0)?, row.try_get(1)?), known);
    }
    Ok(keys)
}

async fn known_repeats(
    connection: &mut SqliteConnection,
    admissions: &[Admission],
) -> Result<HashMap<(String, String), (MessageId, Timestamp)>, sqlx::Error> {
    let asked: Vec<Value> = admissions
        .iter()
        .filter_map(|a| a.dedupe.as_ref().map(|dedupe| json!([a.message.caller.as_str(), dedupe.key])))
        .collect();
    if asked.is_empty() {
        return Ok(HashMap::new());
    }
    let found = sqlx::query(
        "SELECT d.caller, d.key, d.message_id, d.until FROM json_each(?) AS asked
         JOIN dedupe AS d ON d.caller = asked.value ->> 0 AND d.key = asked.value ->> 1",
    );
    let found = found.bind(Value::Array(asked).to_string()).fetch_all(connection).await?;
    let mut repeats = HashMap::new();
    for row in found {
        let first = (rows::message_id(row.try_get::<&str, _>(2)?)?, Timestamp::from_millis(row.try_get(3)?));
        repeats.insert((row.try_get(0)?, row.try_get(1)?), first);
    }
    Ok(repeats)
}

/// The rows of a batch, as JSON arrays in the order of the columns.
#[derive(Default)]
struct Inserts {
    messages: Vec<Value>,
    terms: Vec<Value>,
    deliveries: Vec<Value>,
    keys: Vec<Value>,
    repeats: Vec<Value>,
    /// Ids of the deliveries that are claimed by this commit.
    born_leased: Vec<String>,
}

impl Inserts {
    fn add(&mut self, admission: &Admission, duplicate_of: Option<MessageId>) {
        let message = &admission.message;
        let id = message.id.base32();
        let caller = message.caller.as_str();
        let state = if duplicate_of.is_some() { MessageState::Duplicate } else { MessageState::Accepted };
        let duplicate_of = duplicate_of.map(MessageId::base32);
        self.messages.push(json!([
            id,
            caller,
            state as u8,
            message.content.to_stored(),
            rows::options_to_stored(&message.options),
            message.priority.rank(),
            message.accepted_at.as_millis(),
            message.send_at.map(Timestamp::as_millis),
            message.expires_at.map(Timestamp::as_millis),
            (!message.tags.is_empty()).then(|| json!(message.tags).to_string()),
            message.metadata,
            duplicate_of,
        ]));
        let recipients = admission.deliveries.iter().flat_map(|delivery| &delivery.recipients);
        self.terms.extend(recipients.map(|recipient| json!([recipient.to_string(), id])));
        self.terms.extend(message.tags.iter().map(|tag| json!([format!("#{tag}"), id])));
        if let Some(idempotency) = &admission.idempotency {
            let hash = idempotency.hash.to_string();
            self.keys.push(json!([caller, idempotency.key, hash, id, message.accepted_at.as_millis(), duplicate_of]));
        }
        if duplicate_of.is_some() {
            return;
        }
        if let Some(dedupe) = &admission.dedupe {
            self.repeats.push(json!([caller, dedupe.key, id, dedupe.until.as_millis()]));
        }
        let sole = i64::from(admission.deliveries.len() == 1);
        for (i, delivery) in admission.deliveries.iter().enumerate() {
            let leased = admission.born_leased.contains(&i);
            let id = delivery.id.base32();
            if leased {
                self.born_leased.push(id.clone());
            }
            let state = if leased { RecipientState::Sending } else { RecipientState::Waiting };
            self.deliveries.push(json!([
                id,
                delivery.lane.as_str(),
                delivery.recipients.to_stored(),
                state as u8,
                delivery.priority.rank(),
                delivery.due_at.as_millis(),
                delivery.expires_at.map(Timestamp::as_millis),
                delivery.give_up_at.as_millis(),
                sole,
                delivery.request_hash.short(),
                i64::from(leased),
                leased.then_some(message.accepted_at.as_millis()),
            ]));
        }
    }

    async fn insert(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        for (sql, rows) in [
            (
                "INSERT INTO message (id, caller, state, content, options, priority, accepted_at, send_at, expires_at, tags, metadata, duplicate_of)
                 SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8,
                        value ->> 9, value ->> 10, value ->> 11 FROM json_each(?)",
                &self.messages,
            ),
            (
                "INSERT INTO delivery (id, lane, recipients, state, priority, due_at, expires_at, give_up_at, sole, request_hash, fence, last_attempt_at)
                 SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8,
                        value ->> 9, value ->> 10, value ->> 11 FROM json_each(?)",
                &self.deliveries,
            ),
            ("INSERT OR IGNORE INTO term (term, message_id) SELECT value ->> 0, value ->> 1 FROM json_each(?)", &self.terms),
            (
                "INSERT OR REPLACE INTO idempotency (caller, key, hash, message_id, accepted_at, duplicate_of)
                 SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each(?)",
                &self.keys,
            ),
            (
                "INSERT OR REPLACE INTO dedupe (caller, key, message_id, until)
                 SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?)",
                &self.repeats,
            ),
        ] {
            if !rows.is_empty() {
                let json = serde_json::to_string(rows).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
                sqlx::query(sql).bind(json).execute(&mut *connection).await?;
            }
        }
        Ok(())
    }
}

/// Says of each born-leased delivery whether it may carry the duplicate check, and writes its lease.
async fn with_duplicate_checks(
    connection: &mut SqliteConnection,
    mut accepted: Vec<Accepted>,
    born_leased: &[String],
    admissions: &[Admission],
) -> Result<Vec<Accepted>, sqlx::Error> {
    if born_leased.is_empty() {
        return Ok(accepted);
    }
    let since = admissions.iter().map(|a| a.message.accepted_at).min().unwrap_or(Timestamp::EPOCH);
    let checks = set_duplicate_checks(connection, born_leased, since.as_millis() - EQUAL_WITHIN_MILLIS).await?;
    for (admission, accepted) in admissions.iter().zip(&mut accepted) {
        let Accepted::New { leases } = accepted else { continue };
        for &i in &admission.born_leased {
            let delivery = admission.deliveries[i].id;
            let duplicate_check = checks.get(&delivery.base32()).copied().unwrap_or(false);
            leases.push(Lease { delivery, fence: 1, duplicate_check });
        }
    }
    Ok(accepted)
}

/// Fixes, at a delivery's first attempt, whether its request carries the upstream's duplicate check: not if an equal one
/// of the same lane was attempted since, or is in this claim before it. Returns it for each id.
pub(super) async fn set_duplicate_checks(
    connection: &mut SqliteConnection,
    ids: &[String],
    equal_since: i64,
) -> Result<HashMap<String, bool>, sqlx::Error> {
    let json = serde_json::to_string(ids).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    let set = sqlx::query(
        "UPDATE delivery SET duplicate_check = COALESCE(duplicate_check, NOT EXISTS (
             SELECT 1 FROM delivery AS equal
             WHERE equal.request_hash = delivery.request_hash AND equal.last_attempt_at >= ?2
               AND equal.lane = delivery.lane AND equal.id <> delivery.id
               AND (equal.id < delivery.id OR equal.id NOT IN (SELECT value FROM json_each(?1)))))
         WHERE id IN (SELECT value FROM json_each(?1)) RETURNING id, duplicate_check",
    );
    let rows = set.bind(json).bind(equal_since).fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get::<i64, _>(1)? != 0))).collect()
}

#[async_trait]
impl Admissions for SqliteLedger {
    async fn accept(&self, admissions: Vec<Admission>) -> Result<Vec<Accepted>, LedgerError> {
        self.writer.accept(admissions).await
    }

    async fn known_key(&self, caller: &CallerId, idempotency: &Idempotency) -> Result<Option<Accepted>, LedgerError> {
        let reading = async {
            let mut connection = self.readers.acquire().await?;
            let asked = json!([caller.as_str(), idempotency.key, idempotency.not_before.as_millis()]);
            find_keys(&mut connection, vec![asked]).await
        };
        let found = reading.await.map_err(|error| failed("look up an idempotency key", error))?;
        Ok(found.into_values().next().map(|known| answer_of(&known, idempotency)))
    }
}
