//! Encryption at rest: what messages say, and the secrets that are kept, under master keys.
//!
//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha) with a random nonce. A sealed value names its key, and is bound to the row
//! it stands in: moved elsewhere it does not open. The newest key seals, older ones open, so that keys are changed while
//! everything runs. Knows nothing about tables.

mod key_file;
mod pii;
mod stream;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use parking_lot::RwLock;

use key_file::KeyFile;
pub use key_file::KeyFileError;
pub(crate) use pii::{PII_MARK, PiiKey};
pub(crate) use stream::{HEAD, Opening, Sealing, key_of_head};

/// The form of a sealed value: this byte, the key's number (4 bytes), the nonce (24), the ciphertext with its tag.
const FORM: u8 = 1;
const NUMBER: usize = 4;
const NONCE: usize = 24;
/// What stands before a sealed value that is written as text.
const ARMOUR: &str = "sealed:";

/// What a value is sealed as: it opens as nothing else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// The kind of value: `content`, `secret` …
    pub(crate) kind: &'static str,
    /// Which row it stands in.
    pub(crate) row: &'a [u8],
}

impl<'a> Place<'a> {
    /// Names a place.
    pub(crate) fn new(kind: &'static str, row: &'a [u8]) -> Self {
        Self { kind, row }
    }

    fn bound(self) -> Vec<u8> {
        [self.kind.as_bytes(), &[0], self.row].concat()
    }
}

/// A sealed value cannot be opened: its key is not there, or it was changed or moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value cannot be opened: its key is not there, or it was changed")]
pub(crate) struct NotOpened;

struct MasterKey {
    number: u32,
    /// As the file holds it.
    bytes: [u8; 32],
    cipher: XChaCha20Poly1305,
}

/// The master keys that are at hand. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Keyring {
    keys: Arc<RwLock<Vec<Arc<MasterKey>>>>,
    file: Option<Arc<KeyFile>>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("keys", &self.numbers()).finish_non_exhaustive()
    }
}

impl Keyring {
    /// Reads the keys of a file; none if there is no such file.
    ///
    /// # Errors
    /// [`KeyFileError`] if it is there and cannot be used.
    pub(crate) fn read(path: PathBuf) -> Result<Self, KeyFileError> {
        let file = KeyFile::new(path);
        let keys = file.read()?;
        let ring = Self { keys: Arc::default(), file: Some(Arc::new(file)) };
        keys.into_iter().for_each(|(number, key)| ring.add(number, &key));
        Ok(ring)
    }

    /// Makes a ring with one key that ends with the process.
    pub(crate) fn in_memory() -> Self {
        let ring = Self { keys: Arc::default(), file: None };
        ring.add(1, &rand::random());
        ring
    }

    /// Makes a key, keeps it in the file, and seals with it from now on; returns its number.
    ///
    /// # Errors
    /// [`KeyFileError`]; nothing has changed.
    pub(crate) fn add_key(&self) -> Result<u32, KeyFileError> {
        let number = self.current().unwrap_or(0) + 1;
        let key: [u8; 32] = rand::random();
        if let Some(file) = &self.file {
            let held = self.held();
            file.replace(&held, &[held.as_slice(), &[(number, key)]].concat())?;
        }
        self.add(number, &key);
        Ok(number)
    }

    /// Takes all keys but the newest out of the file and out of memory.
    ///
    /// # Errors
    /// [`KeyFileError`]; nothing has changed.
    pub(crate) fn retire_old(&self) -> Result<(), KeyFileError> {
        let Some(current) = self.current() else { return Ok(()) };
        if let Some(file) = &self.file {
            let held = self.held();
            let newest: Vec<_> = held.iter().copied().filter(|(number, _)| *number == current).collect();
            file.replace(&held, &newest)?;
        }
        self.keys.write().retain(|key| key.number == current);
        Ok(())
    }

    /// Returns the number of the key that seals; `None` if there is none.
    pub(crate) fn current(&self) -> Option<u32> {
        self.keys.read().last().map(|key| key.number)
    }

    /// Returns the numbers of all keys, oldest first.
    pub(crate) fn numbers(&self) -> Vec<u32> {
        self.keys.read().iter().map(|key| key.number).collect()
    }

    /// Returns the file that the keys are kept in.
    pub(crate) fn path(&self) -> Option<&std::path::Path> {
        self.file.as_deref().map(KeyFile::path)
    }

    /// The keys as a file holds them, oldest first.
    fn held(&self) -> Vec<(u32, [u8; 32])> {
        self.keys.read().iter().map(|key| (key.number, key.bytes)).collect()
    }

    fn add(&self, number: u32, key: &[u8; 32]) {
        let cipher = XChaCha20Poly1305::new(key.into());
        let mut keys = self.keys.write();
        keys.push(Arc::new(MasterKey { number, bytes: *key, cipher }));
        keys.sort_by_key(|key| key.number);
    }

    /// Seals a value for its place.
    pub(crate) fn seal(&self, place: Place<'_>, plain: &[u8]) -> Vec<u8> {
        let key = self.keys.read().last().cloned().unwrap_or_else(|| unreachable!("a ledger is opened with a key"));
        let nonce: [u8; NONCE] = rand::random();
        let bound = place.bound();
        let sealed = key.cipher.encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: &bound });
        // Only a value of 256 GiB cannot be encrypted.
        let sealed = sealed.unwrap_or_else(|_| unreachable!("a value fits into memory"));
        let mut value = Vec::with_capacity(1 + NUMBER + NONCE + sealed.len());
        value.push(FORM);
        value.extend_from_slice(&key.number.to_be_bytes());
        value.extend_from_slice(&nonce);
        value.extend_from_slice(&sealed);
        value
    }

    /// Opens a sealed value.
    ///
    /// # Errors
    /// [`NotOpened`].
    pub(crate) fn open(&self, place: Place<'_>, value: &[u8]) -> Result<Vec<u8>, NotOpened> {
        let number = key_of(value).ok_or(NotOpened)?;
        let key = self.keys.read().iter().find(|key| key.number == number).cloned().ok_or(NotOpened)?;
        let (nonce, sealed) = value[1 + NUMBER..].split_at_checked(NONCE).ok_or(NotOpened)?;
        let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| NotOpened)?;
        let bound = place.bound();
        key.cipher.decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad: &bound }).map_err(|_| NotOpened)
    }

    /// Seals a text as text, for columns that are rarely filled.
    pub(crate) fn seal_text(&self, place: Place<'_>, plain: &str) -> String {
        use base64::Engine as _;
        format!(
            "{ARMOUR}{}",
            base64::engine::general_purpose::STANDARD_NO_PAD.encode(self.seal(place, plain.as_bytes()))
        )
    }

    /// Opens what [`Self::seal_text`] sealed; a text that is not sealed is what it is.
    ///
    /// # Errors
    /// [`NotOpened`].
    pub(crate) fn open_text(&self, place: Place<'_>, text: &str) -> Result<String, NotOpened> {
        use base64::Engine as _;
        let Some(armoured) = text.strip_prefix(ARMOUR) else { return Ok(text.to_owned()) };
        let value = base64::engine::general_purpose::STANDARD_NO_PAD.decode(armoured).map_err(|_| NotOpened)?;
        String::from_utf8(self.open(place, &value)?).map_err(|_| NotOpened)
    }
}

/// The number of the key that a value was sealed with.
pub(crate) fn key_of(value: &[u8]) -> Option<u32> {
    let (form, rest) = value.split_first()?;
    let number = rest.first_chunk::<NUMBER>()?;
    (*form == FORM).then(|| u32::from_be_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Place<'static> = Place { kind: "content", row: b"row 1" };

    #[test]
    fn a_value_opens_in_its_place_and_nowhere_else() {
        let ring = Keyring::in_memory();
        let sealed = ring.seal(HERE, "绝密".as_bytes());
        assert_eq!(ring.open(HERE, &sealed).as_deref(), Ok("绝密".as_bytes()));
        assert_eq!(ring.open(Place::new("content", b"row 2"), &sealed), Err(NotOpened));
        assert_eq!(ring.open(Place::new("secret", b"row 1"), &sealed), Err(NotOpened));
        assert_eq!(Keyring::in_memory().open(HERE, &sealed), Err(NotOpened));
        for i in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[i] ^= 1;
            assert_eq!(ring.open(HERE, &flipped), Err(NotOpened), "byte {i}");
            assert_eq!(ring.open(HERE, &sealed[..i]), Err(NotOpened), "{i} bytes");
        }
    }

    #[test]
    fn an_older_key_opens_until_it_is_retired() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master-key");
        let ring = Keyring::read(path.clone()).unwrap();
        assert_eq!((ring.current(), ring.add_key().unwrap()), (None, 1));
        let old = ring.seal_text(HERE, "old");
        assert_eq!(ring.add_key().unwrap(), 2);
        let new = ring.seal_text(HERE, "new");
        let again = Keyring::read(path.clone()).unwrap();
        assert_eq!((again.open_text(HERE, &old), again.open_text(HERE, &new)), (Ok("old".into()), Ok("new".into())));
        again.retire_old().unwrap();
        let last = Keyring::read(path).unwrap();
        assert_eq!((last.open_text(HERE, &old), last.numbers()), (Err(NotOpened), vec![2]));
        assert_eq!(last.open_text(HERE, "never sealed"), Ok("never sealed".into()));
    }

    #[test]
    fn a_file_that_is_gone_comes_back_whole_and_that_of_another_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master-key");
        let ring = Keyring::read(path.clone()).unwrap();
        ring.add_key().unwrap();
        std::fs::remove_file(&path).unwrap();
        ring.add_key().unwrap();
        assert_eq!(Keyring::read(path.clone()).unwrap().numbers(), [1, 2]);
        let others = format!("1 {}\n", hex::encode([7; 32]));
        std::fs::write(&path, &others).unwrap();
        assert!(matches!(ring.add_key(), Err(KeyFileError::Others { .. })));
        assert!(matches!(ring.retire_old(), Err(KeyFileError::Others { .. })));
        assert_eq!((std::fs::read_to_string(&path).unwrap(), ring.numbers()), (others, vec![1, 2]));
    }
}
