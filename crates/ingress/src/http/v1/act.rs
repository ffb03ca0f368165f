//! `POST /v1/messages/{id}/cancel|retry|recall`: changing what was accepted.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use domain::{MessageId, MessageState, Scope};
use pipeline::ports::{Acknowledged, CancelAnswer, RetryAnswer};

use super::submission::SubmissionBody;
use super::view::{MessageView, ReceiptView};
use super::{parse_id, read_body, unknown_message};
use crate::http::auth::need;
use crate::http::error::ErrorEnvelope;
use crate::http::{Api, ApiError, Caller, MAX_BODY};

/// Withdraws what was not tried yet; it is never sent.
#[utoipa::path(
    post,
    path = "/v1/messages/{id}/cancel",
    tag = "messages",
    params(("id" = String, Path, description = "The id of the receipt")),
    responses(
        (status = 200, description = "The message as it is now", body = MessageView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 404, description = "No such message of this caller", body = ErrorEnvelope),
        (status = 409, description = "Nothing waits any more", body = ErrorEnvelope),
    )
)]
pub(super) async fn cancel(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<MessageView>, ApiError> {
    need(&caller, Scope::Send)?;
    let id = parse_id(&id)?;
    match api.ledger.cancel(id, caller.reads(), api.clock.now()).await? {
        CancelAnswer::Cancelled(_) => now(&api, &caller, id).await,
        CancelAnswer::TooLate(state) => {
            let refused = too_late("not_cancellable", "cancel", state);
            let sent = matches!(state, MessageState::Delivered | MessageState::PartlyDelivered | MessageState::Sending);
            Err(if sent {
                refused.with_hint("what was sent by an application can be recalled within 24 hours")
            } else {
                refused
            })
        }
        CancelAnswer::Unknown => Err(unknown_message()),
    }
}

/// Makes due again what failed or is uncertain, also single recipients that were refused.
///
/// With a body, a new message is sent in place of what failed: whatever the body does not say (content, recipients, route
/// …) is taken from the failed message; without `to` it goes to those who were not reached.
#[utoipa::path(
    post,
    path = "/v1/messages/{id}/retry",
    tag = "messages",
    params(("id" = String, Path, description = "The id of the receipt")),
    request_body(content = Option<SubmissionBody>, description = "What is to be different; nothing, or empty: the same again"),
    responses(
        (status = 202, description = "Another was accepted in its place", body = ReceiptView),
        (status = 200, description = "The message as it is now", body = MessageView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 404, description = "No such message of this caller", body = ErrorEnvelope),
        (status = 409, description = "Nothing of it failed", body = ErrorEnvelope),
    )
)]
pub(super) async fn retry(
    state: State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    body: Body,
) -> Result<Response, ApiError> {
    need(&caller, Scope::Send)?;
    let id = parse_id(&id)?;
    let bytes = read_body(&state, body, MAX_BODY).await?;
    let State(api) = state;
    if !bytes.trim_ascii().is_empty() && bytes.trim_ascii() != b"{}" {
        let record = api.ledger.message(id, caller.reads()).await?.ok_or_else(unknown_message)?;
        if !matches!(record.state, MessageState::Failed | MessageState::PartlyDelivered | MessageState::Uncertain) {
            return Err(too_late("not_retryable", "retry", record.state));
        }
        let submission = SubmissionBody::parse(&bytes)?.in_place_of(&record)?;
        let receipt = api.intake.accept(&caller, submission).await?;
        return Ok((StatusCode::ACCEPTED, Json(ReceiptView::from(&receipt))).into_response());
    }
    let due = api.clock.now();
    match api.ledger.retry(id, caller.reads(), due, due + api.config.retry_deadline).await? {
        RetryAnswer::Requeued(lanes) => {
            lanes.iter().for_each(|lane| api.dispatcher.ring(lane));
            Ok(now(&api, &caller, id).await?.into_response())
        }
        RetryAnswer::NothingFailed(state) => {
            Err(too_late("not_retryable", "retry", state).with_hint("only what failed or is uncertain can be retried"))
        }
        RetryAnswer::Unknown => Err(unknown_message()),
    }
}

/// Recalls a message in whatever state: what waits is never sent, what an application sent within 24 hours is withdrawn.
#[utoipa::path(
    post,
    path = "/v1/messages/{id}/recall",
    tag = "messages",
    params(("id" = String, Path, description = "The id of the receipt")),
    responses(
        (status = 200, description = "The message as it is now", body = MessageView),
        (status = 202, description = "A part is still in flight: it will be recalled once sent", body = MessageView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 404, description = "No such message of this caller", body = ErrorEnvelope),
        (status = 409, description = "Nothing of it can be recalled", body = ErrorEnvelope),
    )
)]
pub(super) async fn recall(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<MessageView>), ApiError> {
    need(&caller, Scope::Send)?;
    let recalled = api.recaller.recall(parse_id(&id)?, caller.reads()).await?;
    let status = if recalled.pending { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok((status, Json(recalled.record.into())))
}

/// Says that somebody has seen a message and acts on it: it is escalated no further.
///
/// It is no read receipt: WeCom knows none.
#[utoipa::path(
    post,
    path = "/v1/messages/{id}/ack",
    tag = "messages",
    params(("id" = String, Path, description = "The id of the receipt")),
    responses(
        (status = 200, description = "The message as it is now", body = MessageView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 404, description = "No such message of this caller", body = ErrorEnvelope),
    )
)]
pub(super) async fn ack(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<MessageView>, ApiError> {
    need(&caller, Scope::Send)?;
    let id = parse_id(&id)?;
    match api.ledger.acknowledge(id, caller.reads(), api.clock.now()).await? {
        Acknowledged::Since(_) => now(&api, &caller, id).await,
        Acknowledged::Unknown => Err(unknown_message()),
    }
}

async fn now(api: &Api, caller: &Caller, id: MessageId) -> Result<Json<MessageView>, ApiError> {
    let record = api.ledger.message(id, caller.reads()).await?.ok_or_else(unknown_message)?;
    Ok(Json(record.into()))
}

fn too_late(code: &'static str, what: &str, state: MessageState) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, code, format!("there is nothing to {what}: the message is {state}"))
}
