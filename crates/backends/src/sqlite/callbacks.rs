//! What people do: repeats found by their keys, effects recorded with the mark that they were.

use async_trait::async_trait;
use domain::{Content, Heard, MessageId, Timestamp};
use pipeline::ports::{CallbackKeys, Callbacks, Effects, FeedbackRecord, HeardAnswer, HeardRecord, LedgerError, Word};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::webhooks::TELL;
use super::{SqliteLedger, rows};

fn hear(connection: &Connection, heard: &Heard, reply: Option<&Content>) -> rusqlite::Result<HeardAnswer> {
    let mut known = connection
        .prepare_cached("SELECT open_text('event', key, reply) FROM heard WHERE callback = ? AND key = seal_pii(?)")?;
    let known = known.query_row([&heard.callback, &heard.key], |row| {
        Ok(row.get_ref(0)?.as_str_or_null()?.and_then(Content::from_stored))
    });
    if let Some(reply) = known.optional()? {
        return Ok(HeardAnswer::Repeat(reply));
    }
    // How long it is kept, and a repeat of it told, is counted from now, whatever time it says itself.
    let body = serde_json::to_string(heard).map_err(|error| rows::corrupt(error.to_string()))?;
    connection
        .prepare_cached(
            "INSERT INTO heard (callback, key, sender, at, body, reply)
             VALUES (?1, seal_pii(?2), seal_pii(?3), now_millis(), seal_text('event', seal_pii(?2), ?4),
                 seal_text('event', seal_pii(?2), ?5))",
        )?
        .execute(params![heard.callback, heard.key, heard.from, body, reply.map(Content::to_stored)])?;
    Ok(HeardAnswer::New)
}

/// Forgets what somebody did and that it was they; what of it is still to be told is told first.
pub(super) fn erase_sender(connection: &Connection, userid: &str, nameless: &str) -> rusqlite::Result<()> {
    connection.execute(
        "UPDATE OR REPLACE feedback SET who = seal_pii(?2) WHERE open_pii(who) = ?1 COLLATE NOCASE",
        params![userid, nameless],
    )?;
    // The key stays: it tells a repeat.
    connection.execute(
        "UPDATE heard SET sender = seal_pii(?2), body = '', reply = NULL
         WHERE open_pii(sender) = ?1 COLLATE NOCASE AND handled = 1",
        params![userid, nameless],
    )?;
    connection
        .execute(
            "DELETE FROM webhook_event WHERE dead = 1 AND body IS NOT NULL AND open_pii(key) = ? COLLATE NOCASE",
            [userid],
        )
        .map(drop)
}

fn record(row: &Row<'_>) -> rusqlite::Result<HeardRecord> {
    let body = row.get::<_, Option<String>>(1)?;
    Ok(HeardRecord { id: row.get(0)?, heard: body.and_then(|body| serde_json::from_str(&body).ok()) })
}

fn unhandled(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<HeardRecord>> {
    let mut find = connection.prepare_cached(
        "SELECT id, open_text('event', key, body) FROM heard AS h WHERE handled = 0
             AND NOT EXISTS (SELECT 1 FROM heard AS p WHERE p.sender = h.sender AND p.id < h.id AND p.handled = 0)
         ORDER BY id LIMIT ?",
    )?;
    find.query_map([rows::limit(limit)], record)?.collect()
}

fn take_effect(connection: &Connection, effects: &Effects, now: Timestamp) -> rusqlite::Result<()> {
    for Word { target, topic, key, body } in &effects.words {
        connection.prepare_cached(TELL)?.execute(params![target, topic, key, now.as_millis(), body])?;
    }
    for (message, FeedbackRecord { at, who, action, key }) in &effects.feedback {
        connection
            .prepare_cached(
                "INSERT OR IGNORE INTO feedback (message_id, at, who, action, key) VALUES (?, ?, seal_pii(?), ?, ?)",
            )?
            .execute(params![message.to_bytes(), at.as_millis(), who, action, key])?;
    }
    for message in &effects.acknowledged {
        connection
            .prepare_cached("UPDATE message SET acknowledged_at = COALESCE(acknowledged_at, ?2) WHERE id = ?1")?
            .execute(params![message.to_bytes(), now.as_millis()])?;
        connection.execute("DELETE FROM escalation WHERE message_id = ?", [message.to_bytes()])?;
    }
    Ok(())
}

/// Remembers which message a card is of.
pub(super) fn note_card(connection: &Connection, message: MessageId, content: &Content) -> rusqlite::Result<()> {
    if content.kind() != domain::ContentKind::TemplateCard {
        return Ok(());
    }
    let card: serde_json::Value = serde_json::from_str(content.object()).unwrap_or_default();
    let Some(task_id) = card["task_id"].as_str().filter(|id| !id.is_empty()) else { return Ok(()) };
    connection
        .prepare_cached("INSERT OR IGNORE INTO card (task_id, message_id) VALUES (?, ?)")?
        .execute(params![task_id, message.to_bytes()])
        .map(drop)
}

/// Forgets what is kept beside a message.
pub(super) fn forget_message(connection: &Connection, message: MessageId) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM link WHERE message_id = ?")?.execute([message.to_bytes()])?;
    connection.prepare_cached("DELETE FROM card WHERE message_id = ?")?.execute([message.to_bytes()])?;
    connection.prepare_cached("DELETE FROM feedback WHERE message_id = ?")?.execute([message.to_bytes()]).map(drop)
}

#[async_trait]
impl Callbacks for SqliteLedger {
    async fn hear(&self, heard: Heard, reply: Option<Content>) -> Result<HeardAnswer, LedgerError> {
        self.writer.change("keep a callback", move |connection| hear(connection, &heard, reply.as_ref())).await
    }

    async fn unhandled(&self, limit: usize) -> Result<Vec<HeardRecord>, LedgerError> {
        self.readers.read("read what was heard", move |connection| unhandled(connection, limit)).await
    }

    async fn heard(&self, id: i64) -> Result<Option<HeardRecord>, LedgerError> {
        let find = move |connection: &mut Connection| {
            let mut find =
                connection.prepare_cached("SELECT id, open_text('event', key, body) FROM heard WHERE id = ?")?;
            find.query_row([id], record).optional()
        };
        self.readers.read("find what was heard", find).await
    }

    async fn handled(&self, id: i64, effects: Effects, now: Timestamp) -> Result<(), LedgerError> {
        let handle = move |connection: &Connection| {
            let mut mark = connection.prepare_cached("UPDATE heard SET handled = 1 WHERE id = ? AND handled = 0")?;
            if mark.execute([id])? == 0 {
                return Ok(());
            }
            take_effect(connection, &effects, now)
        };
        self.writer.change("record what follows a callback", handle).await
    }

    async fn follow(&self, effects: Effects, now: Timestamp) -> Result<(), LedgerError> {
        self.writer
            .change("record what follows an answer", move |connection| take_effect(connection, &effects, now))
            .await
    }

    async fn messages_of_card(&self, task_id: &str) -> Result<Vec<MessageId>, LedgerError> {
        let task_id = task_id.to_owned();
        let find = move |connection: &mut Connection| {
            let mut find = connection
                .prepare_cached("SELECT message_id FROM card WHERE task_id = ? ORDER BY message_id DESC LIMIT 100")?;
            find.query_map([task_id], |row| rows::message_id(row, 0))?.collect()
        };
        self.readers.read("find the messages of a card", find).await
    }

    async fn feedback(&self, message: MessageId) -> Result<Vec<FeedbackRecord>, LedgerError> {
        let find = move |connection: &mut Connection| {
            let mut find = connection.prepare_cached(
                "SELECT at, open_pii(who), action, key FROM feedback WHERE message_id = ? ORDER BY at LIMIT 1000",
            )?;
            find.query_map([message.to_bytes()], |row| {
                let (who, action, key) = (row.get(1)?, row.get(2)?, row.get(3)?);
                Ok(FeedbackRecord { at: rows::time(row, 0)?, who, action, key })
            })?
            .collect()
        };
        self.readers.read("read what was done with a message", find).await
    }

    async fn forget_heard(&self, before: Timestamp, limit: usize) -> Result<usize, LedgerError> {
        let forget = move |connection: &Connection| {
            connection
                .prepare_cached(
                    "DELETE FROM heard WHERE id IN (SELECT id FROM (SELECT id, at, handled FROM heard ORDER BY id LIMIT ?)
                         WHERE at < ? AND handled = 1)",
                )?
                .execute(params![rows::limit(limit), before.as_millis()])
        };
        self.writer.change("forget what was heard", forget).await
    }

    async fn callback_keys(&self) -> Result<Vec<CallbackKeys>, LedgerError> {
        let find = |connection: &mut Connection| {
            let mut find = connection.prepare(
                "SELECT callback, open_text('secret', callback, body), set_at FROM callback_keys ORDER BY callback",
            )?;
            let found = find.query_map([], |row| {
                let body = row.get::<_, Option<String>>(1)?;
                let body = body.ok_or_else(|| rows::corrupt("a callback's keys"))?;
                Ok(CallbackKeys { callback: row.get(0)?, body, set_at: rows::time(row, 2)? })
            })?;
            found.collect()
        };
        self.readers.read("read the callbacks' keys", find).await
    }

    async fn put_callback_keys(&self, keys: CallbackKeys) -> Result<(), LedgerError> {
        let put = move |connection: &Connection| {
            let CallbackKeys { callback, body, set_at } = &keys;
            connection
                .execute(
                    "INSERT OR REPLACE INTO callback_keys (callback, body, set_at) VALUES (?1, seal_text('secret', ?1, ?2), ?3)",
                    params![callback, body, set_at.as_millis()],
                )
                .map(drop)
        };
        self.writer.change("keep a callback's keys", put).await
    }
}
