//! `POST /v1/media`: a file in, an id out that messages name.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use domain::{Scope, Violation};
use serde::Serialize;
use utoipa::ToSchema;

use crate::files::{self, Trouble};
use crate::http::auth::need;
use crate::http::error::ErrorEnvelope;
use crate::http::{Api, ApiError, Caller};

/// Room for the form around a file.
const FORM: u64 = 64 * 1024;
/// The largest file that WeCom takes (path/90253).
const WECOMS: u64 = 20 * 1024 * 1024;

/// A file that was kept.
#[derive(Serialize, ToSchema)]
pub(super) struct MediaView {
    /// What messages call it, in place of WeCom's `media_id`.
    #[schema(example = "med_01K2ZK8Q0ZJ4M8W3T0000000000")]
    id: String,
    /// What recipients see as its name.
    file_name: String,
    /// How many bytes it has.
    size: u64,
}

/// Keeps a file, to be named in messages as `{"media_id": "med_…"}`.
///
/// It is uploaded to WeCom when a message with it is sent, once for a company or a robot, and again when WeCom has
/// forgotten it. It is kept as long as messages are. What is larger than WeCom takes goes out as a link, by messages with
/// `"overflow": "link"`; how large it may be, `media.largest_mib` says.
#[utoipa::path(
    post,
    path = "/v1/media",
    tag = "media",
    request_body(content = String, content_type = "multipart/form-data", description = "One part with a file name, at most 20 MiB unless `media.largest_mib` says otherwise"),
    responses(
        (status = 201, description = "It is on disk", body = MediaView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 422, description = "No file in it, or one that is too large", body = ErrorEnvelope),
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
    let largest = state.config.largest_file;
    let body = files::arriving(body, largest.saturating_add(FORM), state.config.body_timeout);
    let mut form = multer::Multipart::new(body, boundary);
    let broken = |error: multer::Error| not_read(&error, largest);
    while let Some(mut part) = form.next_field().await.map_err(broken)? {
        let Some(file_name) = part.file_name().map(plain_name).filter(|name| !name.is_empty()) else { continue };
        let mut file = state.intake.begin_file(&caller, file_name, state.clock.now()).await?;
        while let Some(bytes) = part.chunk().await.map_err(broken)? {
            file.write(bytes).await?;
            if file.size() > largest {
                return Err(too_large(largest));
            }
        }
        if file.size() <= 5 {
            let message = format!("has {} bytes; WeCom takes files of more than 5", file.size());
            return Err(Violation::new("too_few", "media", message).into());
        }
        let kept = file.keep().await?;
        let view = MediaView { id: kept.id.to_string(), file_name: kept.file_name, size: kept.size };
        return Ok((StatusCode::CREATED, Json(view)));
    }
    Err(Violation::new("missing", "media", "is missing: no part of the form has a file name").into())
}

/// What is said of a form that did not come whole.
fn not_read(error: &multer::Error, largest: u64) -> ApiError {
    let trouble = match error {
        multer::Error::StreamReadFailed(cause) => cause.downcast_ref::<Trouble>().copied(),
        _ => None,
    };
    match trouble {
        Some(Trouble::TooLarge) => too_large(largest),
        Some(Trouble::BrokeOff) => ApiError::new(StatusCode::BAD_REQUEST, "body_broken", "the body broke off"),
        Some(Trouble::TooSlow) => {
            ApiError::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", "the body took too long to arrive")
        }
        None => Violation::new("invalid", "(body)", format!("is not the form that its type says: {error}")).into(),
    }
}

fn too_large(largest: u64) -> ApiError {
    let mib = largest / (1024 * 1024);
    let message = if largest == WECOMS {
        format!("is larger than the {mib} MiB that WeCom takes")
    } else {
        format!("is larger than the {mib} MiB that this gateway takes")
    };
    let hint = "raise media.largest_mib and send the file by `\"overflow\": \"link\"`, or put it where its readers can reach it, and send a link";
    Violation::new("too_long", "media", message).with_hint(hint).into()
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
    let reader = api.ledger.read_media(id).await?.ok_or_else(unknown)?;
    Ok(files::download(&record, "application/octet-stream", reader))
}

/// The last part of a path, without what no file is called.
fn plain_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    last.chars().filter(|c| !c.is_control() && *c != '"').take(128).collect()
}
