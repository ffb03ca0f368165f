//! `/v1`: messages, what they are made of, and what becomes of them.

mod act;
mod audit;
mod batch;
mod broadcasts;
mod callbacks;
mod csv;
mod directory;
mod encryption;
mod heartbeats;
mod keys;
mod many;
mod media;
mod quotas;
mod read;
mod routes;
mod schedules;
mod stats;
mod submission;
mod submit;
mod templates;
mod view;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use bytes::Bytes;
use domain::MessageId;
use futures::StreamExt as _;
use serde::de::DeserializeOwned;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use super::{Api, ApiError, MAX_BODY};
use crate::json;

/// Each route with its description. Made one at a time: the whole description is a megabyte that a gateway whose docs
/// nobody opens need not hold.
const ROUTES: &[fn() -> UtoipaMethodRouter<Arc<Api>>] = &[
    || routes!(submit::submit, read::list),
    || routes!(batch::submit_batch),
    || routes!(read::read),
    || routes!(act::cancel),
    || routes!(act::retry),
    || routes!(act::recall),
    || routes!(act::ack),
    || routes!(many::recall),
    || routes!(many::replay),
    || routes!(many::dead_letters),
    || routes!(media::put),
    || routes!(quotas::quotas),
    || routes!(routes::test),
    || routes!(stats::stats),
    || routes!(heartbeats::note),
    || routes!(directory::list, directory::put),
    || routes!(directory::forget),
    || routes!(directory::leavers),
    || routes!(directory::import),
    || routes!(directory::export),
    || routes!(directory::lookup),
    || routes!(directory::sync),
    || routes!(directory::groups),
    || routes!(directory::show_group, directory::put_group, directory::forget_group),
    || routes!(directory::on_call_lists),
    || routes!(directory::show_on_call, directory::put_on_call, directory::forget_on_call),
    || routes!(directory::erase),
    || routes!(templates::list),
    || routes!(templates::put, templates::forget),
    || routes!(templates::activate),
    || routes!(templates::preview),
    || routes!(templates::split),
    || routes!(templates::figures),
    || routes!(callbacks::list),
    || routes!(callbacks::set_keys),
    || routes!(callbacks::attempts),
    || routes!(media::read),
    || routes!(webhooks::list),
    || routes!(webhooks::retry),
    || routes!(audit::list),
    || routes!(audit::verify),
    || routes!(schedules::list),
    || routes!(schedules::show, schedules::put, schedules::forget),
    || routes!(schedules::preview),
    || routes!(schedules::pause),
    || routes!(schedules::resume),
    || routes!(schedules::run),
    || routes!(broadcasts::begin, broadcasts::list),
    || routes!(broadcasts::show),
    || routes!(broadcasts::rows),
    || routes!(broadcasts::pause),
    || routes!(broadcasts::resume),
    || routes!(broadcasts::cancel),
    || routes!(encryption::show),
    || routes!(encryption::rotate),
    || routes!(encryption::retire),
    || routes!(keys::list, keys::create),
    || routes!(keys::revoke),
];

pub(super) fn router() -> Router<Arc<Api>> {
    ROUTES.iter().fold(Router::new(), |router, route| {
        let (_schemas, described, methods) = route();
        described.paths.keys().fold(router, |router, path| router.route(path, methods.clone()))
    })
}

pub(super) fn described() -> OpenApiRouter<Arc<Api>> {
    ROUTES.iter().fold(OpenApiRouter::new(), |router, route| router.routes(route()))
}

pub(super) fn parse_submission(body: &[u8]) -> Result<domain::Submission, ApiError> {
    let hash = || submit::hash_of("POST", "/v1/messages", body);
    submission::SubmissionBody::parse(body)?.into_submission(None, hash, false)
}

#[cfg(fuzzing)]
pub(super) fn read_tables(bytes: &[u8]) {
    broadcasts::read_table(bytes);
    directory::read_table(bytes);
}

/// Reads a body of at most `limit` bytes within the configured time.
pub(crate) async fn read_body(
    State(api): &State<Arc<Api>>,
    body: axum::body::Body,
    limit: usize,
) -> Result<Bytes, ApiError> {
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

/// Reads a body of JSON.
async fn read_json<T: DeserializeOwned>(state: &State<Arc<Api>>, body: axum::body::Body) -> Result<T, ApiError> {
    let bytes = read_body(state, body, MAX_BODY).await?;
    json::read(&bytes)
        .map_err(|error| domain::Violation::new("invalid", "(body)", format!("cannot be read: {error}")).into())
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
