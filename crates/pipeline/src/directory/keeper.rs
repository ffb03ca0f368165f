//! Changing the directory: compare, write, read the book anew.

use std::sync::Arc;

use domain::{
    Attempt, ContactChanged, Group, OnCall, Person, PersonChange, PersonSource, PersonStatus, Reason, Recipient,
    Resolution, Wanted, normal_mobile,
};
use serde_json::Value;
use tokio::sync::Mutex;

use super::DirectoryBook;
use super::sync::{SyncError, SyncReport};
use crate::ports::{Clock, DirectorySource, Ledger, LedgerError, MemberFinder};

/// People written in one step: others have their turn in between.
const STEP: usize = 500;

/// Changes the directory. Cheap to clone.
#[derive(Clone)]
pub struct DirectoryKeeper {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) book: DirectoryBook,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) source: Option<Arc<dyn DirectorySource>>,
    finder: Option<Arc<dyn MemberFinder>>,
    /// Held while something is compared and written.
    pub(super) changing: Mutex<()>,
    /// Held while WeCom is asked for everybody: two who ask at once ask once after another.
    pub(super) syncing: Mutex<()>,
}

impl std::fmt::Debug for DirectoryKeeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DirectoryKeeper").finish_non_exhaustive()
    }
}

/// What became of something that was said about a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// They were not known.
    Added,
    /// Something else was known.
    Changed,
    /// It was known.
    Unchanged,
}

/// A change of WeCom's address book, as WeCom tells of it (`change_contact`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberChange {
    /// What is said; the userid is the one before the change.
    pub said: PersonChange,
    /// The userid after it, if that changed.
    pub new_userid: Option<String>,
    /// Whether they are gone.
    pub deleted: bool,
}

impl MemberChange {
    /// Reads what a callback tells; changes of departments and tags say nothing about a member.
    ///
    /// What is empty is masked as far as anybody knows, and says nothing.
    pub fn of(change: &ContactChanged) -> Option<Self> {
        let deleted = match change.change.as_str() {
            "create_user" | "update_user" => false,
            "delete_user" => true,
            _ => return None,
        };
        let text = |name: &str| {
            let told = change.fields.get(name).and_then(Value::as_str).map(str::trim);
            told.filter(|told| !told.is_empty()).map(str::to_owned)
        };
        let departments = change.fields.get("departments").and_then(Value::as_array);
        let said = PersonChange {
            name: text("name"),
            departments: departments.map(|ids| ids.iter().map(Value::to_string).collect()),
            mobile: text("mobile").map(|mobile| normal_mobile(&mobile)),
            email: text("email"),
            status: change.fields.get("status").and_then(Value::as_i64).and_then(PersonStatus::from_number),
            ..PersonChange::new(change.id.clone())
        };
        if let Err(error) = said.check() {
            tracing::warn!(%error, change = change.change, "What WeCom told about a member cannot be kept");
            return None;
        }
        Some(Self { said, new_userid: change.new_id.clone(), deleted })
    }
}

/// Whom an entry means, and how that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Whom.
    pub resolution: Resolution,
    /// Whether WeCom was asked.
    pub asked: bool,
}

/// WeCom could not be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// It did not answer as it should.
    #[error("WeCom could not be asked: {}", .0.text)]
    Upstream(Reason),
    /// The ledger is away.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl DirectoryKeeper {
    /// Makes a keeper. Without a source nothing is synced; without a finder nobody is looked up at WeCom.
    pub fn new(
        ledger: Arc<dyn Ledger>,
        book: DirectoryBook,
        clock: Arc<dyn Clock>,
        source: Option<Arc<dyn DirectorySource>>,
        finder: Option<Arc<dyn MemberFinder>>,
    ) -> Self {
        let (changing, syncing) = (Mutex::default(), Mutex::default());
        Self { shared: Arc::new(Shared { ledger, book, clock, source, finder, changing, syncing }) }
    }

    /// Returns what is known, at hand.
    pub fn book(&self) -> &DirectoryBook {
        &self.shared.book
    }

    /// Keeps what is said about people, and says for each what it changed; with `dry_run` nothing is kept.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was kept.
    pub async fn put(&self, said: &[PersonChange], dry_run: bool) -> Result<Vec<Put>, LedgerError> {
        let _one_at_a_time = self.shared.changing.lock().await;
        let (known, now) = (self.shared.book.read(), self.shared.clock.now());
        let mut after: std::collections::BTreeMap<String, Person> = std::collections::BTreeMap::new();
        let mut results = Vec::with_capacity(said.len());
        for change in said {
            let userid = change.userid.to_ascii_lowercase();
            let before = after.get(&userid).or_else(|| known.person(&userid));
            let person = change.applied_to(before, PersonSource::Own, now);
            results.push(match before {
                None => Put::Added,
                Some(before) if *before == person => Put::Unchanged,
                Some(_) => Put::Changed,
            });
            after.insert(userid, person);
        }
        let changes: Vec<Person> =
            after.into_values().filter(|person| known.person(&person.userid) != Some(person)).collect();
        if !dry_run && !changes.is_empty() {
            self.shared.ledger.put_people(changes).await?;
            self.shared.book.refresh(self.shared.ledger.as_ref()).await?;
        }
        Ok(results)
    }

    /// Forgets a person; `false` if none was known.
    ///
    /// # Errors
    /// [`LedgerError`] if they were not forgotten.
    pub async fn forget(&self, userid: &str) -> Result<bool, LedgerError> {
        let _one_at_a_time = self.shared.changing.lock().await;
        let forgotten = self.shared.ledger.forget_person(userid).await?;
        self.shared.book.refresh(self.shared.ledger.as_ref()).await?;
        Ok(forgotten)
    }

    /// Forgets at hand whom the ledger has erased.
    ///
    /// # Errors
    /// [`LedgerError`] if the directory could not be read.
    pub async fn erased(&self, recipient: &Recipient) -> Result<(), LedgerError> {
        match recipient {
            Recipient::User(userid) => self.shared.book.forget(Some(userid), None),
            Recipient::Person(entry) => self.shared.book.forget(None, Some(entry)),
            _ => {}
        }
        self.shared.book.refresh(self.shared.ledger.as_ref()).await
    }

    /// Keeps a group that was checked.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not kept.
    pub async fn put_group(&self, group: Group) -> Result<(), LedgerError> {
        self.shared.ledger.put_group(group).await?;
        self.shared.book.refresh(self.shared.ledger.as_ref()).await
    }

    /// Forgets a group; `false` if none was known.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not forgotten.
    pub async fn forget_group(&self, name: &str) -> Result<bool, LedgerError> {
        let forgotten = self.shared.ledger.forget_group(name).await?;
        self.shared.book.refresh(self.shared.ledger.as_ref()).await?;
        Ok(forgotten)
    }

    /// Keeps an on-call list that was checked.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not kept.
    pub async fn put_on_call(&self, list: OnCall) -> Result<(), LedgerError> {
        self.shared.ledger.put_on_call(list).await?;
        self.shared.book.refresh(self.shared.ledger.as_ref()).await
    }

    /// Forgets an on-call list; `false` if none was known.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not forgotten.
    pub async fn forget_on_call(&self, name: &str) -> Result<bool, LedgerError> {
        let forgotten = self.shared.ledger.forget_on_call(name).await?;
        self.shared.book.refresh(self.shared.ledger.as_ref()).await?;
        Ok(forgotten)
    }

    /// Finds whom an entry means; whom the directory does not know by a mobile number or a mail address, WeCom is asked for.
    ///
    /// # Errors
    /// [`LookupError`] if it could not be asked.
    pub async fn lookup(&self, entry: &str) -> Result<Found, LookupError> {
        let now = self.shared.clock.now();
        let resolution = self.shared.book.read().resolve(entry, now);
        let known = |resolution| Ok(Found { resolution, asked: false });
        let (Resolution::Unknown { hint }, Some(wanted)) = (&resolution, Wanted::of(entry)) else {
            return known(resolution);
        };
        let found = |userid: Option<String>| match userid {
            Some(userid) => Resolution::Found { userids: vec![userid], left: Vec::new() },
            None => Resolution::Unknown { hint: nobody() },
        };
        if let Some(userid) = self.shared.book.looked_up(&wanted, now) {
            return known(found(userid));
        }
        let Some(finder) = &self.shared.finder else {
            let hint = format!("{hint}; WeCom is asked only where an application is configured");
            return known(Resolution::Unknown { hint });
        };
        let userid = finder.find(&wanted).await.map_err(|attempt| {
            let unanswered = || Reason::new("no_answer", "there was no answer");
            LookupError::Upstream(Attempt::reason(&attempt).cloned().unwrap_or_else(unanswered))
        })?;
        self.shared.book.note(self.shared.ledger.as_ref(), &wanted, userid.as_deref(), now).await?;
        Ok(Found { resolution: found(userid), asked: true })
    }

    /// Asks WeCom for everybody, and keeps what it says.
    ///
    /// # Errors
    /// [`SyncError`] if no sync is configured, or the ledger is away.
    pub async fn sync_now(&self) -> Result<SyncReport, SyncError> {
        super::sync::sync(&self.shared).await
    }

    /// Keeps a change of WeCom's address book that WeCom told of. Nobody is asked.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not kept.
    pub async fn apply(&self, change: MemberChange) -> Result<(), LedgerError> {
        let MemberChange { said, new_userid, deleted } = change;
        let _one_at_a_time = self.shared.changing.lock().await;
        let (known, now) = (self.shared.book.read(), self.shared.clock.now());
        let before = known.person(&said.userid);
        if deleted && before.is_none() {
            return Ok(());
        }
        // The event is as good as an answer of the sync that is configured; without one, as contact sync's own.
        let source = self.shared.source.as_ref().map_or(PersonSource::Contacts, |source| source.source());
        let said = if deleted { PersonChange { status: Some(PersonStatus::Left), ..said } } else { said };
        let mut person = said.applied_to(before, source, now);
        let ledger = self.shared.ledger.as_ref();
        match new_userid.filter(|userid| !userid.is_empty()) {
            Some(userid) => {
                let old = std::mem::replace(&mut person.userid, userid);
                ledger.rename_person(&old, person).await?;
            }
            None => ledger.put_people(vec![person]).await?,
        }
        self.shared.book.refresh(ledger).await
    }
}

impl Shared {
    /// Writes people, some at a time.
    pub(super) async fn write(&self, people: Vec<Person>) -> Result<(), LedgerError> {
        for some in people.chunks(STEP) {
            self.ledger.put_people(some.to_vec()).await?;
        }
        self.book.refresh(self.ledger.as_ref()).await
    }
}

/// What to do about somebody whom WeCom does not find either.
pub(crate) fn nobody() -> String {
    "WeCom was asked, and knows nobody by it whom the application may see; it is asked again in an hour".to_owned()
}
