//! Retention: messages of long ago are forgotten, with all that hangs on them, a few at a time.

use domain::{MessageId, Timestamp};
use rusqlite::{Connection, params};

use super::{rows, search};

/// Forgets settled messages accepted before a time, the oldest first; returns how many.
pub(super) fn forget_messages(connection: &Connection, before: Timestamp, limit: usize) -> rusqlite::Result<usize> {
    // Ids begin with their time.
    let end = MessageId::first_at(before);
    let mut find =
        connection.prepare_cached("SELECT id, tags FROM message WHERE id < ? AND state >= 2 ORDER BY id LIMIT ?")?;
    let old = find.query_map(params![end.to_bytes(), rows::limit(limit)], |row| {
        Ok((MessageId::from_bytes(row.get(0)?), row.get::<_, Option<String>>(1)?))
    })?;
    let old = old.collect::<rusqlite::Result<Vec<_>>>()?;
    for (id, tags) in &old {
        forget(connection, *id, &rows::tags(tags.as_deref()))?;
    }
    if !old.is_empty() {
        search::forget_runs(connection)?;
    }
    pipeline::crash_point("forget-messages-before-commit");
    Ok(old.len())
}

fn forget(connection: &Connection, id: MessageId, tags: &[String]) -> rusqlite::Result<()> {
    search::forget(connection, id, tags)?;
    let (first, last) = id.delivery_range();
    let range = [first.to_bytes(), last.to_bytes()];
    connection.prepare_cached("DELETE FROM recipient WHERE delivery_id BETWEEN ? AND ?")?.execute(range)?;
    connection.prepare_cached("DELETE FROM delivery WHERE id BETWEEN ? AND ?")?.execute(range)?;
    let (first, last) = id.attempt_range();
    connection
        .prepare_cached("DELETE FROM attempt WHERE id BETWEEN ? AND ?")?
        .execute([first.to_bytes(), last.to_bytes()])?;
    connection.prepare_cached("DELETE FROM escalation WHERE message_id = ?")?.execute([id.to_bytes()])?;
    connection.prepare_cached("DELETE FROM long_content WHERE message_id = ?")?.execute([id.to_bytes()])?;
    super::callbacks::forget_message(connection, id)?;
    connection.prepare_cached("DELETE FROM message WHERE id = ?")?.execute([id.to_bytes()]).map(drop)
}
