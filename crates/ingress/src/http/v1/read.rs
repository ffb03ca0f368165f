//! `GET /v1/messages` and `GET /v1/messages/{id}`: what became of what was accepted.

#![expect(unused_qualifications, reason = "utoipa's macro qualifies what it derives")]

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use domain::{Scope, Violation};
use pipeline::ports::MessageFilter;
use serde::Deserialize;
use utoipa::IntoParams;

use super::view::{MessageView, PageView, SummaryView};
use super::{parse_id, unknown_message};
use crate::http::auth::need;
use crate::http::error::ErrorEnvelope;
use crate::http::{Api, ApiError, Caller};

/// The most messages on one page.
const MAX_PAGE: usize = 500;

/// Shows a message, its recipients, deliveries and attempts.
#[utoipa::path(
    get,
    path = "/v1/messages/{id}",
    tag = "messages",
    params(("id" = String, Path, description = "The id of the receipt")),
    responses(
        (status = 200, description = "The message", body = MessageView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 404, description = "No such message of this caller", body = ErrorEnvelope),
    )
)]
pub(super) async fn read(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<MessageView>, ApiError> {
    need(&caller, Scope::Read)?;
    let record = api.ledger.message(parse_id(&id)?, caller.reads()).await?.ok_or_else(unknown_message)?;
    let feedback = api.ledger.feedback(record.message.id).await?;
    let links = api.ledger.clicks(record.message.id).await?;
    Ok(Json(MessageView::from(record).with_feedback(feedback, links)))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only messages in this state.
    state: Option<String>,
    /// Only messages with this tag.
    tag: Option<String>,
    /// Only messages for this recipient, such as `user:zhangsan`.
    recipient: Option<String>,
    /// Only messages accepted at or after this time, RFC 3339.
    since: Option<String>,
    /// Only messages accepted before this time, RFC 3339.
    until: Option<String>,
    /// Where an earlier page ended.
    cursor: Option<String>,
    /// How many; 1 to 500, default 50.
    limit: Option<usize>,
}

/// Lists messages, newest first.
#[utoipa::path(
    get,
    path = "/v1/messages",
    tag = "messages",
    params(ListQuery),
    responses(
        (status = 200, description = "A page of messages", body = PageView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 422, description = "A parameter cannot be read", body = ErrorEnvelope),
    )
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    query: Result<Query<ListQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<PageView>, ApiError> {
    need(&caller, Scope::Read)?;
    let Query(query) = query.map_err(|error| super::bad_query(&error))?;
    let limit = query.limit.unwrap_or(50);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Violation::new("invalid", "limit", format!("`{limit}` is not between 1 and {MAX_PAGE}")).into());
    }
    let filter = MessageFilter {
        caller: caller.reads().cloned(),
        state: parsed("state", query.state.as_deref(), "a state of a message, such as failed")?,
        tag: query.tag.filter(|tag| !tag.is_empty()),
        recipient: parsed("recipient", query.recipient.as_deref(), "a recipient such as user:zhangsan or robot:ops")?,
        dead: false,
        since: parsed("since", query.since.as_deref(), "an RFC 3339 time")?,
        until: parsed("until", query.until.as_deref(), "an RFC 3339 time")?,
        before: parsed("cursor", query.cursor.as_deref(), "the next_cursor of an earlier page")?,
        // One more than asked tells whether there is a next page.
        limit: limit + 1,
    };
    let mut found = api.ledger.list(filter).await?;
    let next_cursor = (found.len() > limit).then(|| found[limit - 1].message.id.to_string());
    found.truncate(limit);
    Ok(Json(PageView { messages: found.into_iter().map(SummaryView::from).collect(), next_cursor }))
}

pub(super) fn parsed<T: std::str::FromStr>(
    field: &'static str,
    text: Option<&str>,
    wanted: &str,
) -> Result<Option<T>, ApiError> {
    // An empty parameter is one that was left out.
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| Violation::new("invalid", field, format!("`{text}` is not {wanted}")).into())
}
