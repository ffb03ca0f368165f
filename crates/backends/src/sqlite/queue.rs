//! The queue: claims under a fence, in turns between callers; what is due; leases that end with their process.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{
    CallerId, Content, Delivery, DeliveryId, Lane, MessageId, Priority, Reason, RecipientSet, RecipientState, Standing,
    Timestamp, turns,
};
use pipeline::ports::{
    Claim, Claimed, Claims, ClosedDigest, Companion, DigestClosing, Division, LateAnswer, Lease, LedgerError, Moving,
    Queue, SentTo, Settled, Settlement,
};
use pipeline::{claim_order, request_hash};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::admit::{insert_more, last_position};
use super::commit_number;
use super::memory::Memory;
use super::rows::{delivery_columns, whole_content};
use super::settle::{insert_attempt, refresh_messages};
use super::writer::is_about_one;
use super::{SqliteLedger, digest, rows};

/// How long before it was tried a delivery that counts may have been accepted: the deadline of retries, and some more.
const ACCEPTED_BEFORE: Duration = Duration::from_secs(2 * 24 * 3600);

const LEASED: u8 = RecipientState::Sending as u8;

/// Claims what is due on a lane. Reads first: a lane on which nothing is due costs no write.
pub(super) fn claim(connection: &Connection, memory: &mut Memory, claim: &Claim) -> rusqlite::Result<Claims> {
    let mut due = Due::default();
    if let Some(moving) = claim.moving {
        due.look_for_moving(connection, claim, moving)?;
    } else {
        for priority in claim_order(claim.lowest_first) {
            due.look(connection, claim, priority)?;
        }
    }
    let mut claimed = Vec::with_capacity(due.ids.len());
    let mut unreadable = Vec::new();
    for id in &due.ids {
        match take(connection, memory, claim, *id)? {
            Some(readable) => claimed.push(readable),
            None => unreadable.push(*id),
        }
    }
    bury(connection, &unreadable, claim.now)?;
    // Where there was room for all that is due, the next is known, too.
    let next_due = if due.ids.len() < claim.limit { due.next } else { Some(claim.now) };
    Ok(Claims { claimed, next_due: next_due.filter(|_| claim.limit > 0) })
}

/// What is due, and when the next is.
#[derive(Default)]
struct Due {
    ids: Vec<DeliveryId>,
    next: Option<Timestamp>,
}

impl Due {
    /// Looks for what waits and has a later step to go to.
    fn look_for_moving(&mut self, connection: &Connection, claim: &Claim, moving: Moving) -> rusqlite::Result<()> {
        // Each by an index of its own: whatever the backlog, only what moves is looked at.
        let which = if moving.at_once {
            "moves_at IS NOT NULL AND (moves_at <= ?2 OR due_at <= ?2 OR attempts > 0) AND ?3 >= 0"
        } else {
            "moves_at <= ?2 AND ?3 >= 0"
        };
        let over_budget = "moves_at IS NOT NULL AND budget IS NOT NULL AND budget <= ?3 AND due_at <= ?2";
        for which in [which, over_budget] {
            let room = claim.limit - self.ids.len();
            let sql = format!(
                "SELECT id FROM delivery WHERE state = 0 AND recall = 0 AND lane = seal_member(?1) AND {which} LIMIT ?4"
            );
            let mut find = connection.prepare_cached(&sql)?;
            let asked = params![claim.lane.as_str(), claim.now.as_millis(), moving.used, rows::limit(room)];
            for found in find.query_map(asked, |row| rows::delivery_id(row, 0))? {
                let id = found?;
                if !self.ids.contains(&id) {
                    self.ids.push(id);
                }
            }
        }
        Ok(())
    }

    /// Looks for what is due of one priority, in turns between the callers.
    fn look(&mut self, connection: &Connection, claim: &Claim, priority: Priority) -> rusqlite::Result<()> {
        let room = claim.limit - self.ids.len();
        if room == 0 {
            return Ok(());
        }
        let mut callers = callers(connection, claim.lane.as_str(), priority)?;
        if let Some(served) = &claim.served {
            // Those after the one that was served last come first.
            let turn = callers.partition_point(|caller| caller.as_str() <= served.as_str());
            callers.rotate_left(turn);
        }
        let mut find = connection.prepare_cached(
            "SELECT id, due_at FROM delivery WHERE state = 0 AND recall = 0 AND lane = seal_member(?) AND priority = ? AND caller = ?
             ORDER BY due_at LIMIT ?",
        )?;
        let mut waiting = Vec::with_capacity(callers.len());
        for caller in &callers {
            // One more than there is room for: it says when the next is due.
            let asked = params![claim.lane.as_str(), priority.rank(), caller, rows::limit(room + 1)];
            let mut found = find.query(asked)?;
            let mut ids = Vec::new();
            while let Some(row) = found.next()? {
                let due_at = Timestamp::from_millis(row.get(1)?);
                if due_at > claim.now {
                    self.next = Some(self.next.map_or(due_at, |next| next.min(due_at)));
                    break;
                }
                ids.push(DeliveryId::from_bytes(row.get(0)?));
            }
            waiting.push(ids);
        }
        self.ids.extend(turns(waiting, room));
        Ok(())
    }
}

/// Skips from caller to caller in the index, however many deliveries wait for each.
fn callers(connection: &Connection, lane: &str, priority: Priority) -> rusqlite::Result<Vec<String>> {
    let mut next = connection.prepare_cached(
        "SELECT caller FROM delivery WHERE state = 0 AND recall = 0 AND lane = seal_member(?) AND priority = ? AND caller > ?
         ORDER BY caller LIMIT 1",
    )?;
    let mut callers: Vec<String> = Vec::new();
    loop {
        let after = callers.last().map_or("", String::as_str);
        let Some(caller) = next.query_row(params![lane, priority.rank(), after], |row| row.get(0)).optional()? else {
            return Ok(callers);
        };
        callers.push(caller);
    }
}

/// Takes one delivery under a new fence; `None` if this binary cannot read it.
fn take(
    connection: &Connection,
    memory: &mut Memory,
    claim: &Claim,
    id: DeliveryId,
) -> rusqlite::Result<Option<Claimed>> {
    let mut find = connection.prepare_cached(concat!(delivery_columns!(), "FROM delivery WHERE id = ?"))?;
    let found = find.query_row([id.to_bytes()], |row| {
        let delivery = rows::delivery(row)?;
        Ok((delivery, standing(row)?, Taken::read(row)?))
    });
    let (delivery, mut standing, taken) = match found {
        Ok(found) => found,
        Err(error) if is_about_one(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    // What was claimed and put back was not sent: others may have been, meanwhile. A digest was decided when it was closed.
    let is_digest = taken.digest_of.is_some();
    let undecided = !is_digest && (taken.duplicate_check.is_none() || standing.attempts == 0);
    if undecided && claim.equal_since.is_some() {
        standing.duplicate_check = !memory.requests.holds(delivery.request_hash, &delivery);
    }
    let check = match claim.moving {
        Some(_) => taken.duplicate_check,
        None => claim.equal_since.map(|_| standing.duplicate_check),
    };
    let fence = taken.fence + 1;
    connection
        .prepare_cached(
            "UPDATE delivery SET state = ?, fence = ?, last_attempt_at = ?, duplicate_check = ? WHERE id = ?",
        )?
        .execute(params![LEASED, fence, claim.now.as_millis(), check, id.to_bytes()])?;
    if claim.equal_since.is_some() {
        let of_digest = taken.frozen.as_deref().filter(|_| is_digest).map(request_hash);
        memory.requests.note(connection, of_digest.unwrap_or(delivery.request_hash), &delivery, claim.now)?;
    }
    let mut find = connection.prepare_cached(concat!(
        "SELECT ",
        whole_content!(),
        ", open_pii(options), open_pii(route) FROM message AS m WHERE id = ?"
    ))?;
    let (content, options, route) = find.query_row([id.message().to_bytes()], |row| {
        Ok((
            row.get_ref(0)?.as_str_or_null()?.and_then(Content::from_stored),
            rows::options_from_stored(row.get_ref(1)?.as_str_or_null()?),
            rows::route_from_stored(row.get_ref(2)?.as_str_or_null()?),
        ))
    })?;
    let lease = Lease { delivery: id, fence, duplicate_check: standing.duplicate_check };
    let Taken { caller, frozen, sole, digest_of, handle, .. } = taken;
    Ok(Some(Claimed {
        delivery,
        caller,
        lease,
        standing,
        content,
        options,
        route,
        digest_of,
        handle,
        frozen,
        rendered: None,
        sole,
    }))
}

/// What a claim reads of a delivery beside its value and standing.
struct Taken {
    caller: CallerId,
    fence: i64,
    duplicate_check: Option<bool>,
    frozen: Option<Bytes>,
    sole: bool,
    digest_of: Option<DeliveryId>,
    handle: Option<String>,
}

impl Taken {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            caller: CallerId::new(row.get::<_, String>(12)?),
            fence: row.get(13)?,
            duplicate_check: row.get(11)?,
            frozen: row.get::<_, Option<String>>(14)?.map(Bytes::from),
            sole: row.get(15)?,
            digest_of: row.get::<_, Option<[u8; 16]>>(28)?.map(DeliveryId::from_bytes),
            handle: row.get(18)?,
        })
    }
}

/// Settles as dead what this binary cannot read, so that it does not keep the others waiting.
fn bury(connection: &Connection, ids: &[DeliveryId], now: Timestamp) -> rusqlite::Result<()> {
    let reason = Reason::new("unreadable", "what is stored of this delivery cannot be read by this version");
    for id in ids {
        connection
            .prepare_cached("UPDATE delivery SET state = ?, reason = seal_pii(?), settled_at = ? WHERE id = ?")?
            .execute(params![
                RecipientState::Failed as u8,
                rows::reason_to_stored(Some(&reason)),
                now.as_millis(),
                id.to_bytes()
            ])?;
    }
    // What was merged into one that cannot be read goes on by itself.
    for id in ids {
        connection
            .prepare_cached(
                "UPDATE delivery SET state = 0, digest = NULL, digest_of = NULL WHERE digest_of = ? AND state = ?",
            )?
            .execute(params![id.to_bytes(), RecipientState::Joined as u8])?;
    }
    refresh_messages(connection, ids)
}

pub(super) fn standing(row: &Row<'_>) -> rusqlite::Result<Standing> {
    Ok(Standing {
        attempts: row.get(8)?,
        tries: row.get(9)?,
        uncertain_since: rows::maybe_time(row, 10)?,
        duplicate_check: row.get::<_, Option<bool>>(11)?.unwrap_or(false),
    })
}

/// Ends every lease: nobody holds them any more. The calls may have been made, so each is recorded as an attempt
/// without an answer, which also counts against the lane's quota from now on.
pub(super) fn void_leases(connection: &Connection, now: Timestamp) -> rusqlite::Result<usize> {
    let mut find = connection.prepare(
        "SELECT id, lane, attempts, last_attempt_at, uncertain_since IS NOT NULL FROM delivery WHERE state = 1 AND state < 2",
    )?;
    let leased = find.query_map([], |row| {
        let (id, attempts) = (DeliveryId::from_bytes(row.get(0)?), row.get::<_, u16>(2)?);
        Ok((id, row.get::<_, String>(1)?, attempts, row.get::<_, Option<i64>>(3)?, row.get::<_, bool>(4)?))
    })?;
    let leased = leased.collect::<rusqlite::Result<Vec<_>>>()?;
    if leased.is_empty() {
        return Ok(0);
    }
    let reason = rows::reason_to_stored(Some(&Reason::new("interrupted", "the gateway ended before the answer came")));
    let mut insert = connection.prepare(
        "INSERT OR REPLACE INTO attempt (id, started_at, ended_at, result, reason, flags, lane) VALUES (?, ?, ?, 'uncertain', seal_pii(?), ?, ?)",
    )?;
    for (id, lane, attempts, started_at, redelivery) in &leased {
        let flags = if *redelivery { rows::REDELIVERY } else { 0 };
        let attempt = id.attempt(attempts.saturating_add(1)).to_bytes();
        let started_at = started_at.unwrap_or(now.as_millis());
        insert.execute(params![attempt, started_at, now.as_millis(), reason, flags, lane])?;
    }
    connection.execute(
        "UPDATE delivery SET state = 0, attempts = attempts + 1, uncertain_since = COALESCE(uncertain_since, last_attempt_at)
         WHERE state = 1 AND state < 2",
        [],
    )?;
    Ok(leased.len())
}

/// Brings back what waits beyond a clock that was put back since the last commit: what was due in a minute is due in a
/// minute. What its sender set a time for stays where it is.
pub(super) fn pull_back(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    let last = commit_number::last_at(connection)?;
    if last <= now {
        return Ok(());
    }
    let ahead = i64::try_from(last.since(now).as_millis()).unwrap_or(i64::MAX);
    tracing::warn!(
        seconds = ahead / 1000,
        "The machine's clock was put back since the last commit: retries are moved with it"
    );
    connection
        .execute(
            // What was tried before waits for its next try, not for a time of its sender's.
            "UPDATE delivery SET due_at = due_at - ?1, give_up_at = give_up_at - ?1
             WHERE state = 0 AND state < 2 AND attempts > 0 AND due_at > ?2",
            params![ahead, now.as_millis()],
        )
        .map(drop)
}

/// Divides a claimed delivery: it waits with some of its recipients, new ones wait with the others.
fn divide(connection: &Connection, division: &Division) -> rusqlite::Result<bool> {
    let Division { lease, kept, others } = division;
    let room = usize::from(u16::MAX - last_position(connection, lease.delivery.message())?);
    if room < others.len() {
        return Ok(false);
    }
    // Nothing was sent: the next claim decides anew whether its request equals another.
    let mut keep = connection.prepare_cached(
        "UPDATE delivery SET state = 0, lane = seal_member(?), recipients = seal_recipients(?), request_hash = ?, duplicate_check = NULL, body = NULL,
             last_attempt_at = NULL WHERE id = ? AND fence = ? AND state = 1 AND recall = 0 RETURNING caller",
    )?;
    let kept = params![
        kept.lane.as_str(),
        kept.recipients.to_stored(),
        kept.request_hash.short(),
        lease.delivery.to_bytes(),
        lease.fence
    ];
    let Some(caller) = keep.query_row(kept, |row| row.get::<_, String>(0)).optional()? else { return Ok(false) };
    insert_more(connection, &caller, others)?;
    pipeline::crash_point("divide-before-commit");
    Ok(true)
}

fn note_late(connection: &Connection, late: &LateAnswer) -> rusqlite::Result<()> {
    insert_attempt(connection, late.delivery, &late.attempt, late.metered.as_ref().map(Lane::as_str))?;
    connection
        .execute(
            "UPDATE delivery SET handle = COALESCE(?, handle) WHERE id = ?",
            params![late.handle, late.delivery.to_bytes()],
        )
        .map(drop)
}

/// Whom calls on a lane and its side lanes went to. A delivery that was claimed and put back was not called for: of its
/// claims only the last count, as many as it made attempts.
fn recent_recipients(connection: &Connection, lane: &Lane, since: Timestamp) -> rusqlite::Result<Vec<SentTo>> {
    let mut find = connection.prepare_cached(
        "SELECT r.delivery, r.at, open_recipients(d.recipients), d.attempts + (d.state = 1) FROM request AS r JOIN delivery AS d ON d.id = r.delivery
         WHERE r.at >= ? AND r.lane = ? ORDER BY r.rowid DESC",
    )?;
    let mut counted: HashMap<[u8; 16], u32> = HashMap::new();
    let mut sent = Vec::new();
    let mut found = find.query(params![since.as_millis(), lane.as_str()])?;
    while let Some(row) = found.next()? {
        let calls = counted.entry(row.get(0)?).or_default();
        if *calls >= row.get::<_, u32>(3)? {
            continue;
        }
        *calls += 1;
        let recipients = RecipientSet::from_stored(row.get_ref(2)?.as_str()?).unwrap_or_default();
        sent.push(SentTo { recipients, at: rows::time(row, 1)? });
    }
    Ok(sent)
}

/// When the first waiting delivery of a lane is due.
fn first_due(connection: &Connection, lane: &str) -> rusqlite::Result<Option<Timestamp>> {
    let mut find = connection.prepare_cached(
        "SELECT MIN(due_at) FROM delivery WHERE state = 0 AND recall = 0 AND lane = seal_member(?) AND priority = ? AND caller = ?",
    )?;
    let mut first: Option<i64> = None;
    for priority in Priority::ALL {
        for caller in callers(connection, lane, priority)? {
            let due_at: Option<i64> = find.query_row(params![lane, priority.rank(), caller], |row| row.get(0))?;
            first = first.into_iter().chain(due_at).min();
        }
    }
    Ok(first.map(Timestamp::from_millis))
}

/// Skips from lane to lane in the index, however many deliveries wait on each.
fn waiting_lanes(connection: &Connection) -> rusqlite::Result<Vec<(Lane, Timestamp)>> {
    let mut next = connection.prepare_cached(
        "SELECT lane, open_member(lane) FROM delivery WHERE state = 0 AND recall = 0 AND lane > ? ORDER BY lane LIMIT 1",
    )?;
    let mut lanes = Vec::new();
    let mut after = String::new();
    while let Some((stored, lane)) =
        next.query_row([&after], |row| Ok((row.get(0)?, row.get::<_, String>(1)?))).optional()?
    {
        if let Some(due_at) = first_due(connection, &lane)? {
            lanes.push((Lane::from_stored(&lane), due_at));
        }
        after = stored;
    }
    Ok(lanes)
}

#[async_trait]
impl Queue for SqliteLedger {
    async fn claim(&self, claim: Claim) -> Result<Claims, LedgerError> {
        self.writer.claim(claim).await
    }

    async fn settle(&self, settlement: Arc<Settlement>) -> Result<Settled, LedgerError> {
        self.writer.settle(settlement).await
    }

    async fn release(&self, now: Timestamp) -> Result<usize, LedgerError> {
        self.writer.change("give leases back", move |connection| void_leases(connection, now)).await
    }

    async fn waiting_lanes(&self) -> Result<Vec<(Lane, Timestamp)>, LedgerError> {
        self.readers.read("find waiting lanes", |connection| waiting_lanes(connection)).await
    }

    async fn backlog(&self) -> Result<Vec<(Lane, u64)>, LedgerError> {
        let count = |connection: &mut Connection| {
            let mut count = connection.prepare_cached(
                "SELECT open_member(lane), COUNT(*) FROM delivery WHERE state = 0 AND recall = 0 GROUP BY lane ORDER BY 1",
            )?;
            let counted = count.query_map([], |row| {
                Ok((Lane::from_stored(row.get_ref(0)?.as_str()?), row.get::<_, i64>(1)?.unsigned_abs()))
            })?;
            counted.collect()
        };
        self.readers.read("count what waits", count).await
    }

    async fn recent_recipients(&self, lane: &Lane, since: Timestamp) -> Result<Vec<SentTo>, LedgerError> {
        let lane = lane.main();
        let find = move |connection: &mut Connection| recent_recipients(connection, &lane, since);
        self.readers.read("read whom recent calls went to", find).await
    }

    async fn recipients_since(&self, lane: &Lane, since: Timestamp) -> Result<Vec<RecipientSet>, LedgerError> {
        let lane = lane.main();
        let find = move |connection: &mut Connection| {
            let mut find = connection.prepare_cached(
                "SELECT open_recipients(recipients) FROM delivery WHERE id >= ?1 AND (lane = ?2 OR lane LIKE ?2 || '#%') AND attempts > 0
                     AND last_attempt_at >= ?3",
            )?;
            let first = MessageId::first_at(since - ACCEPTED_BEFORE).to_bytes();
            let found = find.query_map(params![first, lane.as_str(), since.as_millis()], |row| {
                Ok(RecipientSet::from_stored(row.get_ref(0)?.as_str()?).unwrap_or_default())
            })?;
            found.collect()
        };
        self.readers.read("read whom a day's messages went to", find).await
    }

    async fn divide(&self, division: Division) -> Result<bool, LedgerError> {
        self.writer.change("divide a delivery", move |connection| divide(connection, &division)).await
    }

    async fn companions(&self, of: &Delivery, now: Timestamp, limit: usize) -> Result<Vec<Companion>, LedgerError> {
        let of = of.clone();
        let find = move |connection: &Connection| digest::companions(connection, &of, now, limit);
        // By the writer, which knows what was accepted a moment ago.
        self.writer.change("find what can be merged", find).await
    }

    async fn close_digest(&self, closing: DigestClosing) -> Result<ClosedDigest, LedgerError> {
        let close = move |connection: &Connection, memory: &mut Memory| {
            digest::close(connection, &mut memory.requests, &closing)
        };
        self.writer.change_memory("close a digest", close).await
    }

    async fn note_late(&self, late: LateAnswer) -> Result<(), LedgerError> {
        self.writer.change("record a late answer", move |connection| note_late(connection, &late)).await
    }

    async fn recent_calls(&self, lane: &Lane, since: Timestamp) -> Result<Vec<Timestamp>, LedgerError> {
        let lane = lane.clone();
        let find = move |connection: &mut Connection| {
            let mut find = connection.prepare_cached(
                "SELECT ended_at FROM attempt WHERE lane = seal_member(?) AND ended_at >= ? ORDER BY ended_at",
            )?;
            let ends = find.query_map(params![lane.as_str(), since.as_millis()], |row| row.get(0))?;
            ends.map(|end| Ok(Timestamp::from_millis(end?))).collect()
        };
        self.readers.read("read recent calls", find).await
    }
}
