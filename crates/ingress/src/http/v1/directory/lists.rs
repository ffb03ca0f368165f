//! `/v1/directory/groups` and `/v1/directory/on-call`: lists of one's own, and whom they mean now.

#![expect(unused_qualifications, reason = "utoipa's macro qualifies what it derives")]

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use domain::{Group, OnCall, Resolution, Scope, Span, Timestamp, Violation, parse_duration};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::invalid_list;
use crate::http::auth::need;
use crate::http::error::ErrorEnvelope;
use crate::http::v1::{audit, bad_query, read_json};
use crate::http::{Api, ApiError, Caller};

/// A group.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http::v1) struct GroupBody {
    /// Userids, or entries such as `emp:1001`.
    members: Vec<String>,
}

/// An on-call list, whose members take turns.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http::v1) struct OnCallBody {
    /// Userids, or entries such as `emp:1001`, in the order of their turns.
    members: Vec<String>,
    /// When the first member's turn begins, RFC 3339; default: now.
    #[schema(example = "2026-11-30T09:00:00+08:00")]
    since: Option<String>,
    /// How long a turn is: `7d`, `24h`, `12h`. Whole days end at the same time of day, whatever the clocks do.
    #[schema(example = "7d")]
    every: String,
    /// The time zone whose days are meant; default: Asia/Shanghai.
    zone: Option<String>,
}

/// Whom a list means.
#[derive(Serialize, ToSchema)]
pub(in crate::http::v1) struct NowView {
    /// The userids.
    userids: Vec<String>,
    /// Members who have left the company.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left: Vec<String>,
    /// Why it means nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
}

impl From<Resolution> for NowView {
    fn from(resolution: Resolution) -> Self {
        let nobody = |left, trouble: String| Self { userids: Vec::new(), left, trouble: Some(trouble) };
        match resolution {
            Resolution::Found { userids, left } => Self { userids, left, trouble: None },
            Resolution::Left(left) => nobody(left, "whoever it names has left the company".to_owned()),
            Resolution::Ambiguous(several) => nobody(Vec::new(), format!("a member may be {}", several.join(" or "))),
            Resolution::Unknown { hint } => nobody(Vec::new(), hint),
        }
    }
}

/// A group.
#[derive(Serialize, ToSchema)]
pub(in crate::http::v1) struct GroupView {
    /// Its name; messages name it `group:NAME` in `to.people`.
    name: String,
    /// Its members, as they were given.
    members: Vec<String>,
    /// Whom it means now.
    now: NowView,
}

/// An on-call list.
#[derive(Serialize, ToSchema)]
pub(in crate::http::v1) struct OnCallView {
    /// Its name; messages name it `oncall:NAME` in `to.people`.
    name: String,
    /// Its members, in the order of their turns.
    members: Vec<String>,
    /// When the first member's turn begins.
    since: String,
    /// How long a turn is.
    #[schema(value_type = String)]
    every: Span,
    /// The time zone whose days are meant.
    zone: String,
    /// Who is on call now, or at the time that was asked for.
    now: NowView,
}

/// At what time.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http::v1) struct AtQuery {
    /// RFC 3339; default: now.
    at: Option<String>,
}

fn group(api: &Api, group: &Group) -> GroupView {
    let now = api.directory.book().read().resolve(&format!("group:{}", group.name), api.clock.now()).into();
    GroupView { name: group.name.clone(), members: group.members.clone(), now }
}

fn on_call(api: &Api, list: &OnCall, at: Timestamp) -> OnCallView {
    let now = api.directory.book().read().resolve(&format!("oncall:{}", list.name), at).into();
    let OnCall { name, members, since, every, zone } = list.clone();
    OnCallView { name, members, since: since.to_string(), every, zone, now }
}

fn unknown_group() -> ApiError {
    ApiError::not_found("there is no such group").with_hint("`GET /v1/directory/groups` lists them")
}

fn unknown_list() -> ApiError {
    ApiError::not_found("there is no such on-call list").with_hint("`GET /v1/directory/on-call` lists them")
}

/// Lists the groups.
#[utoipa::path(
    get,
    path = "/v1/directory/groups",
    tag = "directory",
    responses(
        (status = 200, description = "The groups, in the order of their names", body = Vec<GroupView>),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
    )
)]
pub(in crate::http::v1) async fn groups(
    State(api): State<Arc<Api>>,
    caller: Caller,
) -> Result<Json<Vec<GroupView>>, ApiError> {
    need(&caller, Scope::Admin)?;
    Ok(Json(api.directory.book().read().groups().map(|one| group(&api, one)).collect()))
}

/// Shows a group, and whom it means now.
#[utoipa::path(
    get,
    path = "/v1/directory/groups/{name}",
    tag = "directory",
    params(("name" = String, Path, description = "The group")),
    responses(
        (status = 200, description = "The group", body = GroupView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
        (status = 404, description = "No such group", body = ErrorEnvelope),
    )
)]
pub(in crate::http::v1) async fn show_group(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<GroupView>, ApiError> {
    need(&caller, Scope::Admin)?;
    let found = api.directory.book().read().groups().find(|one| one.name == name).map(|one| group(&api, one));
    found.map(Json).ok_or_else(unknown_group)
}

/// Keeps a group, in place of one of its name.
#[utoipa::path(
    put,
    path = "/v1/directory/groups/{name}",
    tag = "directory",
    params(("name" = String, Path, description = "1 to 64 letters, digits, `-`, `_` and `.`")),
    request_body = GroupBody,
    responses(
        (status = 200, description = "It is kept", body = GroupView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
        (status = 422, description = "It cannot be kept", body = ErrorEnvelope),
    )
)]
pub(in crate::http::v1) async fn put_group(
    state: State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
    body: Body,
) -> Result<Json<GroupView>, ApiError> {
    need(&caller, Scope::Admin)?;
    let GroupBody { members } = read_json(&state, body).await?;
    let kept = Group { name, members: trimmed(members) };
    kept.check().map_err(invalid_list)?;
    state.directory.put_group(kept.clone()).await?;
    audit::note(&state, &caller, ("group.put", &kept.name), None, Some(json!({ "members": kept.members.len() }))).await;
    Ok(Json(group(&state, &kept)))
}

/// Forgets a group.
#[utoipa::path(
    delete,
    path = "/v1/directory/groups/{name}",
    tag = "directory",
    params(("name" = String, Path, description = "The group")),
    responses(
        (status = 204, description = "It is forgotten"),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
        (status = 404, description = "No such group", body = ErrorEnvelope),
    )
)]
pub(in crate::http::v1) async fn forget_group(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    need(&caller, Scope::Admin)?;
    if !api.directory.forget_group(&name).await? {
        return Err(unknown_group());
    }
    audit::note(&api, &caller, ("group.forget", &name), None, None).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the on-call lists, and who is on call.
#[utoipa::path(
    get,
    path = "/v1/directory/on-call",
    tag = "directory",
    params(AtQuery),
    responses(
        (status = 200, description = "The lists, in the order of their names", body = Vec<OnCallView>),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
    )
)]
pub(in crate::http::v1) async fn on_call_lists(
    State(api): State<Arc<Api>>,
    caller: Caller,
    query: Result<Query<AtQuery>, QueryRejection>,
) -> Result<Json<Vec<OnCallView>>, ApiError> {
    need(&caller, Scope::Admin)?;
    let at = at(&api, query)?;
    Ok(Json(api.directory.book().read().on_call().map(|list| on_call(&api, list, at)).collect()))
}

/// Shows an on-call list, and who is on call.
#[utoipa::path(
    get,
    path = "/v1/directory/on-call/{name}",
    tag = "directory",
    params(("name" = String, Path, description = "The list"), AtQuery),
    responses(
        (status = 200, description = "The list", body = OnCallView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
        (status = 404, description = "No such list", body = ErrorEnvelope),
    )
)]
pub(in crate::http::v1) async fn show_on_call(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
    query: Result<Query<AtQuery>, QueryRejection>,
) -> Result<Json<OnCallView>, ApiError> {
    need(&caller, Scope::Admin)?;
    let at = at(&api, query)?;
    let directory = api.directory.book().read();
    let found = directory.on_call().find(|list| list.name == name).map(|list| on_call(&api, list, at));
    found.map(Json).ok_or_else(unknown_list)
}

/// Keeps an on-call list, in place of one of its name.
#[utoipa::path(
    put,
    path = "/v1/directory/on-call/{name}",
    tag = "directory",
    params(("name" = String, Path, description = "1 to 64 letters, digits, `-`, `_` and `.`")),
    request_body = OnCallBody,
    responses(
        (status = 200, description = "It is kept", body = OnCallView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
        (status = 422, description = "It cannot be kept", body = ErrorEnvelope),
    )
)]
pub(in crate::http::v1) async fn put_on_call(
    state: State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
    body: Body,
) -> Result<Json<OnCallView>, ApiError> {
    need(&caller, Scope::Admin)?;
    let OnCallBody { members, since, every, zone } = read_json(&state, body).await?;
    let now = state.clock.now();
    let every = parse_duration(&every).map(Span).ok_or_else(|| {
        ApiError::from(Violation::new("invalid", "every", format!("`{every}` is not a time such as `7d` or `12h`")))
    })?;
    let zone = zone.unwrap_or_else(|| "Asia/Shanghai".to_owned());
    let kept = OnCall { name, members: trimmed(members), since: time("since", since.as_deref(), now)?, every, zone };
    kept.check().map_err(invalid_list)?;
    state.directory.put_on_call(kept.clone()).await?;
    audit::note(&state, &caller, ("on_call.put", &kept.name), None, Some(json!({ "members": kept.members.len() })))
        .await;
    Ok(Json(on_call(&state, &kept, now)))
}

/// Forgets an on-call list.
#[utoipa::path(
    delete,
    path = "/v1/directory/on-call/{name}",
    tag = "directory",
    params(("name" = String, Path, description = "The list")),
    responses(
        (status = 204, description = "It is forgotten"),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
        (status = 404, description = "No such list", body = ErrorEnvelope),
    )
)]
pub(in crate::http::v1) async fn forget_on_call(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    need(&caller, Scope::Admin)?;
    if !api.directory.forget_on_call(&name).await? {
        return Err(unknown_list());
    }
    audit::note(&api, &caller, ("on_call.forget", &name), None, None).await;
    Ok(StatusCode::NO_CONTENT)
}

fn trimmed(members: Vec<String>) -> Vec<String> {
    members.into_iter().map(|member| member.trim().to_owned()).collect()
}

fn at(api: &Api, query: Result<Query<AtQuery>, QueryRejection>) -> Result<Timestamp, ApiError> {
    let Query(AtQuery { at }) = query.map_err(|error| bad_query(&error))?;
    time("at", at.as_deref(), api.clock.now())
}

fn time(field: &'static str, text: Option<&str>, otherwise: Timestamp) -> Result<Timestamp, ApiError> {
    let Some(text) = text else { return Ok(otherwise) };
    text.parse().map_err(|_| {
        let violation = Violation::new("invalid", field, format!("`{text}` is not a time"));
        violation.with_hint("write RFC 3339 with an offset: 2026-07-19T08:00:00+08:00").into()
    })
}
