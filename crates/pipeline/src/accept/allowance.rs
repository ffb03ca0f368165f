//! What each key has sent: its minute and its day, held for keys that have such limits, and written down for the next start.

use std::collections::HashMap;
use std::sync::Arc;

use domain::{Allowance, Grant, Timestamp};
use parking_lot::Mutex;

use crate::ports::{KeyUse, Keys, LedgerError};

/// What is used of the allowances. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Allowances {
    by_key: Arc<Mutex<HashMap<String, Held>>>,
    /// What earlier runs of today had sent.
    before: Arc<Mutex<HashMap<String, u32>>>,
}

#[derive(Debug)]
struct Held {
    allowance: Allowance,
    noted: u32,
}

impl Allowances {
    /// Reads what was used of today.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    pub async fn load(&self, ledger: &(impl Keys + ?Sized), now: Timestamp) -> Result<(), LedgerError> {
        let day = domain::DayBudget::began(now);
        let used = ledger.key_uses(day).await?;
        *self.before.lock() = used.into_iter().map(|used| (used.hash, used.messages)).collect();
        Ok(())
    }

    /// Takes one message's place of a key's.
    pub(super) fn take(&self, grant: &Grant, now: Timestamp) -> Result<(), Timestamp> {
        if grant.limits.are_none() {
            return Ok(());
        }
        let mut by_key = self.by_key.lock();
        let held = by_key.entry(grant.key.clone()).or_insert_with(|| {
            let used = self.before.lock().remove(&grant.key).unwrap_or(0);
            Held { allowance: Allowance::new(grant.limits, used, now), noted: used }
        });
        held.allowance.take(now)
    }

    /// Gives it back: nothing new was sent.
    pub(super) fn give_back(&self, grant: &Grant) {
        if !grant.limits.are_none()
            && let Some(held) = self.by_key.lock().get_mut(&grant.key)
        {
            held.allowance.give_back();
        }
    }

    /// Writes down what was used since the last time.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not written: the next time will.
    pub async fn note(&self, ledger: &(impl Keys + ?Sized), now: Timestamp) -> Result<(), LedgerError> {
        let day = domain::DayBudget::began(now);
        let changed: Vec<KeyUse> = {
            let mut by_key = self.by_key.lock();
            let used = by_key.iter_mut().filter_map(|(hash, held)| {
                let messages = held.allowance.used_today(now);
                let is_new = messages != std::mem::replace(&mut held.noted, messages);
                is_new.then(|| KeyUse { hash: hash.clone(), messages })
            });
            used.collect()
        };
        if changed.is_empty() { Ok(()) } else { ledger.note_key_uses(day, changed).await }
    }
}
