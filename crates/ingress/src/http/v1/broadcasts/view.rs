//! What is shown of a broadcast: how far it is, tier by tier and row by row.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::MessageState;
use pipeline::Tried;
use pipeline::ports::{BroadcastRecord, RowRecord, RowResult, RowStage, TierCount};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::ApiError;

/// A broadcast, and how far it is.
#[derive(Serialize, ToSchema)]
pub(in crate::http::v1) struct BroadcastView {
    /// Its id.
    #[schema(example = "brd_01K2ZK8Q0ZJ4M8W3T0000000000")]
    id: String,
    /// Its name for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    /// Whose it is.
    caller: String,
    /// `running`, `paused`, `done` or `cancelled`.
    state: &'static str,
    /// How many groups there are.
    groups: u32,
    /// How many of them were handed in.
    groups_done: u32,
    /// How long it is waited after each.
    pace: String,
    /// When the next is handed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_at: Option<String>,
    /// What keeps it from going on.
    #[serde(skip_serializing_if = "Option::is_none")]
    held_by: Option<String>,
    /// The tag that its messages carry.
    tag: String,
    /// When it was begun.
    created_at: String,
    /// When it was done, or cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<String>,
    /// What became of each tier, in their order; not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    tiers: Option<Vec<TierView>>,
    /// The first rows that were refused, at most 20; not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<Vec<RowView>>,
}

/// What became of a tier.
#[derive(Default, Serialize, ToSchema)]
pub(in crate::http::v1) struct TierView {
    /// What it is called.
    name: String,
    /// How many rows it has.
    rows: u64,
    /// How many of them are not handed in.
    waiting: u64,
    /// How many were refused.
    refused: u64,
    /// How many have a message in a state: `accepted` (under way), `delivered`, `failed` and so on; `forgotten` if it is no
    /// longer kept. Those who share a message share its state.
    messages: BTreeMap<&'static str, u64>,
}

/// A row, and what became of it.
#[derive(Serialize, ToSchema)]
pub(in crate::http::v1) struct RowView {
    /// Its position, from 1: the `after` of the next page.
    position: u32,
    /// The line in the table; of JSON, the place among all people.
    line: u32,
    /// Its tier.
    tier: String,
    /// `waiting`, `refused`, or the state of its message.
    state: &'static str,
    /// The message that carries it.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What would become of a list.
#[derive(Serialize, ToSchema)]
pub(in crate::http::v1) struct TriedView {
    /// How many rows it has.
    rows: usize,
    /// How many groups they make.
    groups: u32,
    /// How many messages they make.
    messages: usize,
    /// How long it takes until the last is handed in, at least.
    takes: String,
    /// How many rows would be refused.
    refused: usize,
    /// The first of them, at most 100.
    lines: Vec<TriedLine>,
}

/// A row that would be refused.
#[derive(Serialize, ToSchema)]
struct TriedLine {
    /// The line in the table; of JSON, the place among all people.
    line: u32,
    /// A word for programs.
    code: &'static str,
    /// Why.
    message: String,
}

/// A length of time as people write it.
fn seconds(time: Duration) -> String {
    format!("{}s", time.as_secs_f64())
}

impl BroadcastView {
    /// As it stands in a list.
    pub(super) fn of(record: BroadcastRecord) -> Self {
        let BroadcastRecord { broadcast, state, groups, done, due_at, ended_at, held_by } = record;
        Self {
            id: broadcast.id.to_string(),
            name: broadcast.name,
            caller: broadcast.grant.caller.to_string(),
            state: state.name(),
            groups,
            groups_done: done,
            pace: seconds(broadcast.pace),
            next_at: due_at.map(|at| at.to_string()),
            held_by,
            tag: format!("broadcast:{}", broadcast.id),
            created_at: broadcast.created_at.to_string(),
            ended_at: ended_at.map(|at| at.to_string()),
            tiers: None,
            refused: None,
        }
    }

    /// With its tiers.
    pub(super) fn whole(record: BroadcastRecord, counts: &[TierCount], refused: Vec<RowRecord>) -> Self {
        let names = record.broadcast.tiers.clone();
        let mut tiers: Vec<TierView> =
            names.iter().map(|name| TierView { name: name.clone(), ..TierView::default() }).collect();
        for count in counts {
            let Some(tier) = tiers.get_mut(usize::from(count.tier)) else { continue };
            tier.rows += count.rows;
            match count.stage {
                RowStage::Waiting => tier.waiting += count.rows,
                RowStage::Refused => tier.refused += count.rows,
                RowStage::Message(state) => *tier.messages.entry(state_name(state)).or_default() += count.rows,
            }
        }
        let refused = refused.into_iter().map(|row| RowView::of(row, &names)).collect();
        Self { tiers: Some(tiers), refused: Some(refused), ..Self::of(record) }
    }
}

fn state_name(state: Option<MessageState>) -> &'static str {
    state.map_or("forgotten", MessageState::name)
}

impl RowView {
    pub(super) fn of(row: RowRecord, tiers: &[String]) -> Self {
        let (state, message, error) = match row.result {
            None => ("waiting", None, None),
            Some(RowResult::Message(id)) => (state_name(row.state), Some(id.to_string()), None),
            Some(RowResult::Refused(why)) => ("refused", None, Some(why)),
        };
        let tier = tiers.get(usize::from(row.tier)).cloned().unwrap_or_default();
        Self { position: row.position, line: row.line, tier, state, message, error }
    }
}

impl TriedView {
    pub(super) fn of(tried: Tried, pace: Duration) -> Self {
        let line = |(line, error): (u32, pipeline::AcceptError)| {
            let code = error.code();
            TriedLine { line, code, message: ApiError::from(error).message().to_owned() }
        };
        Self {
            rows: tried.rows,
            groups: tried.groups,
            messages: tried.messages,
            takes: seconds(pace * tried.groups.saturating_sub(1)),
            refused: tried.refused,
            lines: tried.named.into_iter().map(line).collect(),
        }
    }
}
