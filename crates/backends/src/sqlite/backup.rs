//! Backup: a whole, compact copy of the ledger as it is at one moment, made while it is in use or at rest.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::{BUSY_TIMEOUT, NAME, OpenError, private_file, schema};

/// A backup could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// There is no ledger there.
    #[error("there is no ledger `{0}`; name the data directory of the gateway")]
    Missing(PathBuf),
    /// Something is where the copy should go.
    #[error("`{0}` exists; a backup never overwrites anything: name another file")]
    Exists(PathBuf),
    /// What is there is not a ledger of this version.
    #[error(transparent)]
    Unusable(#[from] OpenError),
    /// The copy could not be written.
    #[error("the copy `{path}` could not be written")]
    Write {
        /// The copy.
        path: PathBuf,
        /// The cause.
        #[source]
        source: rusqlite::Error,
    },
    /// The copy was written and is not whole.
    #[error("the copy `{path}` is damaged: {found}; the ledger itself may be, too")]
    Damaged {
        /// The copy.
        path: PathBuf,
        /// What SQLite says.
        found: String,
    },
    /// The file could not be made.
    #[error("`{path}` cannot be written")]
    File {
        /// The copy.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// Copies the ledger of a data directory to a file that does not exist yet; returns the copy's size in bytes.
///
/// The gateway may be running: the copy is of the moment at which this began, and accepting goes on meanwhile.
///
/// # Errors
/// [`BackupError`]; then no copy is left behind.
pub fn back_up(data_dir: &Path, to: &Path) -> Result<u64, BackupError> {
    let from = data_dir.join(NAME);
    if !from.exists() {
        return Err(BackupError::Missing(from));
    }
    if to.exists() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let file = |source| BackupError::File { path: to.to_owned(), source };
    // VACUUM INTO takes an empty file, and leaves its mode alone.
    private_file(to).map_err(file)?;
    let copied = copy(&from, to).and_then(|()| check(to));
    if copied.is_err() {
        let _best_effort = std::fs::remove_file(to);
    }
    copied?;
    // What is called a backup is on disk.
    std::fs::File::open(to).and_then(|copy| copy.sync_all()).map_err(file)?;
    Ok(std::fs::metadata(to).map_err(file)?.len())
}

fn copy(from: &Path, to: &Path) -> Result<(), BackupError> {
    let unusable = |source| OpenError::Database { path: from.to_owned(), source };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(from, flags).map_err(unusable)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(unusable)?;
    schema::recognise(&connection, from)?;
    let write = |source| BackupError::Write { path: to.to_owned(), source };
    connection.execute("VACUUM INTO ?", [to.to_string_lossy()]).map_err(write).map(drop)
}

fn check(copy: &Path) -> Result<(), BackupError> {
    let write = |source| BackupError::Write { path: copy.to_owned(), source };
    let connection = Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(write)?;
    let found: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(write)?;
    if found == "ok" { Ok(()) } else { Err(BackupError::Damaged { path: copy.to_owned(), found }) }
}
