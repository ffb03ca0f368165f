//! Tokens kept in a folder, one sealed file per company and secret, so that twenty runs of a script fetch one token.
//!
//! A file is readable by its owner only, replaced atomically under a lock, and sealed (XChaCha20-Poly1305) with a key
//! derived from the secret: without the secret it is worth nothing, and with it one could fetch a token anyway.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use rand::RngCore as _;
use sha2::Sha256;

use super::{AccessToken, TokenKey, TokenStore, TokenStoreError};
use crate::Secret;

const NONCE_BYTES: usize = 24;
const FORMAT: u8 = 1;

/// Keeps tokens in a folder, for command-line tools and restarts.
#[derive(Clone, Debug)]
pub struct FileTokenStore {
    folder: PathBuf,
}

impl FileTokenStore {
    /// Keeps tokens in `folder`, which is made when first needed.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    fn read(&self, key: &TokenKey) -> io::Result<Option<AccessToken>> {
        let Sealing { name, cipher } = Sealing::of(key);
        let sealed = match fs::read(self.folder.join(&name)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(open(&cipher, &name, &sealed))
    }

    fn write(&self, key: &TokenKey, token: &AccessToken) -> io::Result<()> {
        private_folder(&self.folder)?;
        let Sealing { name, cipher } = Sealing::of(key);
        let sealed = seal(&cipher, &name, token)?;
        let lock = private_file(&self.folder.join(format!("{name}.lock")))?;
        lock.lock()?;
        let fresh = self.folder.join(format!("{name}.new"));
        let mut file = private_file(&fresh)?;
        file.set_len(0)?;
        file.write_all(&sealed)?;
        file.sync_all()?;
        fs::rename(&fresh, self.folder.join(&name))
    }
}

#[async_trait]
impl TokenStore for FileTokenStore {
    async fn load(&self, key: &TokenKey) -> Result<Option<AccessToken>, TokenStoreError> {
        let (store, key) = (self.clone(), key.clone());
        let read = tokio::task::spawn_blocking(move || store.read(&key)).await.map_err(io::Error::other);
        read.flatten().map_err(|e| TokenStoreError::new(format!("reading a token from {}", self.folder.display()), e))
    }

    async fn save(&self, key: &TokenKey, token: &AccessToken) -> Result<(), TokenStoreError> {
        let (store, key, token) = (self.clone(), key.clone(), token.clone());
        let written = tokio::task::spawn_blocking(move || store.write(&key, &token)).await.map_err(io::Error::other);
        written.flatten().map_err(|e| TokenStoreError::new(format!("writing a token to {}", self.folder.display()), e))
    }
}

struct Sealing {
    name: String,
    cipher: XChaCha20Poly1305,
}

impl Sealing {
    fn of(key: &TokenKey) -> Self {
        let derive = Hkdf::<Sha256>::new(Some(key.corp_id.as_str().as_bytes()), key.secret.expose().as_bytes());
        let mut sealing = [0; 32];
        let mut name = [0; 8];
        // 32 and 8 bytes are lengths that HKDF-SHA-256 always gives.
        let lengths_fit = derive.expand(b"wecom token sealing", &mut sealing).is_ok()
            && derive.expand(b"wecom token file name", &mut name).is_ok();
        debug_assert!(lengths_fit, "HKDF-SHA-256 gives up to 8160 bytes");
        Self { name: format!("{}.token", hex::encode(name)), cipher: XChaCha20Poly1305::new(&Key::from(sealing)) }
    }
}

fn seal(cipher: &XChaCha20Poly1305, name: &str, token: &AccessToken) -> io::Result<Vec<u8>> {
    let seconds = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let plain = format!("{} {} {}", seconds(token.fetched_at), seconds(token.expires_at), token.value.expose());
    let mut nonce = [0; NONCE_BYTES];
    rand::rng().fill_bytes(&mut nonce);
    let payload = Payload { msg: plain.as_bytes(), aad: name.as_bytes() };
    let sealed = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| io::Error::other("sealing failed"))?;
    Ok([&[FORMAT][..], &nonce, &sealed].concat())
}

/// What cannot be opened is as good as absent: another format, another secret, a damaged file.
fn open(cipher: &XChaCha20Poly1305, name: &str, sealed: &[u8]) -> Option<AccessToken> {
    let (&FORMAT, rest) = sealed.split_first()? else { return None };
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>()?;
    let plain = cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: name.as_bytes() }).ok()?;
    let text = String::from_utf8(plain).ok()?;
    let mut parts = text.splitn(3, ' ');
    let mut time = || Some(SystemTime::UNIX_EPOCH + Duration::from_secs(parts.next()?.parse().ok()?));
    let (fetched_at, expires_at) = (time()?, time()?);
    Some(AccessToken { fetched_at, expires_at, value: Secret::new(parts.next()?) })
}

fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path)
}

fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(secret: &str) -> TokenKey {
        TokenKey { corp_id: "ww1".into(), secret: secret.into() }
    }

    fn token() -> AccessToken {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        AccessToken {
            value: "the token itself".into(),
            fetched_at: start,
            expires_at: start + Duration::from_secs(7200),
        }
    }

    #[tokio::test]
    async fn a_saved_token_is_read_back_by_its_own_secret_only() {
        let folder = tempfile::tempdir().unwrap();
        let store = FileTokenStore::new(folder.path());
        assert_eq!(store.load(&key("s")).await.unwrap(), None);
        store.save(&key("s"), &token()).await.unwrap();
        assert_eq!(store.load(&key("s")).await.unwrap(), Some(token()));
        assert_eq!(store.load(&key("other")).await.unwrap(), None);
    }

    #[tokio::test]
    async fn the_file_is_private_and_shows_neither_token_nor_secret() {
        let folder = tempfile::tempdir().unwrap();
        let store = FileTokenStore::new(folder.path());
        store.save(&key("a very secret secret"), &token()).await.unwrap();
        for entry in fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            assert!(!text.contains("the token itself") && !text.contains("a very secret secret"));
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt as _;
                assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
            }
        }
    }

    #[tokio::test]
    async fn a_damaged_file_is_as_good_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let store = FileTokenStore::new(folder.path());
        store.save(&key("s"), &token()).await.unwrap();
        let path = folder.path().join(Sealing::of(&key("s")).name);
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(store.load(&key("s")).await.unwrap(), None);
    }
}
