//! `POST /v1/media`: a file in, an id out that messages name.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use domain::{Scope, Violation};
use serde::Serialize;
use utoipa::ToSchema;

use super::read_body;
use crate::http::auth::need;
use crate::http::error::ErrorEnvelope;
use crate::http::{Api, ApiError, Caller};

/// The largest file that WeCom takes (path/90253), and room for the form around it.
const LARGEST: usize = crate::http::MAX_UPLOAD;

/// A file that was kept.
#[derive(Serialize, ToSchema)]
pub(super) struct MediaView {
    /// What messages call it, in place of WeCom's `media_id`.
    #[schema(example = "med_01K2ZK8Q0ZJ4M8W3T0000000000")]
    id: String,
    /// What recipients see as its name.
    file_name: String,
    /// How many bytes it has.
    size: usize,
}

/// Keeps a file, to be named in messages as `{"media_id": "med_…"}`.
///
/// It is uploaded to WeCom when a message with it is sent, once for a company or a robot, and again when WeCom has
/// forgotten it. It is kept as long as messages are.
#[utoipa::path(
    post,
    path = "/v1/media",
    tag = "media",
    request_body(content = String, content_type = "multipart/form-data", description = "One part with a file name, at most 20 MiB"),
    responses(
        (status = 201, description = "It is on disk", body = MediaView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 422, description = "No file in it, or one over 20 MiB", body = ErrorEnvelope),
    )
)]
pub(super) async fn put(
    state: State<Arc<Api>>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<MediaView>), ApiError> {
    need(&caller, Scope::Send)?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(kind).map_err(|_| {
        ApiError::from(
            Violation::new("invalid", "Content-Type", "is not multipart/form-data")
                .with_hint("curl sends it so with -F media=@plan.pdf"),
        )
    })?;
    let bytes = read_body(&state, body, LARGEST).await.map_err(|error| {
        if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
            return Violation::new("too_long", "media", "is larger than the 20 MiB that WeCom takes")
                .with_hint("put it where its readers can reach it, and send a link")
                .into();
        }
        error
    })?;
    let broken = |error: multer::Error| {
        ApiError::from(Violation::new("invalid", "(body)", format!("is not the form that its type says: {error}")))
    };
    let mut form = multer::Multipart::new(futures::stream::iter([Ok::<_, std::io::Error>(bytes)]), boundary);
    while let Some(part) = form.next_field().await.map_err(broken)? {
        let Some(file_name) = part.file_name().map(plain_name).filter(|name| !name.is_empty()) else { continue };
        let content = part.bytes().await.map_err(broken)?;
        if content.len() <= 5 {
            let message = format!("has {} bytes; WeCom takes files of more than 5", content.len());
            return Err(Violation::new("too_few", "media", message).into());
        }
        let size = content.len();
        let id = state.intake.keep(&caller, file_name.clone(), content, state.clock.now()).await?;
        return Ok((StatusCode::CREATED, Json(MediaView { id: id.to_string(), file_name, size })));
    }
    Err(Violation::new("missing", "media", "is missing: no part of the form has a file name").into())
}

/// Gives a file back that was handed in, or that somebody sent to an application: always to be kept, never shown.
#[utoipa::path(
    get,
    path = "/v1/media/{id}",
    tag = "media",
    params(("id" = String, Path, description = "Such as med_…")),
    responses(
        (status = 200, description = "The file", content_type = "application/octet-stream"),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 404, description = "No such file of this caller's", body = ErrorEnvelope),
    )
)]
pub(super) async fn read(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    need(&caller, Scope::Read)?;
    let unknown = || ApiError::not_found("there is no such file").with_hint("a key sees only its own caller's files");
    let id = id.parse().map_err(|_| unknown())?;
    let record = api.ledger.media(id, caller.reads()).await?.ok_or_else(unknown)?;
    let content = api.ledger.media_content(id).await?.ok_or_else(unknown)?;
    // RFC 6266: the name as it is, for those who read UTF-8.
    let name: String = url::form_urlencoded::byte_serialize(record.file_name.as_bytes()).collect();
    let disposition = format!("attachment; filename*=UTF-8''{}", name.replace('+', "%20"));
    let headers =
        [(header::CONTENT_TYPE, "application/octet-stream".to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    Ok((headers, content).into_response())
}

/// The last part of a path, without what no file is called.
fn plain_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    last.chars().filter(|c| !c.is_control() && *c != '"').take(128).collect()
}
