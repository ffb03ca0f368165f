//! Schedules: submissions that the gateway makes by itself, again and again or once at a time.
//!
//! What is kept is what a caller would post, and what that caller's key allowed: a run is accepted like any request, under
//! an idempotency key that names the schedule and the moment the run is for. Then the ledger notes the run after it. Whoever
//! dies in between makes the run again, and is answered with the first receipt: each run makes one message. Runs go by the
//! clock on the wall, which may jump; what was missed is made up for as the schedule says. Knows nothing about how a
//! submission is written: whoever does hands in a reader.

mod run;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use domain::{
    Grant, PlannedRun, RequestHash, Scope, Submission, SubmissionContent, Timestamp, VariablesFrom, Violation, When,
    is_template_name,
};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use serde_json::{Map, Value};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::accept::{AcceptError, Intake, Receipt};
use crate::media::Fetch;
use crate::ports::{Advance, Clock, Ledger, LedgerError, Schedule, ScheduleRecord};
use crate::telemetry::{ClockJumped, Happening as _, LedgerFailed};

/// The most schedules of one caller.
const MOST_SCHEDULES: usize = 1000;
/// How many runs are made at once.
const AT_ONCE: usize = 16;
/// The largest object of variables that is fetched.
const VARIABLES_BYTES: usize = 1024 * 1024;
/// How long it is waited when the ledger is away.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked whether the clock on the wall has jumped; the ledger is not asked.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(30);
/// A jump of the clock on the wall that is told.
const JUMP: i64 = 2_000;

/// Reads a submission as a caller writes it.
pub type ReadSubmission = dyn Fn(&[u8]) -> Result<Submission, String> + Send + Sync;

/// Where variables are fetched from.
#[derive(Clone)]
pub struct VariableSources {
    /// Fetches URLs.
    pub urls: Arc<dyn Fetch>,
    /// Reads files.
    pub files: Arc<dyn Fetch>,
}

impl std::fmt::Debug for VariableSources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VariableSources").finish_non_exhaustive()
    }
}

/// A schedule was not kept, or not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// It breaks a rule.
    #[error("`{}` {}", .0.field, .0.message)]
    Invalid(Violation),
    /// What it is to send would not be accepted.
    #[error("what it is to send would not be accepted")]
    Message(#[source] AcceptError),
    /// There is none of this name that the caller may see.
    #[error("there is no such schedule")]
    Unknown,
    /// The name is another caller's.
    #[error("the name is taken")]
    Taken,
    /// The ledger could not do it.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Keeps schedules, and makes their runs. Cheap to clone.
#[derive(Clone)]
pub struct Scheduler {
    shared: Arc<Shared>,
}

struct Shared {
    ledger: Arc<dyn Ledger>,
    intake: Arc<Intake>,
    clock: Arc<dyn Clock>,
    sources: VariableSources,
    read: Box<ReadSubmission>,
    changed: Notify,
}

impl std::fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scheduler").finish_non_exhaustive()
    }
}

/// Why the scheduler looks again.
enum Woken {
    /// A run is due, or schedules were changed.
    Look,
    /// A run has ended.
    Ended(i64),
    /// The clock on the wall has jumped.
    Jumped,
    /// The gateway is being stopped.
    Stop,
}

impl Scheduler {
    /// Makes a scheduler; [`Self::run`] sets it to work.
    pub fn new(
        intake: Arc<Intake>,
        ledger: Arc<dyn Ledger>,
        clock: Arc<dyn Clock>,
        sources: VariableSources,
        read: Box<ReadSubmission>,
    ) -> Self {
        Self { shared: Arc::new(Shared { ledger, intake, clock, sources, read, changed: Notify::new() }) }
    }

    /// Returns the schedules that a caller may see, by name.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn list(&self, grant: &Grant) -> Result<Vec<ScheduleRecord>, LedgerError> {
        let all = self.shared.ledger.schedules().await?;
        Ok(all.into_iter().filter(|record| may_see(grant, record)).collect())
    }

    /// Finds a schedule that a caller may see.
    ///
    /// # Errors
    /// [`ScheduleError::Unknown`] if there is none such, or it is another caller's.
    pub async fn find(&self, grant: &Grant, name: &str) -> Result<ScheduleRecord, ScheduleError> {
        let found = self.shared.ledger.schedule(name).await?;
        found.filter(|record| may_see(grant, record)).ok_or(ScheduleError::Unknown)
    }

    /// Keeps a schedule, in the place of that of its name. What it is to send must be such that it would be accepted now.
    ///
    /// # Errors
    /// [`ScheduleError`]; nothing was kept.
    pub async fn put(&self, schedule: Schedule, submission: Submission) -> Result<ScheduleRecord, ScheduleError> {
        let Shared { ledger, clock, changed, .. } = self.shared.as_ref();
        let name = schedule.name.clone();
        check_name(&name)?;
        let all = ledger.schedules().await?;
        let known = all.iter().find(|record| record.schedule.name == name);
        if known.is_some_and(|record| !may_see(&schedule.grant, record)) {
            return Err(ScheduleError::Taken);
        }
        let own = all.iter().filter(|record| record.schedule.grant.caller == schedule.grant.caller).count();
        if known.is_none() && own >= MOST_SCHEDULES {
            let message = format!("would be one too many: {MOST_SCHEDULES} are kept for a caller");
            let violation = Violation::new("too_many", "name", message);
            return Err(ScheduleError::Invalid(violation.with_hint(
                "forget those that have run; for a message at a time of its own give `send_at` to POST /v1/messages",
            )));
        }
        let planned = first_run(&schedule, clock.on_the_wall())?;
        self.check_message(&schedule, submission).await?;
        // By now it may be later: fetching takes its time.
        let now = clock.on_the_wall();
        let planned = if planned.due_at <= now { first_run(&schedule, now)? } else { planned };
        let planned = (!schedule.paused).then_some(planned);
        let grant = schedule.grant.clone();
        ledger.put_schedule(schedule, planned, now).await?;
        changed.notify_one();
        self.find(&grant, &name).await
    }

    /// Lets a schedule rest, or go on. What falls into a rest is not made up for.
    ///
    /// # Errors
    /// [`ScheduleError`]; nothing was changed.
    pub async fn pause(&self, grant: &Grant, name: &str, paused: bool) -> Result<ScheduleRecord, ScheduleError> {
        let record = self.find(grant, name).await?;
        if record.schedule.paused != paused {
            let now = self.shared.clock.on_the_wall();
            let planned = match record.schedule.when() {
                Ok(when) if !paused => when.next_after(now).map(PlannedRun::at),
                _ => None,
            };
            self.shared.ledger.pause_schedule(name, paused, planned, now).await?;
            self.shared.changed.notify_one();
        }
        self.find(grant, name).await
    }

    /// Forgets a schedule. What it has sent stays as it is.
    ///
    /// # Errors
    /// [`ScheduleError`]; it is still there.
    pub async fn forget(&self, grant: &Grant, name: &str) -> Result<(), ScheduleError> {
        self.find(grant, name).await?;
        if self.shared.ledger.forget_schedule(name).await? { Ok(()) } else { Err(ScheduleError::Unknown) }
    }

    /// Sends now what a schedule sends, beside its runs: its plan stays as it is.
    ///
    /// # Errors
    /// [`ScheduleError`]; nothing was stored, unless it is [`AcceptError::Interrupted`].
    pub async fn run_now(
        &self,
        grant: &Grant,
        name: &str,
        idempotency: Option<(String, RequestHash)>,
    ) -> Result<Receipt, ScheduleError> {
        let record = self.find(grant, name).await?;
        let mut submission = self.submission(&record.schedule).await.map_err(|(field, why)| {
            ScheduleError::Invalid(
                Violation::new("invalid", field, why).with_hint("mend it, and keep the schedule anew"),
            )
        })?;
        submission.idempotency = idempotency;
        self.shared.intake.accept(&record.schedule.grant, submission).await.map_err(ScheduleError::Message)
    }

    /// Makes runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut ahead = self.ahead();
        let (mut under_way, mut busy) = (FuturesUnordered::new(), BTreeSet::new());
        self.plan_again().await;
        loop {
            let next = match self.due(&busy).await {
                Ok((due, next)) => {
                    for record in due {
                        busy.insert(record.id);
                        under_way.push(self.make(record));
                    }
                    next
                }
                Err(error) => {
                    LedgerFailed { error: &error }.emit();
                    Some(self.shared.clock.on_the_wall() + PATIENCE)
                }
            };
            let woken = tokio::select! {
                Some(id) = under_way.next(), if !under_way.is_empty() => Woken::Ended(id),
                woken = self.wait(next, ahead) => woken,
                () = shutdown.cancelled() => Woken::Stop,
            };
            match woken {
                Woken::Look => {}
                Woken::Ended(id) => _ = busy.remove(&id),
                Woken::Jumped => {
                    let millis = self.ahead() - ahead;
                    ahead += millis;
                    ClockJumped { millis }.emit();
                    self.plan_again().await;
                }
                Woken::Stop => return,
            }
        }
    }

    /// What is due and not under way, as far as there is room; and when the next is due after it.
    async fn due(&self, busy: &BTreeSet<i64>) -> Result<(Vec<ScheduleRecord>, Option<Timestamp>), LedgerError> {
        let now = self.shared.clock.on_the_wall();
        let mut due = self.shared.ledger.due_schedules(now, AT_ONCE + busy.len()).await?;
        due.retain(|record| !busy.contains(&record.id));
        due.truncate(AT_ONCE.saturating_sub(busy.len()));
        Ok((due, self.shared.ledger.next_schedule(now).await?))
    }

    /// Waits until a run is due, schedules are changed, or the clock on the wall has jumped.
    async fn wait(&self, next: Option<Timestamp>, ahead: i64) -> Woken {
        let clock = &self.shared.clock;
        loop {
            let now = clock.on_the_wall();
            if (self.ahead() - ahead).abs() > JUMP {
                return Woken::Jumped;
            }
            if next.is_some_and(|next| next <= now) {
                return Woken::Look;
            }
            let rest = next.map_or(LOOK_AT_CLOCK, |next| next.since(now).min(LOOK_AT_CLOCK));
            tokio::select! {
                () = clock.sleep_until(clock.now() + rest) => {}
                () = self.shared.changed.notified() => return Woken::Look,
            }
        }
    }

    /// How far the clock on the wall is ahead of the one that goes on evenly, in milliseconds.
    fn ahead(&self) -> i64 {
        self.shared.clock.on_the_wall().as_millis() - self.shared.clock.now().as_millis()
    }

    /// Plans anew what was planned by a clock that was far ahead.
    async fn plan_again(&self) {
        let planning = async {
            let now = self.shared.clock.on_the_wall();
            for record in self.shared.ledger.schedules().await? {
                // What has run once does not come again, whatever clock it went by.
                let (Ok(when), Some(_)) = (record.schedule.when(), record.planned) else { continue };
                let Some(next) = when.plan_again(record.planned_at, now) else { continue };
                let advance = Advance {
                    name: record.schedule.name,
                    id: record.id,
                    run: None,
                    result: Ok(None),
                    planned: Some(PlannedRun::at(next)),
                    left_out: 0,
                    now,
                };
                self.shared.ledger.advance_schedule(advance).await?;
            }
            Ok::<(), LedgerError>(())
        };
        if let Err(error) = planning.await {
            LedgerFailed { error: &error }.emit();
        }
    }

    /// Tries what a schedule is to send, without sending it.
    async fn check_message(&self, schedule: &Schedule, mut submission: Submission) -> Result<(), ScheduleError> {
        let wrong = |field: &str, message: &str, hint: &str| {
            Err(ScheduleError::Invalid(Violation::new("invalid", field, message).with_hint(hint)))
        };
        if !schedule.grant.scopes.include(Scope::Send) {
            return Err(ScheduleError::Message(AcceptError::MayNotSend));
        }
        if submission.send_at.is_some() {
            return wrong("message.send_at", "is the schedule's to say", "leave it out");
        }
        if submission.expires_at.is_some() && schedule.cron.is_some() {
            let message = "would be over before a later run";
            return wrong(
                "message.expires_at",
                message,
                "leave it out; a route's quiet hours and deadlines hold as ever",
            );
        }
        if let Some(source) = &schedule.variables_from {
            if !matches!(submission.content, SubmissionContent::Templated(_)) {
                return wrong(
                    "variables_from",
                    "stands without a template",
                    "name the template that takes them: `\"message\": {\"template\": \"…\"}`",
                );
            }
            match self.variables(source).await {
                Ok(variables) => give(&mut submission, variables),
                Err(why) => return wrong("variables_from", &why, "it is tried before the schedule is kept, too"),
            }
        }
        let tested = self.shared.intake.test_route(&schedule.grant, submission);
        tested.map(drop).map_err(ScheduleError::Message)
    }

    /// Reads what a schedule sends, with the variables that are fetched; else says what is wrong, and with which field.
    async fn submission(&self, schedule: &Schedule) -> Result<Submission, (&'static str, String)> {
        let Some(body) = &schedule.body else {
            return Err((
                "message",
                "cannot be opened: its row is damaged, or the master key that it was sealed with is gone".to_owned(),
            ));
        };
        let mut submission = (self.shared.read)(body.as_bytes()).map_err(|why| ("message", why))?;
        if let Some(source) = &schedule.variables_from {
            let variables = self.variables(source).await.map_err(|why| ("variables_from", why))?;
            give(&mut submission, variables);
        }
        Ok(submission)
    }

    async fn variables(&self, source: &VariablesFrom) -> Result<Map<String, Value>, String> {
        let VariableSources { urls, files } = &self.shared.sources;
        let fetched = match source {
            VariablesFrom::Url(url) => urls.fetch(url, VARIABLES_BYTES).await,
            VariablesFrom::File(path) => files.fetch(path, VARIABLES_BYTES).await,
        };
        let (_, bytes) = fetched.map_err(|why| format!("could not be fetched: {why}"))?;
        // What serde says repeats what was fetched: where it is wrong is enough.
        serde_json::from_slice(&bytes)
            .map_err(|error| format!("is no JSON object (line {}, column {})", error.line(), error.column()))
    }
}

fn may_see(grant: &Grant, record: &ScheduleRecord) -> bool {
    grant.reads().is_none_or(|caller| *caller == record.schedule.grant.caller)
}

/// Adds variables to those that a submission brings.
fn give(submission: &mut Submission, variables: Map<String, Value>) {
    if let SubmissionContent::Templated(wanted) = &mut submission.content {
        wanted.variables.extend(variables);
    }
}

fn check_name(name: &str) -> Result<(), ScheduleError> {
    if is_template_name(name) {
        return Ok(());
    }
    let violation = Violation::new("invalid", "name", format!("`{name}` is no name for a schedule"));
    Err(ScheduleError::Invalid(violation.with_hint("1 to 64 of a-z, 0-9, `-`, `_` and `.`")))
}

/// Finds the first run of a schedule, or what is wrong with when it runs.
fn first_run(schedule: &Schedule, now: Timestamp) -> Result<PlannedRun, ScheduleError> {
    let when = readable_when(schedule)?;
    when.next_after(now).map(PlannedRun::at).ok_or_else(|| {
        let (field, message) = match when {
            When::Cron(_) => ("cron", "never comes"),
            When::At(_) => ("at", "has passed"),
        };
        ScheduleError::Invalid(Violation::new("invalid", field, message).with_hint("give a time ahead"))
    })
}

fn readable_when(schedule: &Schedule) -> Result<When, ScheduleError> {
    let either = |message: &str| {
        let violation = Violation::new("invalid", "cron", message);
        Err(ScheduleError::Invalid(violation.with_hint("give `cron` for again and again, or `at` for once")))
    };
    match (&schedule.cron, schedule.at) {
        (Some(_), Some(_)) => either("stands beside `at`"),
        (None, None) => either("is missing, and so is `at`"),
        _ => schedule.when().map_err(|error| ScheduleError::Invalid(cron_violation(&error))),
    }
}

/// What is wrong with a pattern or its zone, as a caller is told.
pub fn cron_violation(error: &domain::InvalidCron) -> Violation {
    match error {
        domain::InvalidCron::Zone(_) => Violation::new("invalid", "zone", error.to_string())
            .with_hint("give a name of the IANA database, such as Asia/Shanghai, Europe/Berlin or UTC"),
        _ => Violation::new("invalid", "cron", error.to_string())
            .with_hint("for example `0 30 8 * * 1-5`: at 08:30:00 on Monday to Friday"),
    }
}
