//! `/v1/webhooks`: what waits for business systems, and trying again what was given up.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use domain::Scope;
use pipeline::ports::WebhookBacklog;
use serde::Serialize;
use utoipa::ToSchema;

use super::audit;
use crate::http::auth::need;
use crate::http::error::ErrorEnvelope;
use crate::http::{Api, ApiError, Caller};

/// How much waits for a business system.
#[derive(Serialize, ToSchema)]
pub(super) struct WebhookView {
    /// Its configured name.
    name: String,
    /// How many events wait.
    waiting: u64,
    /// How many were given up.
    dead: u64,
    /// When the oldest that waits happened, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest: Option<String>,
    /// Why the last try failed, while something waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl From<WebhookBacklog> for WebhookView {
    fn from(backlog: WebhookBacklog) -> Self {
        let WebhookBacklog { target, waiting, dead, oldest, error } = backlog;
        Self { name: target, waiting, dead, oldest: oldest.map(|at| at.to_string()), error }
    }
}

/// How many events are tried again.
#[derive(Serialize, ToSchema)]
pub(super) struct RetriedView {
    /// How many.
    events: usize,
}

/// Shows how much waits for each business system.
#[utoipa::path(
    get,
    path = "/v1/webhooks",
    tag = "webhooks",
    responses(
        (status = 200, description = "What waits; a system for which nothing waits is left out", body = Vec<WebhookView>),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
    )
)]
pub(super) async fn list(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<Vec<WebhookView>>, ApiError> {
    need(&caller, Scope::Admin)?;
    Ok(Json(api.ledger.webhook_backlog().await?.into_iter().map(WebhookView::from).collect()))
}

/// Tries again what was given up for a business system.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{name}/retry",
    tag = "webhooks",
    params(("name" = String, Path, description = "Its configured name")),
    responses(
        (status = 200, description = "They are due again", body = RetriedView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
        (status = 404, description = "None of this name is configured, and nothing waits for one", body = ErrorEnvelope),
    )
)]
pub(super) async fn retry(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<RetriedView>, ApiError> {
    need(&caller, Scope::Admin)?;
    // What waits for one that was taken out of the configuration may still be tried: it may come back.
    if !api.intake.has_webhook(&name) && !api.ledger.webhook_backlog().await?.iter().any(|one| one.target == name) {
        let message = format!("there is no webhook `{name}`, and nothing waits for one");
        return Err(ApiError::new(StatusCode::NOT_FOUND, "unknown_webhook", message)
            .with_hint("name one of those under [webhooks.NAME] in the configuration"));
    }
    let events = api.ledger.retry_dead_events(&name, api.clock.now()).await?;
    audit::note(&api, &caller, ("webhook.retry", &name), None, Some(events.into())).await;
    Ok(Json(RetriedView { events }))
}
