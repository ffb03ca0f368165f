//! Links that are counted.

use async_trait::async_trait;
use domain::{CallerId, MessageId, MessageState, Timestamp};
use pipeline::ports::{Clicks, LedgerError, TemplateFigures};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{SqliteLedger, rows};

/// Keeps the links of a message.
pub(super) fn insert_links(connection: &Connection, message: MessageId, targets: &[String]) -> rusqlite::Result<()> {
    for (number, target) in targets.iter().enumerate() {
        connection
            .prepare_cached("INSERT INTO link (message_id, number, target) VALUES (?1, ?2, seal_text('link', ?1, ?3))")?
            .execute(params![message.to_bytes(), rows::limit(number), target])?;
    }
    Ok(())
}

fn figures(
    connection: &Connection,
    name: &str,
    caller: Option<&str>,
    since: Timestamp,
) -> rusqlite::Result<Vec<TemplateFigures>> {
    let mut find = connection.prepare_cached(
        "SELECT json_extract(m.template, '$.version'), COUNT(*), SUM(m.state IN (?4, ?5)),
             SUM(COALESCE((SELECT SUM(clicks) FROM link WHERE message_id = m.id), 0)),
             SUM(EXISTS (SELECT 1 FROM link WHERE message_id = m.id AND clicks > 0)),
             SUM((SELECT COUNT(*) FROM feedback WHERE message_id = m.id AND action = 'press'))
         FROM message AS m WHERE m.id >= ?2 AND json_extract(m.template, '$.name') = ?1 AND (?3 IS NULL OR m.caller = ?3)
         GROUP BY 1 ORDER BY 1",
    )?;
    let (delivered, partly) = (MessageState::Delivered as u8, MessageState::PartlyDelivered as u8);
    let asked = params![name, MessageId::first_at(since).to_bytes(), caller, delivered, partly];
    let found = find.query_map(asked, |row| {
        let count =
            |column: usize| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.unwrap_or(0).unsigned_abs());
        Ok(TemplateFigures {
            version: row.get::<_, Option<u32>>(0)?.unwrap_or(0),
            messages: count(1)?,
            delivered: count(2)?,
            clicks: count(3)?,
            clicked: count(4)?,
            presses: count(5)?,
        })
    })?;
    found.collect()
}

pub(super) fn own_secret(connection: &Connection, name: &str) -> rusqlite::Result<Vec<u8>> {
    let find = "SELECT open_text('secret', name, body) FROM own_secret WHERE name = ?";
    let known: Option<Option<String>> = connection.query_row(find, [name], |row| row.get(0)).optional()?;
    if let Some(known) = known {
        let known = known.and_then(|digits| hex::decode(digits).ok());
        return known.ok_or_else(|| rows::corrupt("a secret of the gateway's own"));
    }
    let secret: [u8; 32] = rand::random();
    connection.execute(
        "INSERT INTO own_secret (name, body) VALUES (?1, seal_text('secret', ?1, ?2))",
        params![name, hex::encode(secret)],
    )?;
    Ok(secret.to_vec())
}

#[async_trait]
impl Clicks for SqliteLedger {
    async fn link(&self, message: MessageId, number: u16) -> Result<Option<String>, LedgerError> {
        let find = move |connection: &mut Connection| {
            let mut find = connection.prepare_cached(
                "SELECT open_text('link', message_id, target) FROM link WHERE message_id = ? AND number = ?",
            )?;
            let found = find.query_row(params![message.to_bytes(), number], |row| row.get::<_, Option<String>>(0));
            // One that was erased leads nowhere.
            Ok(found.optional()?.flatten().filter(|target| !target.is_empty()))
        };
        self.readers.read("find a link", find).await
    }

    async fn count_click(&self, message: MessageId, number: u16) -> Result<(), LedgerError> {
        let count = move |connection: &Connection| {
            connection
                .prepare_cached("UPDATE link SET clicks = clicks + 1 WHERE message_id = ? AND number = ?")?
                .execute(params![message.to_bytes(), number])
                .map(drop)
        };
        self.writer.change("count a click", count).await
    }

    async fn clicks(&self, message: MessageId) -> Result<Vec<(String, u64)>, LedgerError> {
        let find = move |connection: &mut Connection| {
            let mut find = connection.prepare_cached(
                "SELECT open_text('link', message_id, target), clicks FROM link WHERE message_id = ? ORDER BY number",
            )?;
            let found = find.query_map([message.to_bytes()], |row| {
                let target = row.get::<_, Option<String>>(0)?.unwrap_or_default();
                Ok((target, row.get::<_, i64>(1)?.unsigned_abs()))
            })?;
            found.collect()
        };
        self.readers.read("read the links of a message", find).await
    }

    async fn template_figures(
        &self,
        name: &str,
        caller: Option<&CallerId>,
        since: Timestamp,
    ) -> Result<Vec<TemplateFigures>, LedgerError> {
        let (name, caller) = (name.to_owned(), caller.map(|caller| caller.as_str().to_owned()));
        let find = move |connection: &mut Connection| figures(connection, &name, caller.as_deref(), since);
        self.readers.read("count what a template brought", find).await
    }

    async fn own_secret(&self, name: &'static str) -> Result<Vec<u8>, LedgerError> {
        self.writer.change("make a secret", move |connection| own_secret(connection, name)).await
    }
}
