//! Files that messages carry, and what they are called where they were uploaded.

use async_trait::async_trait;
use bytes::Bytes;
use domain::{CallerId, MediaId, Timestamp};

use super::LedgerError;

/// A file that was handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaRecord {
    /// Its name.
    pub id: MediaId,
    /// Whose it is.
    pub caller: CallerId,
    /// What it is called.
    pub file_name: String,
    /// How many bytes it has.
    pub size: u64,
    /// When it was handed in.
    pub created_at: Timestamp,
}

/// A file as an upstream knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Where it was uploaded, and as what: `company:ww…/file`, `robot:ops/file`.
    pub scope: String,
    /// The file.
    pub media: MediaId,
    /// What it is called there.
    pub media_id: String,
    /// When it was uploaded.
    pub at: Timestamp,
}

/// Keeping files.
#[async_trait]
pub trait Media: Send + Sync {
    /// Keeps a file.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not kept.
    async fn put_media(&self, record: MediaRecord, content: Bytes) -> Result<(), LedgerError>;

    /// Finds a file of a caller's, or of anybody's.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn media(&self, id: MediaId, caller: Option<&CallerId>) -> Result<Option<MediaRecord>, LedgerError>;

    /// Reads a file; `None` if it is gone.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn media_content(&self, id: MediaId) -> Result<Option<Bytes>, LedgerError>;

    /// Finds what a file is called upstream, if it was uploaded at or after `since`.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn upload(&self, scope: &str, media: MediaId, since: Timestamp) -> Result<Option<Upload>, LedgerError>;

    /// Remembers what a file is called upstream.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not remembered.
    async fn note_upload(&self, upload: Upload) -> Result<(), LedgerError>;

    /// Forgets what a file is called upstream: it is gone there.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not forgotten.
    async fn forget_upload(&self, scope: &str, media: MediaId) -> Result<(), LedgerError>;

    /// Forgets files handed in before a time; returns how many, at most `limit`.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was forgotten.
    async fn forget_media(&self, before: Timestamp, limit: usize) -> Result<usize, LedgerError>;
}
