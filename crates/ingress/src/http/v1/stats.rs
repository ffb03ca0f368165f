//! `GET /v1/stats`: how deliveries ended, by hour, application, route, template and reason.

#![expect(unused_qualifications, reason = "utoipa's macro qualifies what it derives")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use domain::{RecipientState, Scope, Timestamp, Violation};
use pipeline::ports::StatRow;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::read::parsed;
use crate::http::auth::need;
use crate::http::error::ErrorEnvelope;
use crate::http::{Api, ApiError, Caller};

/// The longest time that is counted at once.
const LONGEST: Duration = Duration::from_secs(31 * 24 * 3600);

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StatsQuery {
    /// From when, RFC 3339; default 24 hours ago.
    since: Option<String>,
    /// Until when, RFC 3339; default now.
    until: Option<String>,
}

/// How deliveries ended.
#[derive(Serialize, ToSchema)]
pub(super) struct StatsView {
    /// From when.
    since: String,
    /// Until when.
    until: String,
    /// All together.
    total: CountView,
    /// By application, robot, group chat and mail server.
    accounts: Vec<NamedCount>,
    /// By route; those without one are not among them.
    routes: Vec<NamedCount>,
    /// By template; those without one are not among them.
    templates: Vec<NamedCount>,
    /// By hour.
    hours: Vec<NamedCount>,
    /// What failed, by WeCom's errcode or a word of ours, the most frequent first.
    errors: Vec<ErrorCount>,
}

/// So many, and how long it took.
#[derive(Clone, Copy, Default, Serialize, ToSchema)]
pub(super) struct CountView {
    /// Deliveries that ended.
    deliveries: u64,
    /// Their recipients.
    recipients: u64,
    /// Taken upstream.
    delivered: u64,
    /// Given up.
    failed: u64,
    /// Perhaps taken.
    uncertain: u64,
    /// Given on to a later step of their route.
    moved_on: u64,
    /// The share of those that ended here which were taken, 0 to 1.
    success: f64,
    /// From accepting to the end of those that were taken, on average, in milliseconds.
    mean_ms: f64,
    /// The longest of them.
    most_ms: f64,
}

/// The same of one account, route, template or hour.
#[derive(Serialize, ToSchema)]
pub(super) struct NamedCount {
    /// Which.
    name: String,
    #[serde(flatten)]
    count: CountView,
}

/// One kind of failure.
#[derive(Serialize, ToSchema)]
pub(super) struct ErrorCount {
    /// WeCom's errcode in decimal, or a word of ours.
    code: String,
    /// Over which channel.
    channel: String,
    /// How often.
    deliveries: u64,
}

impl CountView {
    fn add(&mut self, row: &StatRow) {
        self.deliveries += row.deliveries;
        self.recipients += row.recipients;
        match row.state {
            RecipientState::Delivered => {
                let sum = self.mean_ms * self.delivered as f64 + row.mean_millis * row.deliveries as f64;
                self.delivered += row.deliveries;
                self.mean_ms = sum / self.delivered as f64;
                self.most_ms = self.most_ms.max(row.most_millis);
            }
            RecipientState::Failed => self.failed += row.deliveries,
            RecipientState::Uncertain => self.uncertain += row.deliveries,
            RecipientState::MovedOn => self.moved_on += row.deliveries,
            _ => {}
        }
        let judged = self.delivered + self.failed + self.uncertain + self.moved_on;
        self.success = if judged == 0 { 0.0 } else { self.delivered as f64 / judged as f64 };
    }
}

/// Counts how deliveries ended: success, time, errors; by account, route, template and hour.
#[utoipa::path(
    get,
    path = "/v1/stats",
    tag = "stats",
    params(StatsQuery),
    responses(
        (status = 200, description = "The figures", body = StatsView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 422, description = "A parameter cannot be read", body = ErrorEnvelope),
    )
)]
pub(super) async fn stats(
    State(api): State<Arc<Api>>,
    caller: Caller,
    query: Result<Query<StatsQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<StatsView>, ApiError> {
    need(&caller, Scope::Read)?;
    let Query(query) = query.map_err(|error| super::bad_query(&error))?;
    let until: Timestamp =
        parsed("until", query.until.as_deref(), "an RFC 3339 time")?.unwrap_or_else(|| api.clock.now());
    let since = parsed("since", query.since.as_deref(), "an RFC 3339 time")?;
    let since: Timestamp = since.unwrap_or(until - Duration::from_secs(24 * 3600));
    if since >= until || until.since(since) > LONGEST {
        let violation = Violation::new("invalid", "since", "must be before until, by 31 days at most");
        return Err(violation.with_hint("ask for a shorter time").into());
    }
    let rows = api.ledger.stats(caller.reads(), since, until).await?;
    let mut total = CountView::default();
    let (mut accounts, mut routes) = (BTreeMap::new(), BTreeMap::new());
    let (mut templates, mut hours) = (BTreeMap::new(), BTreeMap::new());
    let mut errors: BTreeMap<(String, String), u64> = BTreeMap::new();
    for row in &rows {
        total.add(row);
        let count = |counts: &mut BTreeMap<String, CountView>, name: String| counts.entry(name).or_default().add(row);
        count(&mut accounts, row.lane.to_string());
        count(&mut hours, row.hour.to_string());
        if let Some(route) = &row.route {
            count(&mut routes, route.clone());
        }
        if let Some(template) = &row.template {
            count(&mut templates, template.clone());
        }
        if let (Some(code), true) = (&row.code, row.state != RecipientState::Delivered) {
            *errors.entry((code.clone(), row.lane.channel().to_owned())).or_default() += row.deliveries;
        }
    }
    let named = |counts: BTreeMap<String, CountView>| -> Vec<NamedCount> {
        counts.into_iter().map(|(name, count)| NamedCount { name, count }).collect()
    };
    let mut errors: Vec<ErrorCount> =
        errors.into_iter().map(|((code, channel), deliveries)| ErrorCount { code, channel, deliveries }).collect();
    errors.sort_by(|a, b| b.deliveries.cmp(&a.deliveries).then_with(|| a.code.cmp(&b.code)));
    Ok(Json(StatsView {
        since: since.to_string(),
        until: until.to_string(),
        total,
        accounts: named(accounts),
        routes: named(routes),
        templates: named(templates),
        hours: named(hours),
        errors,
    }))
}
