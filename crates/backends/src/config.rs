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
    /// Whether what names people is sealed.
    pub pii: Pii,
    /// Goes on with a ledger that has lost commits.
    pub accept_loss: bool,
}

impl Config {
    /// Names a folder, and nothing that is special.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            engine: Engine::default(),
            data_dir: data_dir.into(),
            key_file: None,
            pii: Pii::default(),
            accept_loss: false,
        }
    }
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

/// How the ledger holds what names people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pii {
    /// As it is.
    #[default]
    Plain,
    /// As keyed hashes that open.
    Sealed,
}
