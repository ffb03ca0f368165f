//! The number of the last commit, in a small file beside the database: a database that is behind it has lost something.
//!
//! The file is rewritten after each commit without waiting for the disk, so it may be behind the database, never ahead
//! of what was once committed.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use domain::Timestamp;
use rusqlite::{Connection, OptionalExtension as _};

/// The file's name in the data directory.
const NAME: &str = "ledger.commits";
/// Every number is written as wide as the largest.
const WIDTH: usize = 20;

#[derive(Debug)]
pub(super) struct CommitNumber {
    file: File,
}

impl CommitNumber {
    pub(super) fn open(data_dir: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true).mode(0o600);
        Ok(Self { file: options.open(data_dir.join(NAME))? })
    }

    /// Reads the number; 0 if there is none, or none that can be read.
    pub(super) fn read(&self) -> i64 {
        let mut text = [0; WIDTH];
        let read = self.file.read_at(&mut text, 0).unwrap_or(0);
        std::str::from_utf8(&text[..read]).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    /// Writes the number; that it could not be written only means that less is noticed.
    pub(super) fn write(&self, number: i64) {
        if let Err(error) = self.file.write_all_at(format!("{number:>WIDTH$}").as_bytes(), 0) {
            tracing::debug!(%error, "Could not write the commit number");
        }
    }
}

/// Counts a commit that is about to be made.
pub(super) fn next(connection: &Connection, now: Timestamp) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("UPDATE commit_number SET number = number + 1, at = ? RETURNING number")?
        .query_row([now.as_millis()], |row| row.get(0))
}

/// The number of the last commit that the database holds.
pub(super) fn held(connection: &Connection) -> rusqlite::Result<i64> {
    let number = connection.query_row("SELECT number FROM commit_number", [], |row| row.get(0)).optional()?;
    Ok(number.unwrap_or(0))
}

/// When the last commit was made, by the clock of then.
pub(super) fn last_at(connection: &Connection) -> rusqlite::Result<Timestamp> {
    connection.query_row("SELECT at FROM commit_number", [], |row| Ok(Timestamp::from_millis(row.get(0)?)))
}

/// Goes on from another number, because a loss was accepted.
pub(super) fn set(connection: &Connection, number: i64) -> rusqlite::Result<()> {
    connection.execute("UPDATE commit_number SET number = ?", [number]).map(drop)
}
