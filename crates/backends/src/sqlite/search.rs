//! What messages are found by: recipients and tags.
//!
//! Each message is found by terms that lie far apart in an index of all messages; writing them so would be most of what
//! accepting costs. So they are written some seconds later, many at once, in runs of messages accepted one after
//! another: each run is a small index of its own, and a search asks every run. What is newer is looked through by itself.

use domain::{MessageId, Timestamp};
use pipeline::ports::MessageFilter;
use rusqlite::types::Value;
use rusqlite::{Connection, params};

use super::memory::Memory;
use super::rows;

/// Messages of one run: few enough that its pages are few, many enough that a search asks few runs.
const RUN: i64 = 4096;

/// Up to where messages are found by their terms.
pub(super) fn indexed_until(connection: &Connection) -> rusqlite::Result<MessageId> {
    connection
        .prepare_cached("SELECT until FROM run ORDER BY number DESC LIMIT 1")?
        .query_row([], |row| Ok(MessageId::from_bytes(row.get(0)?)))
}

/// Writes the terms of messages accepted before a time, the oldest first; returns of how many.
pub(super) fn index_messages(
    connection: &Connection,
    memory: &mut Memory,
    before: Timestamp,
    limit: usize,
) -> rusqlite::Result<usize> {
    let mut find =
        connection.prepare_cached("SELECT id, tags FROM message WHERE id > ? AND id < ? ORDER BY id LIMIT ?")?;
    let range = params![memory.indexed_until.to_bytes(), MessageId::first_at(before).to_bytes(), rows::limit(limit)];
    let found = find.query_map(range, |row| {
        Ok((MessageId::from_bytes(row.get(0)?), rows::tags(row.get_ref(1)?.as_str_or_null()?)))
    })?;
    let found = found.collect::<rusqlite::Result<Vec<_>>>()?;
    let Some((last, _)) = found.last() else { return Ok(0) };
    let mut terms = Vec::with_capacity(found.len());
    for (id, tags) in &found {
        terms.extend(terms_of(connection, *id, tags)?.into_iter().map(|term| (term, *id)));
    }
    terms.sort_unstable();
    insert(connection, extend_run(connection, *last, rows::limit(found.len()))?, &terms)?;
    memory.indexed_until = *last;
    Ok(found.len())
}

/// Counts messages into the last run, or into a new one if that is full; returns its number.
fn extend_run(connection: &Connection, last: MessageId, messages: i64) -> rusqlite::Result<i64> {
    let (number, held): (i64, i64) = connection
        .prepare_cached("SELECT number, messages FROM run ORDER BY number DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (number, held) = if held < RUN { (number, held) } else { (number + 1, 0) };
    connection
        .prepare_cached("INSERT OR REPLACE INTO run (number, messages, until) VALUES (?, ?, ?)")?
        .execute(params![number, held + messages, last.to_bytes()])?;
    Ok(number)
}

/// Writes the terms of a message that was accepted long before it could be stored, into the run of its time.
pub(super) fn insert_late(connection: &Connection, id: MessageId, terms: Vec<String>) -> rusqlite::Result<()> {
    let terms: Vec<_> = terms.into_iter().map(|term| (term, id)).collect();
    insert(connection, run_of(connection, id)?, &terms)
}

/// Forgets terms of a message.
pub(super) fn forget(connection: &Connection, id: MessageId, tags: &[String]) -> rusqlite::Result<()> {
    let run = run_of(connection, id)?;
    for term in terms_of(connection, id, tags)? {
        connection
            .prepare_cached("DELETE FROM term WHERE run = ? AND term = ? AND message_id = ?")?
            .execute(params![run, term, id.to_bytes()])?;
    }
    Ok(())
}

/// Forgets one term of a message.
pub(super) fn forget_term(connection: &Connection, id: MessageId, term: &str) -> rusqlite::Result<()> {
    let run = run_of(connection, id)?;
    connection
        .prepare_cached("DELETE FROM term WHERE run = ? AND term = seal_recipients(?) AND message_id = ?")?
        .execute(params![run, term, id.to_bytes()])
        .map(drop)
}

/// Forgets runs that lie before all messages.
pub(super) fn forget_runs(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM run WHERE until < (SELECT MIN(id) FROM message) AND number < (SELECT MAX(number) FROM run)",
        )?
        .execute([])
        .map(drop)
}

/// The run of a message that is indexed: the first that ends with it or later.
fn run_of(connection: &Connection, id: MessageId) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT COALESCE(MIN(number), 1) FROM run WHERE until >= ?")?
        .query_row([id.to_bytes()], |row| row.get(0))
}

fn insert(connection: &Connection, run: i64, terms: &[(String, MessageId)]) -> rusqlite::Result<()> {
    let mut insert = connection
        .prepare_cached("INSERT OR IGNORE INTO term (run, term, message_id) VALUES (?, seal_recipients(?), ?)")?;
    for (term, id) in terms {
        insert.execute(params![run, term, id.to_bytes()])?;
    }
    Ok(())
}

/// What a message is found by, as the ledger holds it.
pub(super) fn terms_of(connection: &Connection, id: MessageId, tags: &[String]) -> rusqlite::Result<Vec<String>> {
    let (first, last) = id.delivery_range();
    let mut find = connection.prepare_cached("SELECT recipients FROM delivery WHERE id BETWEEN ? AND ?")?;
    let mut terms: Vec<String> = tags.iter().map(|tag| rows::tag_term(tag)).collect();
    let mut found = find.query([first.to_bytes(), last.to_bytes()])?;
    while let Some(row) = found.next()? {
        terms.extend(row.get_ref(0)?.as_str()?.lines().map(str::to_owned));
    }
    Ok(terms)
}

/// A condition on the message `m`, and what is bound in it.
pub(super) type Condition = (String, Value);

/// The conditions that a filter's recipient and tag put on messages whose terms are not written yet.
pub(super) fn unwritten(filter: &MessageFilter) -> Vec<Condition> {
    let mut conditions = Vec::new();
    if let Some(recipient) = &filter.recipient {
        let condition = "EXISTS (SELECT 1 FROM delivery AS d WHERE d.id > m.id
            AND d.id < COALESCE((SELECT MIN(id) FROM message WHERE id > m.id), x'ffffffffffffffffffffffffffffffff')
            AND instr(char(10) || d.recipients || char(10), char(10) || seal_recipients(?) || char(10)))";
        conditions.push((condition.to_owned(), recipient.to_string().into()));
    }
    if let Some(tag) = &filter.tag {
        conditions.push(("EXISTS (SELECT 1 FROM json_each(m.tags) WHERE value = ?)".to_owned(), tag.clone().into()));
    }
    conditions
}

/// The same for messages whose terms are written.
pub(super) fn written(filter: &MessageFilter) -> Vec<Condition> {
    let terms = [filter.recipient.as_ref().map(ToString::to_string), filter.tag.as_deref().map(rows::tag_term)];
    let condition = "m.id IN (SELECT t.message_id FROM run CROSS JOIN term AS t ON t.run = run.number
             WHERE t.term = seal_recipients(?))";
    terms.into_iter().flatten().map(|term| (condition.to_owned(), Value::from(term))).collect()
}
