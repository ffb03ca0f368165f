//! Files that callers hand in: written as they come, kept once all of each is on disk.

use std::sync::Arc;

use bytes::Bytes;
use domain::{Content, Grant, MediaId, Overflow, Timestamp, Violation};

use super::{AcceptError, Intake, invalid};
use crate::ports::{Ledger, LedgerError, MediaRecord, MediaWriter};
use crate::telemetry::{Happening as _, LedgerFailed};

/// A file that is being handed in. Dropped before it is kept, nothing of it is left.
pub struct IncomingFile {
    ledger: Arc<dyn Ledger>,
    record: MediaRecord,
    writer: Box<dyn MediaWriter>,
}

impl std::fmt::Debug for IncomingFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IncomingFile").field("record", &self.record).finish_non_exhaustive()
    }
}

impl IncomingFile {
    /// Returns how many bytes of it there are by now.
    pub fn size(&self) -> u64 {
        self.record.size
    }

    /// Writes more of it.
    ///
    /// # Errors
    /// [`AcceptError::NotStored`].
    pub async fn write(&mut self, part: Bytes) -> Result<(), AcceptError> {
        self.record.size += part.len() as u64;
        self.writer.write(part).await.map_err(not_stored)
    }

    /// Keeps it.
    ///
    /// # Errors
    /// [`AcceptError::NotStored`].
    pub async fn keep(self) -> Result<MediaRecord, AcceptError> {
        self.writer.end().await.map_err(not_stored)?;
        self.ledger.note_media(self.record.clone()).await.map_err(not_stored)?;
        Ok(self.record)
    }
}

fn not_stored(error: LedgerError) -> AcceptError {
    LedgerFailed { error: &error }.emit();
    AcceptError::NotStored(Arc::new(error))
}

impl Intake {
    /// Begins to take a caller's file.
    ///
    /// # Errors
    /// [`AcceptError::NotStored`].
    pub async fn begin_file(
        &self,
        grant: &Grant,
        file_name: String,
        now: Timestamp,
    ) -> Result<IncomingFile, AcceptError> {
        let id = self.ids.next_media(now);
        let record = MediaRecord { id, caller: grant.caller.clone(), file_name, size: 0, created_at: now };
        let writer = self.door.ledger.write_media(id).await.map_err(not_stored)?;
        Ok(IncomingFile { ledger: self.door.ledger.clone(), record, writer })
    }

    /// Keeps a file for a caller.
    ///
    /// # Errors
    /// [`AcceptError::NotStored`].
    pub async fn keep(
        &self,
        grant: &Grant,
        file_name: String,
        content: Bytes,
        now: Timestamp,
    ) -> Result<MediaRecord, AcceptError> {
        let mut file = self.begin_file(grant, file_name, now).await?;
        file.write(content).await?;
        file.keep().await
    }

    /// A file that a message names must be there, and its caller's; the one that is the message is returned.
    pub(super) async fn check_own_media(
        &self,
        grant: &Grant,
        content: &Content,
        overflow: Option<Overflow>,
    ) -> Result<Option<MediaRecord>, AcceptError> {
        let mut files = Vec::new();
        for (field, id) in crate::media::own_ids(content) {
            let unknown = || {
                let violation = Violation::new(
                    "invalid",
                    field.clone(),
                    format!("names `{id}`, which is no file of this caller's"),
                );
                invalid(violation.with_hint("hand the file in by POST /v1/media, and give the id that it answers"))
            };
            let id: MediaId = id.parse().map_err(|_| unknown())?;
            let found = self.door.ledger.media(id, grant.reads()).await;
            let found = found.map_err(|error| AcceptError::NotStored(Arc::new(error)))?;
            let record = found.ok_or_else(unknown)?;
            let linked = overflow == Some(Overflow::Link) && crate::media::is_file(content.kind());
            crate::media::check_size(content.kind(), &record, linked).map_err(invalid)?;
            files.push(record);
        }
        // Only where the file is all there is; an article's picture is not.
        Ok(files.pop().filter(|_| crate::media::is_file(content.kind())))
    }
}
