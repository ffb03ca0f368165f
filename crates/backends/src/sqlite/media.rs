//! Files that messages carry: their bytes lie sealed in a folder beside the database, or in memory with it.
//!
//! The bytes are on disk before the row is: a row without its file is a file that was taken away by hand.

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{CallerId, MediaId, Timestamp};
use parking_lot::Mutex;
use pipeline::ports::{LedgerError, LedgerErrorKind, Media, MediaRecord, Upload};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{SqliteLedger, rows, sealed};
use crate::sealing::{Keyring, Place};

/// Where the bytes of files are.
#[derive(Clone, Debug)]
pub(super) enum Shelf {
    /// In a folder, a file each.
    Folder(PathBuf),
    /// In memory, gone with the process.
    Memory(Arc<Mutex<HashMap<MediaId, Bytes>>>),
}

impl Shelf {
    fn put(&self, id: MediaId, content: &Bytes, keyring: &Keyring) -> std::io::Result<()> {
        match self {
            Self::Folder(folder) => {
                super::private_directory(folder)?;
                let path = sealed_path(folder, id);
                super::private_file(&path)?;
                let mut file = fs::OpenOptions::new().write(true).truncate(true).open(&path)?;
                file.write_all(&keyring.seal(place(&id.to_bytes()), content))?;
                file.sync_all()?;
                // The name itself is on disk only with its folder.
                fs::File::open(folder)?.sync_all()
            }
            Self::Memory(files) => {
                files.lock().insert(id, content.clone());
                Ok(())
            }
        }
    }

    fn get(&self, id: MediaId, keyring: &Keyring) -> std::io::Result<Option<Bytes>> {
        match self {
            Self::Folder(folder) => match read(&sealed_path(folder, id))? {
                Some(sealed) => {
                    let opened = keyring.open(place(&id.to_bytes()), &sealed).map_err(std::io::Error::other)?;
                    Ok(Some(opened.into()))
                }
                // From before files were sealed.
                None => Ok(read(&folder.join(id.to_string()))?.map(Into::into)),
            },
            Self::Memory(files) => Ok(files.lock().get(&id).cloned()),
        }
    }

    fn remove(&self, id: MediaId) {
        match self {
            // One that cannot be removed now is only a file too many.
            Self::Folder(folder) => {
                drop(fs::remove_file(folder.join(id.to_string())));
                drop(fs::remove_file(sealed_path(folder, id)));
            }
            Self::Memory(files) => drop(files.lock().remove(&id)),
        }
    }
}

/// A file that is there; `None` if it is not.
fn read(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn sealed_path(folder: &Path, id: MediaId) -> PathBuf {
    folder.join(format!("{id}.sealed"))
}

fn place(id: &[u8; 16]) -> Place<'_> {
    Place::new("file", id)
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
        blocking("seal files anew", move || {
            let Shelf::Folder(folder) = &shelf else { return Ok(()) };
            for id in ids {
                let is_new = read(&sealed_path(folder, id))?.is_some_and(|sealed| !sealed::is_old(&sealed, &keyring));
                if !is_new && let Some(content) = shelf.get(id, &keyring)? {
                    shelf.put(id, &content, &keyring)?;
                    drop(fs::remove_file(folder.join(id.to_string())));
                }
            }
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

#[async_trait]
impl Media for SqliteLedger {
    async fn put_media(&self, record: MediaRecord, content: Bytes) -> Result<(), LedgerError> {
        let (shelf, keyring, id) = (self.shelf.clone(), self.file.keyring.clone(), record.id);
        blocking("keep a file", move || shelf.put(id, &content, &keyring)).await?;
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
            find.query_row(params![id.to_bytes(), caller], |row| {
                Ok(MediaRecord {
                    id,
                    caller: CallerId::new(row.get::<_, String>(0)?),
                    file_name: row.get(1)?,
                    size: row.get::<_, i64>(2)?.unsigned_abs(),
                    created_at: rows::time(row, 3)?,
                })
            })
            .optional()
        };
        self.readers.read("find a file", find).await
    }

    async fn media_content(&self, id: MediaId) -> Result<Option<Bytes>, LedgerError> {
        let (shelf, keyring) = (self.shelf.clone(), self.file.keyring.clone());
        blocking("read a file", move || shelf.get(id, &keyring)).await
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

    async fn forget_media(&self, before: Timestamp, limit: usize) -> Result<usize, LedgerError> {
        let forget = move |connection: &Connection| {
            // Ids begin with their time.
            let end = domain::MessageId::first_at(before).to_bytes();
            let mut old = connection.prepare_cached(
                "DELETE FROM media WHERE id IN (SELECT id FROM media WHERE id < ? LIMIT ?) RETURNING id",
            )?;
            let old = old.query_map(params![end, rows::limit(limit)], |row| Ok(MediaId::from_bytes(row.get(0)?)))?;
            let old = old.collect::<rusqlite::Result<Vec<_>>>()?;
            for id in &old {
                connection.prepare_cached("DELETE FROM upload WHERE media = ?")?.execute([id.to_bytes()])?;
            }
            Ok(old)
        };
        let old = self.writer.change("forget old files", forget).await?;
        let (shelf, count) = (self.shelf.clone(), old.len());
        blocking("forget old files", move || {
            old.iter().for_each(|id| shelf.remove(*id));
            Ok(count)
        })
        .await
    }
}
