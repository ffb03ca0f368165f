//! Deterministic sealing for what names people: a keyed hash that opens.
//!
//! Equal texts give equal values, so that what is sealed is found by equality, and the right key opens it again (as in SIV,
//! RFC 5297): the nonce is HMAC-SHA256 of the text, and XChaCha20-Poly1305 seals under it. Nonce and cipher have keys of
//! their own, drawn from one that the ledger keeps sealed under the master key: a new master key changes no value. Who has
//! no key sees which values are equal, and how long they are. Knows nothing about columns.

use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::Aead as _;
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::NONCE;

/// What stands before a sealed value: no recipient begins so.
pub(crate) const PII_MARK: char = '~';
/// What the two keys are drawn by.
const FOR_NONCES: &[u8] = b"hongyan pii nonce";
const FOR_VALUES: &[u8] = b"hongyan pii value";

/// The key for what names people, once it is at hand, and whether new values are sealed. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct PiiKey(Arc<OnceLock<Held>>);

struct Held {
    nonces: Hmac<Sha256>,
    values: XChaCha20Poly1305,
    seals: bool,
}

impl PiiKey {
    /// Takes the key; it is taken once.
    pub(crate) fn take(&self, key: &[u8], seals: bool) {
        let values: [u8; 32] = keyed(key).chain_update(FOR_VALUES).finalize().into_bytes().into();
        let nonces = keyed(&keyed(key).chain_update(FOR_NONCES).finalize().into_bytes());
        let _taken_before = self.0.set(Held { nonces, values: XChaCha20Poly1305::new(&values.into()), seals });
    }

    /// Tells whether new values are sealed.
    pub(crate) fn seals(&self) -> bool {
        self.0.get().is_some_and(|held| held.seals)
    }

    /// Seals a text, unless such texts stay as they are.
    pub(crate) fn seal(&self, text: &str) -> Option<String> {
        let held = self.0.get().filter(|held| held.seals)?;
        let hash: [u8; 32] = held.nonces.clone().chain_update(text).finalize().into_bytes().into();
        let nonce: [u8; NONCE] = *hash.first_chunk()?;
        // Only a text of 256 GiB cannot be encrypted.
        let sealed = held.values.encrypt(&XNonce::from(nonce), text.as_bytes());
        let sealed = sealed.unwrap_or_else(|_| unreachable!("a text fits into memory"));
        let mut value = String::from(PII_MARK);
        URL_SAFE_NO_PAD.encode_string([&nonce, sealed.as_slice()].concat(), &mut value);
        Some(value)
    }

    /// Opens a sealed text; `None` if it is none that this key sealed.
    pub(crate) fn open(&self, value: &str) -> Option<String> {
        let sealed = value.strip_prefix(PII_MARK)?;
        let held = self.0.get()?;
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        let text = held.values.decrypt(&XNonce::from(*nonce), sealed).ok()?;
        String::from_utf8(text).ok()
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key)
        .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(bytes: u8, seals: bool) -> PiiKey {
        let key = PiiKey::default();
        key.take(&[bytes; 32], seals);
        key
    }

    #[test]
    fn equal_texts_are_equal_when_sealed_and_open_again() {
        let (one, same, other) = (key(1, true), key(1, false), key(2, true));
        let sealed = one.seal("user:张三").unwrap();
        assert_eq!(one.seal("user:张三"), Some(sealed.clone()));
        assert_ne!(one.seal("user:李四"), Some(sealed.clone()));
        assert_ne!(other.seal("user:张三"), Some(sealed.clone()));
        assert!(!sealed.contains(['\n', '#', ':', '%']), "{sealed}");
        assert_eq!((one.open(&sealed), same.open(&sealed)), (Some("user:张三".into()), Some("user:张三".into())));
        assert_eq!((other.open(&sealed), PiiKey::default().open(&sealed)), (None, None));
    }

    #[test]
    fn nothing_is_sealed_without_the_key_or_where_it_only_opens() {
        assert_eq!((PiiKey::default().seal("user:a"), key(1, false).seal("user:a")), (None, None));
    }

    #[test]
    fn a_value_that_was_changed_or_is_none_does_not_open() {
        let key = key(1, true);
        let sealed = key.seal("user:zhangsan").unwrap();
        for i in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[i] = if changed[i] == b'A' { b'B' } else { b'A' };
            assert_eq!(key.open(&String::from_utf8(changed).unwrap()), None, "byte {i}");
            assert_eq!(key.open(&sealed[..i]), None, "{i} bytes");
        }
        assert_eq!((key.open("user:zhangsan"), key.open("~"), key.open("")), (None, None, None));
    }
}
