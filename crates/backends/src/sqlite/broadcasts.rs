//! Broadcasts: a list kept sealed, and forgotten row by row as it is handed in.

use std::time::Duration;

use async_trait::async_trait;
use domain::{BroadcastId, BroadcastRow, BroadcastState, CallerId, MessageId, Recipient, RequestHash, Timestamp};
use pipeline::ports::{
    Broadcast, BroadcastRecord, Broadcasts, DueGroup, GroupDone, GroupPutOff, LedgerError, RowRecord, RowResult,
    RowStage, TierCount,
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{SqliteLedger, grants, rows};

/// How many rows are written at once: others have their turn in between.
const STEP: usize = 500;
/// More rows than any group has.
const LARGEST_GROUP: i64 = 10_000;

/// What is read of a broadcast `b`.
const COLUMNS: &str =
    "SELECT b.*, opened('broadcast', b.id, b.sealed) AS opened, open_pii(b.request_key) AS open_key FROM broadcast b ";

fn state(number: i64) -> rusqlite::Result<BroadcastState> {
    let state = usize::try_from(number).ok().and_then(|i| BroadcastState::ALL.get(i).copied());
    state.ok_or_else(|| rows::corrupt(format!("{number} is no state of a broadcast")))
}

fn id_of(row: &Row<'_>, column: &str) -> rusqlite::Result<BroadcastId> {
    Ok(BroadcastId::from_bytes(row.get(column)?))
}

fn record(row: &Row<'_>) -> rusqlite::Result<BroadcastRecord> {
    let tiers = row.get_ref("tiers")?.as_str_or_null()?.and_then(|tiers| serde_json::from_str(tiers).ok());
    let grant = grants::readable(row);
    // A broadcast of which anything cannot be read sends nothing, and its rows say so; others are not held up.
    let body: Option<String> = row.get("opened")?;
    let body = body.filter(|_| tiers.is_some() && grant.is_some());
    let key: Option<String> = row.get("open_key")?;
    let hash: Option<[u8; 32]> = row.get("request_hash")?;
    Ok(BroadcastRecord {
        broadcast: Broadcast {
            id: id_of(row, "id")?,
            name: row.get("name")?,
            grant: grant.unwrap_or_else(|| grants::nothing(row)),
            body,
            tiers: tiers.unwrap_or_default(),
            pace: Duration::from_millis(row.get::<_, i64>("pace")?.unsigned_abs()),
            idempotency: key.zip(hash.map(RequestHash::new)),
            created_at: rows::time(row, "created_at")?,
        },
        state: state(row.get("state")?)?,
        groups: row.get("groups")?,
        done: row.get("done")?,
        due_at: rows::maybe_time(row, "due_at")?,
        ended_at: rows::maybe_time(row, "ended_at")?,
        held_by: row.get("held_by")?,
    })
}

/// Writes a broadcast that nobody sees yet.
fn prepare(connection: &Connection, broadcast: &Broadcast, groups: u32) -> rusqlite::Result<()> {
    let unwritable = |error: serde_json::Error| rows::corrupt(error.to_string());
    let [scopes, allow, key] = grants::columns(&broadcast.grant)?;
    connection
        .execute(
            "INSERT INTO broadcast (id, name, caller, scopes, allow, key, sealed, tiers, pace, state, groups, done, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, seal('broadcast', ?1, ?7), ?8, ?9, ?10, ?11, 0, ?12)",
            params![
                broadcast.id.to_bytes(),
                broadcast.name,
                broadcast.grant.caller.as_str(),
                scopes,
                allow,
                key,
                broadcast.body.as_deref().unwrap_or_default(),
                serde_json::to_string(&broadcast.tiers).map_err(unwritable)?,
                i64::try_from(broadcast.pace.as_millis()).unwrap_or(i64::MAX),
                BroadcastState::Preparing as i64,
                groups,
                broadcast.created_at.as_millis(),
            ],
        )
        .map(drop)
}

fn insert_rows(
    connection: &Connection,
    id: BroadcastId,
    first: u32,
    list: &[(BroadcastRow, Option<String>)],
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO broadcast_row (id, line, tier, part, sealed, error)
         VALUES (?1, ?2, ?3, ?4, seal('broadcast', ?1, ?5), seal_text('broadcast', ?1, ?6))",
    )?;
    for (position, (row, refused)) in (first..).zip(list) {
        let said = refused.is_none().then(|| row.to_stored());
        insert.execute(params![id.row(position), row.line, row.tier, row.group, said, refused])?;
    }
    Ok(())
}

fn by_key(connection: &Connection, caller: &str, key: &str) -> rusqlite::Result<Option<(BroadcastId, RequestHash)>> {
    let mut find = connection
        .prepare_cached("SELECT id, request_hash FROM broadcast WHERE caller = ? AND request_key = seal_pii(?)")?;
    let found = |row: &Row<'_>| Ok((id_of(row, "id")?, RequestHash::new(row.get("request_hash")?)));
    find.query_row([caller, key], found).optional()
}

/// Lets a broadcast begin whose list is whole; or returns the one that its idempotency key stands for.
fn begin(
    connection: &Connection,
    broadcast: &Broadcast,
    due_at: Option<Timestamp>,
) -> rusqlite::Result<Option<(BroadcastId, RequestHash)>> {
    let (caller, id) = (broadcast.grant.caller.as_str(), broadcast.id.to_bytes());
    if let Some((key, _)) = &broadcast.idempotency
        && let Some(known) = by_key(connection, caller, key)?
    {
        // Its list is forgotten like one that was never whole.
        connection.execute("UPDATE broadcast SET ended_at = 0 WHERE id = ?", [id])?;
        return Ok(Some(known));
    }
    let (key, hash) = broadcast.idempotency.as_ref().map(|(key, hash)| (key, hash.as_bytes())).unzip();
    let state = if due_at.is_some() { BroadcastState::Running } else { BroadcastState::Paused };
    connection.execute(
        "UPDATE broadcast SET state = ?, due_at = ?, request_key = seal_pii(?), request_hash = ? WHERE id = ?",
        params![state as i64, due_at.map(Timestamp::as_millis), key, hash, id],
    )?;
    Ok(None)
}

fn due_group(connection: &Connection, now: Timestamp) -> rusqlite::Result<Option<DueGroup>> {
    let mut find = connection.prepare_cached(&format!("{COLUMNS} WHERE b.due_at <= ? ORDER BY b.due_at LIMIT 1"))?;
    let Some(record) = find.query_row([now.as_millis()], record).optional()? else { return Ok(None) };
    let id = record.broadcast.id;
    let mut find = connection.prepare_cached(
        "SELECT id, line, tier, part, opened('broadcast', id, sealed) AS opened FROM broadcast_row
         WHERE id > ? AND id < ? AND sealed IS NOT NULL ORDER BY id LIMIT ?",
    )?;
    let mut waiting = find.query(params![id.row(0), id.row(u32::MAX), LARGEST_GROUP])?;
    let mut due = Vec::new();
    while let Some(row) = waiting.next()? {
        let part: u32 = row.get("part")?;
        if part != record.done {
            break;
        }
        let place = (row.get("line")?, row.get("tier")?, part);
        let opened = row.get_ref("opened")?.as_str_or_null()?;
        let said = opened.and_then(|stored| BroadcastRow::from_stored(place, stored));
        due.push((BroadcastId::position(row.get("id")?), said));
    }
    Ok(Some(DueGroup { record, rows: due }))
}

fn note_rows(connection: &Connection, id: BroadcastId, results: &[(u32, RowResult)]) -> rusqlite::Result<()> {
    let mut note = connection.prepare_cached(
        "UPDATE broadcast_row SET sealed = NULL, message = ?2, error = seal_text('broadcast', ?1, ?3) WHERE id = ?1",
    )?;
    for (position, result) in results {
        let (message, error) = match result {
            RowResult::Message(id) => (Some(id.to_bytes()), None),
            RowResult::Refused(why) => (None, Some(why)),
        };
        note.execute(params![id.row(*position), message, error])?;
    }
    Ok(())
}

fn group_done(connection: &Connection, done: &GroupDone) -> rusqlite::Result<()> {
    note_rows(connection, done.id, &done.rows)?;
    // Whoever paused or cancelled it meanwhile is not overruled.
    connection
        .execute(
            "UPDATE broadcast SET done = ?2 + 1, held_by = NULL,
                 due_at = CASE WHEN state = ?5 AND ?2 + 1 < groups THEN ?3 END,
                 ended_at = CASE WHEN ended_at IS NULL AND ?2 + 1 >= groups THEN ?4 ELSE ended_at END,
                 state = CASE WHEN ended_at IS NULL AND ?2 + 1 >= groups THEN ?6 ELSE state END
             WHERE id = ?1 AND done = ?2",
            params![
                done.id.to_bytes(),
                done.group,
                done.next_at.as_millis(),
                done.now.as_millis(),
                BroadcastState::Running as i64,
                BroadcastState::Done as i64
            ],
        )
        .map(drop)
}

fn move_to(connection: &Connection, id: BroadcastId, to: BroadcastState, now: Timestamp) -> rusqlite::Result<bool> {
    let ended_at = to.is_final().then(|| now.as_millis());
    let due_at = (to == BroadcastState::Running).then(|| now.as_millis());
    let changed = connection.execute(
        "UPDATE broadcast SET state = ?2, ended_at = ?3, due_at = CASE WHEN ?4 IS NOT NULL THEN COALESCE(due_at, ?4) END,
             held_by = CASE WHEN ?4 IS NULL THEN NULL ELSE held_by END
         WHERE id = ?1 AND state IN (?5, ?6)",
        params![
            id.to_bytes(),
            to as i64,
            ended_at,
            due_at,
            BroadcastState::Running as i64,
            BroadcastState::Paused as i64
        ],
    )?;
    Ok(changed > 0)
}

fn tier_counts(connection: &Connection, id: BroadcastId) -> rusqlite::Result<Vec<TierCount>> {
    let mut count = connection.prepare_cached(
        "SELECT r.tier, r.error IS NOT NULL, r.message IS NOT NULL, m.state, COUNT(*)
         FROM broadcast_row r LEFT JOIN message m ON m.id = r.message
         WHERE r.id > ? AND r.id < ? GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
    )?;
    let counted = count.query_map([id.row(0), id.row(u32::MAX)], |row| {
        let stage = match (row.get(1)?, row.get(2)?) {
            (true, _) => RowStage::Refused,
            (false, true) => RowStage::Message(row.get::<_, Option<i64>>(3)?.map(rows::message_state).transpose()?),
            (false, false) => RowStage::Waiting,
        };
        Ok(TierCount { tier: row.get(0)?, stage, rows: row.get::<_, i64>(4)?.unsigned_abs() })
    })?;
    counted.collect()
}

fn row_record(row: &Row<'_>) -> rusqlite::Result<RowRecord> {
    let message = row.get::<_, Option<[u8; 16]>>("message")?.map(MessageId::from_bytes);
    let refused: Option<String> = row.get("opened")?;
    let was_refused: bool = row.get("refused")?;
    let result = match (message, refused) {
        (Some(id), _) => Some(RowResult::Message(id)),
        (None, Some(why)) => Some(RowResult::Refused(why)),
        (None, None) => was_refused.then(|| RowResult::Refused("why cannot be opened any more".to_owned())),
    };
    Ok(RowRecord {
        position: BroadcastId::position(row.get("id")?),
        line: row.get("line")?,
        tier: row.get("tier")?,
        result,
        state: row.get::<_, Option<i64>>("state")?.map(rows::message_state).transpose()?,
    })
}

/// Forgets what rows of ended broadcasts still say, then old broadcasts row by row; returns how many rows it changed.
fn forget(connection: &Connection, before: Timestamp, limit: usize) -> rusqlite::Result<usize> {
    let mut find = connection.prepare_cached(
        "SELECT id, ended_at FROM broadcast WHERE ended_at IS NOT NULL AND (ended_at < ?1 OR state <> ?2) ORDER BY id",
    )?;
    let ended = find.query_map(params![before.as_millis(), BroadcastState::Done as i64], |row| {
        Ok((id_of(row, "id")?, row.get::<_, i64>(1)?))
    })?;
    let ended = ended.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut changed = 0;
    for (id, ended_at) in ended {
        let (first, last, left) = (id.row(0), id.row(u32::MAX), rows::limit(limit - changed));
        let old = ended_at < before.as_millis();
        let sql = if old {
            "DELETE FROM broadcast_row WHERE id IN (SELECT id FROM broadcast_row WHERE id > ? AND id < ? LIMIT ?)"
        } else {
            "UPDATE broadcast_row SET sealed = NULL
             WHERE id IN (SELECT id FROM broadcast_row WHERE id > ? AND id < ? AND sealed IS NOT NULL LIMIT ?)"
        };
        let now = connection.prepare_cached(sql)?.execute(params![first, last, left])?;
        changed += now;
        if changed >= limit {
            break;
        }
        if old {
            connection.execute("DELETE FROM broadcast WHERE id = ?", [id.to_bytes()])?;
        }
    }
    Ok(changed)
}

/// Forgets lists that were never whole: whoever was writing them is gone.
pub(super) fn forget_unfinished(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .execute("UPDATE broadcast SET ended_at = 0 WHERE state = ?", [BroadcastState::Preparing as i64])
        .map(drop)
}

/// Takes a recipient out of lists that wait: nothing will be sent to them.
pub(super) fn erase(connection: &Connection, recipient: &Recipient) -> rusqlite::Result<()> {
    let wanted = recipient.to_string();
    let mut find = connection.prepare(
        "SELECT id, line, tier, part, opened('broadcast', id, sealed) FROM broadcast_row WHERE sealed IS NOT NULL",
    )?;
    let mut waiting = find.query([])?;
    let mut theirs: Vec<[u8; 16]> = Vec::new();
    while let Some(row) = waiting.next()? {
        let place = (row.get(1)?, row.get(2)?, row.get(3)?);
        let said = row.get_ref(4)?.as_str_or_null()?.and_then(|stored| BroadcastRow::from_stored(place, stored));
        if said.is_some_and(|row| row.to.to_string().eq_ignore_ascii_case(&wanted)) {
            theirs.push(row.get(0)?);
        }
    }
    for id in theirs {
        connection.execute(
            "UPDATE broadcast_row SET sealed = NULL, error = seal_text('broadcast', ?1, 'erased') WHERE id = ?1",
            [id],
        )?;
    }
    Ok(())
}

/// Seals anew what broadcasts say.
pub(super) fn reseal(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("UPDATE broadcast SET sealed = resealed('broadcast', id, sealed)", [])?;
    connection
        .execute(
            "UPDATE broadcast_row SET sealed = resealed('broadcast', id, sealed), error = resealed_text('broadcast', id, error)
             WHERE sealed IS NOT NULL OR error IS NOT NULL",
            [],
        )
        .map(drop)
}

#[async_trait]
impl Broadcasts for SqliteLedger {
    async fn begin_broadcast(
        &self,
        broadcast: Broadcast,
        mut list: Vec<(BroadcastRow, Option<String>)>,
        due_at: Option<Timestamp>,
    ) -> Result<Option<(BroadcastId, RequestHash)>, LedgerError> {
        let groups = list.last().map_or(0, |(row, _)| row.group + 1);
        let (id, header) = (broadcast.id, broadcast.clone());
        self.writer.change("begin a broadcast", move |connection| prepare(connection, &header, groups)).await?;
        let mut position = 1_u32;
        while !list.is_empty() {
            let step: Vec<_> = list.drain(..list.len().min(STEP)).collect();
            let (first, written) = (position, u32::try_from(step.len()).unwrap_or(u32::MAX));
            let write = move |connection: &Connection| insert_rows(connection, id, first, &step);
            self.writer.change("write the list of a broadcast", write).await?;
            position += written;
        }
        self.writer.change("begin a broadcast", move |connection| begin(connection, &broadcast, due_at)).await
    }

    async fn broadcast_by_key(
        &self,
        caller: &CallerId,
        key: &str,
    ) -> Result<Option<(BroadcastId, RequestHash)>, LedgerError> {
        let (caller, key) = (caller.clone(), key.to_owned());
        let find = move |connection: &mut Connection| by_key(connection, caller.as_str(), &key);
        self.readers.read("look for a broadcast", find).await
    }

    async fn broadcasts(&self, caller: Option<&CallerId>, limit: usize) -> Result<Vec<BroadcastRecord>, LedgerError> {
        let caller = caller.map(|caller| caller.as_str().to_owned());
        let find = move |connection: &mut Connection| {
            let sql =
                format!("{COLUMNS} WHERE b.state <> ?1 AND (?2 IS NULL OR b.caller = ?2) ORDER BY b.id DESC LIMIT ?3");
            let mut find = connection.prepare_cached(&sql)?;
            let asked = params![BroadcastState::Preparing as i64, caller, rows::limit(limit)];
            find.query_map(asked, record)?.collect()
        };
        self.readers.read("read the broadcasts", find).await
    }

    async fn broadcast(&self, id: BroadcastId) -> Result<Option<BroadcastRecord>, LedgerError> {
        let find = move |connection: &mut Connection| {
            let mut find = connection.prepare_cached(&format!("{COLUMNS} WHERE b.id = ? AND b.state <> ?"))?;
            find.query_row(params![id.to_bytes(), BroadcastState::Preparing as i64], record).optional()
        };
        self.readers.read("read a broadcast", find).await
    }

    async fn due_group(&self, now: Timestamp) -> Result<Option<DueGroup>, LedgerError> {
        self.readers.read("look which group is due", move |connection| due_group(connection, now)).await
    }

    async fn next_group(&self) -> Result<Option<Timestamp>, LedgerError> {
        let find = |connection: &mut Connection| {
            let mut find = connection.prepare_cached("SELECT MIN(due_at) FROM broadcast WHERE due_at IS NOT NULL")?;
            find.query_row([], |row| rows::maybe_time(row, 0))
        };
        self.readers.read("look when a group is due", find).await
    }

    async fn group_done(&self, done: GroupDone) -> Result<(), LedgerError> {
        self.writer.change("note a group of a broadcast", move |connection| group_done(connection, &done)).await
    }

    async fn put_off_group(&self, put_off: GroupPutOff) -> Result<(), LedgerError> {
        let change = move |connection: &Connection| {
            let GroupPutOff { id, rows, until, why } = &put_off;
            note_rows(connection, *id, rows)?;
            let sql = "UPDATE broadcast SET due_at = ?, held_by = ? WHERE id = ? AND due_at IS NOT NULL";
            connection.execute(sql, params![until.as_millis(), why, id.to_bytes()]).map(drop)
        };
        self.writer.change("put off a group of a broadcast", change).await
    }

    async fn move_broadcast(&self, id: BroadcastId, to: BroadcastState, now: Timestamp) -> Result<bool, LedgerError> {
        self.writer.change("change a broadcast", move |connection| move_to(connection, id, to, now)).await
    }

    async fn tier_counts(&self, id: BroadcastId) -> Result<Vec<TierCount>, LedgerError> {
        self.readers.read("count the rows of a broadcast", move |connection| tier_counts(connection, id)).await
    }

    async fn broadcast_rows(
        &self,
        id: BroadcastId,
        after: u32,
        limit: usize,
        refused_only: bool,
    ) -> Result<Vec<RowRecord>, LedgerError> {
        let only = if refused_only { "AND r.error IS NOT NULL" } else { "" };
        let find = move |connection: &mut Connection| {
            let mut find = connection.prepare_cached(&format!(
                "SELECT r.id, r.line, r.tier, r.message, r.error IS NOT NULL AS refused, m.state,
                     open_text('broadcast', r.id, r.error) AS opened
                 FROM broadcast_row r LEFT JOIN message m ON m.id = r.message
                 WHERE r.id > ? AND r.id < ? {only} ORDER BY r.id LIMIT ?"
            ))?;
            find.query_map(params![id.row(after), id.row(u32::MAX), rows::limit(limit)], row_record)?.collect()
        };
        self.readers.read("read the rows of a broadcast", find).await
    }

    async fn forget_broadcasts(&self, before: Timestamp, limit: usize) -> Result<usize, LedgerError> {
        self.writer.change("forget broadcasts", move |connection| forget(connection, before, limit)).await
    }
}
