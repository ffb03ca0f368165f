//! Who is who: people, lists of them, and whom WeCom found.

use async_trait::async_trait;
use domain::{Group, OnCall, Person, Timestamp};

use super::LedgerError;

/// A member whom WeCom found by a mobile number or a mail address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookedUp {
    /// By what, such as `mobile:13800138000`.
    pub entry: String,
    /// Who.
    pub userid: String,
    /// When.
    pub at: Timestamp,
}

/// Keeping people. What is said of them is sealed.
#[async_trait]
pub trait Directory: Send + Sync {
    /// Returns everybody, in the order of their userids.
    ///
    /// # Errors
    /// [`LedgerError`] if they could not be read.
    async fn people(&self) -> Result<Vec<Person>, LedgerError>;

    /// Keeps people, in place of what was known of them; all or none.
    ///
    /// # Errors
    /// [`LedgerError`] if none was kept.
    async fn put_people(&self, people: Vec<Person>) -> Result<(), LedgerError>;

    /// Forgets a person; `false` if none was known.
    ///
    /// # Errors
    /// [`LedgerError`] if they were not forgotten.
    async fn forget_person(&self, userid: &str) -> Result<bool, LedgerError>;

    /// Keeps what is known of a person under another userid, in one step.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was changed.
    async fn rename_person(&self, before: &str, person: Person) -> Result<(), LedgerError>;

    /// Returns all groups, in the order of their names.
    ///
    /// # Errors
    /// [`LedgerError`] if they could not be read.
    async fn groups(&self) -> Result<Vec<Group>, LedgerError>;

    /// Keeps a group, in place of one of its name.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not kept.
    async fn put_group(&self, group: Group) -> Result<(), LedgerError>;

    /// Forgets a group; `false` if none was known.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not forgotten.
    async fn forget_group(&self, name: &str) -> Result<bool, LedgerError>;

    /// Returns all on-call lists, in the order of their names.
    ///
    /// # Errors
    /// [`LedgerError`] if they could not be read.
    async fn on_call_lists(&self) -> Result<Vec<OnCall>, LedgerError>;

    /// Keeps an on-call list, in place of one of its name.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not kept.
    async fn put_on_call(&self, list: OnCall) -> Result<(), LedgerError>;

    /// Forgets an on-call list; `false` if none was known.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not forgotten.
    async fn forget_on_call(&self, name: &str) -> Result<bool, LedgerError>;

    /// Returns whom WeCom found since a time, oldest first, and forgets whom it found before.
    ///
    /// # Errors
    /// [`LedgerError`] if they could not be read.
    async fn looked_up(&self, since: Timestamp) -> Result<Vec<LookedUp>, LedgerError>;

    /// Keeps whom WeCom found.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not kept.
    async fn keep_looked_up(&self, found: LookedUp) -> Result<(), LedgerError>;
}
