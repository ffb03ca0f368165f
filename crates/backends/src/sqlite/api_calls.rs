//! Calls upstream that were no messages.

use async_trait::async_trait;
use domain::Timestamp;
use pipeline::ports::{ApiCalls, LedgerError};
use rusqlite::{Connection, params};

use super::{SqliteLedger, rows};

#[async_trait]
impl ApiCalls for SqliteLedger {
    async fn note_api_call(&self, api: &str, at: Timestamp) -> Result<(), LedgerError> {
        let api = api.to_owned();
        let note = move |connection: &Connection| {
            let mut note = connection.prepare_cached("INSERT INTO api_call (api, at) VALUES (?, ?)")?;
            note.execute(params![api, at.as_millis()]).map(drop)
        };
        self.writer.change("note a call", note).await
    }

    async fn api_calls(&self, api: &str, since: Timestamp) -> Result<Vec<Timestamp>, LedgerError> {
        let api = api.to_owned();
        let find = move |connection: &mut Connection| {
            let mut find =
                connection.prepare_cached("SELECT at FROM api_call WHERE api = ? AND at >= ? ORDER BY at")?;
            find.query_map(params![api, since.as_millis()], |row| rows::time(row, 0))?.collect()
        };
        self.readers.read("read recent calls", find).await
    }

    async fn forget_api_calls(&self, before: Timestamp, limit: usize) -> Result<usize, LedgerError> {
        let forget = move |connection: &Connection| {
            let mut forget = connection.prepare_cached(
                "DELETE FROM api_call WHERE rowid IN (SELECT rowid FROM api_call WHERE at < ? ORDER BY at LIMIT ?)",
            )?;
            forget.execute(params![before.as_millis(), rows::limit(limit)])
        };
        self.writer.change("forget old calls", forget).await
    }
}
