//! API keys: hashes, grants, ends.

use async_trait::async_trait;
use domain::{AllowList, ApiKeyRecord, CallerId, Grant, Timestamp};
use pipeline::ports::{Keys, LedgerError};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::queue::failed;
use super::{SqliteLedger, rows};

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct StoredAllow {
    apps: Option<Vec<String>>,
    robots: Option<Vec<String>>,
    parties: Option<Vec<String>>,
    tags: Option<Vec<String>>,
}

#[async_trait]
impl Keys for SqliteLedger {
    async fn keys(&self) -> Result<Vec<ApiKeyRecord>, LedgerError> {
        let found = sqlx::query("SELECT * FROM api_key ORDER BY created_at, prefix").fetch_all(&self.readers).await;
        let read = found.and_then(|found| found.iter().map(key).collect());
        read.map_err(|error| failed("read the API keys", error))
    }

    async fn note_key_use(&self, hash: &str, at: Timestamp) -> Result<(), LedgerError> {
        let hash = hash.to_owned();
        self.writer
            .change("note the use of an API key", move |connection| {
                Box::pin(async move {
                    let note = sqlx::query("UPDATE api_key SET last_used_at = ? WHERE hash = ?");
                    note.bind(at.as_millis()).bind(hash).execute(connection).await.map(drop)
                })
            })
            .await
    }

    async fn put_key(&self, key: ApiKeyRecord) -> Result<(), LedgerError> {
        let AllowList { apps, robots, parties, tags } = key.grant.allow.clone();
        let allow = serde_json::to_string(&StoredAllow { apps, robots, parties, tags }).unwrap_or_default();
        self.writer.change("keep an API key", move |connection| Box::pin(put(connection, key, allow))).await
    }
}

async fn put(connection: &mut sqlx::SqliteConnection, key: ApiKeyRecord, allow: String) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT OR REPLACE INTO api_key (hash, prefix, caller, scopes, allow, created_at, expires_at, revoked_at, last_used_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(&key.hash)
        .bind(&key.prefix)
        .bind(key.grant.caller.as_str())
        .bind(key.grant.scopes.to_string())
        .bind(allow)
        .bind(key.created_at.as_millis())
        .bind(key.expires_at.map(Timestamp::as_millis))
        .bind(key.revoked_at.map(Timestamp::as_millis))
        .bind(key.last_used_at.map(Timestamp::as_millis))
        .execute(connection)
        .await
        .map(drop)
}

fn key(row: &SqliteRow) -> Result<ApiKeyRecord, sqlx::Error> {
    let allow: StoredAllow =
        serde_json::from_str(row.try_get("allow")?).map_err(|_| rows::corrupt("an API key's allow-list"))?;
    let scopes: &str = row.try_get("scopes")?;
    let grant = Grant {
        caller: CallerId::new(row.try_get::<String, _>("caller")?),
        scopes: scopes.parse().map_err(|_| rows::corrupt("an API key's scopes"))?,
        allow: AllowList { apps: allow.apps, robots: allow.robots, parties: allow.parties, tags: allow.tags },
    };
    Ok(ApiKeyRecord {
        prefix: row.try_get("prefix")?,
        hash: row.try_get("hash")?,
        grant,
        created_at: rows::time(row, "created_at")?,
        expires_at: rows::maybe_time(row, "expires_at")?,
        revoked_at: rows::maybe_time(row, "revoked_at")?,
        last_used_at: rows::maybe_time(row, "last_used_at")?,
    })
}
