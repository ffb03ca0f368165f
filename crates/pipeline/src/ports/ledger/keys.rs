//! Keeping API keys, and what those with a daily limit have sent.

use async_trait::async_trait;
use domain::{ApiKeyRecord, Timestamp};

use super::LedgerError;

/// What a key has sent on a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// Which key.
    pub hash: String,
    /// How many messages.
    pub messages: u32,
}

/// An access token that the drop-in front handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrontToken {
    /// SHA-256 of it, in hexadecimal.
    pub hash: String,
    /// The hash of the key that it was given for.
    pub key: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

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

    /// Returns what keys with a limit have sent on the day that began then.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn key_uses(&self, day: Timestamp) -> Result<Vec<KeyUse>, LedgerError>;

    /// Writes down what keys have sent on the day that began then; earlier days are forgotten.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not written.
    async fn note_key_uses(&self, day: Timestamp, uses: Vec<KeyUse>) -> Result<(), LedgerError>;

    /// Returns the access tokens that were handed out.
    ///
    /// # Errors
    /// [`LedgerError`] if they could not be read.
    async fn front_tokens(&self) -> Result<Vec<FrontToken>, LedgerError>;

    /// Keeps an access token; those that ended long ago are forgotten.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not kept.
    async fn put_front_token(&self, token: FrontToken, now: Timestamp) -> Result<(), LedgerError>;
}
