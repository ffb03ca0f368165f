//! The ledger on SQLite: WAL, `synchronous=FULL`, one writer that commits many verbs at once.
//!
//! Exactly one process uses a data directory (a file lock; the second refuses), so every lease found at the start is
//! void: what an earlier process had claimed may have been sent, is marked uncertain, and waits again. In memory it is
//! the same code over a database without a file.

mod admit;
mod api_calls;
mod audit;
mod backup;
mod broadcasts;
mod callbacks;
mod clicks;
mod commit_number;
mod digest;
mod directory;
mod erasure;
mod grants;
mod keys;
mod media;
mod memory;
mod pii;
mod queue;
mod readers;
mod records;
mod retention;
mod rows;
mod schedules;
mod schema;
mod sealed;
mod search;
mod settle;
mod shelf;
mod stats;
mod templates;
mod upkeep;
mod webhooks;
mod writer;

use std::fs::{self, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pipeline::ports::{Clock, LedgerError, LedgerErrorKind};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use self::commit_number::CommitNumber;
use self::memory::Memory;
use self::readers::Readers;
use self::shelf::Shelf;
use self::writer::Writer;
use crate::config::{Config, Pii};
use crate::sealing::{KeyFileError, Keyring, PiiKey};

pub use self::backup::{BackupError, back_up};
pub use self::sealed::{KeyFileFound, look_at_key_file};

/// How long a verb waits for another process that holds the file's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(15);
/// Page caches, in KiB.
const WRITER_CACHE_KIB: i64 = 4096;
const READER_CACHE_KIB: i64 = 512;
/// The log is copied back after so many pages of 4 KiB, and cut to so many bytes where a long read kept it from that.
const CHECKPOINT_PAGES: i64 = 2000;
const JOURNAL_SIZE_LIMIT: i64 = 16 * 1024 * 1024;
/// Statements kept ready.
const STATEMENTS: usize = 64;
/// The master keys' file in the data directory, unless another is named.
const KEY_FILE: &str = "master-key";
/// The database's name in the data directory.
const NAME: &str = "ledger.sqlite";

/// The ledger on SQLite.
#[derive(Debug)]
pub struct SqliteLedger {
    writer: Writer,
    readers: Readers,
    shelf: Shelf,
    file: File,
    /// Held as long as the ledger is open.
    _lock: Option<fs::File>,
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
    /// The file has lost commits: it was replaced, cut or restored.
    #[error(
        "`{path}` ends at commit {held}, and commit {committed} was made: what came between is lost; put the right file back, or go on without it by `hongyan serve --accept-loss`"
    )]
    Behind {
        /// The file.
        path: PathBuf,
        /// The last commit it holds.
        held: i64,
        /// The last commit that was made.
        committed: i64,
    },
    /// The master key file is not there.
    #[error(
        "`{path}` is sealed, and there is no master key file `{key_file}`; put the right file back, or name it in encryption.key_file"
    )]
    KeyMissing {
        /// The ledger.
        path: PathBuf,
        /// Where the key file should be.
        key_file: PathBuf,
    },
    /// The master key file lacks a key.
    #[error(
        "the master key file `{key_file}` does not open `{path}`: its key {number} is missing; put the file back that holds it"
    )]
    KeyNotHeld {
        /// The ledger.
        path: PathBuf,
        /// The key file.
        key_file: PathBuf,
        /// The key that is missing.
        number: u32,
    },
    /// The master key file is another ledger's.
    #[error(
        "the master key file `{key_file}` does not open `{path}`: its key {number} is another; put the right file in its place"
    )]
    WrongKey {
        /// The ledger.
        path: PathBuf,
        /// The key file.
        key_file: PathBuf,
        /// The key that does not fit.
        number: u32,
    },
    /// What names people could not be sealed, or opened again.
    #[error(
        "what names people in `{path}` could not be brought over to another encryption.pii; nothing is lost, and the next start goes on: see that the disk has as much room again as the ledger takes"
    )]
    Pii {
        /// The ledger.
        path: PathBuf,
        /// The cause.
        #[source]
        source: rusqlite::Error,
    },
    /// The master key file cannot be used.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// SQLite refused.
    #[error("the ledger `{path}` cannot be opened; if it is damaged, put the last backup in its place")]
    Database {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: rusqlite::Error,
    },
}

/// A database's place, and how connections to it are opened.
#[derive(Clone)]
struct File {
    path: PathBuf,
    /// Whether it lives in memory, shared by this process's connections.
    memory: bool,
    /// What it is sealed with.
    keyring: Keyring,
    /// By what names of people are sealed, if they are.
    pii_key: PiiKey,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("File").field("path", &self.path).field("memory", &self.memory).finish_non_exhaustive()
    }
}

impl File {
    fn path(&self) -> &PathBuf {
        &self.path
    }

    fn connect(&self, flags: OpenFlags, cache_kib: i64) -> rusqlite::Result<Connection> {
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = if self.memory {
            Connection::open_with_flags_and_vfs(&self.path, flags | OpenFlags::SQLITE_OPEN_CREATE, "memdb")?
        } else {
            Connection::open_with_flags(&self.path, flags)?
        };
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // A statement's plan never depends on what is bound to it: it is prepared once.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.pragma_update(None, "cache_size", -cache_kib)?;
        rows::register_message_of(&connection)?;
        sealed::register(&connection, &self.keyring)?;
        pii::register(&connection, &self.pii_key)?;
        let clock = self.clock.clone();
        webhooks::register(&connection, move || clock.now())?;
        Ok(connection)
    }

    fn connect_to_read(&self, cache_kib: i64) -> rusqlite::Result<Connection> {
        // A database in memory is gone with its last connection; each of them may write.
        let flags = if self.memory { OpenFlags::SQLITE_OPEN_READ_WRITE } else { OpenFlags::SQLITE_OPEN_READ_ONLY };
        self.connect(flags, cache_kib)
    }

    fn connect_to_write(&self) -> rusqlite::Result<Connection> {
        let connection = self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE, WRITER_CACHE_KIB)?;
        if !self.memory {
            connection.pragma_update(None, "journal_mode", "wal")?;
            connection.pragma_update(None, "synchronous", "full")?;
            connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
            connection.pragma_update(None, "journal_size_limit", JOURNAL_SIZE_LIMIT)?;
        }
        Ok(connection)
    }
}

impl File {
    /// Copies the log back and empties it, so that it holds nothing of what was erased.
    async fn wipe_log(&self) -> Result<(), LedgerError> {
        if self.memory {
            return Ok(());
        }
        let file = self.clone();
        let wiping = tokio::task::spawn_blocking(move || {
            let connection = file.connect_to_write()?;
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        });
        let failed = |source: Option<Box<dyn std::error::Error + Send + Sync>>| LedgerError {
            operation: "wipe the log",
            kind: LedgerErrorKind::Unavailable,
            source,
        };
        match wiping.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(failed(Some(Box::new(error)))),
            Err(_panicked) => Err(failed(None)),
        }
    }
}

impl SqliteLedger {
    /// Opens or makes the ledger in a data directory; brings it over first if what names people is to be held otherwise.
    ///
    /// # Errors
    /// [`OpenError`] says which file cannot be used, and why.
    pub async fn open(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let Config { data_dir, key_file, pii, accept_loss, .. } = config;
        let (pii, accept_loss) = (*pii, *accept_loss);
        let directory = |source| OpenError::Directory { path: data_dir.to_owned(), source };
        private_directory(data_dir).map_err(directory)?;
        let lock = lock(data_dir)?;
        let path = data_dir.join(NAME);
        let numbers = CommitNumber::open(data_dir).map_err(directory)?;
        let made = !path.exists();
        if made && numbers.read() > 0 && !accept_loss {
            // Never a new, empty ledger in the place of one that is gone.
            return Err(OpenError::Behind { path, held: 0, committed: numbers.read() });
        }
        // SQLite gives the files beside it the same mode.
        private_file(&path).map_err(directory)?;
        let key_file = key_file.clone().unwrap_or_else(|| data_dir.join(KEY_FILE));
        let file = File {
            path,
            memory: false,
            keyring: Keyring::read(key_file)?,
            pii_key: PiiKey::default(),
            clock: clock.clone(),
        };
        let shelf = Shelf::Folder(data_dir.join("media"));
        shelf.tidy().map_err(directory)?;
        tokio::task::spawn_blocking(move || Self::start(file, pii, shelf, clock, Some((lock, numbers, accept_loss))))
            .await
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    /// Makes a ledger that ends with the process.
    ///
    /// # Errors
    /// [`OpenError`] if SQLite refuses.
    pub fn in_memory(pii: Pii, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        // The memdb VFS lets several connections of this process share one database by name.
        let name = format!("/hongyan-{}", NEXT_IN_MEMORY.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        let file = File {
            path: PathBuf::from(name),
            memory: true,
            keyring: Keyring::in_memory(),
            pii_key: PiiKey::default(),
            clock: clock.clone(),
        };
        Self::start(file, pii, Shelf::Memory(Arc::default()), clock, None)
    }

    fn start(
        file: File,
        pii: Pii,
        shelf: Shelf,
        clock: Arc<dyn Clock>,
        disk: Option<(fs::File, CommitNumber, bool)>,
    ) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Database { path: file.path().clone(), source };
        let mut connection = file.connect_to_write().map_err(failed)?;
        schema::migrate(&mut connection, file.path())?;
        let (lock, numbers) = match disk {
            Some((lock, numbers, accept_loss)) => {
                let (held, committed) = (commit_number::held(&connection).map_err(failed)?, numbers.read());
                if held < committed && !accept_loss {
                    return Err(OpenError::Behind { path: file.path().clone(), held, committed });
                }
                if held < committed {
                    commit_number::set(&connection, committed).map_err(failed)?;
                }
                (Some(lock), Some(numbers))
            }
            None => (None, None),
        };
        sealed::take_keys(&connection, &file.keyring, file.path())?;
        directory::seal_what_is_not(&connection).map_err(failed)?;
        pii::bring_over(&connection, &file.pii_key, pii)
            .map_err(|source| OpenError::Pii { path: file.path().clone(), source })?;
        broadcasts::forget_unfinished(&connection).map_err(failed)?;
        let now = clock.now();
        queue::void_leases(&connection, now).map_err(failed)?;
        queue::pull_back(&connection, now).map_err(failed)?;
        // Readers keep a database in memory alive, too.
        let readers = Readers::open(file.clone()).map_err(failed)?;
        let memory = Memory::load(&connection).map_err(failed)?;
        let writer = Writer::start(connection, memory, file.clone(), (numbers, clock));
        Ok(Self { writer, readers, shelf, file, _lock: lock })
    }
}

static NEXT_IN_MEMORY: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);

fn lock(data_dir: &Path) -> Result<fs::File, OpenError> {
    let directory = |source| OpenError::Directory { path: data_dir.to_owned(), source };
    let lock = fs::File::create(data_dir.join("lock")).map_err(directory)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: data_dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(directory(source)),
    }
}

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
