//! `/v1/encryption`: the master keys that seal what is kept, changed while everything runs.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::Scope;
use pipeline::ports::SealingState;
use serde::Serialize;
use utoipa::ToSchema;

use super::audit;
use crate::http::auth::need;
use crate::http::error::ErrorEnvelope;
use crate::http::{Api, ApiError, Caller};

/// How it stands with encryption at rest.
#[derive(Serialize, ToSchema)]
pub(super) struct EncryptionView {
    /// The numbers of the master keys at hand, oldest first; the last seals.
    keys: Vec<u32>,
    /// How many messages wait to be sealed anew under it.
    waiting: u64,
    /// Whether everything is; then older keys can be retired.
    done: bool,
}

impl From<SealingState> for EncryptionView {
    fn from(SealingState { keys, waiting, done }: SealingState) -> Self {
        Self { keys, waiting, done }
    }
}

/// Shows the master keys by number, and how far everything is sealed under the newest.
#[utoipa::path(
    get,
    path = "/v1/encryption",
    tag = "encryption",
    responses(
        (status = 200, description = "How it stands", body = EncryptionView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
    )
)]
pub(super) async fn show(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<EncryptionView>, ApiError> {
    need(&caller, Scope::Admin)?;
    Ok(Json(api.ledger.sealing().await?.into()))
}

/// Makes a new master key, which seals from now on; what older ones sealed is sealed anew in the background.
#[utoipa::path(
    post,
    path = "/v1/encryption/rotate",
    tag = "encryption",
    responses(
        (status = 202, description = "It seals; the rest follows", body = EncryptionView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
        (status = 503, description = "The key could not be kept", body = ErrorEnvelope),
    )
)]
pub(super) async fn rotate(
    State(api): State<Arc<Api>>,
    caller: Caller,
) -> Result<(StatusCode, Json<EncryptionView>), ApiError> {
    need(&caller, Scope::Admin)?;
    let key = api.ledger.rotate_master_key().await?;
    audit::note(&api, &caller, ("encryption.rotate", &key.to_string()), None, None).await;
    Ok((StatusCode::ACCEPTED, Json(api.ledger.sealing().await?.into())))
}

/// Takes all master keys but the newest away, once nothing needs them.
#[utoipa::path(
    post,
    path = "/v1/encryption/retire",
    tag = "encryption",
    responses(
        (status = 200, description = "Only the newest is left", body = EncryptionView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
        (status = 409, description = "Something still needs them", body = ErrorEnvelope),
    )
)]
pub(super) async fn retire(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<EncryptionView>, ApiError> {
    need(&caller, Scope::Admin)?;
    if !api.ledger.retire_master_keys().await? {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            "still_needed",
            "older keys still open what is not sealed anew",
        )
        .with_hint("GET /v1/encryption says how much waits; try again when `done` is true"));
    }
    audit::note(&api, &caller, ("encryption.retire", ""), None, None).await;

    Ok(Json(api.ledger.sealing().await?.into()))
}
