//! The first API key: given by the environment, or made at the first start and kept in a private file.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use domain::{CallerId, Grant, KeyKind, Scope, Timestamp};

const FILE: &str = "api-key";

/// An administrator's key.
#[derive(Clone)]
pub struct FirstKey {
    text: String,
    /// The file that was just made for it.
    pub made: Option<PathBuf>,
}

impl std::fmt::Debug for FirstKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FirstKey").field("made", &self.made).finish_non_exhaustive()
    }
}

impl FirstKey {
    /// Takes the key that is given, else the one in the folder, else makes one and writes it there.
    ///
    /// # Errors
    /// If the given key is empty, or the file can be neither read nor written.
    pub(crate) fn find_or_make(given: Option<&str>, folder: Option<&Path>) -> anyhow::Result<Self> {
        match (given, folder) {
            (Some(key), _) if key.trim().is_empty() => {
                bail!(
                    "HONGYAN_API_KEY is empty, and anybody could call; set it to a long random text, or leave it out to have one made"
                )
            }
            (Some(key), _) => Ok(Self { text: key.trim().to_owned(), made: None }),
            (None, Some(folder)) => match Self::read(folder)? {
                Some(text) => Ok(Self { text, made: None }),
                None => Self::make(folder),
            },
            (None, None) => Ok(Self { text: random_key(), made: None }),
        }
    }

    /// Reads the key of a data directory, if there is one.
    ///
    /// # Errors
    /// If the file is there and cannot be read, or is empty.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Option<String>> {
        let path = folder.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) if text.trim().is_empty() => {
                bail!("{} is empty; remove it to have a new key made", path.display())
            }
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("could not read {}", path.display())),
        }
    }

    fn make(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(FILE);
        let text = random_key();
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(&path).and_then(|mut file| writeln!(file, "{text}"));
        written.with_context(|| format!("could not write {}", path.display()))?;
        Ok(Self { text, made: Some(path) })
    }

    /// Returns the key.
    pub fn text(&self) -> &str {
        &self.text
    }
}

fn random_key() -> String {
    let grant = Grant::new(CallerId::new("default"), [Scope::Admin]);
    ingress::http::new_key(KeyKind::Bearer, grant, Timestamp::EPOCH, None).text
}
