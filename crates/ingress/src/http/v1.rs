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
use axum::body::HttpBody as _;
use axum::extract::State;
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::routing::MethodRouter;
use bytes::Bytes;
use domain::MessageId;
use futures::StreamExt as _;
use serde::de::DeserializeOwned;
use utoipa::Path as _;
use utoipa::openapi::HttpMethod;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::{PathItemExt as _, paste, routes};

use super::{Api, ApiError, MAX_BODY};
use crate::json;

/// A path, and what serves its methods.
struct Route {
    /// Adds it to a router.
    serve: fn(Router<Arc<Api>>) -> Router<Arc<Api>>,
    /// Describes it. The description is a megabyte, and the code that makes it another: a gateway whose docs nobody opens
    /// need not hold either.
    describe: fn() -> UtoipaMethodRouter<Arc<Api>>,
}

macro_rules! route {
    ($($room:ident::$handler:ident),+) => {
        Route {
            serve: |router| router$(.route(
                &paste! { $room::[<__path_ $handler>]::path() },
                methods(&paste! { $room::[<__path_ $handler>]::methods() }, $room::$handler),
            ))+,
            describe: || routes!($($room::$handler),+),
        }
    };
}

/// Serves methods by one handler.
fn methods<H: Handler<T, Arc<Api>>, T: 'static>(methods: &[HttpMethod], handler: H) -> MethodRouter<Arc<Api>> {
    let filters = methods.iter().map(HttpMethod::to_method_filter);
    filters.fold(MethodRouter::new(), |router, filter| router.on(filter, handler.clone()))
}

const ROUTES: &[Route] = &[
    route!(submit::submit, read::list),
    route!(batch::submit_batch),
    route!(read::read),
    route!(act::cancel),
    route!(act::retry),
    route!(act::recall),
    route!(act::ack),
    route!(many::recall),
    route!(many::replay),
    route!(many::dead_letters),
    route!(media::put),
    route!(quotas::quotas),
    route!(routes::test),
    route!(stats::stats),
    route!(heartbeats::note),
    route!(directory::list, directory::put),
    route!(directory::forget),
    route!(directory::leavers),
    route!(directory::import),
    route!(directory::export),
    route!(directory::lookup),
    route!(directory::sync),
    route!(directory::groups),
    route!(directory::show_group, directory::put_group, directory::forget_group),
    route!(directory::on_call_lists),
    route!(directory::show_on_call, directory::put_on_call, directory::forget_on_call),
    route!(directory::erase),
    route!(templates::list),
    route!(templates::put, templates::forget),
    route!(templates::activate),
    route!(templates::preview),
    route!(templates::split),
    route!(templates::figures),
    route!(callbacks::list),
    route!(callbacks::set_keys),
    route!(callbacks::attempts),
    route!(media::read),
    route!(webhooks::list),
    route!(webhooks::retry),
    route!(audit::list),
    route!(audit::verify),
    route!(schedules::list),
    route!(schedules::show, schedules::put, schedules::forget),
    route!(schedules::preview),
    route!(schedules::pause),
    route!(schedules::resume),
    route!(schedules::run),
    route!(broadcasts::begin, broadcasts::list),
    route!(broadcasts::show),
    route!(broadcasts::rows),
    route!(broadcasts::pause),
    route!(broadcasts::resume),
    route!(broadcasts::cancel),
    route!(encryption::show),
    route!(encryption::rotate),
    route!(encryption::retire),
    route!(keys::list, keys::create),
    route!(keys::revoke),
];

pub(super) fn router() -> Router<Arc<Api>> {
    ROUTES.iter().fold(Router::new(), |router, route| (route.serve)(router))
}

pub(super) fn described() -> OpenApiRouter<Arc<Api>> {
    ROUTES.iter().fold(OpenApiRouter::new(), |router, route| router.routes((route.describe)()))
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
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let fits = announced <= limit;
    let reading = async {
        // As much memory as is announced, at once; of what will not fit nothing is kept.
        let mut collected = bytes::BytesMut::with_capacity(if fits { announced } else { 0 });
        let mut received = 0;
        let mut parts = body.into_data_stream();
        while let Some(part) = parts.next().await {
            let part = part.map_err(|_| ApiError::new(StatusCode::BAD_REQUEST, "body_broken", "the body broke off"))?;
            received += part.len();
            if received > limit {
                return Err(too_large());
            }
            if fits {
                collected.extend_from_slice(&part);
            }
        }
        if fits { Ok(collected.freeze()) } else { Err(too_large()) }
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
