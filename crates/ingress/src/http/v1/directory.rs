//! `/v1/directory/people`: who is who; `/v1/recipients`: forgetting one of them.

#![expect(unused_qualifications, reason = "utoipa's macro qualifies what it derives")]

mod ask;
mod export;
mod import;
mod lists;
mod table;

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use domain::{
    InvalidList, InvalidPerson, Person, PersonChange, PersonStatus, Recipient, Scope, Violation, normal_mobile,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::submission::is_address;
use super::{audit, bad_query, read_json};
use crate::http::auth::need;
use crate::http::error::ErrorEnvelope;
use crate::http::{Api, ApiError, Caller};

pub(super) use self::ask::*;
pub(super) use self::export::*;
pub(super) use self::import::*;
pub(super) use self::lists::*;

/// How many messages one step erases.
const STEP: usize = 200;

/// What is said about a member. What is absent stays as it was; what is empty is taken away.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PersonBody {
    /// The userid.
    #[schema(example = "zhangsan")]
    userid: String,
    /// The name.
    #[schema(example = "张三")]
    name: Option<String>,
    /// All departments: ids, or names.
    departments: Option<Vec<String>>,
    /// The mobile number.
    mobile: Option<String>,
    /// The mailbox; steps of the channel `email` send there.
    email: Option<String>,
    /// `1` or `activated`, `2` or `disabled`, `4` or `not_activated`, `5` or `left`.
    #[schema(value_type = Option<String>)]
    status: Option<StatusBody>,
    /// All identities of your own, such as `emp:1001`.
    identities: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum StatusBody {
    Number(i64),
    Word(String),
}

impl PersonBody {
    /// What it says, if it can be kept.
    fn into_change(self) -> Result<PersonChange, InvalidPerson> {
        let status = match self.status {
            None => None,
            Some(StatusBody::Word(word)) if word.is_empty() => None,
            Some(StatusBody::Word(word)) => Some(word.parse()?),
            Some(StatusBody::Number(number)) => Some(number.to_string().parse()?),
        };
        let own = |own: Vec<String>| own.iter().map(|text| text.parse()).collect::<Result<Vec<_>, InvalidPerson>>();
        let change = PersonChange {
            userid: self.userid.trim().to_owned(),
            name: self.name,
            departments: self.departments,
            mobile: self.mobile,
            email: self.email,
            status,
            identities: self.identities.map(own).transpose()?,
        };
        checked(change)
    }
}

/// Checks what is said about a person, the mailbox included.
fn checked(change: PersonChange) -> Result<PersonChange, InvalidPerson> {
    change.check()?;
    if let Some(email) = change.email.as_deref().map(str::trim).filter(|email| !email.is_empty())
        && !is_address(email)
    {
        let message = format!("`{email}` is not an address such as li@example.com");
        return Err(InvalidPerson { field: "email", message });
    }
    Ok(change)
}

/// A member, and what is known of them.
#[derive(Serialize, ToSchema)]
pub(super) struct PersonView {
    /// The userid.
    userid: String,
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The departments: ids, where WeCom told them, or names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    departments: Vec<String>,
    /// The mobile number.
    #[serde(skip_serializing_if = "Option::is_none")]
    mobile: Option<String>,
    /// The mailbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// `activated`, `disabled`, `not_activated` or `left`; absent where nobody has said.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    /// Identities of your own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    identities: Vec<String>,
    /// When WeCom last said something about them; of a leaver, when it was found out.
    #[serde(skip_serializing_if = "Option::is_none")]
    synced_at: Option<String>,
    /// Who said that they exist: `own`, `app` or `contacts`.
    source: &'static str,
}

impl From<&Person> for PersonView {
    fn from(person: &Person) -> Self {
        let person = person.clone();
        Self {
            userid: person.userid,
            name: person.name,
            departments: person.departments,
            mobile: person.mobile,
            email: person.email,
            status: person.status.map(PersonStatus::name),
            identities: person.identities.iter().map(ToString::to_string).collect(),
            synced_at: person.synced_at.map(|at| at.to_string()),
            source: person.source.name(),
        }
    }
}

/// Of whom to tell; several must all hold.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PeopleQuery {
    /// The userid, in any case.
    userid: Option<String>,
    /// The whole name.
    name: Option<String>,
    /// The mobile number, however it is written.
    mobile: Option<String>,
}

/// Lists who is known.
#[utoipa::path(
    get,
    path = "/v1/directory/people",
    tag = "directory",
    params(PeopleQuery),
    responses(
        (status = 200, description = "The people, in the order of the userids", body = Vec<PersonView>),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
    )
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    query: Result<Query<PeopleQuery>, QueryRejection>,
) -> Result<Json<Vec<PersonView>>, ApiError> {
    need(&caller, Scope::Admin)?;
    let Query(PeopleQuery { userid, name, mobile }) = query.map_err(|error| bad_query(&error))?;
    let mobile = mobile.map(|mobile| normal_mobile(&mobile));
    let wanted = |person: &&Person| {
        userid.as_ref().is_none_or(|userid| person.userid.eq_ignore_ascii_case(userid.trim()))
            && name.as_ref().is_none_or(|name| person.name.as_deref() == Some(name.trim()))
            && mobile.as_ref().is_none_or(|mobile| person.mobile.as_ref() == Some(mobile))
    };
    Ok(Json(api.directory.book().read().people().filter(wanted).map(PersonView::from).collect()))
}

/// Keeps what is said about people: who is not known is added.
#[utoipa::path(
    put,
    path = "/v1/directory/people",
    tag = "directory",
    request_body = Vec<PersonBody>,
    responses(
        (status = 204, description = "It is kept"),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
        (status = 422, description = "One is wrong, and nothing was kept", body = ErrorEnvelope),
    )
)]
pub(super) async fn put(state: State<Arc<Api>>, caller: Caller, body: Body) -> Result<StatusCode, ApiError> {
    need(&caller, Scope::Admin)?;
    let people: Vec<PersonBody> = read_json(&state, body).await?;
    let changes = people.into_iter().enumerate().map(|(i, person)| {
        person.into_change().map_err(|InvalidPerson { field, message }| {
            let code = if field == "userid" && message == "is empty" { "missing" } else { "invalid" };
            ApiError::from(Violation::new(code, format!("[{i}].{field}"), message))
        })
    });
    let changes = changes.collect::<Result<Vec<_>, _>>()?;
    state.directory.put(&changes, false).await?;
    // Who they are is in the directory, where it can be erased; the record of changes stays as it is.
    audit::note(&state, &caller, ("person.put", ""), None, Some(json!({ "people": changes.len() }))).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Forgets a person.
#[utoipa::path(
    delete,
    path = "/v1/directory/people/{userid}",
    tag = "directory",
    params(("userid" = String, Path, description = "The userid")),
    responses(
        (status = 204, description = "They are forgotten"),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
        (status = 404, description = "Nothing was known of them", body = ErrorEnvelope),
    )
)]
pub(super) async fn forget(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(userid): Path<String>,
) -> Result<StatusCode, ApiError> {
    need(&caller, Scope::Admin)?;
    if !api.directory.forget(&userid).await? {
        return Err(ApiError::not_found("nothing is known of this member"));
    }
    audit::note(&api, &caller, ("person.forget", ""), None, None).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists who has left the company: messages to them would fail.
#[utoipa::path(
    get,
    path = "/v1/directory/leavers",
    tag = "directory",
    responses(
        (status = 200, description = "The leavers, in the order of the userids", body = Vec<PersonView>),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
    )
)]
pub(super) async fn leavers(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<Vec<PersonView>>, ApiError> {
    need(&caller, Scope::Admin)?;
    Ok(Json(api.directory.book().read().leavers().map(PersonView::from).collect()))
}

fn invalid_list(error: InvalidList) -> ApiError {
    Violation::new("invalid", error.field, error.message).into()
}

/// What was erased.
#[derive(Serialize, ToSchema)]
pub(super) struct ErasedView {
    /// From how many messages.
    messages: usize,
}

/// Forgets who a recipient was, in every message that has ended: its name, its address, and what was said to nobody else.
/// A member is forgotten in the directory, too.
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
    api.directory.erased(&recipient).await?;
    // Whose it was is what was to be erased.
    audit::note(&api, &caller, ("recipient.erase", recipient.channel()), None, Some(json!({ "messages": messages })))
        .await;
    tracing::info!(kind = recipient.channel(), messages, "A recipient was erased");
    Ok(Json(ErasedView { messages }))
}

#[cfg(fuzzing)]
pub(super) fn read_table(bytes: &[u8]) {
    drop(import::read(bytes));
}
