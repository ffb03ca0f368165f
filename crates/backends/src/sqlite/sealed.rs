//! What is sealed, and how SQL seals and opens it; whether the key file is the right one; sealing anew under a newer key.
//!
//! Sealing happens in the statements themselves, by functions that every connection of ours knows: `seal` and `opened` for
//! columns of bytes, `seal_text` and `open_text` for columns of text that are rarely filled. What cannot be opened is NULL:
//! the message is shown without its words, and never sent.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use domain::MessageId;
use pipeline::ports::{LedgerError, LedgerErrorKind, Sealing, SealingState};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

use super::{BUSY_TIMEOUT, KEY_FILE, NAME, OpenError, SqliteLedger, rows};
use crate::sealing::{Keyring, Place};

/// What a key seals to be recognised by.
const PROBE: &[u8] = b"hongyan";

/// Kinds of sealed values, as they are bound to their places.
const KINDS: [&str; 11] =
    ["content", "notes", "request", "attempt", "person", "secret", "event", "schedule", "broadcast", "link", "audit"];

/// Registers the functions on a connection.
pub(super) fn register(connection: &Connection, keyring: &Keyring) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8;
    let ring = keyring.clone();
    connection.create_scalar_function("seal", 3, flags, move |call| {
        text(call)?.map(|plain| place(call, |place| ring.seal(place, plain))).transpose()
    })?;
    let ring = keyring.clone();
    connection.create_scalar_function("opened", 3, flags, move |call| {
        let Some(sealed) = bytes(call)? else { return Ok(None) };
        place(call, |place| ring.open(place, sealed).ok().and_then(|plain| String::from_utf8(plain).ok()))
    })?;
    let ring = keyring.clone();
    connection.create_scalar_function("resealed", 3, flags, move |call| {
        let Some(sealed) = bytes(call)? else { return Ok(None) };
        // What cannot be opened is kept as it is.
        place(call, |place| {
            let opened = ring.open(place, sealed).ok();
            Some(opened.map_or_else(|| sealed.to_vec(), |plain| ring.seal(place, &plain)))
        })
    })?;
    let ring = keyring.clone();
    connection.create_scalar_function("seal_text", 3, flags, move |call| {
        let Some(plain) = text(call)? else { return Ok(None) };
        place(call, |place| std::str::from_utf8(plain).ok().map(|plain| ring.seal_text(place, plain)))
    })?;
    let ring = keyring.clone();
    connection.create_scalar_function("open_text", 3, flags, move |call| {
        let Some(sealed) = text(call)? else { return Ok(None) };
        place(call, |place| std::str::from_utf8(sealed).ok().and_then(|sealed| ring.open_text(place, sealed).ok()))
    })?;
    let ring = keyring.clone();
    connection.create_scalar_function("resealed_text", 3, flags, move |call| {
        let Some(sealed) = text(call)? else { return Ok(None) };
        let Ok(sealed) = std::str::from_utf8(sealed) else { return Ok(None) };
        place(call, |place| {
            let opened = ring.open_text(place, sealed).ok();
            Some(opened.map_or_else(|| sealed.to_owned(), |plain| ring.seal_text(place, &plain)))
        })
    })
}

/// The place that a call names: its kind, and the row by its id.
fn place<T>(call: &Context<'_>, work: impl FnOnce(Place<'_>) -> T) -> rusqlite::Result<T> {
    let named = call.get_raw(0).as_str().unwrap_or_default();
    let kind = KINDS.into_iter().find(|kind| *kind == named);
    let kind = kind.ok_or_else(|| rows::corrupt(format!("`{named}` is no kind of sealed value")))?;
    match call.get_raw(1) {
        ValueRef::Blob(row) | ValueRef::Text(row) => Ok(work(Place::new(kind, row))),
        ValueRef::Integer(row) => Ok(work(Place::new(kind, &row.to_be_bytes()))),
        ValueRef::Null | ValueRef::Real(_) => Err(rows::corrupt("a sealed value's row has no id")),
    }
}

fn text<'a>(call: &'a Context<'_>) -> rusqlite::Result<Option<&'a [u8]>> {
    match call.get_raw(2) {
        ValueRef::Text(text) => Ok(Some(text)),
        ValueRef::Null => Ok(None),
        _ => Err(rows::corrupt("what is to be sealed is no text")),
    }
}

fn bytes<'a>(call: &'a Context<'_>) -> rusqlite::Result<Option<&'a [u8]>> {
    match call.get_raw(2) {
        ValueRef::Blob(bytes) => Ok(Some(bytes)),
        ValueRef::Null => Ok(None),
        _ => Err(rows::corrupt("a sealed value is no blob")),
    }
}

/// Makes sure that the keys at hand are those that this ledger was sealed with; makes the first one for a new ledger.
pub(super) fn take_keys(connection: &Connection, keyring: &Keyring, path: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::Database { path: path.to_owned(), source };
    fit(&probes(connection).map_err(failed)?, keyring, path)?;
    if keyring.current().is_none() {
        keyring.add_key()?;
        let key_file = keyring.path().unwrap_or(Path::new(""));
        tracing::info!(path = %key_file.display(), "Made a master key; keep a copy apart from backups: without it they cannot be read");
    }
    note_keys(connection, keyring).map_err(failed)
}

/// Whether the keys at hand open what a ledger's keys are recognised by.
fn fit(known: &[(u32, Vec<u8>)], keyring: &Keyring, path: &Path) -> Result<(), OpenError> {
    let (path, key_file) = (path.to_owned(), keyring.path().unwrap_or(Path::new("")).to_owned());
    let held = keyring.numbers();
    if held.is_empty() && !known.is_empty() {
        return Err(OpenError::KeyMissing { path, key_file });
    }
    for (number, probe) in known {
        if !held.contains(number) {
            return Err(OpenError::KeyNotHeld { path, key_file, number: *number });
        }
        if keyring.open(Place::new("probe", &number.to_be_bytes()), probe).is_err() {
            return Err(OpenError::WrongKey { path, key_file, number: *number });
        }
    }
    Ok(())
}

/// What a look at the master key file found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFileFound {
    /// The file.
    pub path: PathBuf,
    /// The numbers of its keys, oldest first; the last one seals. None: the first start makes the file.
    pub keys: Vec<u32>,
    /// Its mode, if others than its owner may read or write it.
    pub open_mode: Option<u32>,
}

/// Looks whether the master key file opens the ledger of a data directory, and changes neither.
///
/// # Errors
/// [`OpenError`] as of opening the ledger.
pub fn look_at_key_file(data_dir: &Path, key_file: Option<&Path>) -> Result<KeyFileFound, OpenError> {
    let path = key_file.map_or_else(|| data_dir.join(KEY_FILE), Path::to_owned);
    let keyring = Keyring::read(path.clone())?;
    let ledger = data_dir.join(NAME);
    if ledger.exists() {
        let failed = |source| OpenError::Database { path: ledger.clone(), source };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&ledger, flags).map_err(failed)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        // A ledger of an early version knows no keys.
        let knows_keys = "SELECT 1 FROM sqlite_master WHERE name = 'sealing_key'";
        if connection.prepare(knows_keys).and_then(|mut find| find.exists([])).map_err(failed)? {
            fit(&probes(&connection).map_err(failed)?, &keyring, &ledger)?;
        }
    }
    #[cfg(unix)]
    let open_mode = {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&path).map(|about| about.permissions().mode() & 0o777).unwrap_or(0);
        (mode & 0o077 != 0).then_some(mode)
    };
    #[cfg(not(unix))]
    let open_mode = None;
    Ok(KeyFileFound { path, keys: keyring.numbers(), open_mode })
}

fn probes(connection: &Connection) -> rusqlite::Result<Vec<(u32, Vec<u8>)>> {
    let mut find = connection.prepare("SELECT number, probe FROM sealing_key ORDER BY number")?;
    find.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Remembers keys that were not known yet; with a new newest one, everything is to be sealed anew.
fn note_keys(connection: &Connection, keyring: &Keyring) -> rusqlite::Result<()> {
    let mut newest_is_new = false;
    for number in keyring.numbers() {
        if connection.prepare_cached("SELECT 1 FROM sealing_key WHERE number = ?")?.exists([number])? {
            continue;
        }
        // Only the newest seals: a probe of an older one that is unknown here would be sealed by another.
        newest_is_new = Some(number) == keyring.current();
        if newest_is_new {
            let probe = keyring.seal(Place::new("probe", &number.to_be_bytes()), PROBE);
            connection.execute("INSERT INTO sealing_key (number, probe) VALUES (?, ?)", params![number, probe])?;
        }
    }
    if newest_is_new {
        let through: Option<[u8; 16]> = connection.query_row("SELECT MAX(id) FROM message", [], |row| row.get(0))?;
        connection.execute("DELETE FROM resealing", [])?;
        connection.execute(
            "INSERT INTO resealing (number, until, through, done) VALUES (?, ?, ?, 0)",
            params![keyring.current(), [0_u8; 16], through.unwrap_or_default()],
        )?;
    }
    Ok(())
}

/// How far sealing anew has come: up to which message, and up to which it need go; `None` if it is done.
fn open_pass(connection: &Connection) -> rusqlite::Result<Option<(MessageId, MessageId)>> {
    let mut find = connection.prepare_cached("SELECT until, through FROM resealing WHERE done = 0")?;
    find.query_row([], |row| Ok((rows::message_id(row, 0)?, rows::message_id(row, 1)?))).optional()
}

/// Seals some messages anew, in the order of their ids; returns how many.
fn reseal(connection: &Connection, limit: usize) -> rusqlite::Result<usize> {
    let Some((until, through)) = open_pass(connection)? else { return Ok(0) };
    let mut find = connection.prepare_cached("SELECT id FROM message WHERE id > ? AND id <= ? ORDER BY id LIMIT ?")?;
    let asked = params![until.to_bytes(), through.to_bytes(), rows::limit(limit)];
    let found = find.query_map(asked, |row| rows::message_id(row, 0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    let last = found.last().copied().unwrap_or(through);
    let range = params![until.to_bytes(), last.to_bytes()];
    connection.execute(
        "UPDATE message SET content = NULL, metadata = NULL,
             sealed = CASE WHEN content IS NOT NULL THEN seal('content', id, content) ELSE resealed('content', id, sealed) END,
             sealed_notes = CASE WHEN metadata IS NULL AND COALESCE(json_extract(template, '$.variables'), '{}') = '{}'
                 THEN resealed('notes', id, sealed_notes)
                 ELSE seal('notes', id, json_object('metadata', metadata, 'variables', json_extract(template, '$.variables'))) END,
             template = json_set(template, '$.variables', json('{}'))
         WHERE id > ? AND id <= ?",
        range,
    )?;
    connection.execute(
        "UPDATE long_content SET content = '',
             sealed = CASE WHEN sealed IS NULL THEN seal('content', message_id, content) ELSE resealed('content', message_id, sealed) END
         WHERE message_id > ? AND message_id <= ?",
        range,
    )?;
    let (first, end) = (until.delivery_range().1.to_bytes(), last.delivery_range().1.to_bytes());
    connection.execute(
        "UPDATE delivery SET body = resealed_text('request', id, body) WHERE id > ? AND id <= ? AND body IS NOT NULL",
        [first, end],
    )?;
    let (first, end) = (until.attempt_range().1.to_bytes(), last.attempt_range().1.to_bytes());
    connection.execute(
        "UPDATE attempt SET request = resealed_text('attempt', id, request) WHERE id > ? AND id <= ? AND request IS NOT NULL",
        [first, end],
    )?;
    connection.execute("UPDATE resealing SET until = ? WHERE done = 0", [last.to_bytes()])?;
    Ok(found.len())
}

/// Small tables, at once, when every message is done.
fn reseal_the_rest(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .execute("UPDATE api_key SET secret = resealed_text('secret', hash, secret) WHERE secret IS NOT NULL", [])?;
    connection
        .execute("UPDATE webhook_event SET body = resealed_text('event', key, body) WHERE body IS NOT NULL", [])?;
    connection.execute(
        "UPDATE audit SET before = resealed_text('audit', number, before), after = resealed_text('audit', number, after)",
        [],
    )?;
    connection.execute("UPDATE own_secret SET body = resealed_text('secret', name, body)", [])?;
    connection.execute("UPDATE link SET target = resealed_text('link', message_id, target)", [])?;
    connection.execute("UPDATE callback_keys SET body = resealed_text('secret', callback, body)", [])?;
    connection.execute(
        "UPDATE heard SET body = resealed_text('event', key, body), reply = resealed_text('event', key, reply)",
        [],
    )?;
    connection.execute("UPDATE schedule SET sealed = resealed('schedule', name, sealed)", [])?;
    super::broadcasts::reseal(connection)?;
    super::directory::reseal(connection)?;
    connection.execute("UPDATE resealing SET done = 1", []).map(drop)
}

fn state(connection: &Connection, keyring: &Keyring) -> rusqlite::Result<SealingState> {
    let open = open_pass(connection)?;
    let waiting = match open {
        Some((until, through)) => {
            let mut count = connection.prepare_cached("SELECT COUNT(*) FROM message WHERE id > ? AND id <= ?")?;
            count.query_row([until.to_bytes(), through.to_bytes()], |row| row.get::<_, i64>(0))?.unsigned_abs()
        }
        None => 0,
    };
    Ok(SealingState { keys: keyring.numbers(), waiting, done: open.is_none() })
}

fn not_kept(operation: &'static str, source: impl std::error::Error + Send + Sync + 'static) -> LedgerError {
    LedgerError { operation, kind: LedgerErrorKind::Unavailable, source: Some(Box::new(source)) }
}

#[async_trait]
impl Sealing for SqliteLedger {
    async fn sealing(&self) -> Result<SealingState, LedgerError> {
        let keyring = self.file.keyring.clone();
        self.readers.read("read the state of encryption", move |connection| state(connection, &keyring)).await
    }

    async fn rotate_master_key(&self) -> Result<u32, LedgerError> {
        let keyring = self.file.keyring.clone();
        let number = keyring.add_key().map_err(|error| not_kept("keep a new master key", error))?;
        self.writer.change("begin to seal anew", move |connection| note_keys(connection, &keyring)).await?;
        Ok(number)
    }

    async fn reseal(&self, limit: usize) -> Result<usize, LedgerError> {
        let open = self.readers.read("look what is to be sealed anew", |connection| open_pass(connection)).await?;
        if open.is_none() {
            return Ok(0);
        }
        let sealed = self.writer.change("seal messages anew", move |connection| reseal(connection, limit)).await?;
        if sealed < limit {
            self.reseal_files().await?;
            self.writer.change("seal anew what is left", reseal_the_rest).await?;
        }
        Ok(sealed)
    }

    async fn retire_master_keys(&self) -> Result<bool, LedgerError> {
        let open = self.readers.read("look what is to be sealed anew", |connection| open_pass(connection)).await?;
        let keyring = self.file.keyring.clone();
        let Some(current) = keyring.current().filter(|_| open.is_none()) else { return Ok(false) };
        keyring.retire_old().map_err(|error| not_kept("take old master keys away", error))?;
        let forget = move |connection: &Connection| {
            connection.execute("DELETE FROM sealing_key WHERE number <> ?", [current]).map(drop)
        };
        self.writer.change("forget old master keys", forget).await?;
        Ok(true)
    }
}
