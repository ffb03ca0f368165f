//! `POST /v1/routes/test`: where would this go, and why? Nothing is accepted.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use domain::{Delivery, Scope};
use pipeline::Way;
use serde::Serialize;
use utoipa::ToSchema;

use super::submission::SubmissionBody;
use super::{read_body, submit};
use crate::http::auth::need;
use crate::http::error::ErrorEnvelope;
use crate::http::{Api, ApiError, Caller, MAX_BODY};

/// Where a submission would go.
#[derive(Serialize, ToSchema)]
pub(super) struct WayView {
    /// The route it would take: its configured name, or `own`; absent: each kind of recipient goes by its own channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<String>,
    /// The rule that chose the route, counted from 1; absent: it was named, or no rule applies.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<usize>,
    /// Why the rules before it do not apply.
    missed: Vec<MissedView>,
    /// The steps, in order.
    steps: Vec<StepView>,
    /// What it would begin with.
    deliveries: Vec<DeliveryPlan>,
}

/// A rule that does not apply.
#[derive(Serialize, ToSchema)]
pub(super) struct MissedView {
    /// Which, counted from 1.
    rule: usize,
    /// The condition that does not hold: `tags`, `priorities`, `callers` or `hours`.
    condition: &'static str,
}

/// A step of the route.
#[derive(Serialize, ToSchema)]
pub(super) struct StepView {
    /// Such as `wecom_robot`.
    channel: String,
    /// Its configured name.
    account: String,
    /// How long it is tried before what is still open moves on, in seconds; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    within_seconds: Option<u64>,
}

/// A delivery as it would be made.
#[derive(Serialize, ToSchema)]
pub(super) struct DeliveryPlan {
    /// Such as `wecom_app`.
    channel: String,
    /// The configured name of the app, robot, group chat or mail server.
    account: String,
    /// For whom.
    recipients: Vec<String>,
    /// The mailboxes, for mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// Which step of the route, counted from 1; absent: outside the route.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<u8>,
    /// When it would be due: later than now in quiet hours, or to be merged with others.
    due_at: String,
    /// When it would move on to the next step.
    #[serde(skip_serializing_if = "Option::is_none")]
    moves_at: Option<String>,
    /// The group in which it may be merged.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
}

impl From<Delivery> for DeliveryPlan {
    fn from(delivery: Delivery) -> Self {
        Self {
            channel: delivery.lane.channel().to_owned(),
            account: delivery.lane.account().to_owned(),
            recipients: delivery.recipients.iter().map(ToString::to_string).collect(),
            address: delivery.address.map(Into::into),
            step: delivery.step.map(|placed| placed.index + 1),
            due_at: delivery.due_at.to_string(),
            moves_at: delivery.step.and_then(|placed| placed.moves_at).map(|time| time.to_string()),
            digest: delivery.digest.map(Into::into),
        }
    }
}

impl From<Way> for WayView {
    fn from(way: Way) -> Self {
        let choice = way.choice.unwrap_or_default();
        let steps = way.route.as_deref().map(|route| {
            route.steps.iter().enumerate().map(|(i, step)| {
                let goes_on = route.goes_on_after(u8::try_from(i).unwrap_or(u8::MAX));
                StepView {
                    channel: format!("{:?}", step.channel).to_lowercase(),
                    account: step.name.clone().unwrap_or_else(|| "default".to_owned()),
                    within_seconds: goes_on.then(|| step.within().as_secs()),
                }
            })
        });
        Self {
            rule: choice.rule.map(|rule| rule + 1),
            missed: choice
                .missed
                .into_iter()
                .map(|missed| MissedView { rule: missed.rule + 1, condition: missed.condition })
                .collect(),
            steps: steps.into_iter().flatten().collect(),
            deliveries: way.deliveries.into_iter().map(DeliveryPlan::from).collect(),
            route: way.route.as_deref().map(|route| route.name.clone().unwrap_or_else(|| "own".to_owned())),
        }
    }
}

/// Says where a submission would go, and why, without accepting it.
#[utoipa::path(
    post,
    path = "/v1/routes/test",
    tag = "routes",
    request_body = SubmissionBody,
    responses(
        (status = 200, description = "Where it would go", body = WayView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "The key does not allow it", body = ErrorEnvelope),
        (status = 422, description = "It would be refused, and why", body = ErrorEnvelope),
    )
)]
pub(super) async fn test(state: State<Arc<Api>>, caller: Caller, body: Body) -> Result<Json<WayView>, ApiError> {
    need(&caller, Scope::Send)?;
    let bytes = read_body(&state, body, MAX_BODY).await?;
    let hash = || submit::hash_of("POST", "/v1/routes/test", &bytes);
    let submission = SubmissionBody::parse(&bytes)?.into_submission(None, hash, false)?;
    Ok(Json(state.intake.test_route(&caller, submission)?.into()))
}
