//! Health, readiness and metrics.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use pipeline::telemetry::{Happening as _, QuotasSeen};
use serde_json::json;

use super::{Api, ApiError};

/// What anybody may ask.
pub(super) fn open() -> Router<Arc<Api>> {
    Router::new().route("/healthz", get(async || Json(json!({ "status": "ok" })))).route("/readyz", get(ready))
}

/// What a key that may read may ask.
pub(super) fn described() -> Router<Arc<Api>> {
    Router::new().route("/metrics", get(metrics))
}

/// Ready means: not being stopped, and the ledger answers and is whole.
async fn ready(State(api): State<Arc<Api>>) -> Result<impl IntoResponse, ApiError> {
    if (api.stopping)() {
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the gateway is being stopped"));
    }
    if api.damage.get().is_some() {
        return Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "damaged",
            "the ledger's file is damaged; it is in the log",
        )
        .with_hint("stop the gateway, and put the last backup in the file's place"));
    }
    api.ledger.waiting_lanes().await?;
    Ok(Json(json!({ "status": "ready" })))
}

async fn metrics(State(api): State<Arc<Api>>) -> impl IntoResponse {
    // What is counted as it happens needs no look; a ledger in trouble shows in its own counter.
    if let Ok(backlog) = api.ledger.backlog().await {
        QuotasSeen { lanes: &api.dispatcher.quotas(), backlog: &backlog, now: api.clock.now() }.emit();
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (api.metrics)())
}
