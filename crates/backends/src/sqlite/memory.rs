//! What the writer's thread keeps in mind of the database, so that no message pays for looking it up.
//!
//! Loaded at the start, and again after a transaction failed: then it may say more than the database.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use domain::{Delivery, DeliveryId, MessageId, RequestHash, Timestamp};
use rusqlite::{Connection, params};

use super::search;

/// How long a request is kept in mind: longer than any upstream recognises a repeat. It is forgotten between one and two
/// of these later; a longer memory than needed only turns the duplicate check off once too often.
const GENERATION_MILLIS: i64 = 15 * 60 * 1000;

#[derive(Debug)]
pub(super) struct Memory {
    pub(super) requests: RecentRequests,
    /// Up to here messages are found by their terms.
    pub(super) indexed_until: MessageId,
    /// Deliveries that may be wanted back: all that are, and some that no longer are.
    pub(super) wanted_back: HashSet<DeliveryId>,
}

impl Memory {
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let mut find = connection.prepare("SELECT id FROM delivery WHERE recall = 1")?;
        let wanted_back = find.query_map([], |row| Ok(DeliveryId::from_bytes(row.get(0)?)))?;
        Ok(Self {
            requests: RecentRequests::load(connection)?,
            indexed_until: search::indexed_until(connection)?,
            wanted_back: wanted_back.collect::<rusqlite::Result<_>>()?,
        })
    }
}

/// Requests that went out lately.
#[derive(Debug, Default)]
pub(super) struct RecentRequests {
    current: HashMap<u64, DeliveryId>,
    before: HashMap<u64, DeliveryId>,
    /// When the current generation began.
    began: i64,
}

impl RecentRequests {
    fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let mut found: Vec<(u64, DeliveryId, i64)> = Vec::new();
        let mut find = connection.prepare("SELECT hash, lane, at, delivery FROM request ORDER BY rowid DESC")?;
        let mut rows = find.query([])?;
        // From the newest on: what is kept longer than two generations is kept for others.
        while let Some(row) = rows.next()? {
            let at: i64 = row.get(2)?;
            if found.first().is_some_and(|(.., newest)| at < newest - 2 * GENERATION_MILLIS) {
                break;
            }
            let delivery = row.get::<_, Option<[u8; 16]>>(3)?.unwrap_or_default();
            found.push((key(row.get(0)?, row.get_ref(1)?.as_str()?), DeliveryId::from_bytes(delivery), at));
        }
        let mut recent = Self::default();
        found.into_iter().rev().for_each(|(key, delivery, at)| recent.remember(key, delivery, at));
        Ok(recent)
    }

    /// Tells whether an equal request of another delivery went out lately on the same lane: then the upstream would
    /// swallow this one, if it carried the duplicate check.
    pub(super) fn holds(&self, hash: RequestHash, delivery: &Delivery) -> bool {
        let key = key(hash.short(), delivery.lane.main().as_str());
        let of_another = |noted: &HashMap<u64, DeliveryId>| noted.get(&key).is_some_and(|by| *by != delivery.id);
        of_another(&self.current) || of_another(&self.before)
    }

    /// Notes that a request goes out.
    pub(super) fn note(
        &mut self,
        connection: &Connection,
        hash: RequestHash,
        delivery: &Delivery,
        at: Timestamp,
    ) -> rusqlite::Result<()> {
        let (hash, lane) = (hash.short(), delivery.lane.main());
        let lane = lane.as_str();
        connection
            .prepare_cached("INSERT INTO request (hash, lane, at, delivery) VALUES (?, ?, ?, ?)")?
            .execute(params![hash, lane, at.as_millis(), delivery.id.to_bytes()])?;
        self.remember(key(hash, lane), delivery.id, at.as_millis());
        Ok(())
    }

    fn remember(&mut self, key: u64, delivery: DeliveryId, at: i64) {
        if at - self.began >= GENERATION_MILLIS {
            let old = std::mem::take(&mut self.current);
            self.before = if at - self.began < 2 * GENERATION_MILLIS { old } else { HashMap::new() };
            self.began = at;
        }
        self.current.insert(key, delivery);
    }
}

/// Equal requests of two lanes are two.
fn key(hash: i64, lane: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one((hash, lane))
}

/// Forgets requests that went out before a time, the oldest first.
pub(super) fn forget_requests(connection: &Connection, before: Timestamp, limit: i64) -> rusqlite::Result<usize> {
    // In the order of rows is in the order of time: looking stops at the limit, whether or not they are old.
    connection
        .prepare_cached(
            "DELETE FROM request WHERE rowid IN (SELECT rowid FROM (SELECT rowid, at FROM request ORDER BY rowid LIMIT ?) WHERE at < ?)",
        )?
        .execute(params![limit, before.as_millis()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_kept_in_mind_for_at_least_a_generation_and_at_most_two() {
        let mut recent = RecentRequests::default();
        let known =
            |recent: &RecentRequests, key| recent.current.contains_key(&key) || recent.before.contains_key(&key);
        let start = 1_790_000_000_000;
        recent.remember(1, DeliveryId::from_bytes([0; 16]), start);
        recent.remember(2, DeliveryId::from_bytes([0; 16]), start + GENERATION_MILLIS - 1);
        recent.remember(3, DeliveryId::from_bytes([0; 16]), start + GENERATION_MILLIS);
        assert!(known(&recent, 1) && known(&recent, 2));
        recent.remember(4, DeliveryId::from_bytes([0; 16]), start + 2 * GENERATION_MILLIS);
        assert!(!known(&recent, 1) && !known(&recent, 2) && known(&recent, 3));
        recent.remember(5, DeliveryId::from_bytes([0; 16]), start + 9 * GENERATION_MILLIS);
        assert!(!known(&recent, 4) && known(&recent, 5));
    }
}
