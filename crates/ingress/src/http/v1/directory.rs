//! `/v1/directory/people`: where mail reaches members; `/v1/recipients`: forgetting one of them.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use domain::{Recipient, Scope, Violation};
use pipeline::ports::Person;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::read_json;
use super::submission::is_address;
use crate::http::auth::need;
use crate::http::error::ErrorEnvelope;
use crate::http::{Api, ApiError, Caller};

/// How many messages one step erases.
const STEP: usize = 200;

/// A member, and where mail reaches them.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PersonBody {
    /// The userid.
    userid: String,
    /// The mailbox.
    email: String,
}

/// Lists whose addresses are known.
#[utoipa::path(
    get,
    path = "/v1/directory/people",
    tag = "directory",
    responses(
        (status = 200, description = "The addresses, in the order of the userids", body = Vec<PersonBody>),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
    )
)]
pub(super) async fn list(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<Vec<PersonBody>>, ApiError> {
    need(&caller, Scope::Admin)?;
    let people = api.ledger.people().await?.into_iter();
    Ok(Json(people.map(|Person { userid, email }| PersonBody { userid, email }).collect()))
}

/// Keeps addresses, in place of those known before; steps of the channel `email` send there.
#[utoipa::path(
    put,
    path = "/v1/directory/people",
    tag = "directory",
    request_body = Vec<PersonBody>,
    responses(
        (status = 204, description = "They are kept"),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
        (status = 422, description = "One is wrong, and none was kept", body = ErrorEnvelope),
    )
)]
pub(super) async fn put(state: State<Arc<Api>>, caller: Caller, body: Body) -> Result<StatusCode, ApiError> {
    need(&caller, Scope::Admin)?;
    let people: Vec<PersonBody> = read_json(&state, body).await?;
    for (i, person) in people.iter().enumerate() {
        if person.userid.trim().is_empty() {
            return Err(Violation::new("missing", format!("[{i}].userid"), "is empty").into());
        }
        if !is_address(&person.email) {
            let message = format!("`{}` is not an address such as li@example.com", person.email);
            return Err(Violation::new("invalid", format!("[{i}].email"), message).into());
        }
    }
    let people = people.into_iter().map(|PersonBody { userid, email }| Person { userid, email }).collect();
    state.ledger.put_people(people).await?;
    state.addresses.refresh(state.ledger.as_ref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Forgets an address.
#[utoipa::path(
    delete,
    path = "/v1/directory/people/{userid}",
    tag = "directory",
    params(("userid" = String, Path, description = "The userid")),
    responses(
        (status = 204, description = "It is forgotten"),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
        (status = 404, description = "No address of this member was known", body = ErrorEnvelope),
    )
)]
pub(super) async fn forget(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(userid): Path<String>,
) -> Result<StatusCode, ApiError> {
    need(&caller, Scope::Admin)?;
    if !api.ledger.forget_person(&userid).await? {
        return Err(ApiError::not_found("no address of this member is known"));
    }
    api.addresses.refresh(api.ledger.as_ref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What was erased.
#[derive(Serialize, ToSchema)]
pub(super) struct ErasedView {
    /// From how many messages.
    messages: usize,
}

/// Forgets who a recipient was, in every message that has ended: its name, its address, and what was said to nobody else.
///
/// What is still open is left as it is: ask again when it has ended. The record stays that something was sent, when, and
/// how it ended.
#[utoipa::path(
    delete,
    path = "/v1/recipients/{recipient}",
    tag = "directory",
    params(("recipient" = String, Path, description = "Such as `user:zhangsan` or `email:li@example.com`")),
    responses(
        (status = 200, description = "What was erased", body = ErasedView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
        (status = 422, description = "It is no recipient", body = ErrorEnvelope),
    )
)]
pub(super) async fn erase(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(recipient): Path<String>,
) -> Result<Json<ErasedView>, ApiError> {
    need(&caller, Scope::Admin)?;
    let recipient: Recipient = recipient.parse().map_err(|error: domain::InvalidRecipient| {
        ApiError::from(Violation::new("invalid", "recipient", error.to_string()))
    })?;
    let mut messages = 0;
    loop {
        let erased = api.ledger.erase(&recipient, STEP).await?;
        messages += erased;
        if erased < STEP {
            break;
        }
    }
    api.addresses.refresh(api.ledger.as_ref()).await?;
    tracing::info!(kind = recipient.channel(), messages, "A recipient was erased");
    Ok(Json(ErasedView { messages }))
}
