//! The one writer: takes whatever verbs wait, runs them in one transaction, answers when it is on disk.
//!
//! It commits as soon as it is idle, without a linger timer: under load the verbs that arrive during one commit form
//! the next. If a transaction fails, nothing of it happened, and every verb in it hears so.

use std::sync::Arc;

use futures::future::BoxFuture;
use pipeline::ports::{Accepted, Admission, Claim, Claimed, LedgerError, LedgerErrorKind, Settled, Settlement};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use super::{admit, queue, settle};

/// Verbs that may wait before a caller is made to wait.
const WAITING: usize = 4096;
/// Verbs in one transaction at most, so that none waits too long for the others.
const TOGETHER: usize = 1024;

type Reply<T> = oneshot::Sender<Result<T, LedgerError>>;
type Change = Box<
    dyn for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<Box<dyn FnOnce() + Send>, sqlx::Error>>
        + Send
        + Sync,
>;

enum Verb {
    Accept(Vec<Admission>, Reply<Vec<Accepted>>),
    Settle(Box<Settlement>, Reply<Settled>),
    Claim(Claim, Reply<Vec<Claimed>>),
    /// Anything rarer: does its work, and returns what is to be done once it is on disk.
    Change(&'static str, Change, oneshot::Sender<LedgerError>),
}

#[derive(Debug)]
pub(super) struct Writer {
    verbs: mpsc::Sender<Verb>,
}

impl Writer {
    /// Starts on a connection; `options` opens another when one is left in the middle of a failed transaction.
    pub(super) fn start(connection: SqliteConnection, options: SqliteConnectOptions) -> Self {
        let (verbs, waiting) = mpsc::channel(WAITING);
        tokio::spawn(run(connection, options, waiting));
        Self { verbs }
    }

    pub(super) async fn accept(&self, admissions: Vec<Admission>) -> Result<Vec<Accepted>, LedgerError> {
        self.ask("accept a message", |reply| Verb::Accept(admissions, reply)).await
    }

    pub(super) async fn settle(&self, settlement: Settlement) -> Result<Settled, LedgerError> {
        self.ask("record an outcome", |reply| Verb::Settle(Box::new(settlement), reply)).await
    }

    pub(super) async fn claim(&self, claim: Claim) -> Result<Vec<Claimed>, LedgerError> {
        self.ask("claim deliveries", |reply| Verb::Claim(claim, reply)).await
    }

    /// Runs `change` in a transaction, together with whatever else waits.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        operation: &'static str,
        change: impl for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>
        + Send
        + Sync
        + 'static,
    ) -> Result<T, LedgerError> {
        let (reply, answer) = oneshot::channel();
        let (failed, failure) = oneshot::channel();
        let change: Change = Box::new(move |connection| {
            Box::pin(async move {
                let result = change(connection).await?;
                let deliver: Box<dyn FnOnce() + Send> = Box::new(move || drop(reply.send(result)));
                Ok(deliver)
            })
        });
        self.verbs.send(Verb::Change(operation, change, failed)).await.map_err(|_| stopped(operation))?;
        match answer.await {
            Ok(result) => Ok(result),
            Err(_) => Err(failure.await.unwrap_or_else(|_| stopped(operation))),
        }
    }

    async fn ask<T>(&self, operation: &'static str, verb: impl FnOnce(Reply<T>) -> Verb) -> Result<T, LedgerError> {
        let (reply, answer) = oneshot::channel();
        self.verbs.send(verb(reply)).await.map_err(|_| stopped(operation))?;
        answer.await.unwrap_or_else(|_| Err(stopped(operation)))
    }
}

fn stopped(operation: &'static str) -> LedgerError {
    LedgerError { operation, kind: LedgerErrorKind::Unavailable, source: None }
}

async fn run(connection: SqliteConnection, options: SqliteConnectOptions, mut waiting: mpsc::Receiver<Verb>) {
    let mut connection = Some(connection);
    let mut verbs = Vec::with_capacity(TOGETHER);
    while waiting.recv_many(&mut verbs, TOGETHER).await > 0 {
        let batch = Batch::sort(verbs.drain(..));
        let mut usable = match connection.take() {
            Some(usable) => usable,
            None => match SqliteConnection::connect_with(&options).await {
                Ok(fresh) => fresh,
                Err(error) => {
                    batch.fail(&Arc::new(error));
                    continue;
                }
            },
        };
        // A full disk can end a transaction in a way that leaves the connection unusable: it is not used again.
        if batch.commit(&mut usable).await {
            connection = Some(usable);
        }
    }
    if let Some(connection) = connection {
        let _best_effort = connection.close().await;
    }
}

/// The verbs of one transaction, sorted by kind.
#[derive(Default)]
struct Batch {
    admissions: Vec<Admission>,
    /// How many of the admissions each caller handed in.
    accepts: Vec<(usize, Reply<Vec<Accepted>>)>,
    settlements: Vec<Settlement>,
    settles: Vec<Reply<Settled>>,
    claims: Vec<(Claim, Reply<Vec<Claimed>>)>,
    changes: Vec<(&'static str, Change, oneshot::Sender<LedgerError>)>,
}

/// What a transaction gave, to be told once it is on disk.
struct Results {
    accepted: Vec<Accepted>,
    settled: Vec<Settled>,
    claimed: Vec<Vec<Claimed>>,
    changed: Vec<Box<dyn FnOnce() + Send>>,
}

impl Batch {
    fn sort(verbs: impl Iterator<Item = Verb>) -> Self {
        let mut batch = Self::default();
        for verb in verbs {
            match verb {
                Verb::Accept(admissions, reply) => {
                    batch.accepts.push((admissions.len(), reply));
                    batch.admissions.extend(admissions);
                }
                Verb::Settle(settlement, reply) => {
                    batch.settlements.push(*settlement);
                    batch.settles.push(reply);
                }
                Verb::Claim(claim, reply) => batch.claims.push((claim, reply)),
                Verb::Change(operation, change, failed) => batch.changes.push((operation, change, failed)),
            }
        }
        batch
    }

    /// Commits all and tells everyone; `false` if the connection must not be used again.
    async fn commit(mut self, connection: &mut SqliteConnection) -> bool {
        let changes = self.changes.drain(..).map(|(operation, change, failed)| ((operation, failed), change));
        let (waiting_changes, changes): (Vec<_>, Vec<_>) = changes.unzip();
        match self.transact(connection, changes).await {
            Ok(results) => {
                self.tell(results);
                true
            }
            Err(error) => {
                let error = Arc::new(error);
                let changes = waiting_changes;
                let waiting_changes = changes.len();
                for (operation, failed) in changes {
                    let _caller_left = failed.send(ledger_error(operation, &error));
                }
                // One that can never be stored must not fail the others.
                let others = self.accepts.len() + self.settles.len() + self.claims.len() + waiting_changes;
                if is_about_one(&error) && others > 1 {
                    self.commit_one_by_one(connection).await
                } else {
                    self.fail(&error);
                    is_about_one(&error)
                }
            }
        }
    }

    async fn transact(&self, connection: &mut SqliteConnection, changes: Vec<Change>) -> Result<Results, sqlx::Error> {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let settled = settle::settle(&mut transaction, &self.settlements).await?;
        let accepted = admit::admit(&mut transaction, &self.admissions).await?;
        let mut claimed = Vec::with_capacity(self.claims.len());
        for (claim, _) in &self.claims {
            claimed.push(queue::claim(&mut transaction, claim).await?);
        }
        let mut changed = Vec::with_capacity(changes.len());
        for change in changes {
            changed.push(change(&mut transaction).await?);
        }
        transaction.commit().await?;
        Ok(Results { accepted, settled, claimed, changed })
    }

    fn tell(self, results: Results) {
        let mut accepted = results.accepted.into_iter();
        // A caller that left meanwhile hears nothing; its message is stored all the same.
        for (count, reply) in self.accepts {
            let _caller_left = reply.send(Ok(accepted.by_ref().take(count).collect()));
        }
        for (reply, settled) in self.settles.into_iter().zip(results.settled) {
            let _caller_left = reply.send(Ok(settled));
        }
        for ((_, reply), claimed) in self.claims.into_iter().zip(results.claimed) {
            let _caller_left = reply.send(Ok(claimed));
        }
        for deliver in results.changed {
            deliver();
        }
    }

    async fn commit_one_by_one(self, connection: &mut SqliteConnection) -> bool {
        let mut admissions = self.admissions.into_iter();
        let accepts = self.accepts.into_iter();
        let accepts = accepts.map(|(count, reply)| Verb::Accept(admissions.by_ref().take(count).collect(), reply));
        let settles = self.settlements.into_iter().zip(self.settles);
        let settles = settles.map(|(settlement, reply)| Verb::Settle(Box::new(settlement), reply));
        let claims = self.claims.into_iter().map(|(claim, reply)| Verb::Claim(claim, reply));
        let verbs: Vec<Verb> = accepts.chain(settles).chain(claims).collect();
        let mut usable = true;
        for verb in verbs {
            usable &= Box::pin(Self::sort(std::iter::once(verb)).commit(connection)).await;
        }
        usable
    }

    fn fail(self, error: &Arc<sqlx::Error>) {
        for (_, reply) in self.accepts {
            let _caller_left = reply.send(Err(ledger_error("accept a message", error)));
        }
        for reply in self.settles {
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

/// Tells whether an error is about one row rather than about the database.
fn is_about_one(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => {
            error.is_unique_violation() || error.is_check_violation() || error.is_foreign_key_violation()
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::Encode(_) => true,
        _ => false,
    }
}

pub(super) fn ledger_error(operation: &'static str, error: &Arc<sqlx::Error>) -> LedgerError {
    // SQLITE_FULL (13), SQLITE_CORRUPT (11), SQLITE_NOTADB (26): the low byte of the extended code.
    let code = match &**error {
        sqlx::Error::Database(error) => error.code().and_then(|code| code.parse::<i64>().ok()).map(|code| code & 0xff),
        _ => None,
    };
    let kind = match code {
        Some(13) => LedgerErrorKind::Full,
        Some(11 | 26) => LedgerErrorKind::Corrupt,
        _ => LedgerErrorKind::Unavailable,
    };
    LedgerError { operation, kind, source: Some(Box::new(error.clone())) }
}
