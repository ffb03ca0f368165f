//! Keeping the ledger in order.

use async_trait::async_trait;
use domain::Timestamp;

use super::LedgerError;

/// Keeping the ledger in order: each verb a small step, so that none keeps the others waiting.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Settles as expired what waits beyond its time, and as recalled what waits although it is wanted back; returns how
    /// many, at most `limit` of each.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was settled.
    async fn settle_overdue(&self, now: Timestamp, limit: usize) -> Result<usize, LedgerError>;

    /// Forgets idempotency and dedupe keys that have expired; returns how many, at most `limit` of each.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was forgotten.
    async fn forget_expired_keys(
        &self,
        idempotency_before: Timestamp,
        now: Timestamp,
        limit: usize,
    ) -> Result<usize, LedgerError>;

    /// Forgets requests that went out before a time; returns how many, at most `limit`.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was forgotten.
    async fn forget_requests(&self, before: Timestamp, limit: usize) -> Result<usize, LedgerError>;

    /// Makes messages accepted before a time quick to find by recipient and tag; returns how many, at most `limit`.
    ///
    /// # Errors
    /// [`LedgerError`] if none were.
    async fn index_messages(&self, before: Timestamp, limit: usize) -> Result<usize, LedgerError>;

    /// Forgets messages accepted before a time, with all that happened to them, if nothing of them is open; returns how
    /// many, at most `limit`.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was forgotten.
    async fn forget_messages(&self, before: Timestamp, limit: usize) -> Result<usize, LedgerError>;

    /// Closes it in order: all of it is in its place then, and every later verb fails.
    async fn close(&self);

    /// Looks for damage; says what it found.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not look.
    async fn find_damage(&self) -> Result<Option<String>, LedgerError>;
}
