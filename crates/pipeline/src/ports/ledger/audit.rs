//! What administrators changed: added to, never changed, in a chain of hashes.

use async_trait::async_trait;
use domain::Timestamp;

use super::LedgerError;

/// A change that an administrator made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who: caller and key.
    pub who: String,
    /// What: `template.put`, `key.create` …
    pub action: String,
    /// Of what.
    pub subject: String,
    /// How it was: JSON without secrets.
    pub before: Option<String>,
    /// How it is.
    pub after: Option<String>,
}

/// An entry as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Counted.
    pub number: i64,
    /// The change.
    pub entry: AuditEntry,
    /// The hash that covers it and the hash before it.
    pub hash: Vec<u8>,
}

/// Keeping what administrators changed.
#[async_trait]
pub trait Audit: Send + Sync {
    /// Adds an entry.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not added.
    async fn audit(&self, entry: AuditEntry) -> Result<(), LedgerError>;

    /// Returns entries after a number, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] if they could not be read.
    async fn audited(&self, after: i64, limit: usize) -> Result<Vec<AuditRecord>, LedgerError>;

    /// Looks whether the chain is whole; returns the number of the first entry that was changed or is missing.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn first_broken_audit(&self) -> Result<Option<i64>, LedgerError>;
}
