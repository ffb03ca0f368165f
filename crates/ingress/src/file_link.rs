//! `/f/{token}`: what a message linked to, for whoever has the link, until it expires.
//!
//! Nobody shows a key here: the link is one. What is not good leads to a page that says so and nothing else. Who asks is
//! neither kept nor logged, nor is the link.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::get;
use pipeline::DeadLink;
use pipeline::ports::{MediaReader, MediaRecord};
use pipeline::telemetry::{FileAskedFor, Happening as _};

use crate::files::download;
use crate::http::{Api, ApiError};

/// For whoever has the link alone, and not for a search engine.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "private, no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
    (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
];

const UNKNOWN: &str = include_str!("file_link/unknown.html");
const EXPIRED: &str = include_str!("file_link/expired.html");

pub(crate) fn router() -> Router<Arc<Api>> {
    Router::new().route("/f/{token}", get(read))
}

async fn read(State(api): State<Arc<Api>>, Path(token): Path<String>) -> Result<Response, ApiError> {
    let (result, answer) = match find(&api, &token).await? {
        Ok((record, reader)) => ("found", download(&record, content_type(&record.file_name), reader)),
        Err(DeadLink::Expired) => ("expired", (StatusCode::GONE, Html(EXPIRED)).into_response()),
        Err(DeadLink::Unknown) => ("unknown", (StatusCode::NOT_FOUND, Html(UNKNOWN)).into_response()),
    };
    FileAskedFor { result }.emit();
    Ok((HEADERS, answer).into_response())
}

/// A link that its message no longer has is as unknown as one that never was.
async fn find(api: &Api, token: &str) -> Result<Result<(MediaRecord, Box<dyn MediaReader>), DeadLink>, ApiError> {
    let read = api.file_links.as_ref().map(|links| links.read(token, api.clock.now()));
    let (id, until) = match read.unwrap_or(Err(DeadLink::Unknown)) {
        Ok(named) => named,
        Err(dead) => return Ok(Err(dead)),
    };
    let Some(record) = api.ledger.linked_media(id, until).await? else { return Ok(Err(DeadLink::Unknown)) };
    Ok(api.ledger.read_media(id).await?.map(|reader| (record, reader)).ok_or(DeadLink::Unknown))
}

/// Nothing that a browser would run; plain texts by name, so that they are read as UTF-8.
fn content_type(file_name: &str) -> &'static str {
    let is = |ending: &str| file_name.len() > ending.len() && file_name.to_ascii_lowercase().ends_with(ending);
    if is(".txt") || is(".md") { "text/plain; charset=utf-8" } else { "application/octet-stream" }
}
