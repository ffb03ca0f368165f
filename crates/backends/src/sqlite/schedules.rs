//! Schedules: kept sealed, and moved from run to run.

use async_trait::async_trait;
use domain::{MessageId, PlannedRun, Timestamp, VariablesFrom};
use pipeline::ports::{Advance, LedgerError, Schedule, ScheduleRecord, Schedules};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};

use super::{SqliteLedger, grants, rows};

/// What is sealed of a schedule.
#[derive(Serialize, Deserialize)]
struct Sealed {
    body: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    variables_from: Option<VariablesFrom>,
}

/// What is read of a schedule `s`.
const COLUMNS: &str =
    "SELECT s.*, opened('schedule', s.name, s.sealed) AS opened, open_pii(s.last_error) AS opened_error
     FROM schedule s ";

fn record(row: &Row<'_>) -> rusqlite::Result<ScheduleRecord> {
    let opened = row.get_ref("opened")?.as_str_or_null()?;
    let opened: Option<Sealed> = opened.and_then(|json| serde_json::from_str(json).ok());
    let (body, variables_from) = opened.map_or((None, None), |opened| (Some(opened.body), opened.variables_from));
    let missed = row.get_ref("missed")?.as_str_or_null()?.and_then(|missed| serde_json::from_str(missed).ok());
    let grant = grants::readable(row);
    // A row of which anything cannot be read sends nothing, and says so when it is due; others are not held up.
    let body = body.filter(|_| missed.is_some() && grant.is_some());
    let tries = row.get("tries")?;
    let planned = rows::maybe_time(row, "occurrence")?.zip(rows::maybe_time(row, "due_at")?);
    Ok(ScheduleRecord {
        id: row.get("id")?,
        schedule: Schedule {
            name: row.get("name")?,
            grant: grant.unwrap_or_else(|| grants::nothing(row)),
            cron: row.get("cron")?,
            zone: row.get("zone")?,
            at: rows::maybe_time(row, "at")?,
            missed: missed.unwrap_or_default(),
            paused: row.get("paused")?,
            body,
            variables_from,
        },
        planned: planned.map(|(occurrence, due_at)| PlannedRun { occurrence, due_at, tries }),
        planned_at: rows::time(row, "planned_at")?,
        created_at: rows::time(row, "created_at")?,
        last_run: rows::maybe_time(row, "last_run")?.zip(rows::maybe_time(row, "last_ended")?),
        last_message: row.get::<_, Option<[u8; 16]>>("last_message")?.map(MessageId::from_bytes),
        last_error: row.get("opened_error")?,
        left_out: row.get::<_, i64>("left_out")?.unsigned_abs(),
    })
}

/// The columns of a plan: which run, when it is tried, how often it was in vain.
fn columns_of(planned: Option<PlannedRun>) -> (Option<i64>, Option<i64>, u32) {
    let occurrence = planned.map(|planned| planned.occurrence.as_millis());
    (occurrence, planned.map(|planned| planned.due_at.as_millis()), planned.map_or(0, |planned| planned.tries))
}

fn put(
    connection: &Connection,
    schedule: &Schedule,
    planned: Option<PlannedRun>,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let unwritable = |error: serde_json::Error| rows::corrupt(error.to_string());
    let body = schedule.body.clone().unwrap_or_default();
    let sealed = Sealed { body, variables_from: schedule.variables_from.clone() };
    let sealed = serde_json::to_string(&sealed).map_err(unwritable)?;
    let [scopes, allow, key] = grants::columns(&schedule.grant)?;
    let (occurrence, due_at, tries) = columns_of(planned);
    let known = connection
        .query_row(
            "SELECT last_run, last_ended, last_message, left_out FROM schedule WHERE name = ?",
            [&schedule.name],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .optional()?;
    let (last_run, last_ended, last_message, left_out): (Option<i64>, Option<i64>, Option<[u8; 16]>, i64) =
        known.unwrap_or_default();
    // A new row, not a changed one: a run that is under way must not move the plan of what is kept in its place.
    connection.execute(
        "INSERT OR REPLACE INTO schedule (name, caller, scopes, allow, cron, zone, at, missed, paused, sealed,
             occurrence, due_at, tries, planned_at, created_at, last_run, last_ended, last_message, left_out, key)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, seal('schedule', ?1, ?10), ?11, ?12, ?13, ?14, ?14, ?15, ?16, ?17, ?18, ?19)",
        params![
            schedule.name,
            schedule.grant.caller.as_str(),
            scopes,
            allow,
            schedule.cron,
            schedule.zone,
            schedule.at.map(Timestamp::as_millis),
            serde_json::to_string(&schedule.missed).map_err(unwritable)?,
            schedule.paused,
            sealed,
            occurrence,
            due_at,
            tries,
            now.as_millis(),
            last_run,
            last_ended,
            last_message,
            left_out,
            key,
        ],
    )?;
    Ok(())
}

fn advance(connection: &Connection, advance: &Advance) -> rusqlite::Result<()> {
    let (occurrence, due_at, tries) = columns_of(advance.planned);
    let now = advance.now.as_millis();
    connection.execute(
        "UPDATE schedule SET occurrence = ?, due_at = ?, tries = ?, planned_at = ? WHERE name = ? AND id = ? AND paused = 0",
        params![occurrence, due_at, tries, now, advance.name, advance.id],
    )?;
    let left_out = i64::try_from(advance.left_out).unwrap_or(i64::MAX);
    connection
        .execute("UPDATE schedule SET left_out = left_out + ? WHERE name = ?", params![left_out, advance.name])?;
    let Some(run) = advance.run else { return Ok(()) };
    let (message, error) = match &advance.result {
        Ok(message) => (message.map(|id| id.to_bytes()), None),
        Err(error) => (None, Some(error)),
    };
    connection
        .execute(
            "UPDATE schedule SET last_run = ?, last_ended = ?, last_message = ?, last_error = seal_pii(?) WHERE name = ?",
            params![run.as_millis(), now, message, error, advance.name],
        )
        .map(drop)
}

#[async_trait]
impl Schedules for SqliteLedger {
    async fn schedules(&self) -> Result<Vec<ScheduleRecord>, LedgerError> {
        let find = |connection: &mut Connection| {
            let mut find = connection.prepare_cached(&format!("{COLUMNS} ORDER BY s.name"))?;
            find.query_map([], record)?.collect()
        };
        self.readers.read("read the schedules", find).await
    }

    async fn schedule(&self, name: &str) -> Result<Option<ScheduleRecord>, LedgerError> {
        let name = name.to_owned();
        let find = move |connection: &mut Connection| {
            let mut find = connection.prepare_cached(&format!("{COLUMNS} WHERE s.name = ?"))?;
            find.query_row([&name], record).optional()
        };
        self.readers.read("read a schedule", find).await
    }

    async fn due_schedules(&self, now: Timestamp, limit: usize) -> Result<Vec<ScheduleRecord>, LedgerError> {
        let find = move |connection: &mut Connection| {
            let due = format!("{COLUMNS} WHERE s.due_at <= ? AND s.paused = 0 ORDER BY s.due_at LIMIT ?");
            let mut find = connection.prepare_cached(&due)?;
            find.query_map([now.as_millis(), rows::limit(limit)], record)?.collect()
        };
        self.readers.read("look which schedules are due", find).await
    }

    async fn next_schedule(&self, after: Timestamp) -> Result<Option<Timestamp>, LedgerError> {
        let find = move |connection: &mut Connection| {
            let mut find =
                connection.prepare_cached("SELECT MIN(due_at) FROM schedule WHERE due_at > ? AND paused = 0")?;
            find.query_row([after.as_millis()], |row| rows::maybe_time(row, 0))
        };
        self.readers.read("look when a schedule is due", find).await
    }

    async fn put_schedule(
        &self,
        schedule: Schedule,
        planned: Option<PlannedRun>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        self.writer.change("keep a schedule", move |connection| put(connection, &schedule, planned, now)).await
    }

    async fn pause_schedule(
        &self,
        name: &str,
        paused: bool,
        planned: Option<PlannedRun>,
        now: Timestamp,
    ) -> Result<bool, LedgerError> {
        let name = name.to_owned();
        let pause = move |connection: &Connection| {
            let (occurrence, due_at, tries) = columns_of(planned);
            let changed = connection.execute(
                "UPDATE schedule SET paused = ?, occurrence = ?, due_at = ?, tries = ?, planned_at = ? WHERE name = ?",
                params![paused, occurrence, due_at, tries, now.as_millis(), name],
            )?;
            Ok(changed > 0)
        };
        self.writer.change("pause a schedule", pause).await
    }

    async fn advance_schedule(&self, change: Advance) -> Result<(), LedgerError> {
        self.writer.change("note a schedule's run", move |connection| advance(connection, &change)).await
    }

    async fn forget_schedule(&self, name: &str) -> Result<bool, LedgerError> {
        let name = name.to_owned();
        let forget =
            move |connection: &Connection| Ok(connection.execute("DELETE FROM schedule WHERE name = ?", [name])? > 0);
        self.writer.change("forget a schedule", forget).await
    }
}
