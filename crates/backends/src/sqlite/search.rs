//! What messages are found by: recipients and tags.
//!
//! Each message is found by terms that lie far apart in the index; writing them one message at a time would be most of
//! what accepting costs. So they are written some seconds later, many at once and in order; what is newer is looked
//! through by itself.

use domain::{MessageId, Timestamp};
use pipeline::ports::MessageFilter;
use rusqlite::types::Value;
use rusqlite::{Connection, params};

use super::memory::Memory;
use super::rows;

/// Up to where messages are found by their terms.
pub(super) fn indexed_until(connection: &Connection) -> rusqlite::Result<MessageId> {
    connection.prepare_cached("SELECT until FROM indexed")?.query_row([], |row| Ok(MessageId::from_bytes(row.get(0)?)))
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
    insert(connection, &terms)?;
    connection.prepare_cached("UPDATE indexed SET until = ?")?.execute([last.to_bytes()])?;
    memory.indexed_until = *last;
    Ok(found.len())
}

/// Writes terms.
pub(super) fn insert(connection: &Connection, terms: &[(String, MessageId)]) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached("INSERT OR IGNORE INTO term (term, message_id) VALUES (?, ?)")?;
    for (term, id) in terms {
        insert.execute(params![term, id.to_bytes()])?;
    }
    Ok(())
}

/// What a message is found by.
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
            AND instr(char(10) || d.recipients || char(10), char(10) || ? || char(10)))";
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
    let condition =
        |term: String| ("m.id IN (SELECT message_id FROM term WHERE term = ?)".to_owned(), Value::from(term));
    terms.into_iter().flatten().map(condition).collect()
}
