//! WeCom's address book: who is in it, and who has a mobile number or a mail address.

use std::fmt;

use async_trait::async_trait;
use domain::{Attempt, PersonChange, PersonSource, Reason, Wanted};

/// Tells who is in WeCom's address book.
#[async_trait]
pub trait DirectorySource: Send + Sync + fmt::Debug {
    /// Returns with whose secret it asks.
    fn source(&self) -> PersonSource;

    /// Asks for everybody.
    async fn members(&self) -> DirectoryAnswer;
}

/// Who is in the address book.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectoryAnswer {
    /// Everybody who was named.
    pub people: Vec<PersonChange>,
    /// What kept it from being everybody; `None` if the answer is complete.
    pub trouble: Option<Reason>,
}

/// Finds members by a mobile number or a mail address.
#[async_trait]
pub trait MemberFinder: Send + Sync + fmt::Debug {
    /// Asks for the userid; `None` if nobody whom the application may see has it.
    ///
    /// # Errors
    /// What it met instead of an answer.
    async fn find(&self, wanted: &Wanted) -> Result<Option<String>, Attempt>;
}
