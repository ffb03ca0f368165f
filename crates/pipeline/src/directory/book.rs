//! What is known, at hand: the ledger's directory as it was read last, and whom WeCom found lately.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::{Directory, Timestamp, Wanted};
use parking_lot::{Mutex, RwLock};

use crate::ports::{Directory as Kept, LedgerError, LookedUp};

/// How long whom WeCom found is taken for the same.
const HIT_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long whom WeCom did not find is not asked for again: too many misses block the company for a day (path/95402).
const MISS_KEPT: Duration = Duration::from_secs(3600);
/// Misses that are remembered at once; the oldest hour's go first anyway.
const MISSES: usize = 10_000;

/// What is known, at hand. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct DirectoryBook {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    directory: RwLock<Arc<Directory>>,
    /// By `mobile:…` or `email:…`: who, and when that was found out.
    looked_up: Mutex<HashMap<String, (Option<String>, Timestamp)>>,
    /// Whether whom the directory does not know may be looked up on the way.
    looks_up: bool,
}

impl DirectoryBook {
    /// Makes an empty book; `looks_up` says whether whom it does not know is looked up on the way.
    pub fn new(looks_up: bool) -> Self {
        Self { shared: Arc::new(Shared { looks_up, ..Shared::default() }) }
    }

    /// Reads the directory and whom WeCom found, once at the start.
    ///
    /// # Errors
    /// [`LedgerError`] if they could not be read.
    pub async fn open(&self, ledger: &(impl Kept + ?Sized), now: Timestamp) -> Result<(), LedgerError> {
        self.refresh(ledger).await?;
        let found = ledger.looked_up(now - HIT_KEPT).await?;
        let found = found.into_iter().map(|LookedUp { entry, userid, at }| (entry, (Some(userid), at)));
        self.shared.looked_up.lock().extend(found);
        Ok(())
    }

    /// Reads the directory anew.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read; the book is as it was.
    pub async fn refresh(&self, ledger: &(impl Kept + ?Sized)) -> Result<(), LedgerError> {
        let (people, groups, lists) = (ledger.people().await?, ledger.groups().await?, ledger.on_call_lists().await?);
        *self.shared.directory.write() = Arc::new(Directory::new(people, groups, lists));
        Ok(())
    }

    /// Returns what is known.
    pub fn read(&self) -> Arc<Directory> {
        self.shared.directory.read().clone()
    }

    /// Tells whether whom the directory does not know is looked up on the way.
    pub(crate) fn looks_up(&self) -> bool {
        self.shared.looks_up
    }

    /// Returns whom WeCom found lately, or that it found nobody; `None` if it was not asked.
    pub(crate) fn looked_up(&self, wanted: &Wanted, now: Timestamp) -> Option<Option<String>> {
        let looked_up = self.shared.looked_up.lock();
        let (userid, at) = looked_up.get(&wanted.to_string())?;
        let kept = if userid.is_some() { HIT_KEPT } else { MISS_KEPT };
        (*at + kept > now).then(|| userid.clone())
    }

    /// Remembers what WeCom answered. Who was found is kept; that nobody was is forgotten with the process.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not kept; it is remembered all the same.
    pub(crate) async fn note(
        &self,
        ledger: &(impl Kept + ?Sized),
        wanted: &Wanted,
        userid: Option<&str>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let entry = wanted.to_string();
        {
            let mut looked_up = self.shared.looked_up.lock();
            if userid.is_none() && looked_up.len() >= MISSES {
                looked_up.retain(|_, (userid, at)| userid.is_some() || *at + MISS_KEPT > now);
            }
            looked_up.insert(entry.clone(), (userid.map(str::to_owned), now));
        }
        match userid {
            Some(userid) => ledger.keep_looked_up(LookedUp { entry, userid: userid.to_owned(), at: now }).await,
            None => Ok(()),
        }
    }

    /// Forgets what was looked up about somebody who is erased.
    pub(crate) fn forget(&self, userid: Option<&str>, entry: Option<&str>) {
        self.shared.looked_up.lock().retain(|known, (found, _)| {
            let is_theirs = found.as_deref().zip(userid).is_some_and(|(one, two)| one.eq_ignore_ascii_case(two));
            !is_theirs && entry != Some(known.as_str())
        });
    }
}
