//! The outbox of webhooks. Events of messages come from triggers (`0007_webhooks.sql`), the others are told here.

use async_trait::async_trait;
use domain::{MessageId, Timestamp};
use pipeline::ports::{LedgerError, Posted, Told, WebhookBacklog, WebhookEvent, Webhooks};
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, Row, params};

use super::{SqliteLedger, rows};

/// The topic of what became of messages.
const MESSAGE: &str = "message";
/// Puts an event into the outbox: target, topic, key, time, body.
pub(super) const TELL: &str = "INSERT INTO webhook_event (target, topic, key, at, body, due_at)
     VALUES (?1, ?2, seal_pii(?3), ?4, seal_text('event', seal_pii(?3), ?5), 0)";

/// Registers what the triggers call: a message's name, and the time, which is the writer's own clock's.
pub(super) fn register(
    connection: &Connection,
    now: impl Fn() -> Timestamp + Send + Sync + 'static,
) -> rusqlite::Result<()> {
    connection.create_scalar_function("message_name", 1, FunctionFlags::SQLITE_UTF8, |call| {
        Ok(MessageId::from_bytes(call.get(0)?).to_string())
    })?;
    connection.create_scalar_function("now_millis", 0, FunctionFlags::SQLITE_UTF8, move |_| Ok(now().as_millis()))
}

fn event(row: &Row<'_>) -> rusqlite::Result<WebhookEvent> {
    let (topic, key): (String, String) = (row.get("topic")?, row.get("opened_key")?);
    let told = if topic == MESSAGE {
        let state = row.get::<_, Option<i64>>("state")?.map(rows::message_state).transpose()?;
        key.parse().ok().map(|id| Told::Message(id, state))
    } else {
        row.get::<_, Option<String>>("opened")?.map(|body| Told::Object { topic, key, body })
    };
    Ok(WebhookEvent {
        id: row.get("id")?,
        target: row.get("target")?,
        at: rows::time(row, "at")?,
        tries: row.get("tries")?,
        told,
    })
}

fn due(connection: &Connection, target: &str, now: Timestamp, limit: usize) -> rusqlite::Result<Vec<WebhookEvent>> {
    let mut find = connection.prepare_cached(
        "SELECT e.*, open_pii(e.key) AS opened_key, open_text('event', e.key, e.body) AS opened FROM webhook_event AS e
         WHERE e.target = ?1 AND e.dead = 0 AND e.due_at <= ?2
             AND NOT EXISTS (SELECT 1 FROM webhook_event AS p WHERE p.target = e.target AND p.key = e.key AND p.id < e.id AND p.dead = 0)
         ORDER BY e.due_at, e.id LIMIT ?3",
    )?;
    find.query_map(params![target, now.as_millis(), rows::limit(limit)], event)?.collect()
}

fn record(connection: &Connection, posted: &[(i64, Posted)]) -> rusqlite::Result<()> {
    for (id, posted) in posted {
        match posted {
            Posted::Taken => connection.prepare_cached("DELETE FROM webhook_event WHERE id = ?")?.execute([id])?,
            Posted::Again { at, error } => connection
                .prepare_cached(
                    "UPDATE webhook_event SET due_at = ?, tries = tries + 1, error = seal_pii(?) WHERE id = ?",
                )?
                .execute(params![at.as_millis(), error, id])?,
            Posted::Dead { error } => connection
                .prepare_cached(
                    "UPDATE webhook_event SET dead = 1, tries = tries + 1, error = seal_pii(?) WHERE id = ?",
                )?
                .execute(params![error, id])?,
        };
    }
    Ok(())
}

fn backlog(connection: &Connection) -> rusqlite::Result<Vec<WebhookBacklog>> {
    let mut find = connection.prepare_cached(
        "SELECT target, SUM(dead = 0), SUM(dead), MIN(CASE WHEN dead = 0 THEN at END),
             (SELECT open_pii(error) FROM webhook_event AS e WHERE e.target = w.target AND e.dead = 0 AND e.error IS NOT NULL ORDER BY id LIMIT 1)
         FROM webhook_event AS w GROUP BY target ORDER BY target",
    )?;
    let found = find.query_map([], |row| {
        Ok(WebhookBacklog {
            target: row.get(0)?,
            waiting: row.get::<_, i64>(1)?.unsigned_abs(),
            dead: row.get::<_, i64>(2)?.unsigned_abs(),
            oldest: rows::maybe_time(row, 3)?,
            error: row.get(4)?,
        })
    })?;
    found.collect()
}

#[async_trait]
impl Webhooks for SqliteLedger {
    async fn tell(&self, target: &str, topic: &str, key: &str, body: String, at: Timestamp) -> Result<(), LedgerError> {
        let (target, topic, key) = (target.to_owned(), topic.to_owned(), key.to_owned());
        let tell = move |connection: &Connection| {
            connection.prepare_cached(TELL)?.execute(params![target, topic, key, at.as_millis(), body]).map(drop)
        };
        self.writer.change("keep a webhook's event", tell).await
    }

    async fn due_events(&self, target: &str, now: Timestamp, limit: usize) -> Result<Vec<WebhookEvent>, LedgerError> {
        let target = target.to_owned();
        self.readers.read("read the outbox of webhooks", move |connection| due(connection, &target, now, limit)).await
    }

    async fn events_posted(&self, posted: Vec<(i64, Posted)>) -> Result<(), LedgerError> {
        self.writer.change("record posted events", move |connection| record(connection, &posted)).await
    }

    async fn webhook_backlog(&self) -> Result<Vec<WebhookBacklog>, LedgerError> {
        self.readers.read("count the outbox of webhooks", |connection| backlog(connection)).await
    }

    async fn retry_dead_events(&self, target: &str, now: Timestamp) -> Result<usize, LedgerError> {
        let target = target.to_owned();
        let retry = move |connection: &Connection| {
            connection.execute(
                "UPDATE webhook_event SET dead = 0, tries = 0, due_at = ?, at = MAX(at, ?1) WHERE target = ? AND dead = 1",
                params![now.as_millis(), target],
            )
        };
        self.writer.change("retry webhooks", retry).await
    }

    async fn forget_events(&self, before: Timestamp, limit: usize) -> Result<usize, LedgerError> {
        let forget = move |connection: &Connection| {
            connection
                .prepare_cached(
                    "DELETE FROM webhook_event WHERE id IN (SELECT id FROM webhook_event WHERE dead = 1 AND at < ? LIMIT ?)",
                )?
                .execute(params![before.as_millis(), rows::limit(limit)])
        };
        self.writer.change("forget old events", forget).await
    }
}
