//! `POST /v1/heartbeats/{name}`: another system says that it lives; if it stops to, the operator hears of it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use domain::Scope;

use crate::http::auth::need;
use crate::http::error::ErrorEnvelope;
use crate::http::{Api, ApiError, Caller};

/// Notes a heartbeat.
#[utoipa::path(
    post,
    path = "/v1/heartbeats/{name}",
    tag = "stats",
    params(("name" = String, Path, description = "As configured in operator.heartbeats")),
    responses(
        (status = 204, description = "Noted"),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 404, description = "No such heartbeat is expected", body = ErrorEnvelope),
    )
)]
pub(super) async fn note(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    need(&caller, Scope::Send)?;
    if !api.heartbeats.note(&name, api.clock.now()) {
        let refused = ApiError::not_found(format!("no heartbeat `{name}` is expected"));
        return Err(refused.with_hint("configure how long it may stay away: operator.heartbeats"));
    }
    Ok(StatusCode::NO_CONTENT)
}
