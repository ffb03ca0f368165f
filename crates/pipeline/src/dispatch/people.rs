//! Quotas that count people: to each member, a day, over several lanes. Asked once a delivery is claimed, because only
//! then is it known whom it is for. A value; the desks of a lane and its side lanes share one.

use std::collections::HashSet;
use std::sync::Arc;

use domain::{DayBudget, Delivery, MemberUse, MemberWindows, Quota, Recipient, RecipientSet, Slot, Timestamp, Windows};
use parking_lot::Mutex;

use super::gate::percent;
use crate::ports::{Channel, SentTo};

/// How long a delivery waits whose slot depends on a call that is under way.
const AFTER_ANSWER: std::time::Duration = std::time::Duration::from_secs(1);

/// The windows that several lanes share.
pub(super) type Shared = Arc<Mutex<Windows>>;

pub(super) struct People {
    members: MemberWindows,
    day: Option<DayBudget>,
    shared: Option<Shared>,
    /// Members for whom something waits on a side lane: whatever else comes for them queues behind it.
    queued: HashSet<String>,
}

/// What a delivery has taken of the quotas.
#[derive(Debug, Default)]
pub(super) struct Taken {
    members: Vec<String>,
    people: u32,
}

/// Whether a delivery may go.
#[derive(Debug)]
pub(super) enum Admitted {
    /// It may; this is to be given back or answered.
    Go(Taken),
    /// Not before.
    Until(Timestamp),
    /// Not to these; to the others it may.
    NotTo(Vec<String>),
}

impl People {
    pub(super) fn new(channel: &dyn Channel, shared: Option<Shared>, now: Timestamp) -> Option<Self> {
        let quota = channel.people_quota();
        if quota.members.is_empty() && quota.day.is_none() && shared.is_none() {
            return None;
        }
        Some(Self {
            members: MemberWindows::new(quota.members),
            day: quota.day.map(|limit| DayBudget::new(limit, 0, now)),
            shared,
            queued: HashSet::new(),
        })
    }

    /// Since when calls must be remembered: for members, for the day, for what several lanes share.
    pub(super) fn remembers_since(&self, now: Timestamp) -> (Option<Timestamp>, Option<Timestamp>, Option<Timestamp>) {
        let members = self.members.quotas().iter().map(|quota| now - quota.window).min();
        let shared = self.shared.as_ref().and_then(|shared| shared.lock().since(now));
        (members, self.day.map(|_| DayBudget::began(now)), shared)
    }

    /// Counts calls that were made before this process started. When each was answered is not known: at the latest when
    /// the longest call could have ended.
    pub(super) fn remember_members(&mut self, calls: &[SentTo], longest: std::time::Duration, now: Timestamp) {
        let answered = |at: Timestamp| (at + longest).min(now);
        let members = calls
            .iter()
            .flat_map(|call| members_of(&call.recipients).map(move |member| (member.to_owned(), answered(call.at))));
        self.members.remember(members);
    }

    /// Counts the person-times of today before this process started.
    pub(super) fn remember_day(&mut self, people: u32, now: Timestamp) {
        if let Some(day) = &mut self.day {
            day.take(now, people);
        }
    }

    /// Counts calls of this lane in the windows that it shares.
    pub(super) fn remember_shared(&self, calls: &[Timestamp], people: u32) {
        if let Some(shared) = &self.shared {
            shared.lock().remember_for(calls, people);
        }
    }

    /// Says whether a delivery may go, and takes what it needs. One from a side lane has had its turn.
    pub(super) fn admit(&mut self, delivery: &Delivery, people: u32, now: Timestamp) -> Admitted {
        if let Some(until) = self.day.as_mut().and_then(|day| day.wait(now, people)) {
            return Admitted::Until(until);
        }
        // Held to the end: two lanes must not both take the last of what they share.
        let mut shared = self.shared.as_ref().map(|shared| shared.lock());
        if let Some(windows) = &mut shared {
            match windows.next_slot_for(now, people) {
                Slot::Free => {}
                Slot::At(time) => return Admitted::Until(time),
                Slot::AfterAnswer => return Admitted::Until(now + AFTER_ANSWER),
            }
        }
        let mut taken = Taken { members: Vec::new(), people };
        if !self.members.quotas().is_empty() {
            let from_side = delivery.lane.member().is_some();
            let blocked: Vec<String> = members_of(&delivery.recipients)
                .filter(|member| {
                    let behind_others =
                        !from_side && !self.queued.is_empty() && self.queued.contains(&member.to_ascii_lowercase());
                    behind_others || self.members.next_slot(member, now) != Slot::Free
                })
                .map(str::to_owned)
                .collect();
            if !blocked.is_empty() {
                return Admitted::NotTo(blocked);
            }
            for member in members_of(&delivery.recipients) {
                self.members.take(member, now);
                taken.members.push(member.to_owned());
            }
        }
        if let Some(day) = &mut self.day {
            day.take(now, people);
        }
        if let Some(windows) = &mut shared {
            windows.take_for(now, people);
        }
        Admitted::Go(taken)
    }

    /// Notes that a call was answered or timed out.
    pub(super) fn answer(&mut self, taken: &Taken, now: Timestamp) {
        taken.members.iter().for_each(|member| self.members.answer(member, now));
        if let Some(shared) = &self.shared {
            shared.lock().answer_for(now, taken.people);
        }
    }

    /// Gives back what a call would have used that was not made.
    pub(super) fn untake(&mut self, taken: &Taken) {
        taken.members.iter().for_each(|member| self.members.untake(member));
        if let Some(day) = &mut self.day {
            day.untake(taken.people);
        }
        if let Some(shared) = &self.shared {
            shared.lock().untake_for(taken.people);
        }
    }

    /// When the next message to a member may start; `None`: now.
    pub(super) fn wait_for(&mut self, member: &str, now: Timestamp) -> Option<Timestamp> {
        match self.members.next_slot(member, now) {
            Slot::Free => None,
            Slot::At(time) => Some(time),
            Slot::AfterAnswer => Some(now + AFTER_ANSWER),
        }
    }

    /// Notes that something waits for a member on a side lane.
    pub(super) fn queue(&mut self, member: &str) {
        self.queued.insert(member.to_ascii_lowercase());
    }

    /// Notes that nothing waits for a member any more.
    pub(super) fn unqueue(&mut self, member: &str) {
        self.queued.remove(member);
        self.members.backlog_gone(member);
    }

    /// When the day's budget is new, if it is used up.
    pub(super) fn next_day(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.day.as_mut()?.wait(now, 1)
    }

    /// How much of the day's budget is used, in percent.
    pub(super) fn used_percent(&mut self, now: Timestamp) -> u8 {
        self.day.as_mut().map_or(0, |day| {
            let (limit, used) = day.limit_and_used(now);
            percent(used, limit)
        })
    }

    pub(super) fn day(&mut self, now: Timestamp) -> Option<(u32, u32)> {
        self.day.as_mut().map(|day| day.limit_and_used(now))
    }

    /// What is used of the windows that several lanes share.
    pub(super) fn shared_use(&self, now: Timestamp) -> Vec<(Quota, u32)> {
        self.shared.as_ref().map_or_else(Vec::new, |shared| shared.lock().used_at(now))
    }

    pub(super) fn member_quotas(&self) -> &[Quota] {
        self.members.quotas()
    }

    pub(super) fn fullest(&mut self, now: Timestamp, share: f64, limit: usize) -> Vec<MemberUse> {
        self.members.fullest(now, share, limit)
    }
}

fn members_of(recipients: &RecipientSet) -> impl Iterator<Item = &str> {
    recipients.iter().filter_map(|recipient| match recipient {
        Recipient::User(userid) => Some(userid.as_str()),
        _ => None,
    })
}
