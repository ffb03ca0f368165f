//! The one writer: takes whatever verbs wait, runs them in one transaction, answers when it is on disk.
//!
//! It lives on a thread of its own and commits as soon as it is idle: under load the verbs that arrive during one commit
//! form the next, and while commits are large it waits a moment for more. If a transaction fails, nothing of it
//! happened, and every verb in it hears so.

use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;
use pipeline::ports::{Accepted, Admission, Claim, Claims, Clock, LedgerError, LedgerErrorKind, Settled, Settlement};
use rusqlite::{Connection, ErrorCode};
use tokio::sync::{mpsc, oneshot};

use super::commit_number::CommitNumber;
use super::memory::Memory;
use super::{File, admit, commit_number, queue, settle};

/// Verbs that may wait before a caller is made to wait.
const WAITING: usize = 4096;
/// Verbs in one transaction at most, so that none waits too long for the others.
const TOGETHER: usize = 1024;
/// A commit of so many verbs is a sign of load: then the next one with something to accept waits this long for more,
/// because what a commit costs is shared by all in it. A quiet gateway never waits, nor a claim by itself.
const LOADED: usize = 16;
const LINGER: Duration = Duration::from_millis(2);

type Admissions = Vec<Arc<Admission>>;
type Reply<T> = oneshot::Sender<Result<T, LedgerError>>;
/// What is to be done once a change is on disk.
type Deliver = Box<dyn FnOnce() + Send>;
type Change = Box<dyn FnOnce(&Connection, &mut Memory) -> rusqlite::Result<Deliver> + Send>;

/// Where commits are counted: beside the database, and by which clock.
pub(super) type Book = (Option<CommitNumber>, Arc<dyn Clock>);

enum Verb {
    Accept(Admissions, Reply<Vec<Accepted>>),
    Settle(Arc<Settlement>, Reply<Settled>),
    Claim(Claim, Reply<Claims>),
    /// Anything rarer.
    Change(&'static str, Change, oneshot::Sender<LedgerError>),
    /// The last one.
    Close(oneshot::Sender<()>),
}

#[derive(Debug)]
pub(super) struct Writer {
    verbs: Option<mpsc::Sender<Verb>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Writer {
    /// Starts on a connection; `file` opens another when one is left in the middle of a failed transaction.
    pub(super) fn start(connection: Connection, memory: Memory, file: File, book: Book) -> Self {
        let (verbs, waiting) = mpsc::channel(WAITING);
        let desk = Desk { kept: Some((connection, memory)), file, book };
        let thread = std::thread::Builder::new().name("ledger".to_owned()).spawn(move || desk.run(waiting));
        if let Err(error) = &thread {
            // Every verb hears that the ledger is not there.
            tracing::error!(%error, "Could not start the ledger's thread");
        }
        Self { verbs: Some(verbs), thread: thread.ok() }
    }

    pub(super) async fn accept(&self, admissions: Vec<Arc<Admission>>) -> Result<Vec<Accepted>, LedgerError> {
        self.ask("accept a message", |reply| Verb::Accept(admissions, reply)).await
    }

    pub(super) async fn settle(&self, settlement: Arc<Settlement>) -> Result<Settled, LedgerError> {
        self.ask("record an outcome", |reply| Verb::Settle(settlement, reply)).await
    }

    pub(super) async fn claim(&self, claim: Claim) -> Result<Claims, LedgerError> {
        self.ask("claim deliveries", |reply| Verb::Claim(claim, reply)).await
    }

    /// Runs `change` in a transaction, together with whatever else waits.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        operation: &'static str,
        change: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, LedgerError> {
        self.change_memory(operation, |connection, _memory| change(connection)).await
    }

    /// The same for a change of what the writer keeps in mind, too.
    pub(super) async fn change_memory<T: Send + 'static>(
        &self,
        operation: &'static str,
        change: impl FnOnce(&Connection, &mut Memory) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (reply, answer) = oneshot::channel();
        let (failed, failure) = oneshot::channel();
        let change: Change = Box::new(move |connection, memory| {
            let result = change(connection, memory)?;
            let deliver: Deliver = Box::new(move || drop(reply.send(result)));
            Ok(deliver)
        });
        self.send(operation, Verb::Change(operation, change, failed)).await?;
        match answer.await {
            Ok(result) => Ok(result),
            Err(_) => Err(failure.await.unwrap_or_else(|_| stopped(operation))),
        }
    }

    /// Finishes what was asked before, and closes the database.
    pub(super) async fn close(&self) {
        let (closed, closing) = oneshot::channel();
        if self.send("close", Verb::Close(closed)).await.is_ok() {
            let _thread_ended = closing.await;
        }
    }

    async fn ask<T>(&self, operation: &'static str, verb: impl FnOnce(Reply<T>) -> Verb) -> Result<T, LedgerError> {
        let (reply, answer) = oneshot::channel();
        self.send(operation, verb(reply)).await?;
        answer.await.unwrap_or_else(|_| Err(stopped(operation)))
    }

    async fn send(&self, operation: &'static str, verb: Verb) -> Result<(), LedgerError> {
        let verbs = self.verbs.as_ref().ok_or_else(|| stopped(operation))?;
        verbs.send(verb).await.map_err(|_| stopped(operation))
    }
}

impl Drop for Writer {
    /// Waits for what was sent: the file is closed in order when the ledger is gone.
    fn drop(&mut self) {
        self.verbs = None;
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

pub(super) fn stopped(operation: &'static str) -> LedgerError {
    LedgerError { operation, kind: LedgerErrorKind::Unavailable, source: None }
}

/// What the writer's thread holds.
struct Desk {
    /// A connection that works, and what is kept in mind of its database.
    kept: Option<(Connection, Memory)>,
    file: File,
    book: Book,
}

impl Desk {
    fn run(mut self, mut waiting: mpsc::Receiver<Verb>) {
        let mut verbs = Vec::with_capacity(TOGETHER);
        let mut last = 0;
        while waiting.blocking_recv_many(&mut verbs, TOGETHER) > 0 {
            let accepting = verbs.iter().any(|verb| matches!(verb, Verb::Accept(..)));
            if accepting && last >= LOADED && verbs.len() < TOGETHER {
                std::thread::sleep(LINGER);
                while verbs.len() < TOGETHER
                    && let Ok(verb) = waiting.try_recv()
                {
                    verbs.push(verb);
                }
            }
            last = verbs.len();
            let mut batch = Batch::sort(verbs.drain(..));
            let closing = batch.closing.take();
            let (connection, mut memory) = match self.kept.take().map_or_else(|| self.connect(), Ok) {
                Ok(usable) => usable,
                Err(error) => {
                    batch.fail(&Arc::new(error));
                    continue;
                }
            };
            // A full disk can end a transaction in a way that leaves the connection unusable: it is not used again.
            if batch.commit(&connection, &mut memory, &self.book) {
                self.kept = Some((connection, memory));
            }
            if let Some(closed) = closing {
                self.kept = None;
                let _nobody_waits = closed.send(());
                return;
            }
        }
    }

    fn connect(&self) -> rusqlite::Result<(Connection, Memory)> {
        let connection = self.file.connect_to_write()?;
        let memory = Memory::load(&connection)?;
        Ok((connection, memory))
    }
}

/// The verbs of one transaction, sorted by kind.
#[derive(Default)]
struct Batch {
    accepts: Vec<(Admissions, Reply<Vec<Accepted>>)>,
    settles: Vec<(Arc<Settlement>, Reply<Settled>)>,
    claims: Vec<(Claim, Reply<Claims>)>,
    changes: Vec<(&'static str, Change, oneshot::Sender<LedgerError>)>,
    closing: Option<oneshot::Sender<()>>,
}

/// What a transaction gave, to be told once it is on disk.
struct Results {
    accepted: Vec<Vec<Accepted>>,
    settled: Vec<Settled>,
    claimed: Vec<Claims>,
    changed: Vec<Deliver>,
}

impl Batch {
    fn sort(verbs: impl Iterator<Item = Verb>) -> Self {
        let mut batch = Self::default();
        for verb in verbs {
            match verb {
                Verb::Accept(admissions, reply) => batch.accepts.push((admissions, reply)),
                Verb::Settle(settlement, reply) => batch.settles.push((settlement, reply)),
                Verb::Claim(claim, reply) => batch.claims.push((claim, reply)),
                Verb::Change(operation, change, failed) => batch.changes.push((operation, change, failed)),
                Verb::Close(closed) => batch.closing = Some(closed),
            }
        }
        batch
    }

    /// Commits all and tells everyone; `false` if the connection must not be used again.
    fn commit(mut self, connection: &Connection, memory: &mut Memory, book: &Book) -> bool {
        let changes = self.changes.drain(..).map(|(operation, change, failed)| ((operation, failed), change));
        let (waiting_changes, changes): (Vec<_>, Vec<_>) = changes.unzip();
        match self.transact(connection, memory, changes, book) {
            Ok(results) => {
                self.tell(results);
                true
            }
            Err(error) => {
                let error = Arc::new(error);
                // One that can never be stored must not fail the others.
                let verbs = self.accepts.len() + self.settles.len() + self.claims.len() + waiting_changes.len();
                for (operation, failed) in waiting_changes {
                    let _caller_left = failed.send(ledger_error(operation, &error));
                }
                // What was rolled back is still in mind.
                let mut recalled = || Memory::load(connection).map(|fresh| *memory = fresh);
                let usable = is_about_one(&error) && recalled().is_ok();
                if usable && verbs > 1 {
                    return self.commit_one_by_one(connection, memory, book);
                }
                self.fail(&error);
                usable
            }
        }
    }

    fn transact(
        &self,
        connection: &Connection,
        memory: &mut Memory,
        changes: Vec<Change>,
        (numbers, clock): &Book,
    ) -> rusqlite::Result<Results> {
        let transaction = Transaction::begin(connection)?;
        let settled = self.settles.iter().map(|(settlement, _)| settle::settle(connection, memory, settlement));
        let settled = settled.collect::<rusqlite::Result<_>>()?;
        let mut accept = |admissions: &Admissions| {
            let admitted = admissions.iter().map(|admission| admit::admit(connection, memory, admission));
            admitted.collect::<rusqlite::Result<_>>()
        };
        let accepted =
            self.accepts.iter().map(|(admissions, _)| accept(admissions)).collect::<rusqlite::Result<_>>()?;
        let claimed = self.claims.iter().map(|(claim, _)| queue::claim(connection, memory, claim));
        let claimed = claimed.collect::<rusqlite::Result<_>>()?;
        let changed = changes.into_iter().map(|change| change(connection, memory)).collect::<rusqlite::Result<_>>()?;
        pipeline::crash_point("commit-before");
        if let Some(number) = transaction.commit(clock.now())?
            && let Some(numbers) = numbers
        {
            numbers.write(number);
        }
        pipeline::crash_point("commit-after");
        Ok(Results { accepted, settled, claimed, changed })
    }

    fn tell(self, results: Results) {
        // A caller that left meanwhile hears nothing; its message is stored all the same.
        for ((_, reply), accepted) in self.accepts.into_iter().zip(results.accepted) {
            let _caller_left = reply.send(Ok(accepted));
        }
        for ((_, reply), settled) in self.settles.into_iter().zip(results.settled) {
            let _caller_left = reply.send(Ok(settled));
        }
        for ((_, reply), claimed) in self.claims.into_iter().zip(results.claimed) {
            let _caller_left = reply.send(Ok(claimed));
        }
        for deliver in results.changed {
            deliver();
        }
    }

    fn commit_one_by_one(self, connection: &Connection, memory: &mut Memory, book: &Book) -> bool {
        let accepts = self.accepts.into_iter().map(|(admissions, reply)| Verb::Accept(admissions, reply));
        let settles = self.settles.into_iter().map(|(settlement, reply)| Verb::Settle(settlement, reply));
        let claims = self.claims.into_iter().map(|(claim, reply)| Verb::Claim(claim, reply));
        let mut usable = true;
        for verb in accepts.chain(settles).chain(claims) {
            usable &= Self::sort(std::iter::once(verb)).commit(connection, memory, book);
        }
        usable
    }

    fn fail(self, error: &Arc<rusqlite::Error>) {
        for (_, reply) in self.accepts {
            let _caller_left = reply.send(Err(ledger_error("accept a message", error)));
        }
        for (_, reply) in self.settles {
            let _caller_left = reply.send(Err(ledger_error("record an outcome", error)));
        }
        for (_, reply) in self.claims {
            let _caller_left = reply.send(Err(ledger_error("claim deliveries", error)));
        }
        for (operation, _, failed) in self.changes {
            let _caller_left = failed.send(ledger_error(operation, error));
        }
    }
}

/// A transaction that is rolled back unless it is committed.
struct Transaction<'c> {
    connection: &'c Connection,
    changes: u64,
    open: bool,
}

impl<'c> Transaction<'c> {
    fn begin(connection: &'c Connection) -> rusqlite::Result<Self> {
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(Self { connection, changes: connection.total_changes(), open: true })
    }

    /// Commits; returns the commit's number, unless there was nothing to commit.
    fn commit(mut self, now: Timestamp) -> rusqlite::Result<Option<i64>> {
        let changed = self.connection.total_changes() > self.changes;
        let number = if changed { Some(commit_number::next(self.connection, now)?) } else { None };
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        self.open = false;
        Ok(number)
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.open && !self.connection.is_autocommit() {
            let _connection_is_given_up = self.connection.execute_batch("ROLLBACK");
        }
    }
}

/// Tells whether an error is about one row rather than about the database.
pub(super) fn is_about_one(error: &rusqlite::Error) -> bool {
    use rusqlite::Error as E;
    match error {
        E::SqliteFailure(failure, _) => matches!(failure.code, ErrorCode::ConstraintViolation | ErrorCode::TooBig),
        E::FromSqlConversionFailure(..)
        | E::InvalidColumnType(..)
        | E::IntegralValueOutOfRange(..)
        | E::Utf8Error(..)
        | E::ToSqlConversionFailure(_) => true,
        _ => false,
    }
}

pub(super) fn ledger_error(operation: &'static str, error: &Arc<rusqlite::Error>) -> LedgerError {
    let kind = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => LedgerErrorKind::Full,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => LedgerErrorKind::Corrupt,
        _ => LedgerErrorKind::Unavailable,
    };
    LedgerError { operation, kind, source: Some(Box::new(error.clone())) }
}
