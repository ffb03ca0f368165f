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

/// A file on its way to the disk. Dropped before its end, nothing of it is left.
#[async_trait]
pub trait MediaWriter: Send {
    /// Writes more of it.
    ///
    /// # Errors
    /// [`LedgerError`] if that was not written; then no more can be.
    async fn write(&mut self, part: Bytes) -> Result<(), LedgerError>;

    /// Puts all of it on disk. It is kept once [`Media::note_media`] knows it.
    ///
    /// # Errors
    /// [`LedgerError`] if it is not there.
    async fn end(self: Box<Self>) -> Result<(), LedgerError>;
}

/// A file on its way out.
#[async_trait]
pub trait MediaReader: Send {
    /// Reads the next part; `None` at the end.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read, or is not what was written.
    async fn next(&mut self) -> Result<Option<Bytes>, LedgerError>;
}

/// Keeping files.
#[async_trait]
pub trait Media: Send + Sync {
    /// Begins to write a file.
    ///
    /// # Errors
    /// [`LedgerError`] if there is no place for it.
    async fn write_media(&self, id: MediaId) -> Result<Box<dyn MediaWriter>, LedgerError>;

    /// Remembers a file whose bytes are on disk.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not remembered.
    async fn note_media(&self, record: MediaRecord) -> Result<(), LedgerError>;

    /// Keeps a file that is at hand.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not kept.
    async fn put_media(&self, record: MediaRecord, content: Bytes) -> Result<(), LedgerError> {
        let mut writer = self.write_media(record.id).await?;
        writer.write(content).await?;
        writer.end().await?;
        self.note_media(record).await
    }

    /// Finds a file of a caller's, or of anybody's.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn media(&self, id: MediaId, caller: Option<&CallerId>) -> Result<Option<MediaRecord>, LedgerError>;

    /// Begins to read a file; `None` if it is gone.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn read_media(&self, id: MediaId) -> Result<Option<Box<dyn MediaReader>>, LedgerError>;

    /// Reads a whole file that is small enough for memory; `None` if it is gone.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn media_content(&self, id: MediaId) -> Result<Option<Bytes>, LedgerError> {
        let Some(mut reader) = self.read_media(id).await? else { return Ok(None) };
        let mut content = bytes::BytesMut::new();
        while let Some(part) = reader.next().await? {
            content.extend_from_slice(&part);
        }
        Ok(Some(content.freeze()))
    }

    /// Finds the file of a link that a message was sent with: one that is good until `until`.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn linked_media(&self, id: MediaId, until: Timestamp) -> Result<Option<MediaRecord>, LedgerError>;

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

    /// Forgets files handed in before a time to which no link is good any more; returns how many, at most `limit`.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was forgotten.
    async fn forget_media(&self, before: Timestamp, now: Timestamp, limit: usize) -> Result<usize, LedgerError>;
}
