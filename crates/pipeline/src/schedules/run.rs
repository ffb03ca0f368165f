//! One run of a schedule: what is to be done, doing it, and noting what comes next.

use domain::{MessageId, PlannedRun, Timestamp};

use super::{PATIENCE, Scheduler};
use crate::accept::AcceptError;
use crate::crash_point;
use crate::ports::{Advance, Schedule, ScheduleRecord};
use crate::routing::request_hash;
use crate::telemetry::{Happening as _, LedgerFailed, RunsMissed, ScheduleFailed, ScheduleRan};

/// Why a run made no message.
enum Failure {
    /// What it was to send cannot be sent, now or later.
    Final(String),
    /// Its variables could not be had: later they may.
    Passing(String),
    /// We could not store it: the run stays due.
    Ours,
}

impl Scheduler {
    /// Makes the run that a schedule waits for, or leaves it out; returns the schedule's id.
    pub(super) async fn make(&self, record: ScheduleRecord) -> i64 {
        let id = record.id;
        if self.make_one(record).await.is_err() {
            // The run is still due. Whoever is away is not asked again at once.
            tokio::time::sleep(PATIENCE).await;
        }
        id
    }

    async fn make_one(&self, record: ScheduleRecord) -> Result<(), ()> {
        let Some(planned) = record.planned else { return Ok(()) };
        let now = self.shared.clock.on_the_wall();
        let schedule = &record.schedule;
        let advance = |run, result, planned, left_out| {
            let (name, id) = (schedule.name.clone(), record.id);
            Advance { name, id, run, result, planned, left_out, now: self.shared.clock.on_the_wall() }
        };
        let when = match schedule.when() {
            Ok(when) => when,
            Err(error) => {
                let why = format!("`cron` {error}");
                ScheduleFailed { name: &schedule.name, why: &why, again_at: None }.emit();
                return self.note(advance(Some(planned.occurrence), Err(why), None, 0)).await;
            }
        };
        let step = when.step(schedule.missed, &planned, now);
        let next = step.next.map(PlannedRun::at);
        if step.left_out > 0 {
            RunsMissed { name: &schedule.name, count: step.left_out }.emit();
        }
        let Some(run) = step.run else { return self.note(advance(None, Ok(None), next, step.left_out)).await };
        let (result, planned) = match self.send(schedule, run).await {
            Ok(id) => {
                ScheduleRan { name: &schedule.name, late: now.since(run) }.emit();
                (Ok(Some(id)), next)
            }
            Err(Failure::Ours) => return Err(()),
            Err(Failure::Final(why)) => {
                ScheduleFailed { name: &schedule.name, why: &why, again_at: None }.emit();
                (Err(why), next)
            }
            Err(Failure::Passing(why)) => {
                let failed = PlannedRun { occurrence: run, due_at: planned.due_at, tries: step.tries };
                let again = when.try_again(schedule.missed, &failed, self.shared.clock.on_the_wall());
                let again_at = again.map(|again| again.due_at);
                let why = if again.is_some() { why } else { format!("given up after {} tries: {why}", step.tries + 1) };
                ScheduleFailed { name: &schedule.name, why: &why, again_at }.emit();
                (Err(why), again.or(next))
            }
        };
        crash_point("schedule-before-advance");
        self.note(advance(Some(run), result, planned, step.left_out)).await
    }

    async fn note(&self, advance: Advance) -> Result<(), ()> {
        self.shared.ledger.advance_schedule(advance).await.map_err(|error| LedgerFailed { error: &error }.emit())
    }

    /// Hands a run in. One that was handed in before is answered with the message that it made then.
    async fn send(&self, schedule: &Schedule, run: Timestamp) -> Result<MessageId, Failure> {
        let by_fetching = schedule.variables_from.is_some();
        let mut submission = self.submission(schedule).await.map_err(|(field, why)| {
            let why = format!("`{field}` {why}");
            if field == "variables_from" { Failure::Passing(why) } else { Failure::Final(why) }
        })?;
        let key = format!("schedule:{}:{}", schedule.name, run.as_millis());
        // The run is what is asked for, whatever its variables are by now.
        let hash = request_hash(key.as_bytes());
        submission.idempotency = Some((key, hash));
        match self.shared.intake.accept(&schedule.grant, submission).await {
            Ok(receipt) => Ok(receipt.id),
            Err(AcceptError::NotStored(_) | AcceptError::Overloaded | AcceptError::Interrupted) => Err(Failure::Ours),
            // Perhaps they were not all there yet.
            Err(error @ AcceptError::Invalid(_)) if by_fetching => Err(Failure::Passing(error.to_string())),
            Err(error) => Err(Failure::Final(error.to_string())),
        }
    }
}
