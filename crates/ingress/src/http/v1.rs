//! `/v1`: messages, what they are made of, and what becomes of them.

mod act;
mod batch;
mod directory;
mod heartbeats;
mod keys;
mod many;
mod media;
mod quotas;
mod read;
mod routes;
mod stats;
mod submission;
mod submit;
mod view;

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use bytes::Bytes;
use domain::MessageId;
use futures::StreamExt as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Api, ApiError};

pub(super) fn router() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(submit::submit, read::list))
        .routes(routes!(batch::submit_batch))
        .routes(routes!(read::read))
        .routes(routes!(act::cancel))
        .routes(routes!(act::retry))
        .routes(routes!(act::recall))
        .routes(routes!(act::ack))
        .routes(routes!(many::recall))
        .routes(routes!(many::replay))
        .routes(routes!(many::dead_letters))
        .routes(routes!(media::put))
        .routes(routes!(quotas::quotas))
        .routes(routes!(routes::test))
        .routes(routes!(stats::stats))
        .routes(routes!(heartbeats::note))
        .routes(routes!(directory::list, directory::put))
        .routes(routes!(directory::forget))
        .routes(routes!(directory::erase))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
}

pub(super) fn parse_submission(body: &[u8]) -> Result<domain::Submission, ApiError> {
    let hash = || submit::hash_of("POST", "/v1/messages", body);
    submission::SubmissionBody::parse(body)?.into_submission(None, hash, false)
}

/// Reads a body of at most `limit` bytes within the configured time.
async fn read_body(State(api): &State<Arc<Api>>, body: axum::body::Body, limit: usize) -> Result<Bytes, ApiError> {
    let too_large = || {
        let message = format!("the body is larger than {limit} bytes");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
            .with_hint("divide it, or use /v1/messages/batch")
    };
    let reading = async {
        let mut collected = bytes::BytesMut::new();
        let mut parts = body.into_data_stream();
        while let Some(part) = parts.next().await {
            let part = part.map_err(|_| ApiError::new(StatusCode::BAD_REQUEST, "body_broken", "the body broke off"))?;
            if collected.len() + part.len() > limit {
                return Err(too_large());
            }
            collected.extend_from_slice(&part);
        }
        Ok(collected.freeze())
    };
    tokio::time::timeout(api.config.body_timeout, reading).await.unwrap_or_else(|_| {
        Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", "the body took too long to arrive"))
    })
}

/// Says what is wrong with a query, by the cause that names it.
fn bad_query(error: &axum::extract::rejection::QueryRejection) -> ApiError {
    let cause = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    domain::Violation::new("invalid", "(query)", format!("cannot be read: {cause}")).into()
}

fn parse_id(text: &str) -> Result<MessageId, ApiError> {
    // What cannot be an id names no message: the same answer as for another caller's.
    text.parse().map_err(|_| unknown_message())
}

fn unknown_message() -> ApiError {
    ApiError::not_found("there is no such message").with_hint("a key sees only its own caller's messages")
}
