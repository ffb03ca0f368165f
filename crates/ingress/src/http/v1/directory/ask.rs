//! `POST /v1/directory/lookup`: whom a name, a number or an identity means; `POST /v1/directory/sync`: asking WeCom for
//! everybody.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use domain::{Person, Reason, Resolution, Scope, Violation};
use pipeline::{Found, LookupError, SyncError, SyncReport};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::auth::need;
use crate::http::error::ErrorEnvelope;
use crate::http::v1::read_json;
use crate::http::{Api, ApiError, Caller};

/// Whom to look for: exactly one of these.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http::v1) struct LookupBody {
    /// A mobile number.
    mobile: Option<String>,
    /// A mail address.
    email: Option<String>,
    /// A name.
    #[schema(example = "张三")]
    name: Option<String>,
    /// Any entry that `to.people` takes, such as `emp:1001`.
    person: Option<String>,
}

/// Who it is.
#[derive(Serialize, ToSchema)]
pub(in crate::http::v1) struct LookupView {
    /// Whether it is somebody who can be reached.
    found: bool,
    /// Their userids.
    userids: Vec<String>,
    /// Who has left the company.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left: Vec<String>,
    /// Who it may be, where it may be several: by userid and departments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ambiguous: Vec<String>,
    /// What may have been meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// Whether WeCom was asked; whom it finds is remembered for 30 days, that it finds nobody for an hour.
    asked: bool,
}

/// Finds whom a name, a number, an address or an identity means. Whom the directory does not know by mobile number or
/// address, WeCom is asked for.
#[utoipa::path(
    post,
    path = "/v1/directory/lookup",
    tag = "directory",
    request_body = LookupBody,
    responses(
        (status = 200, description = "Who it is, or that nobody is known", body = LookupView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "The key may not read", body = ErrorEnvelope),
        (status = 422, description = "Not exactly one is named", body = ErrorEnvelope),
        (status = 502, description = "WeCom could not be asked", body = ErrorEnvelope),
    )
)]
pub(in crate::http::v1) async fn lookup(
    state: State<Arc<Api>>,
    caller: Caller,
    body: Body,
) -> Result<Json<LookupView>, ApiError> {
    need(&caller, Scope::Read)?;
    let LookupBody { mobile, email, name, person } = read_json(&state, body).await?;
    let of = |kind: &'static str, value: Option<String>| value.map(|value| format!("{kind}:{value}"));
    let named = [of("mobile", mobile), of("email", email), of("name", name), person];
    let mut named = named.into_iter().flatten();
    let (Some(entry), None) = (named.next(), named.next()) else {
        let violation = Violation::new("invalid", "(body)", "names not exactly one of mobile, email, name and person");
        return Err(violation.with_hint(r#"for example {"name": "张三"}"#).into());
    };
    let Found { resolution, asked } = state.directory.lookup(&entry).await.map_err(|error| match error {
        LookupError::Ledger(error) => ApiError::from(error),
        LookupError::Upstream(reason) => upstream(&reason),
        _ => ApiError::internal(),
    })?;
    let nobody =
        LookupView { found: false, userids: Vec::new(), left: Vec::new(), ambiguous: Vec::new(), hint: None, asked };
    Ok(Json(match resolution {
        Resolution::Found { userids, left } => LookupView { found: true, userids, left, ..nobody },
        Resolution::Left(left) => LookupView { left, ..nobody },
        Resolution::Ambiguous(ambiguous) => LookupView { ambiguous, ..nobody },
        Resolution::Unknown { hint } => LookupView { hint: Some(hint), ..nobody },
    }))
}

fn upstream(reason: &Reason) -> ApiError {
    let refused =
        ApiError::new(StatusCode::BAD_GATEWAY, "upstream", format!("WeCom could not be asked: {}", reason.text));
    match &reason.hint {
        Some(hint) => refused.with_hint(hint.clone()),
        None => refused.with_hint("ask again later"),
    }
}

/// What a sync changed.
#[derive(Serialize, ToSchema)]
pub(in crate::http::v1) struct SyncView {
    /// Whether everybody was named. If not, nobody is taken for gone.
    complete: bool,
    /// What kept the answer from being everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<TroubleView>,
    /// Who was not known.
    added: Vec<ShortView>,
    /// Of whom something else is known now.
    changed: Vec<ShortView>,
    /// Who has left the company.
    left: Vec<ShortView>,
    /// Of how many the same is known as before.
    kept: usize,
}

/// What went wrong.
#[derive(Serialize, ToSchema)]
struct TroubleView {
    /// WeCom's errcode, or a word of ours.
    code: String,
    /// What happened.
    message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// A member, in short.
#[derive(Serialize, ToSchema)]
struct ShortView {
    /// The userid.
    userid: String,
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

/// Asks WeCom for everybody, as `[directory]` says, and keeps what it answers.
#[utoipa::path(
    post,
    path = "/v1/directory/sync",
    tag = "directory",
    responses(
        (status = 200, description = "What it changed", body = SyncView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
        (status = 409, description = "No sync is configured", body = ErrorEnvelope),
    )
)]
pub(in crate::http::v1) async fn sync(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<SyncView>, ApiError> {
    need(&caller, Scope::Admin)?;
    let keeper = api.directory.clone();
    // Whoever asked may go: what is under way goes on to its end.
    let synced = tokio::spawn(async move { keeper.sync_now().await }).await.map_err(|_| ApiError::internal())?;
    let SyncReport { trouble, added, changed, left, kept } = synced.map_err(|error| match error {
        SyncError::Ledger(error) => ApiError::from(error),
        _ => ApiError::new(StatusCode::CONFLICT, "no_sync", "no sync is configured")
            .with_hint("set directory.sync to \"app\" or \"contacts\""),
    })?;
    let short = |people: Vec<Person>| -> Vec<ShortView> {
        people.into_iter().map(|Person { userid, name, .. }| ShortView { userid, name }).collect()
    };
    let trouble = trouble.map(|Reason { code, text, hint }| TroubleView { code, message: text, hint });
    Ok(Json(SyncView {
        complete: trouble.is_none(),
        trouble,
        added: short(added),
        changed: short(changed),
        left: short(left),
        kept,
    }))
}
