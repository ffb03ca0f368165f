//! Calls upstream that were no messages: what the windows of uploads, recalls and group chats are rebuilt from.

use async_trait::async_trait;
use domain::Timestamp;

use super::LedgerError;

/// Remembering calls that were no messages.
#[async_trait]
pub trait ApiCalls: Send + Sync {
    /// Notes that a call is about to be made.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not noted: it must not be made then.
    async fn note_api_call(&self, api: &str, at: Timestamp) -> Result<(), LedgerError>;

    /// Returns when calls of an API began, at or after `since`.
    ///
    /// # Errors
    /// [`LedgerError`] if they could not be read.
    async fn api_calls(&self, api: &str, since: Timestamp) -> Result<Vec<Timestamp>, LedgerError>;

    /// Forgets calls that began before a time; returns how many, at most `limit`.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was forgotten.
    async fn forget_api_calls(&self, before: Timestamp, limit: usize) -> Result<usize, LedgerError>;
}
