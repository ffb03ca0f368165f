//! Which engines, and where they keep their files.

use std::path::PathBuf;

/// Which engines to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The ledger's engine.
    pub engine: Engine,
    /// Where files are kept.
    pub data_dir: PathBuf,
    /// The file of master keys; absent: in the data directory.
    pub key_file: Option<PathBuf>,
    /// Goes on with a ledger that has lost commits.
    pub accept_loss: bool,
}

/// An engine for the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// One file; everything survives.
    #[default]
    Sqlite,
    /// Nothing survives the process: for tests and for trying out.
    Memory,
}
