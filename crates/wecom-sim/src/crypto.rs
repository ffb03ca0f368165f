//! Encrypts and signs as WeCom does (path/90968): the simulator's own reading, beside the SDK's.

use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use sha1::{Digest as _, Sha1};

/// Keys end in bits that need not be zero.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&ALPHABET, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));
/// The padding's block.
const BLOCK: usize = 32;
/// Random bytes and length before a message.
const HEAD: usize = 20;

/// An `EncodingAESKey`.
#[derive(Clone)]
pub(crate) struct Key([u8; 32]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// Reads 43 letters and digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() != 43 || !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        BASE64.decode(format!("{text}=")).ok()?.try_into().ok().map(Self)
    }

    /// As it was written.
    pub(crate) fn to_text(&self) -> String {
        BASE64.encode(self.0).trim_end_matches('=').to_owned()
    }

    /// AES-256-CBC, the key's first half as IV, padded to whole blocks of 32.
    pub(crate) fn encrypt(&self, mut plain: Vec<u8>) -> Vec<u8> {
        let missing = BLOCK - plain.len() % BLOCK;
        plain.extend(std::iter::repeat_n(missing as u8, missing));
        let length = plain.len();
        let mut iv = [0; 16];
        iv.copy_from_slice(&self.0[..16]);
        let encryptor = cbc::Encryptor::<aes::Aes256>::new(&self.0.into(), &iv.into());
        // Whole blocks always fit.
        let _whole = encryptor.encrypt_padded::<NoPadding>(&mut plain, length).map(<[u8]>::len);
        plain
    }

    pub(crate) fn decrypt(&self, mut encrypted: Vec<u8>) -> Option<Vec<u8>> {
        let mut iv = [0; 16];
        iv.copy_from_slice(&self.0[..16]);
        let decryptor = cbc::Decryptor::<aes::Aes256>::new(&self.0.into(), &iv.into());
        decryptor.decrypt_padded::<NoPadding>(&mut encrypted).ok()?;
        // The official libraries look at the last byte only.
        let padding = usize::from(*encrypted.last()?);
        let end = encrypted.len().checked_sub(padding).filter(|_| (1..=BLOCK).contains(&padding))?;
        encrypted.truncate(end);
        Some(encrypted)
    }
}

/// A key for one file, and as it stands beside the file's URL.
pub(crate) fn random_key() -> (Key, String) {
    let key: [u8; 32] = rand::random();
    (Key(key), BASE64.encode(key))
}

/// The four texts in order, joined, hashed.
pub(crate) fn signature(token: &str, timestamp: &str, nonce: &str, encrypted: &str) -> String {
    let mut texts = [token, timestamp, nonce, encrypted];
    texts.sort_unstable();
    hex::encode(Sha1::digest(texts.concat()))
}

/// Sixteen printable random bytes, the length, the message, the receive id.
pub(crate) fn seal(key: &Key, receive_id: &str, message: &str) -> String {
    let random: [u8; 8] = rand::random();
    let mut plain = hex::encode(random).into_bytes();
    plain.extend((message.len() as u32).to_be_bytes());
    plain.extend(message.bytes());
    plain.extend(receive_id.bytes());
    BASE64.encode(key.encrypt(plain))
}

/// The message, if it is for this receive id.
pub(crate) fn open(key: &Key, receive_id: &str, encrypted: &str) -> Option<String> {
    let plain = key.decrypt(BASE64.decode(encrypted).ok()?)?;
    let length = u32::from_be_bytes(plain.get(16..HEAD)?.try_into().ok()?) as usize;
    let message = plain.get(HEAD..HEAD.checked_add(length)?)?;
    let intended = plain[HEAD + length..] == *receive_id.as_bytes();
    if intended { String::from_utf8(message.to_vec()).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_official_echo_is_opened() {
        let key = Key::parse("jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C").unwrap();
        let echo = "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ==";
        assert_eq!(signature("QDG6eK", "1409659589", "263014780", echo), "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3");
        assert_eq!(open(&key, "wx5823bf96d3bd56c7", echo).as_deref(), Some("1616140317555161061"));
        assert_eq!(open(&key, "wwother", echo), None);
    }

    #[test]
    fn what_is_sealed_is_opened() {
        let key = Key::parse("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG").unwrap();
        for length in [0, 1, 11, 12, 13, 1000] {
            let message = "x".repeat(length);
            assert_eq!(open(&key, "ww1", &seal(&key, "ww1", &message)), Some(message));
        }
    }
}
