//! `/v1/broadcasts`: one message for a list, tier after tier, a group at a time; tried before it is begun.

#![expect(unused_qualifications, reason = "utoipa's macro qualifies what it derives")]

mod list;
mod view;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use domain::{BroadcastId, BroadcastState, RequestHash, Scope, Violation, parse_duration};
use pipeline::Wanted;
use pipeline::ports::Broadcast;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use self::list::{List, TierBody};
use self::view::{BroadcastView, RowView, TriedView};
use super::submission::SubmissionBody;
use super::submit::{hash_of, idempotency_key};
use super::{audit, bad_query, parse_submission, read_body};
use crate::http::auth::need;
use crate::http::error::ErrorEnvelope;
use crate::http::{Api, ApiError, Caller};
use crate::json;

/// The largest body, in bytes.
const MAX_FILE: usize = 32 * 1024 * 1024;
/// How long it is waited after a group when nothing else is said.
const PACE: Duration = Duration::from_millis(2500);
/// How many rows a group has when nothing else is said.
const GROUP_SIZE: usize = 100;
/// The most broadcasts of one answer.
const LISTED: usize = 100;
/// The most rows of one answer.
const PAGE: usize = 1000;
/// How many refused rows are shown with a broadcast.
const SHOWN: usize = 20;

/// One message for a list.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BroadcastBody {
    /// A name for people, shown in lists.
    #[serde(default)]
    name: String,
    /// What is sent: the body of `POST /v1/messages`, without `to`.
    #[schema(value_type = Option<SubmissionBody>)]
    message: Option<Box<RawValue>>,
    /// For whom, in the order in which they are told. Left out if a file `people` comes with it.
    #[serde(default)]
    tiers: Vec<TierBody>,
    /// How long it is waited after each group; default `2.5s`.
    pace: Option<String>,
    /// How many people a group has, 1 to 1000; default 100. Those of a group who are told the same are told by one call.
    group_size: Option<usize>,
    /// Whether it rests from the start.
    #[serde(default)]
    paused: bool,
}

/// How to begin.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct BeginQuery {
    /// Only says what would become of the list.
    dry_run: bool,
    /// Begins it without the rows that are refused; default: nothing is begun if one is.
    partial: bool,
}

impl BroadcastBody {
    fn into_wanted(self, list: List, partial: bool, caller: &Caller) -> Result<Wanted, ApiError> {
        let body = self.message.ok_or_else(|| {
            Violation::new("missing", "message", "is missing")
                .with_hint("give what POST /v1/messages takes, without `to`")
        })?;
        let message = parse_submission(body.get().as_bytes()).map_err(|error| error.inside("message"))?;
        let pace = self.pace.map_or(Ok(PACE), |text| {
            parse_duration(&text).ok_or_else(|| {
                let violation = Violation::new("invalid", "pace", format!("`{text}` is not a time such as `2.5s`"));
                violation.with_hint("write 0s, 2.5s or 1m")
            })
        })?;
        Ok(Wanted {
            broadcast: Broadcast {
                // Both are given when it is begun.
                id: BroadcastId::from_bytes([0; 16]),
                created_at: domain::Timestamp::from_millis(0),
                name: self.name,
                grant: domain::Grant::clone(caller),
                body: Some(body.get().to_owned()),
                tiers: list.tiers,
                pace,
                idempotency: None,
            },
            message,
            rows: list.rows,
            group_size: self.group_size.unwrap_or(GROUP_SIZE),
            paused: self.paused,
            partial,
        })
    }
}

/// Reads a broadcast, its list and the hash of both: JSON, or a form with the JSON as `broadcast` and a table as `people`.
async fn read_wanted(
    bytes: &bytes::Bytes,
    headers: &HeaderMap,
) -> Result<(BroadcastBody, List, RequestHash), ApiError> {
    let hash = |parts: &[u8]| hash_of("POST", "/v1/broadcasts", parts);
    let read = |bytes: &[u8], field: &str| {
        json::read::<BroadcastBody>(bytes)
            .map_err(|error| Violation::new("invalid", field, format!("cannot be read: {error}")))
    };
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Ok(boundary) = multer::parse_boundary(kind) else {
        let mut body = read(bytes, "(body)")?;
        let list = List::of_tiers(std::mem::take(&mut body.tiers))?;
        return Ok((body, list, hash(bytes)));
    };
    let broken = |error: multer::Error| {
        ApiError::from(Violation::new("invalid", "(body)", format!("is not the form that its type says: {error}")))
    };
    let mut form = multer::Multipart::new(futures::stream::iter([Ok::<_, std::io::Error>(bytes.clone())]), boundary);
    // A form's boundary is another each time: what its parts hold is what is asked for.
    let (mut body, mut list, mut parts) = (None, None, Vec::new());
    while let Some(part) = form.next_field().await.map_err(broken)? {
        let name = part.name().unwrap_or_default().to_owned();
        let content = part.bytes().await.map_err(broken)?;
        match name.as_str() {
            "broadcast" => body = Some(read(&content, "broadcast")?),
            "people" => list = Some(List::of_table(&content)?),
            _ => continue,
        }
        parts.extend_from_slice(&content);
    }
    let missing =
        |field: &str, hint: &str| ApiError::from(Violation::new("missing", field, "is missing").with_hint(hint));
    let body =
        body.ok_or_else(|| missing("broadcast", "the form has the parts `broadcast`, JSON, and `people`, CSV"))?;
    if !body.tiers.is_empty() {
        let violation = Violation::new("invalid", "tiers", "stand beside a table of people");
        return Err(violation.with_hint("a column `tier` of the table says who belongs to which").into());
    }
    let list = list.ok_or_else(|| missing("people", "the form has the parts `broadcast`, JSON, and `people`, CSV"))?;
    Ok((body, list, hash(&parts)))
}

/// Begins to send one message to a list, tier after tier, a group at a time.
///
/// Every row is tried first: if one would be refused, nothing is begun, unless `partial` is set. 202 means that the list is
/// on disk. Its messages carry the tag `broadcast:ID`, by which they are found and recalled. A table is CSV with a heading
/// (UTF-8 or GB18030): `to` says whom a row is for (`zhangsan`, `emp:1001`, `party:2`, several divided by `;`), `tier`
/// which tier it belongs to; every other column is a variable of the template.
#[utoipa::path(
    post,
    path = "/v1/broadcasts",
    tag = "broadcasts",
    params(
        BeginQuery,
        ("Idempotency-Key" = Option<String>, Header, description = "At most 255 bytes; scoped to the caller"),
    ),
    request_body(content = BroadcastBody, description = "Or `multipart/form-data`: this as `broadcast`, a table as `people`"),
    responses(
        (status = 200, description = "With `dry_run`: what would become of the list", body = TriedView),
        (status = 202, description = "It is begun", body = BroadcastView),
        (status = 400, description = "The message is not JSON", body = ErrorEnvelope),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "The key does not allow it", body = ErrorEnvelope),
        (status = 413, description = "Over 32 MiB", body = ErrorEnvelope),
        (status = 422, description = "A rule is broken, by field or line", body = ErrorEnvelope),
        (status = 503, description = "Nothing was begun; try again", body = ErrorEnvelope),
    )
)]
pub(super) async fn begin(
    state: State<Arc<Api>>,
    caller: Caller,
    query: Result<Query<BeginQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    need(&caller, Scope::Send)?;
    let Query(BeginQuery { dry_run, partial }) = query.map_err(|error| bad_query(&error))?;
    let key = idempotency_key(&headers)?;
    let bytes = read_body(&state, body, MAX_FILE).await?;
    let (body, list, hash) = read_wanted(&bytes, &headers).await?;
    let mut wanted = body.into_wanted(list, partial, &caller)?;
    if dry_run {
        let pace = wanted.broadcast.pace;
        let tried = state.broadcaster.dry_run(wanted).await?;
        return Ok(Json(TriedView::of(tried, pace)).into_response());
    }
    if let Some(key) = key {
        if key.is_empty() || key.len() > domain::DEDUPE_KEY_MAX_BYTES {
            let message = format!("is {} bytes long; a key has 1 to {}", key.len(), domain::DEDUPE_KEY_MAX_BYTES);
            return Err(Violation::new("invalid", "Idempotency-Key", message).into());
        }
        wanted.broadcast.idempotency = Some((key, hash));
    }
    let begun = state.broadcaster.begin(wanted).await?;
    let id = begun.record.broadcast.id.to_string();
    if !begun.replayed {
        audit::note(&state, &caller, ("broadcast.begin", &id), None, None).await;
    }
    let view = shown(&state, begun.record).await?;
    let mut response = (StatusCode::ACCEPTED, Json(view)).into_response();
    if begun.replayed {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// A broadcast with its tiers, and the first rows that were refused.
async fn shown(api: &Api, record: pipeline::ports::BroadcastRecord) -> Result<BroadcastView, ApiError> {
    let id = record.broadcast.id;
    let counts = api.broadcaster.counts(id).await?;
    let refused = api.broadcaster.rows(id, 0, SHOWN, true).await?;
    Ok(BroadcastView::whole(record, &counts, refused))
}

fn parse_id(text: &str) -> Result<BroadcastId, ApiError> {
    text.parse().map_err(|_| ApiError::from(pipeline::BroadcastError::Unknown))
}

/// Lists the newest broadcasts of the caller, at most 100; an administrator's key lists everyone's.
#[utoipa::path(
    get,
    path = "/v1/broadcasts",
    tag = "broadcasts",
    responses(
        (status = 200, description = "The broadcasts, without their tiers", body = Vec<BroadcastView>),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "The key does not allow it", body = ErrorEnvelope),
    )
)]
pub(super) async fn list(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<Vec<BroadcastView>>, ApiError> {
    need(&caller, Scope::Read)?;
    let found = api.broadcaster.list(&caller, LISTED).await?;
    Ok(Json(found.into_iter().map(BroadcastView::of).collect()))
}

/// Shows a broadcast: how far it is, and what became of each tier.
#[utoipa::path(
    get,
    path = "/v1/broadcasts/{id}",
    tag = "broadcasts",
    params(("id" = String, Path, description = "Such as brd_…")),
    responses(
        (status = 200, description = "The broadcast", body = BroadcastView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "The key does not allow it", body = ErrorEnvelope),
        (status = 404, description = "No such broadcast of this caller's", body = ErrorEnvelope),
    )
)]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<BroadcastView>, ApiError> {
    need(&caller, Scope::Read)?;
    let record = api.broadcaster.find(&caller, parse_id(&id)?).await?;
    Ok(Json(shown(&api, record).await?))
}

/// Which rows.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RowsQuery {
    /// Those after this `position`.
    after: u32,
    /// At most so many, up to 1000.
    limit: Option<usize>,
    /// Those only that were refused.
    refused: bool,
}

/// Reports what became of each row, in the order in which they are handed in.
#[utoipa::path(
    get,
    path = "/v1/broadcasts/{id}/rows",
    tag = "broadcasts",
    params(("id" = String, Path, description = "Such as brd_…"), RowsQuery),
    responses(
        (status = 200, description = "The rows; fewer than `limit` are the last", body = Vec<RowView>),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "The key does not allow it", body = ErrorEnvelope),
        (status = 404, description = "No such broadcast of this caller's", body = ErrorEnvelope),
    )
)]
pub(super) async fn rows(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    query: Result<Query<RowsQuery>, QueryRejection>,
) -> Result<Json<Vec<RowView>>, ApiError> {
    need(&caller, Scope::Read)?;
    let Query(RowsQuery { after, limit, refused }) = query.map_err(|error| bad_query(&error))?;
    let broadcast = api.broadcaster.find(&caller, parse_id(&id)?).await?.broadcast;
    let found = api.broadcaster.rows(broadcast.id, after, limit.unwrap_or(PAGE).min(PAGE), refused).await?;
    Ok(Json(found.into_iter().map(|row| RowView::of(row, &broadcast.tiers)).collect()))
}

async fn move_to(api: &Api, caller: &Caller, id: &str, to: BroadcastState) -> Result<Json<BroadcastView>, ApiError> {
    need(caller, Scope::Send)?;
    let record = api.broadcaster.move_to(caller, parse_id(id)?, to).await?;
    let action = match to {
        BroadcastState::Paused => "broadcast.pause",
        BroadcastState::Cancelled => "broadcast.cancel",
        _ => "broadcast.resume",
    };
    audit::note(api, caller, (action, id), None, None).await;
    Ok(Json(shown(api, record).await?))
}

/// Lets a broadcast rest after the group that is under way.
#[utoipa::path(
    post,
    path = "/v1/broadcasts/{id}/pause",
    tag = "broadcasts",
    params(("id" = String, Path, description = "Such as brd_…")),
    responses(
        (status = 200, description = "It rests", body = BroadcastView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "The key does not allow it", body = ErrorEnvelope),
        (status = 404, description = "No such broadcast of this caller's", body = ErrorEnvelope),
        (status = 409, description = "It has ended", body = ErrorEnvelope),
    )
)]
pub(super) async fn pause(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<BroadcastView>, ApiError> {
    move_to(&api, &caller, &id, BroadcastState::Paused).await
}

/// Lets a broadcast go on with its next group.
#[utoipa::path(
    post,
    path = "/v1/broadcasts/{id}/resume",
    tag = "broadcasts",
    params(("id" = String, Path, description = "Such as brd_…")),
    responses(
        (status = 200, description = "It goes on", body = BroadcastView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "The key does not allow it", body = ErrorEnvelope),
        (status = 404, description = "No such broadcast of this caller's", body = ErrorEnvelope),
        (status = 409, description = "It has ended", body = ErrorEnvelope),
    )
)]
pub(super) async fn resume(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<BroadcastView>, ApiError> {
    move_to(&api, &caller, &id, BroadcastState::Running).await
}

/// Ends a broadcast before its end. What was handed in stays; `POST /v1/messages/recall` with its tag takes that back.
#[utoipa::path(
    post,
    path = "/v1/broadcasts/{id}/cancel",
    tag = "broadcasts",
    params(("id" = String, Path, description = "Such as brd_…")),
    responses(
        (status = 200, description = "Nothing more is handed in", body = BroadcastView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "The key does not allow it", body = ErrorEnvelope),
        (status = 404, description = "No such broadcast of this caller's", body = ErrorEnvelope),
        (status = 409, description = "It has ended", body = ErrorEnvelope),
    )
)]
pub(super) async fn cancel(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<BroadcastView>, ApiError> {
    move_to(&api, &caller, &id, BroadcastState::Cancelled).await
}

#[cfg(fuzzing)]
pub(super) fn read_table(bytes: &[u8]) {
    drop(List::of_table(bytes));
}
