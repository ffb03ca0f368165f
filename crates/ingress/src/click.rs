//! `/r/{token}`: a link that is counted, and on to where it leads.
//!
//! Counted is that it was clicked, never by whom: no cookie is set, no address kept.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use crate::http::{Api, ApiError};

pub(crate) fn router() -> Router<Arc<Api>> {
    Router::new().route("/r/{token}", get(follow))
}

async fn follow(State(api): State<Arc<Api>>, method: Method, Path(token): Path<String>) -> Result<Response, ApiError> {
    let unknown = || ApiError::not_found("this link leads nowhere: it was cut, or its message was forgotten");
    let (message, number) = api.links.as_ref().and_then(|links| links.read(&token)).ok_or_else(unknown)?;
    let target = api.ledger.link(message, number).await?.ok_or_else(unknown)?;
    // Whoever only looks where it leads has not clicked. And nobody waits for the count.
    if method == Method::GET {
        let ledger = api.ledger.clone();
        tokio::spawn(async move {
            if let Err(error) = ledger.count_click(message, number).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "A click was not counted");
            }
        });
    }
    let headers = [
        (header::LOCATION, target.as_str()),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    Ok((StatusCode::FOUND, headers).into_response())
}
