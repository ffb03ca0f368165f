//! The task of a lane: waits for room and for what is due, claims it, starts it.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::{CallerId, Lane, Priority, Timestamp};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::desk::{Desk, Slot};
use super::gate::{Gate, Room};
use super::people::{self, People};
use super::{LEDGER_PAUSE, Shared, attempt, hold, onward};
use crate::crash_point;
use crate::ports::{ApiCall, Channel, Claim, Claimed, Moving};
use crate::telemetry::{Happening as _, LaneMeters, LedgerFailed};

/// One claim in so many takes bulk first, so that bulk is never starved.
const BULK_FIRST_EVERY: u32 = 10;
/// How long a busy lane waits for more of its calls to end, so that it claims several deliveries at once.
const GATHER: Duration = Duration::from_millis(1);
/// How many deliveries of a closed lane move on at once.
const MOVED_AT_ONCE: usize = 64;

impl Shared {
    /// Says that something may be due on a lane.
    pub(super) fn draw_attention(self: &Arc<Self>, lane: &Lane) {
        // Under the lock, so that a side lane's desk is not cleared away meanwhile.
        let mut desks = self.desks.lock();
        if let Some(desk) = desks.get(lane) {
            desk.draw_attention();
            return;
        }
        let main = lane.main();
        let main_desk = match desks.get(&main) {
            Some(desk) => desk.clone(),
            None => {
                let desk = self.open_main(&main);
                desks.insert(main, desk.clone());
                desk
            }
        };
        if lane.member().is_some() {
            desks.insert(lane.clone(), self.open_side(lane, &main_desk));
        }
    }

    fn open_main(self: &Arc<Self>, lane: &Lane) -> Arc<Desk> {
        let channel = self.channels.get(lane).cloned();
        let shared = channel.as_deref().and_then(|channel| self.common_windows(channel));
        let people = channel.as_deref().and_then(|channel| People::new(channel, shared, self.clock.now()));
        let desk = Arc::new(Desk {
            lane: lane.clone(),
            gate: Arc::new(Mutex::new(Gate::new(channel.as_deref(), self.config.breaker))),
            people: people.map(|people| Arc::new(Mutex::new(people))),
            channel,
            meters: Arc::new(LaneMeters::new(lane)),
            preparing: tokio::sync::Mutex::default(),
            attention: AtomicBool::new(true),
            wake: Arc::default(),
        });
        self.tasks.spawn(self.clone().run_lane(desk.clone()));
        desk
    }

    fn open_side(self: &Arc<Self>, lane: &Lane, main: &Desk) -> Arc<Desk> {
        if let (Some(people), Some(member)) = (&main.people, lane.member()) {
            people.lock().queue(member);
        }
        let desk = Arc::new(Desk {
            lane: lane.clone(),
            channel: main.channel.clone(),
            meters: main.meters.clone(),
            gate: main.gate.clone(),
            people: main.people.clone(),
            preparing: tokio::sync::Mutex::default(),
            attention: AtomicBool::new(true),
            wake: Arc::<Notify>::default(),
        });
        self.tasks.spawn(self.clone().run_lane(desk.clone()));
        desk
    }

    fn common_windows(&self, channel: &dyn Channel) -> Option<people::Shared> {
        let (name, quotas) = channel.people_quota().shared?;
        let windows = || Arc::new(Mutex::new(domain::Windows::new(&quotas)));
        Some(self.common.lock().entry(name).or_insert_with(windows).clone())
    }

    async fn run_lane(self: Arc<Self>, desk: Arc<Desk>) {
        if desk.lane.member().is_none() && !self.rebuild_windows(&desk).await {
            return;
        }
        let mut turn = Turn::default();
        let mut next_due: Option<Timestamp> = None;
        while !self.stopping.is_cancelled() {
            let mut room = self.room(&desk);
            if room.is_scant && desk.attention.load(Ordering::Acquire) {
                tokio::time::sleep(GATHER).await;
                room = self.room(&desk);
            }
            if room.is_closed && desk.attention.load(Ordering::Acquire) && self.move_on(&desk).await == Claimable::More
            {
                continue;
            }
            if room.free > 0 && desk.attention.swap(false, Ordering::AcqRel) {
                match self.claim(&desk, room, &mut turn).await {
                    Claimable::More => {
                        desk.attention.store(true, Ordering::Release);
                        continue;
                    }
                    Claimable::From(due) => next_due = due,
                }
                if next_due.is_none() && self.clear_away(&desk) {
                    return;
                }
            }
            let attention = desk.attention.load(Ordering::Acquire);
            // With no room, what is due does not matter before the gate opens.
            let wake_at = if room.free == 0 { room.opens_at } else { next_due };
            if attention && room.free > 0 {
                continue;
            }
            tokio::select! {
                () = desk.wake.notified() => {}
                () = self.clock.sleep_until(wake_at.unwrap_or(Timestamp::NEVER)), if wake_at.is_some() => {
                    desk.attention.store(true, Ordering::Release);
                }
                () = self.stopping.cancelled() => return,
            }
        }
    }

    /// What may start now, by the gate and by the quotas that count people.
    fn room(&self, desk: &Desk) -> Room {
        let now = self.clock.now();
        if let Some(people) = &desk.people {
            let mut people = people.lock();
            let member = desk.lane.member();
            let opens_at = people.next_day(now).or_else(|| member.and_then(|member| people.wait_for(member, now)));
            if opens_at.is_some() {
                return Room::closed(opens_at);
            }
        }
        let mut gate = desk.gate.lock();
        if !gate.is_ready() {
            gate.wait(&desk.wake);
            return Room::none(None);
        }
        let mut room = gate.room(now);
        if room.probe && desk.attention.load(Ordering::Acquire) {
            gate.offer_probe();
        }
        if desk.lane.member().is_some() {
            // A member's slots are given out one at a time, each after a look at the last.
            room.free = room.free.min(1);
        } else if room.free > 0 && desk.attention.load(Ordering::Acquire) {
            // What is about to be claimed has this room: nothing may be reserved beside it.
            gate.backlog = true;
        }
        if room.free == 0 {
            gate.wait(&desk.wake);
        }
        room
    }

    /// Claims and starts what there is room for.
    async fn claim(self: &Arc<Self>, desk: &Arc<Desk>, room: Room, turn: &mut Turn) -> Claimable {
        let now = self.clock.now();
        let claim = Claim {
            lane: desk.lane.clone(),
            limit: room.free,
            now,
            lowest_first: turn.lowest_first(),
            served: turn.served.clone(),
            equal_since: desk.equal_since(now),
            moving: None,
        };
        let claims = match self.ledger.claim(claim).await {
            Ok(claims) => claims,
            Err(error) => {
                LedgerFailed { error: &error }.emit();
                if room.probe {
                    withdraw_probe(desk);
                }
                return Claimable::From(Some(self.clock.now() + LEDGER_PAUSE));
            }
        };
        crash_point("claim-after-commit");
        let claimed = claims.claimed;
        if room.probe && claimed.is_empty() {
            withdraw_probe(desk);
        }
        if let Some(last) = claimed.last() {
            turn.served = Some(last.caller.clone());
        }
        let more = claims.next_due.is_some_and(|due| due <= now);
        {
            let mut gate = desk.gate.lock();
            if desk.lane.member().is_none() {
                gate.backlog = more;
                if !more {
                    gate.backlog_gone();
                }
            }
            for _ in &claimed {
                gate.take(now, room.probe);
            }
        }
        for (claimed, slot) in self.lay_together(desk, claimed, room.probe).await {
            let gathers = claimed.delivery.digest.is_some() && claimed.frozen.is_none();
            let (written, writing) = oneshot::channel();
            let working = self.tasks.spawn(attempt::work(self.clone(), claimed, slot, Some(written)));
            if desk.lane.member().is_some() {
                // In order, and none before the last has taken its slot.
                let _panicked = working.await;
            } else if gathers {
                // What it can be merged with must still be waiting when it looks.
                let _written = writing.await;
            }
        }
        if more { Claimable::More } else { Claimable::From(claims.next_due) }
    }

    /// Puts back what was claimed beside the first of its digest group: it is to be merged with that.
    async fn lay_together(
        self: &Arc<Self>,
        desk: &Arc<Desk>,
        claimed: Vec<Claimed>,
        probe: bool,
    ) -> Vec<(Claimed, Slot)> {
        let mut groups: HashSet<(Box<str>, String)> = HashSet::new();
        let mut kept = Vec::with_capacity(claimed.len());
        for claimed in claimed {
            let slot = Slot::new(desk.clone(), probe);
            let gathers = claimed.frozen.is_none() && claimed.standing.attempts == 0;
            if let (Some(group), true) = (&claimed.delivery.digest, gathers)
                && !groups.insert((group.clone(), claimed.delivery.recipients.to_stored()))
            {
                hold::put_back(self, desk, &claimed).await;
                continue;
            }
            kept.push((claimed, slot));
        }
        kept
    }

    /// Moves on what waits on a lane that is closed or used up, or has waited long enough for this step.
    async fn move_on(self: &Arc<Self>, desk: &Arc<Desk>) -> Claimable {
        let now = self.clock.now();
        let moving = Moving { at_once: desk.is_closed(), used: desk.used_percent(now) };
        let claim = Claim {
            lane: desk.lane.clone(),
            limit: MOVED_AT_ONCE,
            now,
            lowest_first: false,
            served: None,
            equal_since: None,
            moving: Some(moving),
        };
        let claimed = match self.ledger.claim(claim).await {
            Ok(claims) => claims.claimed,
            Err(error) => {
                LedgerFailed { error: &error }.emit();
                return Claimable::From(None);
            }
        };
        let more = claimed.len() == MOVED_AT_ONCE;
        for claimed in claimed {
            onward::move_waiting(self, desk, claimed, moving).await;
        }
        if more { Claimable::More } else { Claimable::From(None) }
    }

    /// Ends a side lane on which nothing waits any more; `false` if something came meanwhile.
    fn clear_away(&self, desk: &Desk) -> bool {
        let Some(member) = desk.lane.member() else { return false };
        let mut desks = self.desks.lock();
        if desk.attention.load(Ordering::Acquire) {
            return false;
        }
        desks.remove(&desk.lane);
        if let Some(people) = &desk.people {
            people.lock().unqueue(member);
        }
        true
    }

    /// Fills a lane's windows from the ledger before the first call; `false` if the stop came first.
    async fn rebuild_windows(&self, desk: &Desk) -> bool {
        let Some(channel) = &desk.channel else { return true };
        loop {
            match self.remember_calls(desk, channel.as_ref()).await {
                Ok(()) => {
                    let awaited = desk.gate.lock().set_ready();
                    awaited.iter().for_each(|desk| desk.notify_one());
                    return true;
                }
                Err(error) => LedgerFailed { error: &error }.emit(),
            }
            tokio::select! {
                () = tokio::time::sleep(LEDGER_PAUSE) => {}
                () = self.stopping.cancelled() => return false,
            }
        }
    }

    async fn remember_calls(&self, desk: &Desk, channel: &dyn Channel) -> Result<(), crate::ports::LedgerError> {
        if let Some(quota) = channel.quota() {
            let calls = self.ledger.recent_calls(&desk.lane, self.clock.now() - quota.window).await?;
            let now = self.clock.now();
            // A call in the future was made before a wrong clock was put right.
            desk.gate.lock().remember(calls.into_iter().map(|call| call.min(now)).collect());
        }
        for api in ApiCall::ALL.into_iter().filter_map(|call| channel.api(call)) {
            self.api_calls.remember(&api).await?;
        }
        if let Some(people) = &desk.people {
            let (members_since, day_since, shared_since) = people.lock().remembers_since(self.clock.now());
            if let Some(since) = members_since {
                let calls = self.ledger.recent_recipients(&desk.lane, since).await?;
                people.lock().remember_members(&calls, self.config.longest_call, self.clock.now());
            }
            if let Some(since) = day_since {
                let sent = self.ledger.recipients_since(&desk.lane, since).await?;
                people.lock().remember_day(sent.iter().map(|set| channel.people(set)).sum(), self.clock.now());
            }
            if let Some(since) = shared_since {
                let calls = self.ledger.recent_calls(&desk.lane, since).await?;
                people.lock().remember_shared(&calls, channel.people(&domain::RecipientSet::default()));
            }
        }
        Ok(())
    }
}

/// Gives the offer of a probe back, so that another desk may make it.
fn withdraw_probe(desk: &Desk) {
    let awaited = desk.gate.lock().withdraw_probe();
    awaited.iter().for_each(|desk| desk.notify_one());
}

impl Desk {
    /// Whether the breaker keeps the lane closed.
    pub(super) fn is_closed(&self) -> bool {
        self.gate.lock().state() != domain::LaneState::Open
    }
}

/// What is left after a claim.
#[derive(PartialEq, Eq)]
enum Claimable {
    /// There may be more now.
    More,
    /// Nothing before this time, if ever.
    From(Option<Timestamp>),
}

/// Whose turn it is: of priorities and of callers.
#[derive(Default)]
struct Turn {
    claims: u32,
    served: Option<CallerId>,
}

impl Turn {
    fn lowest_first(&mut self) -> bool {
        self.claims = self.claims.wrapping_add(1);
        self.claims.is_multiple_of(BULK_FIRST_EVERY)
    }
}

/// The order in which a claim looks at priorities.
pub fn claim_order(lowest_first: bool) -> [Priority; 3] {
    if lowest_first {
        [Priority::Bulk, Priority::Urgent, Priority::Normal]
    } else {
        [Priority::Urgent, Priority::Normal, Priority::Bulk]
    }
}
