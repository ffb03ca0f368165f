//! Encryption at rest: the keys, and sealing anew under the newest.

use async_trait::async_trait;

use super::LedgerError;

/// How it stands with encryption at rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealingState {
    /// The numbers of the keys at hand, oldest first; the last seals.
    pub keys: Vec<u32>,
    /// How many messages wait to be sealed anew.
    pub waiting: u64,
    /// Whether everything is sealed under the newest key.
    pub done: bool,
}

/// Keeping what messages say, and secrets, under master keys.
#[async_trait]
pub trait Sealing: Send + Sync {
    /// Returns how it stands.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn sealing(&self) -> Result<SealingState, LedgerError>;

    /// Makes a new key, which seals from now on; what was sealed before is sealed anew by [`Self::reseal`].
    ///
    /// # Errors
    /// [`LedgerError`] if the key could not be kept.
    async fn rotate_master_key(&self) -> Result<u32, LedgerError>;

    /// Seals some of what an older key sealed, or none, anew; returns of how many messages, at most `limit`.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was changed.
    async fn reseal(&self, limit: usize) -> Result<usize, LedgerError>;

    /// Forgets all keys but the newest; `false` if something still needs them.
    ///
    /// # Errors
    /// [`LedgerError`] if they could not be taken away.
    async fn retire_master_keys(&self) -> Result<bool, LedgerError>;
}
