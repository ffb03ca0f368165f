//! `/v1/callbacks`: their keys, set while the gateway runs, and who tried to call back.

#![expect(unused_qualifications, reason = "utoipa's macro qualifies what it derives")]

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use domain::{Scope, Violation};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{audit, read_json};
use crate::callback::{CallbackTry, ConnectionState, KeyPair};
use crate::http::auth::need;
use crate::http::error::ErrorEnvelope;
use crate::http::{Api, ApiError, Caller};

/// The longest Token and the length of a key (path/90930).
const TOKEN_LENGTH: std::ops::RangeInclusive<usize> = 1..=32;
const KEY_LENGTH: usize = 43;

/// A callback.
#[derive(Serialize, ToSchema)]
pub(super) struct CallbackView {
    /// Its configured name: the URL ends in `/callback/NAME`, if it has one.
    name: String,
    /// `app`, `contacts` or `smart_robot`.
    kind: &'static str,
    /// The application that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    app: Option<String>,
    /// Whether it has keys.
    has_keys: bool,
    /// Whether they were set while a gateway ran, in place of configured ones.
    keys_set: bool,
    /// How a smart robot's long connection is; absent for what is called by URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<ConnectionView>,
}

/// A smart robot's long connection.
#[derive(Serialize, ToSchema)]
struct ConnectionView {
    /// `connecting`, `connected`, `away` (it is tried again), `refused` by WeCom, or `replaced` by another program's.
    state: &'static str,
    /// Since when, RFC 3339; absent before anything was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// WeCom's errcode, if it is not connected; -1 where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<i32>,
    /// Why it is not connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<ConnectionState> for ConnectionView {
    fn from(state: ConnectionState) -> Self {
        let (code, reason) = state.reason.unzip();
        Self { state: state.phase.name(), since: state.since.map(|since| since.to_string()), code, reason }
    }
}

/// Keys, as WeCom's console shows them.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KeysBody {
    /// The Token: 1 to 32 letters and digits.
    token: String,
    /// The `EncodingAESKey`: 43 letters and digits.
    encoding_aes_key: String,
}

/// Which attempts.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AttemptsQuery {
    /// Those after this number; default: all that are remembered.
    #[serde(default)]
    after: u64,
}

/// An attempt to call back.
#[derive(Serialize, ToSchema)]
pub(super) struct AttemptView {
    /// Counted.
    number: u64,
    /// When, RFC 3339.
    at: String,
    /// The callback's name, as it was asked for.
    callback: String,
    /// From where.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// `verify`, what was posted, or `connect` for a smart robot's long connection.
    kind: String,
    /// The code of WeCom's sample library, if it was refused: -40001 to -40011; for a connection WeCom's errcode, or -1.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<i32>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<CallbackTry> for AttemptView {
    fn from(attempt: CallbackTry) -> Self {
        let CallbackTry { number, at, callback, address, kind, refused } = attempt;
        let (code, reason) = refused.unzip();
        let address = address.map(|address| address.to_string());
        Self { number, at: at.to_string(), callback, address, kind, code, reason }
    }
}

/// Lists the callbacks.
#[utoipa::path(
    get,
    path = "/v1/callbacks",
    tag = "callbacks",
    responses(
        (status = 200, description = "The callbacks", body = Vec<CallbackView>),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
    )
)]
pub(super) async fn list(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<Vec<CallbackView>>, ApiError> {
    need(&caller, Scope::Admin)?;
    let view = |name: String| {
        let config = api.callbacks.config(&name)?;
        let (keys_set, has_keys) = api.callbacks.has_keys(&name);
        let connection = api.callbacks.connection(&name).map(ConnectionView::from);
        Some(CallbackView { name, kind: config.kind.name(), app: config.app, has_keys, keys_set, connection })
    };
    Ok(Json(api.callbacks.names().into_iter().filter_map(view).collect()))
}

/// Sets the keys of a callback: live at once, before they are saved in WeCom's console; those before them work for a day.
#[utoipa::path(
    put,
    path = "/v1/callbacks/{name}/keys",
    tag = "callbacks",
    params(("name" = String, Path, description = "Its configured name")),
    request_body = KeysBody,
    responses(
        (status = 204, description = "They are live"),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
        (status = 404, description = "No such callback", body = ErrorEnvelope),
        (status = 422, description = "One of them is none", body = ErrorEnvelope),
    )
)]
pub(super) async fn set_keys(
    state: State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
    body: Body,
) -> Result<StatusCode, ApiError> {
    need(&caller, Scope::Admin)?;
    let KeysBody { token, encoding_aes_key } = read_json(&state, body).await?;
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !TOKEN_LENGTH.contains(&token.len()) || !is_plain(&token) {
        return Err(Violation::new("invalid", "token", "is not 1 to 32 letters and digits")
            .with_hint("copy the Token from the page where the callback is set up")
            .into());
    }
    if encoding_aes_key.len() != KEY_LENGTH || !is_plain(&encoding_aes_key) {
        return Err(Violation::new("invalid", "encoding_aes_key", "is not 43 letters and digits")
            .with_hint("copy the EncodingAESKey from the page where the callback is set up")
            .into());
    }
    if state.callbacks.connection(&name).is_some() {
        return Err(Violation::new(
            "invalid",
            "token",
            "is not what this callback has: it is a smart robot's long connection",
        )
        .with_hint("its bot_id and secret are in the configuration; without them it is called by URL, with keys")
        .into());
    }
    if state.callbacks.config(&name).is_none() {
        let names = state.callbacks.names().join(", ");
        return Err(ApiError::not_found("there is no such callback").with_hint(format!("configured are: {names}")));
    }
    let pair = KeyPair { token: token.into(), aes_key: encoding_aes_key.into() };
    state.callbacks.set(state.ledger.as_ref(), &name, pair, state.clock.now()).await?;
    audit::note(&state, &caller, ("callback.keys", &name), None, None).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows who tried to call back, and why it was refused; the last 500 since the start.
#[utoipa::path(
    get,
    path = "/v1/callbacks/attempts",
    tag = "callbacks",
    params(AttemptsQuery),
    responses(
        (status = 200, description = "The attempts, oldest first", body = Vec<AttemptView>),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
    )
)]
pub(super) async fn attempts(
    State(api): State<Arc<Api>>,
    caller: Caller,
    query: Result<Query<AttemptsQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Vec<AttemptView>>, ApiError> {
    need(&caller, Scope::Admin)?;
    let Query(query) = query.map_err(|error| super::bad_query(&error))?;
    Ok(Json(api.callbacks.attempts().since(query.after).into_iter().map(AttemptView::from).collect()))
}
