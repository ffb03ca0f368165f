//! `/v1/audit`: what administrators changed, and whether the record of it is whole.

#![expect(unused_qualifications, reason = "utoipa's macro qualifies what it derives")]

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use domain::{Grant, Scope};
use pipeline::ports::{AuditEntry, AuditRecord};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::http::auth::need;
use crate::http::error::ErrorEnvelope;
use crate::http::{Api, ApiError, Caller};

/// The most entries of one answer.
const PAGE: usize = 500;

/// Records a change that was made. One that cannot be recorded is in the log: it cannot be undone any more.
pub(in crate::http::v1) async fn note(
    api: &Api,
    caller: &Grant,
    (action, subject): (&str, &str),
    before: Option<Value>,
    after: Option<Value>,
) {
    let key = if caller.key.is_empty() { "first key" } else { caller.key.get(..8).unwrap_or_default() };
    let entry = AuditEntry {
        at: api.clock.now(),
        who: format!("{} ({key})", caller.caller),
        action: action.to_owned(),
        subject: subject.to_owned(),
        before: before.map(|value| value.to_string()),
        after: after.map(|value| value.to_string()),
    };
    if let Err(error) = api.ledger.audit(entry).await {
        tracing::error!(action, subject, error = &error as &dyn std::error::Error, "A change was not recorded");
    }
}

/// Which entries.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditQuery {
    /// Those after this number.
    #[serde(default)]
    after: i64,
}

/// A change that an administrator made.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditView {
    /// Counted.
    number: i64,
    /// When, RFC 3339.
    at: String,
    /// Caller and the beginning of the key's hash.
    who: String,
    /// Such as `template.put`.
    action: String,
    /// Of what.
    subject: String,
    /// How it was, without secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    before: Option<Box<RawValue>>,
    /// How it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    after: Option<Box<RawValue>>,
    /// SHA-256, in hexadecimal, of the hash before it (of the first: `hongyan audit`) and of number, milliseconds of the
    /// time, `who`, `action`, `subject`, `before` and `after` as texts (the last two as they stand here, JSON without blanks),
    /// each after its length in 8 bytes, big endian, and 8 bytes of ff for one that is absent.
    hash: String,
}

impl From<AuditRecord> for AuditView {
    fn from(AuditRecord { number, entry, hash }: AuditRecord) -> Self {
        let AuditEntry { at, who, action, subject, before, after } = entry;
        let raw = |text: Option<String>| text.and_then(|text| RawValue::from_string(text).ok());
        let (before, after, hash) = (raw(before), raw(after), hex::encode(hash));
        Self { number, at: at.to_string(), who, action, subject, before, after, hash }
    }
}

/// Whether the record is whole.
#[derive(Serialize, ToSchema)]
pub(super) struct WholeView {
    /// Whether it is.
    whole: bool,
    /// The first entry that was changed or is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_broken: Option<i64>,
}

/// Lists what administrators changed, oldest first, 500 at a time.
#[utoipa::path(
    get,
    path = "/v1/audit",
    tag = "audit",
    params(AuditQuery),
    responses(
        (status = 200, description = "The changes", body = Vec<AuditView>),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
    )
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    query: Result<Query<AuditQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Vec<AuditView>>, ApiError> {
    need(&caller, Scope::Admin)?;
    let Query(query) = query.map_err(|error| super::bad_query(&error))?;
    let found = api.ledger.audited(query.after, PAGE).await?;
    Ok(Json(found.into_iter().map(AuditView::from).collect()))
}

/// Looks whether an entry was changed or taken away.
#[utoipa::path(
    get,
    path = "/v1/audit/verify",
    tag = "audit",
    responses(
        (status = 200, description = "Whether the record is whole", body = WholeView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
    )
)]
pub(super) async fn verify(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<WholeView>, ApiError> {
    need(&caller, Scope::Admin)?;
    let first_broken = api.ledger.first_broken_audit().await?;
    Ok(Json(WholeView { whole: first_broken.is_none(), first_broken }))
}
