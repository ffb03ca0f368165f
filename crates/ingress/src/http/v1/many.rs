//! `POST /v1/messages/recall|replay` and `GET /v1/dead-letters`: many messages at once, by filter.

#![expect(unused_qualifications, reason = "utoipa's macro qualifies what it derives")]

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Query, State};
use domain::{MessageId, RecipientState, Scope, Violation};
use pipeline::RecallError;
use pipeline::ports::{MessageFilter, RetryAnswer};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::read::parsed;
use super::read_json;
use super::view::MessageView;
use crate::http::auth::need;
use crate::http::error::{ErrorBody, ErrorEnvelope};
use crate::http::{Api, ApiError, Caller};

/// The most messages of one request; more are done by asking again.
const MOST: usize = 1000;

/// Which messages, and how.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ManyBody {
    /// Which messages; at least one condition is needed.
    filter: FilterBody,
    /// Whether only to say which they are.
    #[serde(default)]
    dry_run: bool,
    /// For replays: how many a second are made due; absent: all at once.
    rate: Option<f64>,
}

/// Conditions that must all hold.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FilterBody {
    /// These messages.
    ids: Vec<String>,
    /// In this state.
    state: Option<String>,
    /// With this tag.
    tag: Option<String>,
    /// For this recipient, such as `user:zhangsan`.
    recipient: Option<String>,
    /// Accepted at or after, RFC 3339.
    since: Option<String>,
    /// Accepted before, RFC 3339.
    until: Option<String>,
}

/// What became of many messages.
#[derive(Serialize, ToSchema)]
pub(super) struct ManyView {
    /// How many the filter found.
    matched: usize,
    /// How many were changed; in a dry run, would be tried.
    done: usize,
    /// Whether there are more than one request takes: ask again.
    more: bool,
    /// What was not done, and why.
    refused: Vec<RefusedView>,
    /// The messages.
    ids: Vec<String>,
}

/// A message that was left as it is.
#[derive(Serialize, ToSchema)]
pub(super) struct RefusedView {
    /// Its id.
    id: String,
    /// Why.
    error: ErrorBody,
}

impl FilterBody {
    fn filter(&self, api_caller: &Caller, dead: bool) -> Result<MessageFilter, ApiError> {
        let Self { ids, state, tag, recipient, since, until } = self;
        let conditions = [state, tag, recipient, since, until];
        if ids.is_empty() && conditions.iter().all(|condition| condition.is_none()) {
            let violation = Violation::new("missing", "filter", "has no condition, and would mean every message");
            return Err(violation.with_hint("name ids, a state, a tag, a recipient, since or until").into());
        }
        Ok(MessageFilter {
            caller: api_caller.reads().cloned(),
            state: parsed("filter.state", state.as_deref(), "a state of a message, such as failed")?,
            dead: dead && state.is_none() && ids.is_empty(),
            tag: tag.clone().filter(|tag| !tag.is_empty()),
            recipient: parsed("filter.recipient", recipient.as_deref(), "a recipient such as user:zhangsan")?,
            since: parsed("filter.since", since.as_deref(), "an RFC 3339 time")?,
            until: parsed("filter.until", until.as_deref(), "an RFC 3339 time")?,
            before: None,
            limit: MOST + 1,
        })
    }
}

/// Finds the messages of a filter; says whether there are more than one request takes.
async fn find(api: &Api, caller: &Caller, filter: &FilterBody, dead: bool) -> Result<(Vec<MessageId>, bool), ApiError> {
    let wanted = filter.filter(caller, dead)?;
    if !filter.ids.is_empty() {
        let ids = filter.ids.iter().enumerate().map(|(i, id)| {
            let unknown = || Violation::new("invalid", format!("filter.ids[{i}]"), format!("`{id}` is no message id"));
            id.parse().map_err(|_| unknown().into())
        });
        let ids: Vec<MessageId> = ids.collect::<Result<_, ApiError>>()?;
        let more = ids.len() > MOST;
        return Ok((ids.into_iter().take(MOST).collect(), more));
    }
    let found = api.ledger.list(wanted).await?;
    let more = found.len() > MOST;
    Ok((found.into_iter().take(MOST).map(|found| found.message.id).collect(), more))
}

/// Recalls many messages, in whatever state they are.
#[utoipa::path(
    post,
    path = "/v1/messages/recall",
    tag = "messages",
    request_body = ManyBody,
    responses(
        (status = 200, description = "What became of them", body = ManyView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 422, description = "A condition is wrong", body = ErrorEnvelope),
    )
)]
pub(super) async fn recall(state: State<Arc<Api>>, caller: Caller, bytes: Body) -> Result<Json<ManyView>, ApiError> {
    need(&caller, Scope::Send)?;
    let ManyBody { filter, dry_run, .. } = read_json(&state, bytes).await?;
    let (ids, more) = find(&state, &caller, &filter, false).await?;
    let mut view = ManyView::of(&ids, more);
    for id in ids {
        if dry_run {
            view.done += 1;
            continue;
        }
        match state.recaller.recall(id, caller.reads()).await {
            Ok(_) => view.done += 1,
            Err(RecallError::Ledger(error)) => return Err(error.into()),
            Err(error) => view.refused.push(RefusedView { id: id.to_string(), error: ApiError::from(error).body() }),
        }
    }
    Ok(Json(view))
}

/// Makes many failed messages due again, at a rate; without a state, those with a dead letter.
#[utoipa::path(
    post,
    path = "/v1/messages/replay",
    tag = "messages",
    request_body = ManyBody,
    responses(
        (status = 200, description = "What became of them", body = ManyView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 422, description = "A condition is wrong", body = ErrorEnvelope),
    )
)]
pub(super) async fn replay(state: State<Arc<Api>>, caller: Caller, bytes: Body) -> Result<Json<ManyView>, ApiError> {
    need(&caller, Scope::Send)?;
    let ManyBody { filter, dry_run, rate } = read_json(&state, bytes).await?;
    if rate.is_some_and(|rate| !(rate > 0.0 && rate <= 10_000.0)) {
        let violation = Violation::new("invalid", "rate", "is not between 0 and 10000 messages a second");
        return Err(violation.with_hint("0.5 is one in two seconds").into());
    }
    let (mut ids, more) = find(&state, &caller, &filter, true).await?;
    // The oldest first, as they were meant.
    ids.sort_unstable();
    let mut view = ManyView::of(&ids, more);
    let now = state.clock.now();
    for id in ids {
        let wait = rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(view.done as f64 / rate));
        if dry_run {
            view.done += 1;
            continue;
        }
        let due_at = now + wait;
        match state.ledger.retry(id, caller.reads(), due_at, due_at + state.config.retry_deadline).await? {
            RetryAnswer::Requeued(lanes) => {
                view.done += 1;
                lanes.iter().for_each(|lane| state.dispatcher.ring(lane));
            }
            RetryAnswer::NothingFailed(message) => {
                let error = Violation::new("not_retryable", "filter", format!("finds it, and it is {message}"));
                view.refused.push(RefusedView { id: id.to_string(), error: ApiError::from(error).body() });
            }
            RetryAnswer::Unknown => {
                let error = ApiError::not_found("there is no such message");
                view.refused.push(RefusedView { id: id.to_string(), error: error.body() });
            }
        }
    }
    Ok(Json(view))
}

impl ManyView {
    fn of(ids: &[MessageId], more: bool) -> Self {
        let shown = ids.iter().map(ToString::to_string).collect();
        Self { matched: ids.len(), done: 0, more, refused: Vec::new(), ids: shown }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeadQuery {
    /// Only with this tag.
    tag: Option<String>,
    /// Only for this recipient.
    recipient: Option<String>,
    /// Only accepted at or after, RFC 3339.
    since: Option<String>,
    /// Only accepted before, RFC 3339.
    until: Option<String>,
    /// Where an earlier page ended.
    cursor: Option<String>,
    /// How many; 1 to 200, default 50.
    limit: Option<usize>,
}

/// Messages with dead letters: what was given up, and why.
#[derive(Serialize, ToSchema)]
pub(super) struct DeadPage {
    /// The messages, newest first, with the deliveries that are dead.
    messages: Vec<MessageView>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Lists dead letters, newest first; what another message was sent in place of is not among them.
#[utoipa::path(
    get,
    path = "/v1/dead-letters",
    tag = "messages",
    params(DeadQuery),
    responses(
        (status = 200, description = "A page of dead letters", body = DeadPage),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 422, description = "A parameter cannot be read", body = ErrorEnvelope),
    )
)]
pub(super) async fn dead_letters(
    State(api): State<Arc<Api>>,
    caller: Caller,
    query: Result<Query<DeadQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<DeadPage>, ApiError> {
    need(&caller, Scope::Read)?;
    let Query(query) = query.map_err(|error| super::bad_query(&error))?;
    let limit = query.limit.unwrap_or(50);
    if !(1..=200).contains(&limit) {
        return Err(Violation::new("invalid", "limit", format!("`{limit}` is not between 1 and 200")).into());
    }
    let filter = MessageFilter {
        caller: caller.reads().cloned(),
        state: None,
        dead: true,
        tag: query.tag.filter(|tag| !tag.is_empty()),
        recipient: parsed("recipient", query.recipient.as_deref(), "a recipient such as user:zhangsan")?,
        since: parsed("since", query.since.as_deref(), "an RFC 3339 time")?,
        until: parsed("until", query.until.as_deref(), "an RFC 3339 time")?,
        before: parsed("cursor", query.cursor.as_deref(), "the next_cursor of an earlier page")?,
        limit: limit + 1,
    };
    let found = api.ledger.list(filter).await?;
    let next_cursor = (found.len() > limit).then(|| found[limit - 1].message.id.to_string());
    let mut messages = Vec::new();
    for summary in found.into_iter().take(limit) {
        if let Some(mut record) = api.ledger.message(summary.message.id, caller.reads()).await? {
            record.deliveries.retain(|delivery| delivery.state == RecipientState::Failed);
            messages.push(MessageView::from(record));
        }
    }
    Ok(Json(DeadPage { messages, next_cursor }))
}
