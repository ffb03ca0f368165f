//! API keys: hashes, grants, ends.

use async_trait::async_trait;
use domain::{AllowList, ApiKeyRecord, CallerId, Grant, Timestamp};
use pipeline::ports::{Keys, LedgerError};
use rusqlite::{Connection, Row, params};

use super::{SqliteLedger, rows};

#[async_trait]
impl Keys for SqliteLedger {
    async fn keys(&self) -> Result<Vec<ApiKeyRecord>, LedgerError> {
        let find = |connection: &mut Connection| {
            let mut find = connection.prepare("SELECT * FROM api_key ORDER BY created_at, prefix")?;
            find.query_map([], key)?.collect()
        };
        self.readers.read("read the API keys", find).await
    }

    async fn note_key_use(&self, hash: &str, at: Timestamp) -> Result<(), LedgerError> {
        let hash = hash.to_owned();
        let note = move |connection: &Connection| {
            let noted = params![at.as_millis(), hash];
            connection.execute("UPDATE api_key SET last_used_at = ? WHERE hash = ?", noted).map(drop)
        };
        self.writer.change("note the use of an API key", note).await
    }

    async fn put_key(&self, key: ApiKeyRecord) -> Result<(), LedgerError> {
        let allow = serde_json::to_string(&key.grant.allow).unwrap_or_default();
        self.writer.change("keep an API key", move |connection| put(connection, &key, &allow)).await
    }
}

fn put(connection: &Connection, key: &ApiKeyRecord, allow: &str) -> rusqlite::Result<()> {
    let row = params![
        key.hash,
        key.prefix,
        key.grant.caller.as_str(),
        key.grant.scopes.to_string(),
        allow,
        key.created_at.as_millis(),
        key.expires_at.map(Timestamp::as_millis),
        key.revoked_at.map(Timestamp::as_millis),
        key.last_used_at.map(Timestamp::as_millis),
    ];
    connection
        .execute(
            "INSERT OR REPLACE INTO api_key (hash, prefix, caller, scopes, allow, created_at, expires_at, revoked_at, last_used_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )
        .map(drop)
}

fn key(row: &Row<'_>) -> rusqlite::Result<ApiKeyRecord> {
    let allow: AllowList =
        serde_json::from_str(row.get_ref("allow")?.as_str()?).map_err(|_| rows::corrupt("an API key's allow-list"))?;
    let scopes = row.get_ref("scopes")?.as_str()?;
    let grant = Grant {
        caller: CallerId::new(row.get::<_, String>("caller")?),
        scopes: scopes.parse().map_err(|_| rows::corrupt("an API key's scopes"))?,
        allow,
    };
    Ok(ApiKeyRecord {
        prefix: row.get("prefix")?,
        hash: row.get("hash")?,
        grant,
        created_at: rows::time(row, "created_at")?,
        expires_at: rows::maybe_time(row, "expires_at")?,
        revoked_at: rows::maybe_time(row, "revoked_at")?,
        last_used_at: rows::maybe_time(row, "last_used_at")?,
    })
}
