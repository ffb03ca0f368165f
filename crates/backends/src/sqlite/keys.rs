//! API keys: hashes, grants, ends; sealed secrets of those that sign; what those with a limit have sent.

use async_trait::async_trait;
use domain::{AllowList, ApiKeyRecord, CallerId, Grant, KeyKind, Limits, SigningSecret, Timestamp};
use pipeline::ports::{FrontToken, KeyUse, Keys, LedgerError};
use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};

use super::{SqliteLedger, rows};

#[async_trait]
impl Keys for SqliteLedger {
    async fn keys(&self) -> Result<Vec<ApiKeyRecord>, LedgerError> {
        let find = |connection: &mut Connection| {
            let mut find = connection.prepare(
                "SELECT *, open_text('secret', hash, secret) AS opened FROM api_key ORDER BY created_at, prefix",
            )?;
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

    async fn key_uses(&self, day: Timestamp) -> Result<Vec<KeyUse>, LedgerError> {
        let find = move |connection: &mut Connection| {
            let mut find = connection.prepare("SELECT hash, messages FROM key_use WHERE day = ?")?;
            find.query_map([day.as_millis()], |row| Ok(KeyUse { hash: row.get(0)?, messages: row.get(1)? }))?.collect()
        };
        self.readers.read("read what keys have sent", find).await
    }

    async fn note_key_uses(&self, day: Timestamp, uses: Vec<KeyUse>) -> Result<(), LedgerError> {
        let note = move |connection: &Connection| {
            connection.execute("DELETE FROM key_use WHERE day < ?", [day.as_millis()])?;
            let mut put =
                connection.prepare_cached("INSERT OR REPLACE INTO key_use (hash, day, messages) VALUES (?, ?, ?)")?;
            for KeyUse { hash, messages } in &uses {
                put.execute(params![hash, day.as_millis(), messages])?;
            }
            Ok(())
        };
        self.writer.change("note what keys have sent", note).await
    }

    async fn front_tokens(&self) -> Result<Vec<FrontToken>, LedgerError> {
        let find = |connection: &mut Connection| {
            let mut find = connection.prepare("SELECT hash, key, expires_at FROM front_token")?;
            let found = find.query_map([], |row| {
                Ok(FrontToken { hash: row.get(0)?, key: row.get(1)?, expires_at: rows::time(row, 2)? })
            })?;
            found.collect()
        };
        self.readers.read("read the front's tokens", find).await
    }

    async fn put_front_token(&self, token: FrontToken, now: Timestamp) -> Result<(), LedgerError> {
        let put = move |connection: &Connection| {
            connection
                .execute("DELETE FROM front_token WHERE expires_at < ?", [now.as_millis() - ENDED_TOKENS_MILLIS])?;
            let FrontToken { hash, key, expires_at } = &token;
            connection
                .execute(
                    "INSERT INTO front_token (hash, key, expires_at) VALUES (?, ?, ?)",
                    params![hash, key, expires_at.as_millis()],
                )
                .map(drop)
        };
        self.writer.change("keep a token of the front", put).await
    }
}

/// How long after its end a token is still told apart from one that never was, in milliseconds.
const ENDED_TOKENS_MILLIS: i64 = 2 * 3600 * 1000;

/// What few keys have.
#[derive(Serialize, Deserialize, Default, PartialEq)]
#[serde(default)]
struct Settings {
    kind: KeyKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook: Option<String>,
    limits: Limits,
}

fn put(connection: &Connection, key: &ApiKeyRecord, allow: &str) -> rusqlite::Result<()> {
    let settings = Settings { kind: key.kind, webhook: key.grant.webhook.clone(), limits: key.grant.limits };
    let settings = (settings != Settings::default()).then(|| serde_json::to_string(&settings).unwrap_or_default());
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
        settings,
        key.secret.as_ref().map(SigningSecret::expose),
    ];
    connection
        .execute(
            "INSERT OR REPLACE INTO api_key (hash, prefix, caller, scopes, allow, created_at, expires_at, revoked_at, last_used_at,
                 settings, secret)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, seal_text('secret', ?1, ?11))",
            row,
        )
        .map(drop)
}

fn key(row: &Row<'_>) -> rusqlite::Result<ApiKeyRecord> {
    let allow: AllowList =
        serde_json::from_str(row.get_ref("allow")?.as_str()?).map_err(|_| rows::corrupt("an API key's allow-list"))?;
    let scopes = row.get_ref("scopes")?.as_str()?;
    let settings = row.get_ref("settings")?.as_str_or_null()?;
    let settings: Settings = settings
        .map(serde_json::from_str)
        .transpose()
        .map_err(|_| rows::corrupt("an API key's settings"))?
        .unwrap_or_default();
    let grant = Grant {
        caller: CallerId::new(row.get::<_, String>("caller")?),
        scopes: scopes.parse().map_err(|_| rows::corrupt("an API key's scopes"))?,
        allow,
        webhook: settings.webhook,
        limits: settings.limits,
        key: row.get("hash")?,
    };
    Ok(ApiKeyRecord {
        kind: settings.kind,
        secret: row.get::<_, Option<String>>("opened")?.map(SigningSecret::new),
        prefix: row.get("prefix")?,
        hash: row.get("hash")?,
        grant,
        created_at: rows::time(row, "created_at")?,
        expires_at: rows::maybe_time(row, "expires_at")?,
        revoked_at: rows::maybe_time(row, "revoked_at")?,
        last_used_at: rows::maybe_time(row, "last_used_at")?,
    })
}
