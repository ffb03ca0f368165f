//! The gateway watches itself: trouble that an operator must know of goes to a route of theirs, once.
//!
//! Told are lanes that closed, robots that lost their group, quotas nearly used, dead letters that grow, schedules that
//! could not run, heartbeats that stay away. What is told is told again only after it had gone. Each look asks; nothing is kept but what was told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use domain::{
    CallerId, Content, ContentKind, Grant, LaneState, Priority, RouteChoice, Scope, Submission, SubmissionContent,
    Timestamp,
};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::accept::Intake;
use crate::dispatch::DispatcherHandle;
use crate::ports::{Clock, Ledger, LedgerError, MessageFilter};
use crate::telemetry::{Happening as _, LedgerFailed};

/// Whose messages these are.
const CALLER: &str = "hongyan";
/// Errcodes that mean that a robot's group is gone to it until somebody acts (path/90313).
const ROBOT_GONE: &[&str] = &["93000", "93001", "93004", "93008"];
/// How far back dead letters are counted, and how many at most.
const DEAD_SINCE: Duration = Duration::from_secs(24 * 3600);
const DEAD_COUNTED: usize = 1000;
/// How long ago a run of a schedule may have failed to be told.
const FAILED_SINCE: Duration = Duration::from_secs(24 * 3600);

/// What is watched.
#[derive(Clone, Debug)]
pub struct WatchConfig {
    /// The route that takes word of trouble; without one it is only logged.
    pub route: Option<String>,
    /// The share of a quota, in percent, at which it is told.
    pub quota_percent: u8,
    /// So many new dead letters are told.
    pub dead_letters: u64,
    /// How often it is looked.
    pub every: Duration,
    /// How long each heartbeat of others may stay away.
    pub heartbeats: BTreeMap<String, Duration>,
}

/// Heartbeats of others, as they come in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Heartbeats {
    last: Arc<Mutex<BTreeMap<String, Timestamp>>>,
}

impl Heartbeats {
    /// Expects these, from now on.
    pub fn expect<'a>(names: impl IntoIterator<Item = &'a String>, now: Timestamp) -> Self {
        Self { last: Arc::new(Mutex::new(names.into_iter().map(|name| (name.clone(), now)).collect())) }
    }

    /// Notes one; `false` if it is not expected.
    pub fn note(&self, name: &str, now: Timestamp) -> bool {
        self.last.lock().get_mut(name).map(|last| *last = now).is_some()
    }

    fn missing(&self, patience: &BTreeMap<String, Duration>, now: Timestamp) -> Vec<(String, Timestamp)> {
        let last = self.last.lock();
        let late = last.iter().filter(|(name, last)| patience.get(*name).is_some_and(|wait| **last + *wait < now));
        late.map(|(name, last)| (name.clone(), *last)).collect()
    }
}

/// Watches the gateway.
pub struct Watcher {
    intake: Arc<Intake>,
    ledger: Arc<dyn Ledger>,
    dispatcher: DispatcherHandle,
    clock: Arc<dyn Clock>,
    heartbeats: Heartbeats,
    config: WatchConfig,
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher").field("config", &self.config).finish_non_exhaustive()
    }
}

/// What was told, and what was counted.
#[derive(Default)]
struct Told {
    troubles: BTreeSet<String>,
    dead: Option<u64>,
    looked_at: Option<Timestamp>,
}

impl Watcher {
    /// Makes a watcher; [`Self::run`] sets it to work.
    pub fn new(
        intake: Arc<Intake>,
        ledger: Arc<dyn Ledger>,
        dispatcher: DispatcherHandle,
        clock: Arc<dyn Clock>,
        (heartbeats, config): (Heartbeats, WatchConfig),
    ) -> Self {
        Self { intake, ledger, dispatcher, clock, heartbeats, config }
    }

    /// Watches until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut told = Told::default();
        loop {
            let next = self.clock.now() + self.config.every;
            tokio::select! {
                () = self.clock.sleep_until(next) => {}
                () = shutdown.cancelled() => return,
            }
            if let Err(error) = self.look(&mut told).await {
                LedgerFailed { error: &error }.emit();
            }
        }
    }

    async fn look(&self, told: &mut Told) -> Result<(), LedgerError> {
        let now = self.clock.now();
        let troubles = self.troubles(told, now).await?;
        let fresh: Vec<&String> =
            troubles.iter().filter(|(key, _)| !told.troubles.contains(*key)).map(|(_, text)| text).collect();
        for text in &fresh {
            tracing::warn!(trouble = text.as_str(), "An operator should know");
        }
        if !fresh.is_empty()
            && let Some(route) = &self.config.route
        {
            let text = fresh.into_iter().map(String::as_str).collect::<Vec<_>>().join("\n");
            self.tell(route, &text).await;
        }
        told.troubles = troubles.into_keys().collect();
        told.looked_at = Some(now);
        Ok(())
    }

    /// What is wrong now: a name that stays the same while it lasts, and what to say.
    async fn troubles(&self, told: &mut Told, now: Timestamp) -> Result<BTreeMap<String, String>, LedgerError> {
        let mut troubles = BTreeMap::new();
        for lane in self.dispatcher.quotas() {
            let name = &lane.lane;
            match lane.state {
                LaneState::Open => {}
                LaneState::Closed { why, .. } | LaneState::Probing { why } => {
                    let text = format!(
                        "鸿雁：通道 {name} 已暂停（{}），消息在排队或改走下一步。Lane {name} is closed.",
                        why.name()
                    );
                    troubles.insert(format!("closed {name}"), text);
                }
            }
            for quota in &lane.quotas {
                // Windows of a minute fill and empty all day; a day's budget does not come back before tomorrow.
                let is_long = quota.window.is_none_or(|window| window >= Duration::from_secs(3600));
                let percent = u64::from(quota.used) * 100 / u64::from(quota.limit.max(1));
                if is_long && percent >= u64::from(self.config.quota_percent) {
                    let (used, limit) = (quota.used, quota.limit);
                    let text =
                        format!("鸿雁：{name} 的额度已用 {used}/{limit}。{percent} percent of its quota are used.");
                    troubles.insert(format!("quota {name} {limit}"), text);
                }
            }
        }
        for (name, last) in self.heartbeats.missing(&self.config.heartbeats, now) {
            let text = format!("鸿雁：心跳 {name} 自 {last} 起未收到。Heartbeat {name} is missing.");
            troubles.insert(format!("heartbeat {name}"), text);
        }
        for record in self.ledger.schedules().await? {
            // One of long ago would be told anew at every start.
            let is_fresh = record.last_run.is_some_and(|(_, tried_at)| now.since(tried_at) < FAILED_SINCE);
            if let Some(error) = record.last_error.filter(|_| is_fresh) {
                let name = record.schedule.name;
                let text = format!("鸿雁：定时任务 {name} 未能发送：{error}。Schedule {name} could not run.");
                troubles.insert(format!("schedule {name}"), text);
            }
        }
        let since = told.looked_at.unwrap_or(now - self.config.every);
        for row in self.ledger.stats(None, since, now).await? {
            if let Some(code) = row.code.filter(|code| ROBOT_GONE.contains(&code.as_str())) {
                let lane = row.lane;
                let text = format!("鸿雁：机器人 {lane} 被拒（{code}），可能已被移出群。The robot {lane} was refused.");
                troubles.insert(format!("robot {lane}"), text);
            }
        }
        self.dead_letters(told, &mut troubles, now).await?;
        Ok(troubles)
    }

    async fn dead_letters(
        &self,
        told: &mut Told,
        troubles: &mut BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let filter = MessageFilter {
            dead: true,
            since: Some(now - DEAD_SINCE),
            limit: DEAD_COUNTED,
            ..MessageFilter::default()
        };
        let found = self.ledger.list(filter).await?;
        let dead = found.iter().filter(|found| found.message.caller.as_str() != CALLER).count() as u64;
        let before = *told.dead.get_or_insert(dead);
        if dead >= before + self.config.dead_letters.max(1) {
            troubles.insert(
                format!("dead {dead}"),
                format!("鸿雁：24 小时内有 {dead} 条消息未能送达。{dead} dead letters."),
            );
            told.dead = Some(dead);
        } else if dead < before {
            told.dead = Some(dead);
        }
        Ok(())
    }

    async fn tell(&self, route: &str, text: &str) {
        let grant = Grant::new(CallerId::new(CALLER), [Scope::Send]);
        let submission = Submission {
            route: Some(RouteChoice::Named(route.to_owned())),
            overflow: Some(domain::Overflow::Truncate),
            priority: Priority::Urgent,
            tags: vec!["operator".to_owned()],
            ..Submission::new(SubmissionContent::Ready(Content::plain(ContentKind::Text, text)))
        };
        if let Err(error) = self.intake.accept(&grant, submission).await {
            tracing::error!(route, error = &error as &dyn std::error::Error, "Word of trouble could not be sent");
        }
    }
}
