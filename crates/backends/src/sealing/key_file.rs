//! The file of master keys: one key a line, its number and 64 hexadecimal digits, the newest last; mode 600.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A file of master keys.
#[derive(Debug)]
pub(super) struct KeyFile {
    path: PathBuf,
}

/// The file of master keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// It can be neither read nor written.
    #[error("the master key file `{path}` cannot be used")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A line is no key.
    #[error(
        "line {line} of the master key file `{path}` is no key: a number, a blank, 64 hexadecimal digits; put the right file back"
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// It holds other keys than those that were read from it at the start.
    #[error("the master key file `{path}` holds other keys than this gateway uses; put the right file back")]
    Others {
        /// The file.
        path: PathBuf,
    },
}

impl KeyFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the keys, oldest first; none if there is no file.
    pub(super) fn read(&self) -> Result<Vec<(u32, [u8; 32])>, KeyFileError> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(self.failed(source)),
        };
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        lines
            .map(|(i, line)| key(line).ok_or_else(|| KeyFileError::Line { path: self.path.clone(), line: i + 1 }))
            .collect()
    }

    /// Writes all keys: on disk under the file's name, or not at all.
    ///
    /// A file that is gone comes back with them; one that holds others than `before` is not ours to write.
    pub(super) fn replace(&self, before: &[(u32, [u8; 32])], keys: &[(u32, [u8; 32])]) -> Result<(), KeyFileError> {
        let found = self.read()?;
        if !found.is_empty() && found != before {
            return Err(KeyFileError::Others { path: self.path.clone() });
        }
        let mut text = "# Master keys of a Hongyan ledger. Without this file what messages say cannot be read: keep a copy, apart from backups.\n".to_owned();
        for (number, key) in keys {
            text.extend([&number.to_string(), " ", &hex::encode(key), "\n"]);
        }
        let written = || -> std::io::Result<()> {
            let beside = self.path.with_extension("new");
            let mut options = fs::OpenOptions::new();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&beside)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, &self.path)?;
            let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
            fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        };
        written().map_err(|source| self.failed(source))
    }

    fn failed(&self, source: std::io::Error) -> KeyFileError {
        KeyFileError::Io { path: self.path.clone(), source }
    }
}

fn key(line: &str) -> Option<(u32, [u8; 32])> {
    let (number, digits) = line.trim().split_once(' ')?;
    Some((number.parse().ok()?, hex::decode(digits.trim()).ok()?.try_into().ok()?))
}
