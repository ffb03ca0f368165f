//! Files that messages carry or link to: their rows here, their bytes on a shelf.
//!
//! The bytes are on disk before the row is: a row without its file is a file that was taken away by hand.

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use domain::{CallerId, FileLink, MediaId, MessageId, Timestamp};
use pipeline::ports::{LedgerError, LedgerErrorKind, Media, MediaReader, MediaRecord, MediaWriter, Upload};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::shelf::{Reading, Writing};
use super::{SqliteLedger, rows};

/// How much is written or read at once.
const AT_ONCE: usize = 256 * 1024;

/// Keeps what a message is linked to, as long as the link is good.
pub(super) fn insert_link(connection: &Connection, message: MessageId, link: &FileLink) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO file_link (media, message_id, until) VALUES (?, ?, ?)")?
        .execute(params![link.media.to_bytes(), message.to_bytes(), link.until.as_millis()])
        .map(drop)
}

/// Forgets the links of a message, and the files that no other message links to; returns those.
pub(super) fn forget_links(connection: &Connection, message: MessageId) -> rusqlite::Result<Vec<MediaId>> {
    let mut forget = connection.prepare_cached("DELETE FROM file_link WHERE message_id = ? RETURNING media")?;
    let linked = forget.query_map([message.to_bytes()], |row| Ok(MediaId::from_bytes(row.get(0)?)))?;
    let mut gone = Vec::new();
    for id in linked.collect::<rusqlite::Result<Vec<_>>>()? {
        let mut others = connection.prepare_cached("SELECT 1 FROM file_link WHERE media = ?")?;
        if !others.exists([id.to_bytes()])? {
            forget_file(connection, id)?;
            gone.push(id);
        }
    }
    Ok(gone)
}

fn forget_file(connection: &Connection, id: MediaId) -> rusqlite::Result<()> {
    for forget in [
        "DELETE FROM media WHERE id = ?",
        "DELETE FROM upload WHERE media = ?",
        "DELETE FROM file_link WHERE media = ?",
    ] {
        connection.prepare_cached(forget)?.execute([id.to_bytes()])?;
    }
    Ok(())
}

impl SqliteLedger {
    /// Seals every file anew that is not sealed under the newest key.
    pub(super) async fn reseal_files(&self) -> Result<(), LedgerError> {
        let all = |connection: &mut Connection| {
            let mut find = connection.prepare("SELECT id FROM media")?;
            find.query_map([], |row| Ok(MediaId::from_bytes(row.get(0)?)))?.collect::<rusqlite::Result<Vec<_>>>()
        };
        let ids = self.readers.read("list the files", all).await?;
        let (shelf, keyring) = (self.shelf.clone(), self.file.keyring.clone());
        blocking("seal files anew", move || ids.into_iter().try_for_each(|id| shelf.reseal(id, &keyring))).await
    }

    /// Takes files away whose rows are gone.
    pub(super) async fn take_away(&self, ids: Vec<MediaId>) -> Result<(), LedgerError> {
        let shelf = self.shelf.clone();
        blocking("take files away", move || {
            ids.into_iter().for_each(|id| shelf.remove(id));
            Ok(())
        })
        .await
    }
}

fn failed(operation: &'static str, source: std::io::Error) -> LedgerError {
    let kind = match source.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => LedgerErrorKind::Full,
        _ => LedgerErrorKind::Unavailable,
    };
    LedgerError { operation, kind, source: Some(Box::new(source)) }
}

async fn blocking<T: Send + 'static>(
    operation: &'static str,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, LedgerError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| failed(operation, error)),
        Err(_) => Err(LedgerError { operation, kind: LedgerErrorKind::Unavailable, source: None }),
    }
}

/// Writes a file, some of it at a time.
struct FileWriter {
    /// Nothing after a failure.
    writing: Option<Writing>,
    waiting: BytesMut,
}

impl FileWriter {
    async fn flush(&mut self) -> Result<(), LedgerError> {
        const WRITE: &str = "write a file";
        let Some(mut writing) = self.writing.take() else {
            return Err(LedgerError { operation: WRITE, kind: LedgerErrorKind::Unavailable, source: None });
        };
        let part = self.waiting.split().freeze();
        let written = blocking(WRITE, move || {
            writing.write(&part)?;
            Ok(writing)
        });
        self.writing = Some(written.await?);
        Ok(())
    }
}

#[async_trait]
impl MediaWriter for FileWriter {
    async fn write(&mut self, part: Bytes) -> Result<(), LedgerError> {
        self.waiting.extend_from_slice(&part);
        if self.waiting.len() >= AT_ONCE {
            self.flush().await?;
        }
        Ok(())
    }

    async fn end(mut self: Box<Self>) -> Result<(), LedgerError> {
        self.flush().await?;
        match self.writing.take() {
            Some(writing) => blocking("keep a file", move || writing.end()).await,
            None => Ok(()),
        }
    }
}

/// Reads a file, some of it at a time.
struct FileReader {
    /// Nothing at the end, and after a failure.
    reading: Option<Reading>,
}

#[async_trait]
impl MediaReader for FileReader {
    async fn next(&mut self) -> Result<Option<Bytes>, LedgerError> {
        let Some(mut reading) = self.reading.take() else { return Ok(None) };
        let read = blocking("read a file", move || {
            let Some(first) = reading.next()? else { return Ok((None, None)) };
            if first.len() >= AT_ONCE {
                return Ok((Some(first), Some(reading)));
            }
            let mut part = BytesMut::from(&first[..]);
            while part.len() < AT_ONCE {
                match reading.next()? {
                    Some(more) => part.extend_from_slice(&more),
                    None => return Ok((Some(part.freeze()), None)),
                }
            }
            Ok((Some(part.freeze()), Some(reading)))
        });
        let (part, reading) = read.await?;
        self.reading = reading;
        Ok(part)
    }
}

/// Reads `caller, file_name, size, created_at`.
fn record(id: MediaId, row: &Row<'_>) -> rusqlite::Result<MediaRecord> {
    Ok(MediaRecord {
        id,
        caller: CallerId::new(row.get::<_, String>(0)?),
        file_name: row.get(1)?,
        size: row.get::<_, i64>(2)?.unsigned_abs(),
        created_at: rows::time(row, 3)?,
    })
}

#[async_trait]
impl Media for SqliteLedger {
    async fn write_media(&self, id: MediaId) -> Result<Box<dyn MediaWriter>, LedgerError> {
        let (shelf, keyring) = (self.shelf.clone(), self.file.keyring.clone());
        let writing = blocking("begin a file", move || shelf.write(id, &keyring)).await?;
        Ok(Box::new(FileWriter { writing: Some(writing), waiting: BytesMut::new() }))
    }

    async fn note_media(&self, record: MediaRecord) -> Result<(), LedgerError> {
        let put = move |connection: &Connection| {
            let MediaRecord { id, caller, file_name, size, created_at } = &record;
            let size = i64::try_from(*size).unwrap_or(i64::MAX);
            let row = params![id.to_bytes(), caller.as_str(), file_name, size, created_at.as_millis()];
            connection
                .execute(
                    "INSERT INTO media (id, caller, file_name, size, created_at) VALUES (?, ?, seal_pii(?), ?, ?)",
                    row,
                )
                .map(drop)
        };
        self.writer.change("keep a file", put).await
    }

    async fn media(&self, id: MediaId, caller: Option<&CallerId>) -> Result<Option<MediaRecord>, LedgerError> {
        let caller = caller.map(|caller| caller.as_str().to_owned());
        let find = move |connection: &mut Connection| {
            let mut find = connection.prepare_cached(
                "SELECT caller, open_pii(file_name), size, created_at FROM media WHERE id = ?1 AND (?2 IS NULL OR caller = ?2)",
            )?;
            find.query_row(params![id.to_bytes(), caller], |row| record(id, row)).optional()
        };
        self.readers.read("find a file", find).await
    }

    async fn read_media(&self, id: MediaId) -> Result<Option<Box<dyn MediaReader>>, LedgerError> {
        let (shelf, keyring) = (self.shelf.clone(), self.file.keyring.clone());
        let reading = blocking("read a file", move || shelf.read(id, &keyring)).await?;
        Ok(reading.map(|reading| Box::new(FileReader { reading: Some(reading) }) as Box<dyn MediaReader>))
    }

    async fn linked_media(&self, id: MediaId, until: Timestamp) -> Result<Option<MediaRecord>, LedgerError> {
        let find = move |connection: &mut Connection| {
            let mut find = connection.prepare_cached(
                "SELECT caller, open_pii(file_name), size, created_at FROM media WHERE id = ?1
                     AND EXISTS (SELECT 1 FROM file_link WHERE media = ?1 AND until = ?2)",
            )?;
            find.query_row(params![id.to_bytes(), until.as_millis()], |row| record(id, row)).optional()
        };
        self.readers.read("find what a link leads to", find).await
    }

    async fn upload(&self, scope: &str, media: MediaId, since: Timestamp) -> Result<Option<Upload>, LedgerError> {
        let scope = scope.to_owned();
        let find = move |connection: &mut Connection| {
            let mut find = connection
                .prepare_cached("SELECT media_id, at FROM upload WHERE media = ? AND scope = ? AND at >= ?")?;
            find.query_row(params![media.to_bytes(), scope, since.as_millis()], |row| {
                Ok(Upload { scope: scope.clone(), media, media_id: row.get(0)?, at: rows::time(row, 1)? })
            })
            .optional()
        };
        self.readers.read("find an upload", find).await
    }

    async fn note_upload(&self, upload: Upload) -> Result<(), LedgerError> {
        let note = move |connection: &Connection| {
            let Upload { scope, media, media_id, at } = &upload;
            connection
                .execute(
                    "INSERT OR REPLACE INTO upload (scope, media, media_id, at) VALUES (?, ?, ?, ?)",
                    params![scope, media.to_bytes(), media_id, at.as_millis()],
                )
                .map(drop)
        };
        self.writer.change("remember an upload", note).await
    }

    async fn forget_upload(&self, scope: &str, media: MediaId) -> Result<(), LedgerError> {
        let scope = scope.to_owned();
        let forget = move |connection: &Connection| {
            connection
                .execute("DELETE FROM upload WHERE media = ? AND scope = ?", params![media.to_bytes(), scope])
                .map(drop)
        };
        self.writer.change("forget an upload", forget).await
    }

    async fn forget_media(&self, before: Timestamp, now: Timestamp, limit: usize) -> Result<usize, LedgerError> {
        let forget = move |connection: &Connection| {
            // Ids begin with their time.
            let end = MessageId::first_at(before).to_bytes();
            let mut find = connection.prepare_cached(
                "SELECT id FROM media AS m WHERE id < ?
                     AND NOT EXISTS (SELECT 1 FROM file_link WHERE media = m.id AND until > ?) LIMIT ?",
            )?;
            let asked = params![end, now.as_millis(), rows::limit(limit)];
            let old = find.query_map(asked, |row| Ok(MediaId::from_bytes(row.get(0)?)))?;
            let old = old.collect::<rusqlite::Result<Vec<_>>>()?;
            old.iter().try_for_each(|id| forget_file(connection, *id))?;
            Ok(old)
        };
        let old = self.writer.change("forget old files", forget).await?;
        let count = old.len();
        self.take_away(old).await?;
        Ok(count)
    }
}
