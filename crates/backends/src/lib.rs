//! Where things are kept: the ledger (SQLite on disk, or in memory) and the doorbell (in process).
//!
//! [`open`] gives what a [`Config`] names. Knows nothing about HTTP, channels, or what a message means.

mod config;
mod doorbell;
mod sealing;
mod sqlite;

use std::sync::Arc;

use pipeline::ports::{Clock, Doorbell, Ledger};

pub use config::{Config, Engine, Pii};
pub use doorbell::InProcessDoorbell;
pub use sealing::KeyFileError;
pub use sqlite::{BackupError, KeyFileFound, OpenError, SqliteLedger, back_up, look_at_key_file};

/// The engines, ready for use.
pub struct Backends {
    /// The truth.
    pub ledger: Arc<dyn Ledger>,
    /// The signal that something may be due.
    pub doorbell: Arc<dyn Doorbell>,
}

impl std::fmt::Debug for Backends {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backends").finish_non_exhaustive()
    }
}

/// Opens what the configuration names. What an earlier process had claimed and not settled waits again.
///
/// # Errors
/// [`OpenError`] says which file cannot be used, and why.
pub async fn open(config: &Config, clock: Arc<dyn Clock>) -> Result<Backends, OpenError> {
    let ledger = match &config.engine {
        Engine::Sqlite => SqliteLedger::open(config, clock).await?,
        Engine::Memory => SqliteLedger::in_memory(config.pii, clock)?,
    };
    Ok(Backends { ledger: Arc::new(ledger), doorbell: Arc::new(InProcessDoorbell::default()) })
}
