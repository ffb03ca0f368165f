//! `/v1/schedules`: messages that are sent again and again, or once at a time; tried before they are kept.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use domain::{Cron, DEFAULT_ZONE, MissedRuns, Scope, Timestamp, VariablesFrom, Violation, When};
use pipeline::cron_violation;
use pipeline::ports::{Schedule, ScheduleRecord};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::submission::SubmissionBody;
use super::submit::{hash_of, idempotency_key};
use super::view::ReceiptView;
use super::{audit, parse_submission, read_json};
use crate::http::auth::need;
use crate::http::error::ErrorEnvelope;
use crate::http::{Api, ApiError, Caller};

/// How many of the next runs are shown.
const SHOWN_RUNS: usize = 5;

/// A schedule: `cron` for again and again, or `at` for once.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ScheduleBody {
    /// Minute, hour, day of the month, month, day of the week; six fields begin with the second.
    #[schema(example = "0 30 8 * * 1-5")]
    cron: Option<String>,
    /// The time zone of `cron`; default `Asia/Shanghai`.
    zone: Option<String>,
    /// Once, at this time: RFC 3339.
    at: Option<String>,
    /// What becomes of runs that were missed: `skip`, `once` (the latest is made up for) or `all` (at most 100 are);
    /// default `once`.
    missed: Option<String>,
    /// Whether it rests from the start.
    #[serde(default)]
    paused: bool,
    /// What is sent: the body of `POST /v1/messages`.
    #[schema(value_type = Option<SubmissionBody>)]
    message: Option<Box<RawValue>>,
    /// Where variables of its template are fetched right before it runs: a JSON object of at most 1 MB.
    /// `{"url": "https://…"}`, or `{"file": "…"}` below the folder that the configuration names.
    #[schema(value_type = Option<Object>)]
    variables_from: Option<VariablesFrom>,
}

impl ScheduleBody {
    fn into_schedule(self, name: String, caller: &Caller) -> Result<Schedule, ApiError> {
        let at = self.at.map(|text| {
            text.parse::<Timestamp>().map_err(|_| {
                Violation::new("invalid", "at", format!("`{text}` is not a time"))
                    .with_hint("write RFC 3339 with an offset: 2026-07-19T08:00:00+08:00")
            })
        });
        let missed = self.missed.map_or(Ok(MissedRuns::default()), |text| {
            MissedRuns::ALL.into_iter().find(|policy| policy.name() == text).ok_or_else(|| {
                let violation = Violation::new("invalid", "missed", format!("`{text}` is none of them"));
                violation.with_hint("there are skip, once and all")
            })
        });
        let body = self.message.ok_or_else(|| {
            Violation::new("missing", "message", "is missing").with_hint("give what POST /v1/messages takes")
        })?;
        Ok(Schedule {
            name,
            grant: domain::Grant::clone(caller),
            cron: self.cron,
            zone: self.zone.unwrap_or_else(|| DEFAULT_ZONE.to_owned()),
            at: at.transpose()?,
            missed: missed?,
            paused: self.paused,
            body: Some(body.get().to_owned()),
            variables_from: self.variables_from,
        })
    }
}

/// A schedule, and where it stands.
#[derive(Serialize, ToSchema)]
pub(super) struct ScheduleView {
    /// Its name.
    name: String,
    /// Whose it is.
    caller: String,
    /// The pattern of cron.
    #[serde(skip_serializing_if = "Option::is_none")]
    cron: Option<String>,
    /// The time zone of the pattern.
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    /// When it runs that runs once.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    /// What becomes of runs that were missed.
    missed: &'static str,
    /// Whether it rests.
    paused: bool,
    /// What is sent, as it was given; absent if it cannot be opened any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<SubmissionBody>)]
    message: Option<Box<RawValue>>,
    /// Where variables are fetched right before it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    variables_from: Option<VariablesFrom>,
    /// The next runs, at most five, in its time zone.
    next: Vec<String>,
    /// When a run that failed is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    again_at: Option<String>,
    /// Which run was the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_run: Option<String>,
    /// When that was made, or tried last.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_ended: Option<String>,
    /// The message that it made.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_message: Option<String>,
    /// Why it made none.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    /// How many runs were missed and not made up for; beyond 10,000 at once, at least so many.
    left_out: u64,
    /// When it was kept.
    created_at: String,
}

impl ScheduleView {
    fn of(record: ScheduleRecord, now: Timestamp) -> Self {
        let ScheduleRecord { schedule, planned, last_run, last_message, last_error, left_out, created_at, .. } = record;
        let when = schedule.when().ok();
        let shown = |time| when.as_ref().map_or_else(|| Timestamp::to_string(&time), |when| when.shown(time));
        let waits = planned.is_some() && !schedule.paused;
        let next = when.as_ref().filter(|_| waits).map(|when| when.next(now, SHOWN_RUNS)).unwrap_or_default();
        Self {
            next: next.into_iter().map(shown).collect(),
            again_at: planned.filter(|planned| planned.tries > 0).map(|planned| shown(planned.due_at)),
            last_run: last_run.map(|(run, _)| shown(run)),
            last_ended: last_run.map(|(_, ended)| ended.to_string()),
            last_message: last_message.map(|id| id.to_string()),
            last_error,
            left_out,
            created_at: created_at.to_string(),
            caller: schedule.grant.caller.to_string(),
            zone: schedule.cron.is_some().then_some(schedule.zone),
            cron: schedule.cron,
            at: schedule.at.map(|at| at.to_string()),
            missed: schedule.missed.name(),
            paused: schedule.paused,
            message: schedule.body.and_then(|body| RawValue::from_string(body).ok()),
            variables_from: schedule.variables_from,
            name: schedule.name,
        }
    }
}

/// Lists the schedules of the caller, by name; an administrator's key lists everyone's.
#[utoipa::path(
    get,
    path = "/v1/schedules",
    tag = "schedules",
    responses(
        (status = 200, description = "The schedules", body = Vec<ScheduleView>),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "The key does not allow it", body = ErrorEnvelope),
    )
)]
pub(super) async fn list(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<Vec<ScheduleView>>, ApiError> {
    need(&caller, Scope::Read)?;
    let now = api.clock.on_the_wall();
    let found = api.scheduler.list(&caller).await?;
    Ok(Json(found.into_iter().map(|record| ScheduleView::of(record, now)).collect()))
}

/// Shows a schedule.
#[utoipa::path(
    get,
    path = "/v1/schedules/{name}",
    tag = "schedules",
    params(("name" = String, Path, description = "The schedule")),
    responses(
        (status = 200, description = "The schedule", body = ScheduleView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "The key does not allow it", body = ErrorEnvelope),
        (status = 404, description = "No such schedule of this caller's", body = ErrorEnvelope),
    )
)]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<ScheduleView>, ApiError> {
    need(&caller, Scope::Read)?;
    let record = api.scheduler.find(&caller, &name).await?;
    Ok(Json(ScheduleView::of(record, api.clock.on_the_wall())))
}

/// Keeps a schedule, in the place of that of its name.
///
/// What it is to send is checked first: what could not be accepted now is refused, and variables are fetched once. It is
/// sent as whoever kept it, with what their key allowed then.
#[utoipa::path(
    put,
    path = "/v1/schedules/{name}",
    tag = "schedules",
    params(("name" = String, Path, description = "a-z, 0-9, `-`, `_`, `.`; at most 64")),
    request_body = ScheduleBody,
    responses(
        (status = 200, description = "It is kept", body = ScheduleView),
        (status = 400, description = "The message is not JSON", body = ErrorEnvelope),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "The key does not allow it", body = ErrorEnvelope),
        (status = 409, description = "The name is another caller's", body = ErrorEnvelope),
        (status = 422, description = "A rule is broken, by field", body = ErrorEnvelope),
        (status = 503, description = "Nothing was kept; try again", body = ErrorEnvelope),
    )
)]
pub(super) async fn put(
    state: State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
    body: Body,
) -> Result<Json<ScheduleView>, ApiError> {
    need(&caller, Scope::Send)?;
    let body: ScheduleBody = read_json(&state, body).await?;
    let schedule = body.into_schedule(name, &caller)?;
    let message = schedule.body.as_deref().unwrap_or_default();
    let submission = parse_submission(message.as_bytes()).map_err(|error| error.inside("message"))?;
    let record = state.scheduler.put(schedule, submission).await?;
    audit::note(&state, &caller, ("schedule.put", &record.schedule.name), None, None).await;
    Ok(Json(ScheduleView::of(record, state.clock.on_the_wall())))
}

/// Forgets a schedule. What it has sent stays as it is.
#[utoipa::path(
    delete,
    path = "/v1/schedules/{name}",
    tag = "schedules",
    params(("name" = String, Path, description = "The schedule")),
    responses(
        (status = 204, description = "It is forgotten"),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "The key does not allow it", body = ErrorEnvelope),
        (status = 404, description = "No such schedule of this caller's", body = ErrorEnvelope),
    )
)]
pub(super) async fn forget(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    need(&caller, Scope::Send)?;
    api.scheduler.forget(&caller, &name).await?;
    audit::note(&api, &caller, ("schedule.forget", &name), None, None).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets a schedule rest. What falls into its rest is not made up for.
#[utoipa::path(
    post,
    path = "/v1/schedules/{name}/pause",
    tag = "schedules",
    params(("name" = String, Path, description = "The schedule")),
    responses(
        (status = 200, description = "It rests", body = ScheduleView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "The key does not allow it", body = ErrorEnvelope),
        (status = 404, description = "No such schedule of this caller's", body = ErrorEnvelope),
    )
)]
pub(super) async fn pause(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<ScheduleView>, ApiError> {
    need(&caller, Scope::Send)?;
    let record = api.scheduler.pause(&caller, &name, true).await?;
    audit::note(&api, &caller, ("schedule.pause", &name), None, None).await;
    Ok(Json(ScheduleView::of(record, api.clock.on_the_wall())))
}

/// Lets a schedule go on, with its next run from now.
#[utoipa::path(
    post,
    path = "/v1/schedules/{name}/resume",
    tag = "schedules",
    params(("name" = String, Path, description = "The schedule")),
    responses(
        (status = 200, description = "It goes on", body = ScheduleView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "The key does not allow it", body = ErrorEnvelope),
        (status = 404, description = "No such schedule of this caller's", body = ErrorEnvelope),
    )
)]
pub(super) async fn resume(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<ScheduleView>, ApiError> {
    need(&caller, Scope::Send)?;
    let record = api.scheduler.pause(&caller, &name, false).await?;
    audit::note(&api, &caller, ("schedule.resume", &name), None, None).await;
    Ok(Json(ScheduleView::of(record, api.clock.on_the_wall())))
}

/// Sends now what a schedule sends, beside its runs.
#[utoipa::path(
    post,
    path = "/v1/schedules/{name}/run",
    tag = "schedules",
    params(
        ("name" = String, Path, description = "The schedule"),
        ("Idempotency-Key" = Option<String>, Header, description = "At most 255 bytes; scoped to the caller"),
    ),
    responses(
        (status = 202, description = "Accepted: on disk", body = ReceiptView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "The key does not allow it", body = ErrorEnvelope),
        (status = 404, description = "No such schedule of this caller's", body = ErrorEnvelope),
        (status = 422, description = "It cannot be sent, and why", body = ErrorEnvelope),
        (status = 503, description = "Nothing was stored; try again", body = ErrorEnvelope),
    )
)]
pub(super) async fn run(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    need(&caller, Scope::Send)?;
    let key = idempotency_key(&headers)?;
    let idempotency = key.map(|key| (key, hash_of("POST", &format!("/v1/schedules/{name}/run"), b"")));
    let receipt = api.scheduler.run_now(&caller, &name, idempotency).await?;
    let mut response = (StatusCode::ACCEPTED, Json(ReceiptView::from(&receipt))).into_response();
    if receipt.replayed {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// A pattern to be tried.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PatternBody {
    /// The pattern.
    #[schema(example = "0 30 8 * * 1-5")]
    cron: String,
    /// Its time zone; default `Asia/Shanghai`.
    zone: Option<String>,
}

/// When a pattern runs.
#[derive(Serialize, ToSchema)]
pub(super) struct RunsView {
    /// The next five runs, in the pattern's time zone.
    next: Vec<String>,
}

/// Says when a pattern runs next; nothing is kept.
#[utoipa::path(
    post,
    path = "/v1/schedules/preview",
    tag = "schedules",
    request_body = PatternBody,
    responses(
        (status = 200, description = "The next five runs", body = RunsView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "The key does not allow it", body = ErrorEnvelope),
        (status = 422, description = "It is no pattern, and where not", body = ErrorEnvelope),
    )
)]
pub(super) async fn preview(state: State<Arc<Api>>, caller: Caller, body: Body) -> Result<Json<RunsView>, ApiError> {
    need(&caller, Scope::Read)?;
    let PatternBody { cron, zone } = read_json(&state, body).await?;
    let read = Cron::parse(&cron, zone.as_deref().unwrap_or(DEFAULT_ZONE));
    let when = When::Cron(Box::new(read.map_err(|error| cron_violation(&error))?));
    let next = when.next(state.clock.on_the_wall(), SHOWN_RUNS);
    Ok(Json(RunsView { next: next.into_iter().map(|run| when.shown(run)).collect() }))
}
