//! Figures: how deliveries ended, counted when asked for, from the deliveries themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{Lane, MessageId, RecipientState, Timestamp};
use pipeline::ports::StatRow;
use rusqlite::{Connection, params};

use super::rows;

const HOUR_MILLIS: i64 = 3600 * 1000;
/// How long before its end a delivery that is counted may have been accepted: beyond the longest retry deadlines.
const ACCEPTED_BEFORE: Duration = Duration::from_secs(3 * 24 * 3600);

/// Counts what ended from one time to another.
pub(super) fn stats(
    connection: &Connection,
    caller: Option<&str>,
    since: Timestamp,
    until: Timestamp,
) -> rusqlite::Result<Vec<StatRow>> {
    let mut find = connection.prepare_cached(
        "SELECT d.settled_at / ?1, d.lane, json_extract(open_pii(m.route), '$.name'), d.state, json_extract(open_pii(d.reason), '$.code'),
             json_extract(m.template, '$.name'), COUNT(*),
             SUM(1 + length(d.recipients) - length(replace(d.recipients, char(10), ''))),
             AVG(d.settled_at - m.accepted_at), MAX(d.settled_at - m.accepted_at)
         FROM delivery AS d JOIN message AS m ON m.id = message_of(d.id)
         WHERE d.id >= ?2 AND d.settled_at >= ?3 AND d.settled_at < ?4 AND d.state >= 2 AND (?5 IS NULL OR d.caller = ?5)
         GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6",
    )?;
    let first = MessageId::first_at(since - ACCEPTED_BEFORE).to_bytes();
    let asked = params![HOUR_MILLIS, first, since.as_millis(), until.as_millis(), caller];
    let found = find.query_map(asked, |row| {
        Ok(StatRow {
            hour: Timestamp::from_millis(row.get::<_, i64>(0)? * HOUR_MILLIS),
            lane: Lane::from_stored(row.get_ref(1)?.as_str()?).main(),
            route: row.get(2)?,
            state: rows::recipient_state(row.get(3)?)?,
            code: row.get(4)?,
            template: row.get(5)?,
            deliveries: row.get::<_, i64>(6)?.unsigned_abs(),
            recipients: row.get::<_, i64>(7)?.unsigned_abs(),
            mean_millis: row.get(8)?,
            most_millis: row.get(9)?,
        })
    })?;
    let mut rows: BTreeMap<_, StatRow> = BTreeMap::new();
    for row in found {
        let row = row?;
        // Side lanes are their main lane's.
        let made = (row.route.clone(), row.template.clone());
        let key = (row.hour, row.lane.clone(), made, row.state as u8, row.code.clone());
        match rows.get_mut(&key) {
            Some(known) => add(known, &row),
            None => drop(rows.insert(key, row)),
        }
    }
    Ok(rows.into_values().collect())
}

fn add(known: &mut StatRow, more: &StatRow) {
    let all = known.deliveries + more.deliveries;
    let sum = known.mean_millis * known.deliveries as f64 + more.mean_millis * more.deliveries as f64;
    known.mean_millis = sum / all.max(1) as f64;
    known.most_millis = known.most_millis.max(more.most_millis);
    known.deliveries = all;
    known.recipients += more.recipients;
}

/// What is counted as an end: only those are shown by state.
const _: () = assert!(RecipientState::Delivered as u8 == 2);
