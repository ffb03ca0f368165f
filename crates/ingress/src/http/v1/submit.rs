//! `POST /v1/messages`: one message in, 202 with a receipt once it is on disk.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use domain::RequestHash;
use sha2::{Digest as _, Sha256};

use super::read_body;
use super::submission::SubmissionBody;
use super::view::ReceiptView;
use crate::http::error::ErrorEnvelope;
use crate::http::{Api, ApiError, Caller, MAX_BODY};

/// Accepts a message.
///
/// 202 means that the message and its deliveries are on disk. With the header `Idempotency-Key`, a repeat of the same
/// request within 24 hours is answered with the first receipt and `Idempotency-Replayed: true`.
#[utoipa::path(
    post,
    path = "/v1/messages",
    tag = "messages",
    params(("Idempotency-Key" = Option<String>, Header, description = "At most 255 bytes; scoped to the caller")),
    request_body = SubmissionBody,
    responses(
        (status = 202, description = "Accepted: on disk", body = ReceiptView),
        (status = 400, description = "Not JSON", body = ErrorEnvelope),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "The key does not allow it", body = ErrorEnvelope),
        (status = 413, description = "Over 1 MiB", body = ErrorEnvelope),
        (status = 422, description = "A rule is broken, by field", body = ErrorEnvelope),
        (status = 503, description = "Nothing was stored; try again", body = ErrorEnvelope),
        (status = 507, description = "The disk is full; nothing was stored", body = ErrorEnvelope),
    )
)]
pub(super) async fn submit(
    state: State<Arc<Api>>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let bytes = read_body(&state, body, MAX_BODY).await?;
    let read = || {
        let hash = || hash_of("POST", "/v1/messages", &bytes);
        SubmissionBody::parse(&bytes)?.into_submission(idempotency_key(&headers)?, hash, false)
    };
    let submission = read().inspect_err(ApiError::count)?;
    let warnings = match &submission.content {
        domain::SubmissionContent::Ready(content) => content.warnings(),
        domain::SubmissionContent::Templated(_) => Vec::new(),
    };
    let receipt = state.intake.accept(&caller, submission).await?;
    let view = ReceiptView::from(&receipt).with_warnings(warnings);
    let mut response = (StatusCode::ACCEPTED, Json(view)).into_response();
    if receipt.replayed {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    Ok(response)
}

pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| {
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "`Idempotency-Key` is not UTF-8")
            .with_field("Idempotency-Key")
    })?;
    Ok(Some(text.to_owned()))
}

/// SHA-256 over method, path and raw bytes.
pub(super) fn hash_of(method: &str, path: &str, bytes: &[u8]) -> RequestHash {
    let mut hasher = Sha256::new();
    hasher.update(method);
    hasher.update([0]);
    hasher.update(path);
    hasher.update([0]);
    hasher.update(bytes);
    RequestHash::new(hasher.finalize().into())
}
