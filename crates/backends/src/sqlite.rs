//! The ledger on SQLite: WAL, `synchronous=FULL`, one writer that commits many verbs at once.
//!
//! Exactly one process uses a data directory (a file lock; the second refuses), so every lease found at the start is
//! void: what an earlier process had claimed may have been sent, is marked uncertain, and waits again. In memory it is
//! the same code over a database without a file.

mod admit;
mod keys;
mod queue;
mod records;
mod rows;
mod settle;
mod writer;

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::Timestamp;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use self::writer::Writer;

/// Marks the file as Hongyan's (`PRAGMA application_id`): "`HYan`".
const APPLICATION_ID: i64 = 0x4859_616e;
/// How long a verb waits for another process that holds the file's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(15);
/// Connections for reading; writing has its own.
const READERS: u32 = 3;
const MIGRATIONS: &[(i64, &str, &str)] = &[(1, "ledger", include_str!("../migrations/sqlite/0001_ledger.sql"))];

/// The ledger on SQLite.
#[derive(Debug)]
pub struct SqliteLedger {
    writer: Writer,
    readers: SqlitePool,
    /// Held as long as the ledger is open.
    _lock: Option<File>,
}

/// The ledger could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The data directory cannot be used.
    #[error("the data directory `{path}` cannot be used")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Another process uses it.
    #[error(
        "the data directory `{path}` is in use by another process; stop that one, or give this one a directory of its own"
    )]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The file is something else's.
    #[error("`{path}` is not a Hongyan ledger; move it away, or use another data directory")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a later version.
    #[error(
        "`{path}` has schema {found}, and this version knows {known} at most; start the newer version that wrote it"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema this binary knows.
        known: i64,
    },
    /// SQLite refused.
    #[error("the ledger `{path}` cannot be opened")]
    Database {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: sqlx::Error,
    },
}

impl SqliteLedger {
    /// Opens or makes the ledger in a data directory.
    ///
    /// # Errors
    /// [`OpenError`] says which file cannot be used, and why.
    pub async fn open(data_dir: &Path, now: Timestamp) -> Result<Self, OpenError> {
        let directory = |source| OpenError::Directory { path: data_dir.to_owned(), source };
        private_directory(data_dir).map_err(directory)?;
        let lock = File::create(data_dir.join("lock")).map_err(directory)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::InUse { path: data_dir.to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(directory(source)),
        }
        let path = data_dir.join("ledger.sqlite");
        // SQLite gives the files beside it the same mode.
        private_file(&path).map_err(directory)?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        Self::start(options, path, now, Some(lock)).await
    }

    /// Makes a ledger that ends with the process.
    ///
    /// # Errors
    /// [`OpenError`] if SQLite refuses.
    pub async fn in_memory(now: Timestamp) -> Result<Self, OpenError> {
        // The memdb VFS lets several connections of this process share one database by name.
        let name = format!("/hongyan-{}", NEXT_IN_MEMORY.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        let options = SqliteConnectOptions::new().filename(&name).vfs("memdb").create_if_missing(true);
        Self::start(options, PathBuf::from("(memory)"), now, None).await
    }

    async fn start(
        options: SqliteConnectOptions,
        path: PathBuf,
        now: Timestamp,
        lock: Option<File>,
    ) -> Result<Self, OpenError> {
        let options = options.busy_timeout(BUSY_TIMEOUT).statement_cache_capacity(64).disable_statement_logging();
        let failed = |source| OpenError::Database { path: path.clone(), source };
        let mut connection = SqliteConnection::connect_with(&options).await.map_err(failed)?;
        migrate(&mut connection, &path).await?;
        queue::void_leases(&mut connection, now).await.map_err(failed)?;
        // Readers keep a database in memory alive, too.
        let readers = SqlitePoolOptions::new().max_connections(READERS).min_connections(1);
        let readers = readers.connect_with(options.clone().read_only(lock.is_some())).await.map_err(failed)?;
        Ok(Self { writer: Writer::start(connection, options), readers, _lock: lock })
    }
}

static NEXT_IN_MEMORY: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);

fn private_directory(path: &Path) -> std::io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path)
}

fn private_file(path: &Path) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path).map(drop)
}

/// Brings an empty or older file to the newest schema, one transaction a step; refuses a foreign or newer one.
async fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::Database { path: path.to_owned(), source };
    let number = async |connection: &mut SqliteConnection, pragma: &'static str| -> Result<i64, sqlx::Error> {
        sqlx::query(pragma).fetch_one(connection).await?.try_get(0)
    };
    let application = number(connection, "PRAGMA application_id").await.map_err(failed)?;
    let found = number(connection, "PRAGMA user_version").await.map_err(failed)?;
    let tables = number(connection, "SELECT COUNT(*) FROM sqlite_schema").await.map_err(failed)?;
    let known = MIGRATIONS.last().map_or(0, |(version, ..)| *version);
    if application != APPLICATION_ID && (application != 0 || tables > 0) {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    if found > known {
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    }
    for (version, _name, sql) in MIGRATIONS.iter().filter(|(version, ..)| *version > found) {
        let mut step = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        sqlx::raw_sql(*sql).execute(&mut *step).await.map_err(failed)?;
        // Pragmas take no bound parameters; these are our own constants.
        let stamp = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(stamp)).execute(&mut *step).await.map_err(failed)?;
        step.commit().await.map_err(failed)?;
    }
    Ok(())
}
