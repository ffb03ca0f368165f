//! Keeping API keys.

use async_trait::async_trait;
use domain::{ApiKeyRecord, Timestamp};

use super::LedgerError;

/// Keeping API keys.
#[async_trait]
pub trait Keys: Send + Sync {
    /// Returns every key.
    ///
    /// # Errors
    /// [`LedgerError`] if they could not be read.
    async fn keys(&self) -> Result<Vec<ApiKeyRecord>, LedgerError>;

    /// Notes when a key was last used, and nothing else.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not noted.
    async fn note_key_use(&self, hash: &str, at: Timestamp) -> Result<(), LedgerError>;

    /// Keeps a key, or replaces the one with the same hash.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not kept.
    async fn put_key(&self, key: ApiKeyRecord) -> Result<(), LedgerError>;
}
