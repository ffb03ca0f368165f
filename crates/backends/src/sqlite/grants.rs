//! What a caller was allowed when it gave something that is done later: the columns `caller`, `scopes`, `allow` and `key`.

use domain::{CallerId, Grant, Limits};
use rusqlite::Row;
use serde::{Deserialize, Serialize};

use super::rows;

/// What a grant says besides whose it is and what it allows.
#[derive(Serialize, Deserialize)]
struct StoredKey {
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    webhook: Option<String>,
    #[serde(default)]
    limits: Limits,
}

/// Returns the values of the columns `scopes`, `allow` and `key`.
pub(super) fn columns(grant: &Grant) -> rusqlite::Result<[String; 3]> {
    let unwritable = |error: serde_json::Error| rows::corrupt(error.to_string());
    let Grant { key, webhook, limits, .. } = grant.clone();
    let key = serde_json::to_string(&StoredKey { key, webhook, limits }).map_err(unwritable)?;
    let allow = serde_json::to_string(&grant.allow).map_err(unwritable)?;
    Ok([grant.scopes.to_string(), allow, key])
}

/// Reads a grant from a row that has its columns; none if they cannot be read. Whoever reads many rows goes on.
pub(super) fn readable(row: &Row<'_>) -> Option<Grant> {
    read(row).ok()
}

/// A grant that allows nothing: it stands where one cannot be read.
pub(super) fn nothing(row: &Row<'_>) -> Grant {
    Grant::new(CallerId::new(row.get::<_, String>("caller").unwrap_or_default()), [])
}

/// Reads a grant from a row that has its columns.
fn read(row: &Row<'_>) -> rusqlite::Result<Grant> {
    let StoredKey { key, webhook, limits } =
        serde_json::from_str(row.get_ref("key")?.as_str()?).map_err(|_| rows::corrupt("the key of a grant"))?;
    let allow = row.get_ref("allow")?.as_str()?;
    Ok(Grant {
        key,
        webhook,
        limits,
        caller: CallerId::new(row.get::<_, String>("caller")?),
        scopes: row.get_ref("scopes")?.as_str()?.parse().map_err(|_| rows::corrupt("the scopes of a grant"))?,
        allow: serde_json::from_str(allow).map_err(|_| rows::corrupt("the allow-list of a grant"))?,
    })
}
