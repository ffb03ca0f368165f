//! What of each quota is used, as it is shown.

use std::time::Duration;

use domain::{Lane, LaneState, MemberUse, Quota, Slot, Timestamp};

use super::Shared;
use crate::ports::ApiCall;

/// Members are shown that have used this share of a window.
const SHOWN_MEMBERS: f64 = 0.5;
/// The most members that are shown of a lane.
const MEMBERS: usize = 50;

/// The quotas of one lane.
#[derive(Clone, Debug)]
pub struct LaneQuotas {
    /// The lane.
    pub lane: Lane,
    /// Whether the breaker keeps it closed, and until when.
    pub state: LaneState,
    /// Of calls, and of person-times.
    pub quotas: Vec<QuotaUse>,
    /// What each member may be sent.
    pub member_quotas: Vec<Quota>,
    /// The members who have used most of it.
    pub members: Vec<MemberUse>,
    /// Whether person-times are counted by estimates: of departments, tags, everybody.
    pub estimated: bool,
}

impl LaneQuotas {
    /// How many deliveries wait, those that are held for members included.
    pub fn waiting(&self, backlog: &[(Lane, u64)]) -> u64 {
        backlog.iter().filter(|(lane, _)| lane.main() == self.lane).map(|(_, count)| count).sum()
    }
}

/// One quota.
#[derive(Clone, Debug)]
pub struct QuotaUse {
    /// What it counts: `calls`, `person_times`, or calls that are no messages: `uploads`.
    pub counts: &'static str,
    /// The most in a window.
    pub limit: u32,
    /// How long a window is; `None` for a calendar day.
    pub window: Option<Duration>,
    /// How much is used.
    pub used: u32,
    /// When there is room again, if there is none.
    pub free_at: Option<Timestamp>,
}

impl QuotaUse {
    /// How much is left.
    pub fn left(&self) -> u32 {
        self.limit.saturating_sub(self.used)
    }

    /// The window as it is shown: `60s`, `1h`, `day`.
    pub fn window_name(&self) -> String {
        self.window.map_or_else(|| "day".to_owned(), window_name)
    }

    /// When the last of what waits now will have gone at an even pace; `None` if all of it fits at once.
    pub fn forecast(&self, waiting: u64, now: Timestamp) -> Option<Timestamp> {
        let over = waiting.saturating_sub(u64::from(self.left()));
        let window = self.window.filter(|_| self.counts == "calls" && over > 0)?;
        Some(now + window.mul_f64(over as f64 / f64::from(self.limit.max(1))))
    }
}

/// A window as it is shown: `60s`, `1h`.
pub fn window_name(window: Duration) -> String {
    match window.as_secs() {
        seconds if seconds >= 3600 && seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
        seconds => format!("{seconds}s"),
    }
}

pub(super) fn of(shared: &Shared) -> Vec<LaneQuotas> {
    let now = shared.clock.now();
    let mut desks: Vec<_> = shared.desks.lock().values().filter(|desk| desk.lane.member().is_none()).cloned().collect();
    desks.sort_by(|a, b| a.lane.cmp(&b.lane));
    let lanes = desks.into_iter().filter_map(|desk| {
        let channel = desk.channel.clone()?;
        let mut quotas = Vec::new();
        let state = {
            let mut gate = desk.gate.lock();
            if let Some((Quota { limit, window }, used, slot)) = gate.quota(now) {
                let free_at = if let Slot::At(time) = slot { Some(time) } else { None };
                quotas.push(QuotaUse { counts: "calls", limit, window: Some(window), used, free_at });
            }
            gate.state()
        };
        let (mut members, mut member_quotas) = (Vec::new(), Vec::new());
        if let Some(people) = &desk.people {
            let mut people = people.lock();
            members = people.fullest(now, SHOWN_MEMBERS, MEMBERS);
            member_quotas = people.member_quotas().to_vec();
            if let Some((limit, used)) = people.day(now) {
                let free_at = people.next_day(now);
                quotas.push(QuotaUse { counts: "person_times", limit, window: None, used, free_at });
            }
            for (Quota { limit, window }, used) in people.shared_use(now) {
                quotas.push(QuotaUse { counts: "person_times", limit, window: Some(window), used, free_at: None });
            }
        }
        for call in ApiCall::ALL {
            quotas.extend(
                channel.api(call).map(|api| shared.api_calls.used(&api, call.counts(), now)).into_iter().flatten(),
            );
        }
        let estimated = channel.people_quota().day.is_some();
        Some(LaneQuotas { lane: desk.lane.clone(), state, quotas, member_quotas, members, estimated })
    });
    lanes.collect()
}
