//! Who has which mailbox.

use async_trait::async_trait;

use super::LedgerError;

/// A member, and where mail reaches them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The userid.
    pub userid: String,
    /// The mailbox.
    pub email: String,
}

/// Keeping members' addresses.
#[async_trait]
pub trait Directory: Send + Sync {
    /// Returns everybody, in the order of their userids.
    ///
    /// # Errors
    /// [`LedgerError`] if they could not be read.
    async fn people(&self) -> Result<Vec<Person>, LedgerError>;

    /// Keeps addresses, in place of those known before.
    ///
    /// # Errors
    /// [`LedgerError`] if none was kept.
    async fn put_people(&self, people: Vec<Person>) -> Result<(), LedgerError>;

    /// Forgets the address of a member; `false` if none was known.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not forgotten.
    async fn forget_person(&self, userid: &str) -> Result<bool, LedgerError>;
}
