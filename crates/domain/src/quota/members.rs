//! What one application may send to each member: one set of windows a member.
//!
//! WeCom drops what exceeds it without a word (path/90312), so it is held here. Knows nothing about departments and
//! tags: what is sent to those is not counted by member.

use std::collections::BTreeMap;
use std::collections::hash_map::{Entry, HashMap};

use super::{Quota, Slot, Windows};
use crate::Timestamp;

/// The windows of every member that something was sent to lately.
#[derive(Debug)]
pub struct MemberWindows {
    quotas: Vec<Quota>,
    members: HashMap<Box<str>, Windows>,
    /// Members remembered when fresh windows were last forgotten.
    kept: usize,
}

/// How much of its windows a member has used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberUse {
    /// The member, in lower case.
    pub member: String,
    /// For each quota, how much is used.
    pub used: Vec<(Quota, u32)>,
    /// When the next message may go.
    pub next: Slot,
}

/// Fewer members than this are never looked through for what can be forgotten.
const FEW: usize = 1024;

impl MemberWindows {
    /// Starts with empty windows.
    pub fn new(quotas: Vec<Quota>) -> Self {
        Self { quotas, members: HashMap::new(), kept: 0 }
    }

    /// Returns the quotas.
    pub fn quotas(&self) -> &[Quota] {
        &self.quotas
    }

    /// Counts messages that were sent before these windows were made.
    pub fn remember(&mut self, sent: impl IntoIterator<Item = (String, Timestamp)>) {
        let mut by_member: BTreeMap<String, Vec<Timestamp>> = BTreeMap::new();
        for (member, at) in sent {
            by_member.entry(key(&member).into()).or_default().push(at);
        }
        for (member, times) in by_member {
            Self::windows(&self.quotas, &mut self.members, &member).remember_for(&times, 1);
        }
    }

    /// Says when the next message to a member may start.
    pub fn next_slot(&mut self, member: &str, now: Timestamp) -> Slot {
        self.members.get_mut(&*key(member)).map_or(Slot::Free, |windows| windows.next_slot_for(now, 1))
    }

    /// Takes a slot of a member: a message starts.
    pub fn take(&mut self, member: &str, now: Timestamp) {
        let member = key(member);
        Self::windows(&self.quotas, &mut self.members, &member).take_for(now, 1);
        self.forget_fresh(now);
    }

    /// Notes that a message that took a slot was answered or timed out.
    pub fn answer(&mut self, member: &str, now: Timestamp) {
        if let Some(windows) = self.members.get_mut(&*key(member)) {
            windows.answer_for(now, 1);
        }
    }

    /// Gives a slot back that was taken and not used.
    pub fn untake(&mut self, member: &str) {
        if let Some(windows) = self.members.get_mut(&*key(member)) {
            windows.untake_for(1);
        }
    }

    /// Notes that nothing waits for a member any more.
    pub fn backlog_gone(&mut self, member: &str) {
        if let Some(windows) = self.members.get_mut(&*key(member)) {
            windows.backlog_gone();
        }
    }

    /// Returns the members that have used the most of any of their windows, at least `share` of it; the fullest first.
    pub fn fullest(&mut self, now: Timestamp, share: f64, limit: usize) -> Vec<MemberUse> {
        let mut found: Vec<(f64, MemberUse)> = Vec::new();
        for (member, windows) in &mut self.members {
            let used = windows.used_at(now);
            let part = used.iter().map(|(quota, used)| f64::from(*used) / f64::from(quota.limit)).fold(0.0, f64::max);
            if part >= share {
                let next = windows.next_slot_for(now, 1);
                found.push((part, MemberUse { member: member.to_string(), used, next }));
            }
        }
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.member.cmp(&b.1.member)));
        found.into_iter().take(limit).map(|(_, member)| member).collect()
    }

    fn windows<'a>(quotas: &[Quota], members: &'a mut HashMap<Box<str>, Windows>, member: &str) -> &'a mut Windows {
        match members.entry(member.into()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(Windows::new(quotas)),
        }
    }

    /// Forgets members whose windows say nothing, whenever their number has doubled.
    fn forget_fresh(&mut self, now: Timestamp) {
        if self.members.len() >= (2 * self.kept).max(FEW) {
            self.members.retain(|_, windows| !windows.is_fresh(now));
            self.kept = self.members.len();
        }
    }
}

/// Userids are compared as WeCom compares them, without regard to case (path/90236).
fn key(member: &str) -> std::borrow::Cow<'_, str> {
    if member.bytes().any(|byte| byte.is_ascii_uppercase()) {
        member.to_ascii_lowercase().into()
    } else {
        member.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    const A_MINUTE: Quota = Quota { limit: 30, window: Duration::from_secs(60) };
    const AN_HOUR: Quota = Quota { limit: 1000, window: Duration::from_secs(3600) };

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn each_member_has_windows_of_its_own_whatever_the_case() {
        let mut members = MemberWindows::new(vec![A_MINUTE, AN_HOUR]);
        for _ in 0..30 {
            members.take("ZhangSan", at(0));
            members.answer("zhangsan", at(10));
        }
        assert_eq!(members.next_slot("zhangSAN", at(20)), Slot::At(at(60_010)));
        assert_eq!(members.next_slot("lisi", at(20)), Slot::Free);
        assert_eq!(members.fullest(at(20), 0.8, 9).len(), 1);
    }

    #[test]
    fn members_of_long_ago_are_forgotten() {
        let mut members = MemberWindows::new(vec![A_MINUTE]);
        for i in 0..FEW - 1 {
            members.take(&format!("m{i}"), at(0));
            members.answer(&format!("m{i}"), at(0));
        }
        members.take("new", at(120_000));
        assert_eq!(members.members.len(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        /// Two hours of backlog for one member: neither window ever holds more than its limit, and the hour is used.
        #[test]
        fn neither_window_is_ever_exceeded_and_a_backlog_uses_the_hour(latencies in prop::collection::vec(1_i64..400, 2200)) {
            let mut members = MemberWindows::new(vec![A_MINUTE, AN_HOUR]);
            let mut now = 0;
            let mut sent = Vec::new();
            for latency in latencies {
                while let Slot::At(next) = members.next_slot("m", at(now)) {
                    now = next.as_millis();
                }
                members.take("m", at(now));
                sent.push(now + latency / 2);
                now += latency;
                members.answer("m", at(now));
            }
            for (limit, window) in [(30, 60_000), (1000, 3_600_000)] {
                for (i, first) in sent.iter().enumerate() {
                    let inside = sent[i..].iter().take_while(|&&time| time < first + window).count();
                    prop_assert!(inside <= limit, "{inside} in {window} ms");
                }
            }
            let first_two_hours = sent.iter().filter(|&&time| time < 7_200_000).count();
            prop_assert!(first_two_hours >= 1900, "{first_two_hours}");
        }
    }
}
