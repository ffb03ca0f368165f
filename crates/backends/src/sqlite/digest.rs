//! Digests: many deliveries tied to the one that carries them all.
//!
//! The one that carries them points at itself, so that nothing withdraws it by itself any more. Its outcome is that of
//! all; if it fails, each goes on by itself, and is not merged again.

use domain::{Content, Delivery, DeliveryId, Outcome, RecipientState, Timestamp};

use pipeline::ports::{ClosedDigest, Companion, DigestClosing, Settlement};
use pipeline::request_hash;
use rusqlite::{Connection, params};

use super::memory::RecentRequests;
use super::rows::{self, whole_content};
use super::settle::{refresh_messages, remember_escalation};

/// What waits for the same recipients in the same group, in the order of acceptance.
pub(super) fn companions(
    connection: &Connection,
    of: &Delivery,
    now: Timestamp,
    limit: usize,
) -> rusqlite::Result<Vec<Companion>> {
    let mut find = connection.prepare_cached(concat!(
        "SELECT d.id, ",
        whole_content!(),
        ", open_pii(m.options)
         FROM delivery AS d JOIN message AS m ON m.id = message_of(d.id)
         WHERE d.state = 0 AND d.recall = 0 AND d.lane = seal_member(?1) AND d.digest = ?2 AND d.recipients = seal_recipients(?3)
             AND d.digest_of IS NULL
             AND d.attempts = 0 AND d.priority = ?4 AND (d.expires_at IS NULL OR d.expires_at > ?5)
             AND (m.send_at IS NULL OR m.send_at <= ?5)
         ORDER BY d.id LIMIT ?6"
    ))?;
    let asked = params![
        of.lane.as_str(),
        of.digest.as_deref(),
        of.recipients.to_stored(),
        of.priority.rank(),
        now.as_millis(),
        rows::limit(limit)
    ];
    let found = find.query_map(asked, |row| {
        let delivery = rows::delivery_id(row, 0)?;
        let content = row.get_ref(1)?.as_str_or_null()?.and_then(Content::from_stored);
        let options = rows::options_from_stored(row.get_ref(2)?.as_str_or_null()?);
        Ok(content.map(|content| Companion { delivery, content, options, accepted_at: delivery.message().time() }))
    })?;
    Ok(found.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// Freezes the request of a digest and ties the others to it, all of them or none.
pub(super) fn close(
    connection: &Connection,
    requests: &mut RecentRequests,
    closing: &DigestClosing,
) -> rusqlite::Result<ClosedDigest> {
    let leader = closing.leader.id.to_bytes();
    let mut waits = connection
        .prepare_cached("SELECT 1 FROM delivery WHERE id = ? AND state = 0 AND recall = 0 AND digest_of IS NULL")?;
    let mut gone = Vec::new();
    for companion in &closing.companions {
        if !waits.exists([companion.to_bytes()])? {
            gone.push(*companion);
        }
    }
    if !gone.is_empty() {
        return Ok(ClosedDigest::Gone(gone));
    }
    // Two digests may well say the same: the upstream must not take one for a repeat of the other.
    let checked = closing.checked.as_ref().map(|body| (body, request_hash(body)));
    let checked = checked.filter(|(_, hash)| !requests.holds(*hash, &closing.leader));
    let body = checked.map_or(&closing.body, |(body, _)| body);
    let text = std::str::from_utf8(body).ok();
    // Once closed, the time of one of its messages is no longer the time of the whole.
    let closed = connection
        .prepare_cached(
            "UPDATE delivery SET body = seal_text('request', id, ?), digest_of = id, expires_at = NULL, duplicate_check = ?
             WHERE id = ? AND fence = ? AND state = 1 AND recall = 0",
        )?
        .execute(params![text, checked.is_some(), leader, closing.lease.fence])?;
    if closed == 0 {
        return Ok(ClosedDigest::Stale);
    }
    let mut join = connection.prepare_cached("UPDATE delivery SET state = ?, digest_of = ? WHERE id = ?")?;
    for companion in &closing.companions {
        join.execute(params![RecipientState::Joined as u8, leader, companion.to_bytes()])?;
    }
    if let Some((_, hash)) = checked {
        requests.note(connection, hash, &closing.leader, closing.now)?;
    }
    pipeline::crash_point("digest-before-commit");
    Ok(ClosedDigest::Closed { body: body.clone(), checked: checked.is_some() })
}

/// Ends those merged into a delivery as it ended. `true` if it failed: then all of them wait again, each by itself.
pub(super) fn end(
    connection: &Connection,
    leader: DeliveryId,
    state: RecipientState,
    settlement: &Settlement,
) -> rusqlite::Result<bool> {
    let mut find =
        connection.prepare_cached("SELECT id FROM delivery WHERE digest_of = ?1 AND (id = ?1 OR state = ?2)")?;
    let tied =
        find.query_map(params![leader.to_bytes(), RecipientState::Joined as u8], |row| rows::delivery_id(row, 0))?;
    let tied = tied.collect::<rusqlite::Result<Vec<_>>>()?;
    if tied.is_empty() {
        return Ok(false);
    }
    let failed = matches!(state, RecipientState::Failed | RecipientState::Expired);
    if failed {
        connection
            .prepare_cached(
                "UPDATE delivery SET state = 0, due_at = ?2, tries = 0, digest = NULL, digest_of = NULL, body = NULL, settled_at = NULL,
                     uncertain_since = NULL, duplicate_check = NULL,
                     expires_at = (SELECT expires_at FROM message WHERE id = message_of(delivery.id))
                 WHERE digest_of = ?1 AND (id = ?1 OR state = ?3)",
            )?
            .execute(params![leader.to_bytes(), settlement.now.as_millis(), RecipientState::Joined as u8])?;
    } else {
        let Outcome::Final { unconfirmed, reason, .. } = &settlement.outcome else { return Ok(false) };
        connection
            .prepare_cached(
                "UPDATE delivery SET state = ?, settled_at = ?, unconfirmed = ?, reason = seal_pii(?)
                 WHERE digest_of = ?5 AND id <> ?5 AND state = ?6",
            )?
            .execute(params![
                state as u8,
                settlement.now.as_millis(),
                unconfirmed,
                rows::reason_to_stored(reason.as_ref()),
                leader.to_bytes(),
                RecipientState::Joined as u8
            ])?;
        if let Some(at) = settlement.escalate_at {
            for id in &tied {
                remember_escalation(connection, id.message(), at)?;
            }
        }
    }
    refresh_messages(connection, &tied)?;
    Ok(failed)
}
