//! Schedules: submissions that are made again and again, or once at a time; and where each of them stands.

use async_trait::async_trait;
use domain::{Cron, Grant, InvalidCron, MessageId, MissedRuns, PlannedRun, Timestamp, VariablesFrom, When};

use super::LedgerError;

/// A schedule, as its caller gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// As those of templates are.
    pub name: String,
    /// Whose it is, and what it may do: what the key allowed that it was kept with.
    pub grant: Grant,
    /// The pattern of cron; without one it runs once.
    pub cron: Option<String>,
    /// The time zone of the pattern.
    pub zone: String,
    /// When it runs that runs once.
    pub at: Option<Timestamp>,
    /// What becomes of runs that were missed.
    pub missed: MissedRuns,
    /// Whether it rests.
    pub paused: bool,
    /// The submission, as its caller wrote it; `None` if it cannot be opened any more.
    pub body: Option<String>,
    /// Where variables are fetched right before it runs.
    pub variables_from: Option<VariablesFrom>,
}

impl Schedule {
    /// Returns when it runs.
    ///
    /// # Errors
    /// [`InvalidCron`].
    pub fn when(&self) -> Result<When, InvalidCron> {
        match (&self.cron, self.at) {
            (Some(cron), _) => Ok(When::Cron(Box::new(Cron::parse(cron, &self.zone)?))),
            (None, Some(at)) => Ok(When::At(at)),
            (None, None) => Err(InvalidCron::Fields(0)),
        }
    }
}

/// A schedule, as it is kept, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleRecord {
    /// Another each time that one of its name is kept.
    pub id: i64,
    /// The schedule.
    pub schedule: Schedule,
    /// The run that it waits for; `None` if there is none any more.
    pub planned: Option<PlannedRun>,
    /// When that was planned, by the clock on the wall.
    pub planned_at: Timestamp,
    /// When it was kept.
    pub created_at: Timestamp,
    /// Which run was the last, and when it was tried.
    pub last_run: Option<(Timestamp, Timestamp)>,
    /// What that made.
    pub last_message: Option<MessageId>,
    /// Why that failed.
    pub last_error: Option<String>,
    /// How many runs were missed and not made up for.
    pub left_out: u64,
}

/// How a run ended, and what the schedule waits for next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advance {
    /// Which schedule.
    pub name: String,
    /// As which it was read: what was kept anew or paused meanwhile has a plan of its own.
    pub id: i64,
    /// Which run it was, if one was made.
    pub run: Option<Timestamp>,
    /// What it made, or why it failed.
    pub result: Result<Option<MessageId>, String>,
    /// The run that it waits for.
    pub planned: Option<PlannedRun>,
    /// How many more runs were left out.
    pub left_out: u64,
    /// When, by the clock on the wall.
    pub now: Timestamp,
}

/// Keeping schedules.
#[async_trait]
pub trait Schedules: Send + Sync {
    /// Returns all schedules by name.
    ///
    /// # Errors
    /// [`LedgerError`] if they could not be read.
    async fn schedules(&self) -> Result<Vec<ScheduleRecord>, LedgerError>;

    /// Returns one schedule.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn schedule(&self, name: &str) -> Result<Option<ScheduleRecord>, LedgerError>;

    /// Returns the schedules that are due, the longest due first.
    ///
    /// # Errors
    /// [`LedgerError`] if they could not be read.
    async fn due_schedules(&self, now: Timestamp, limit: usize) -> Result<Vec<ScheduleRecord>, LedgerError>;

    /// Returns when the next schedule is due after a time.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn next_schedule(&self, after: Timestamp) -> Result<Option<Timestamp>, LedgerError>;

    /// Keeps a schedule, in the place of that of its name; what is known of its runs stays, but for their last error.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not kept.
    async fn put_schedule(
        &self,
        schedule: Schedule,
        planned: Option<PlannedRun>,
        now: Timestamp,
    ) -> Result<(), LedgerError>;

    /// Lets a schedule rest, or go on with a run; `false` if there is none such.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was changed.
    async fn pause_schedule(
        &self,
        name: &str,
        paused: bool,
        planned: Option<PlannedRun>,
        now: Timestamp,
    ) -> Result<bool, LedgerError>;

    /// Notes how a run ended, and what comes next.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was noted.
    async fn advance_schedule(&self, advance: Advance) -> Result<(), LedgerError>;

    /// Forgets a schedule; `false` if there is none such.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not forgotten.
    async fn forget_schedule(&self, name: &str) -> Result<bool, LedgerError>;
}
