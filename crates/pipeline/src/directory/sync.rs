//! Bringing the directory up to date: everybody is asked for, now and then.

use std::time::Duration;

use domain::{Person, Reason, merge_people};
use tokio_util::sync::CancellationToken;

use super::keeper::{DirectoryKeeper, Shared};
use crate::ports::{DirectoryAnswer, LedgerError};

/// Asks for everybody, now and then.
#[derive(Debug)]
pub struct DirectorySync {
    keeper: DirectoryKeeper,
    every: Duration,
    at_start: bool,
}

/// What a sync changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncReport {
    /// What kept the answer from being everybody; nobody was taken for gone then.
    pub trouble: Option<Reason>,
    /// Who was not known.
    pub added: Vec<Person>,
    /// Of whom something else is known now.
    pub changed: Vec<Person>,
    /// Who has left the company.
    pub left: Vec<Person>,
    /// Of how many the same is known as before.
    pub kept: usize,
}

/// The directory was not synced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// No sync is configured.
    #[error("no sync is configured")]
    NotConfigured,
    /// The ledger is away.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl DirectorySync {
    /// Makes a sync that asks every so often, and once at the start if it should.
    pub fn new(keeper: DirectoryKeeper, every: Duration, at_start: bool) -> Self {
        Self { keeper, every, at_start }
    }

    /// Works until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        if self.keeper.shared.source.is_none() {
            return;
        }
        let mut wait = if self.at_start { Duration::ZERO } else { self.every };
        loop {
            let due = async {
                tokio::time::sleep(wait).await;
                if let Err(error) = self.keeper.sync_now().await {
                    tracing::warn!(error = &error as &dyn std::error::Error, "The directory could not be synced");
                }
            };
            tokio::select! {
                () = due => wait = self.every,
                () = shutdown.cancelled() => return,
            }
        }
    }
}

pub(super) async fn sync(shared: &Shared) -> Result<SyncReport, SyncError> {
    let source = shared.source.as_ref().ok_or(SyncError::NotConfigured)?;
    let _one_at_a_time = shared.syncing.lock().await;
    let DirectoryAnswer { people, trouble } = source.members().await;
    let _nobody_else_changes = shared.changing.lock().await;
    let (known, now) = (shared.book.read(), shared.clock.now());
    let changes = merge_people(known.people(), &people, trouble.is_none(), (source.source(), now));
    shared.write(changes.everybody().cloned().collect()).await?;
    let report = SyncReport {
        trouble,
        added: changes.added,
        changed: changes.changed,
        left: changes.left,
        kept: changes.kept.len(),
    };
    let (added, changed, left) = (report.added.len(), report.changed.len(), report.left.len());
    match &report.trouble {
        // Who they are is personal: the log has numbers.
        None => tracing::info!(added, changed, left, kept = report.kept, "The directory was synced"),
        Some(reason) => {
            tracing::warn!(
                added,
                changed,
                code = reason.code,
                why = reason.text,
                "The directory was synced in part: nobody is taken for gone"
            );
        }
    }
    Ok(report)
}
