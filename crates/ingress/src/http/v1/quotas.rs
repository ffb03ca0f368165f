//! `GET /v1/quotas`: what of each quota is used, what is left, when there is room again.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::{Lane, LaneState, MemberUse, Quota, Scope, Slot, Timestamp};
use pipeline::{LaneQuotas, QuotaUse, window_name};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::auth::need;
use crate::http::error::ErrorEnvelope;
use crate::http::{Api, ApiError, Caller};

/// The quotas of one application, robot, group chat or mail server.
#[derive(Serialize, ToSchema)]
pub(super) struct LaneView {
    /// Such as `wecom_robot`.
    channel: String,
    /// Its configured name.
    account: String,
    /// `open`, `closed` or `probing`, as the circuit breaker has it.
    state: &'static str,
    /// When a closed one is asked next whether it may open.
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_until: Option<String>,
    /// How many deliveries wait, those that are held for members included.
    waiting: u64,
    /// Of calls, of person-times, and of calls that are no messages.
    quotas: Vec<QuotaView>,
    /// What each member may be sent, and who has used most of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<MembersView>,
}

/// One quota.
#[derive(Serialize, ToSchema)]
pub(super) struct QuotaView {
    /// `calls` (messages), `person_times`, or calls besides: `uploads`, `recalls`, `chat_reads`, `chat_creations`,
    /// `chat_updates`. Those of a company are shown at each of its applications and group chats.
    counts: &'static str,
    /// The most in a window.
    limit: u32,
    /// How long a window is, such as `60s`; `day` for a calendar day in Asia/Shanghai.
    window: String,
    /// How much is used.
    used: u32,
    /// How much is left.
    left: u32,
    /// Whether departments, tags and everybody are counted by estimates.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    estimated: bool,
    /// When there is room again, if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    free_at: Option<String>,
    /// When the last of what waits now will have gone, at the pace of this quota.
    #[serde(skip_serializing_if = "Option::is_none")]
    forecast: Option<String>,
}

/// What each member may be sent.
#[derive(Serialize, ToSchema)]
pub(super) struct MembersView {
    /// The limits: messages in a window.
    limits: Vec<LimitView>,
    /// The members who have used at least half of a window, the fullest first.
    fullest: Vec<MemberView>,
}

/// So many in a window.
#[derive(Serialize, ToSchema)]
pub(super) struct LimitView {
    /// The most in a window.
    limit: u32,
    /// How long a window is.
    window: String,
}

/// What a member has been sent.
#[derive(Serialize, ToSchema)]
pub(super) struct MemberView {
    /// The userid.
    user: String,
    /// For each limit, in their order, how much is used.
    used: Vec<u32>,
    /// When the next message may go, if not now.
    #[serde(skip_serializing_if = "Option::is_none")]
    free_at: Option<String>,
    /// How many deliveries wait for this member alone.
    waiting: u64,
}

/// Shows every quota.
#[utoipa::path(
    get,
    path = "/v1/quotas",
    tag = "quotas",
    responses(
        (status = 200, description = "The quotas", body = Vec<LaneView>),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
    )
)]
pub(super) async fn quotas(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<Vec<LaneView>>, ApiError> {
    need(&caller, Scope::Read)?;
    let backlog = api.ledger.backlog().await?;
    let now = api.clock.now();
    let lanes = api.dispatcher.quotas().into_iter().map(|lane| view(lane, &backlog, now));
    Ok(Json(lanes.collect()))
}

fn view(lane: LaneQuotas, backlog: &[(Lane, u64)], now: Timestamp) -> LaneView {
    let waiting = lane.waiting(backlog);
    let (state, closed_until) = match lane.state {
        LaneState::Open => ("open", None),
        LaneState::Closed { until, .. } => ("closed", Some(until.to_string())),
        LaneState::Probing { .. } => ("probing", None),
    };
    let estimated = lane.estimated;
    let quotas = lane.quotas.into_iter().map(|quota| quota_view(&quota, estimated, waiting, now)).collect();
    let members = (!lane.member_quotas.is_empty()).then(|| MembersView {
        limits: lane
            .member_quotas
            .iter()
            .map(|Quota { limit, window }| LimitView { limit: *limit, window: window_name(*window) })
            .collect(),
        fullest: lane.members.into_iter().map(|member| member_view(member, &lane.lane, backlog)).collect(),
    });
    LaneView {
        channel: lane.lane.channel().to_owned(),
        account: lane.lane.account().to_owned(),
        state,
        closed_until,
        waiting,
        quotas,
        members,
    }
}

fn quota_view(quota: &QuotaUse, estimated: bool, waiting: u64, now: Timestamp) -> QuotaView {
    let left = quota.left();
    QuotaView {
        counts: quota.counts,
        limit: quota.limit,
        window: quota.window_name(),
        used: quota.used,
        left,
        estimated: estimated && quota.window.is_none(),
        free_at: quota.free_at.filter(|free| *free > now && left == 0).map(|free| free.to_string()),
        forecast: quota.forecast(waiting, now).map(|at| at.to_string()),
    }
}

fn member_view(member: MemberUse, lane: &Lane, backlog: &[(Lane, u64)]) -> MemberView {
    let free_at = if let Slot::At(time) = member.next { Some(time.to_string()) } else { None };
    let of_member = |(waits, _): &&(Lane, u64)| waits.main() == *lane && waits.member() == Some(&member.member);
    MemberView {
        waiting: backlog.iter().filter(of_member).map(|(_, count)| count).sum(),
        user: member.member,
        used: member.used.into_iter().map(|(_, used)| used).collect(),
        free_at,
    }
}
