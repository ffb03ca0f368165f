//! The cryptography of callbacks: SHA-1 signature, AES-256-CBC, PKCS#7 with blocks of 32 bytes.
//! <https://developer.work.weixin.qq.com/document/path/90968>
//!
//! Knows neither XML nor JSON: bytes in, bytes out.

mod inspect;

use std::fmt;

pub use self::inspect::Inspection;

use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha1::{Digest as _, Sha1};
use subtle::ConstantTimeEq as _;

use crate::Secret;

type Encryptor = cbc::Encryptor<aes::Aes256>;
type Decryptor = cbc::Decryptor<aes::Aes256>;

/// The padding's block, twice that of AES.
const BLOCK: usize = 32;
/// Random bytes before every message.
const RANDOM: usize = 16;
/// Bytes of the message's length.
const LENGTH: usize = 4;
/// Characters of an `EncodingAESKey`.
const KEY_CHARS: usize = 43;

/// 43 characters of base64 hold two bits more than 32 bytes, which need not be zero; some libraries leave `=` out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a callback is refused; each has the code of WeCom's own sample library.
///
/// The log may know; whoever called must not hear which it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// −40001.
    #[error("the signature does not fit: is the Token the one in WeCom's console?")]
    Signature,
    /// −40002.
    #[error("the body is neither the XML nor the JSON that WeCom sends")]
    Malformed,
    /// −40004.
    #[error("the EncodingAESKey is not 43 letters and digits")]
    Key,
    /// −40005.
    #[error("the message is for another company, suite or robot: is the receive id right?")]
    ReceiveId,
    /// −40007.
    #[error("the message cannot be decrypted: is the EncodingAESKey the one in WeCom's console?")]
    Decryption,
    /// −40008.
    #[error("the decrypted message has no valid frame")]
    Frame,
    /// −40010.
    #[error("the message is not base64")]
    Base64,
    /// 0: the sample library has no code for it.
    #[error("there is no echostr: WeCom verifies a URL with one; what is posted comes by POST")]
    NoEcho,
}

impl Refusal {
    /// Returns the code of WeCom's sample library (path/90968); 0 where it has none.
    pub fn code(self) -> i32 {
        match self {
            Self::Signature => -40_001,
            Self::Malformed => -40_002,
            Self::Key => -40_004,
            Self::ReceiveId => -40_005,
            Self::Decryption => -40_007,
            Self::Frame => -40_008,
            Self::Base64 => -40_010,
            Self::NoEcho => 0,
        }
    }
}

/// An `EncodingAESKey`: 43 letters and digits for 32 bytes. Cannot be printed.
#[derive(Clone)]
pub struct EncodingAesKey([u8; 32]);

impl fmt::Debug for EncodingAesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncodingAesKey(***)")
    }
}

impl EncodingAesKey {
    /// Reads a key as WeCom's console shows it.
    ///
    /// # Errors
    /// [`Refusal::Key`] if it is not 43 characters of base64.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let text = text.trim();
        if text.len() != KEY_CHARS {
            return Err(Refusal::Key);
        }
        let bytes = BASE64.decode(text).map_err(|_| Refusal::Key)?;
        bytes.try_into().map(Self).map_err(|_| Refusal::Key)
    }

    /// Reads the `aeskey` that stands beside a media URL of the long connection, padded or not.
    ///
    /// # Errors
    /// [`Refusal::Key`] if it is not base64 of 32 bytes.
    pub fn parse_media_key(text: &str) -> Result<Self, Refusal> {
        let bytes = BASE64.decode(text.trim().trim_end_matches('=')).map_err(|_| Refusal::Key)?;
        bytes.try_into().map(Self).map_err(|_| Refusal::Key)
    }

    /// Decrypts a file: media of smart robots, parts of an export. Bare, without random bytes, length or receive id.
    ///
    /// # Errors
    /// [`Refusal::Decryption`] if the length or the padding does not fit.
    pub fn open_file(&self, encrypted: &[u8]) -> Result<Vec<u8>, Refusal> {
        self.decrypt(encrypted.to_vec())
    }

    /// Encrypts a file likewise.
    pub fn seal_file(&self, content: &[u8]) -> Vec<u8> {
        self.encrypt(content.to_vec())
    }

    fn iv(&self) -> [u8; 16] {
        let mut iv = [0; 16];
        iv.copy_from_slice(&self.0[..16]);
        iv
    }

    fn encrypt(&self, mut plain: Vec<u8>) -> Vec<u8> {
        let pad = BLOCK - plain.len() % BLOCK;
        // 1 to 32.
        plain.resize(plain.len() + pad, u8::try_from(pad).unwrap_or_default());
        let length = plain.len();
        let padded = Encryptor::new(&self.0.into(), &self.iv().into()).encrypt_padded::<NoPadding>(&mut plain, length);
        debug_assert!(padded.is_ok(), "whole blocks fit");
        plain
    }

    /// Decrypts whole blocks, and leaves the padding where it is.
    fn decrypt_blocks(&self, mut encrypted: Vec<u8>) -> Result<Vec<u8>, Refusal> {
        if encrypted.is_empty() || !encrypted.len().is_multiple_of(16) {
            return Err(Refusal::Decryption);
        }
        let decryptor = Decryptor::new(&self.0.into(), &self.iv().into());
        decryptor.decrypt_padded::<NoPadding>(&mut encrypted).map_err(|_| Refusal::Decryption)?;
        Ok(encrypted)
    }

    fn decrypt(&self, encrypted: Vec<u8>) -> Result<Vec<u8>, Refusal> {
        let mut encrypted = self.decrypt_blocks(encrypted)?;
        // Every byte of the padding is looked at, whatever the first ones say.
        let pad = usize::from(encrypted[encrypted.len() - 1]);
        let possible = (1..=BLOCK.min(encrypted.len())).contains(&pad);
        let start = encrypted.len() - if possible { pad } else { 1 };
        let expected = u8::try_from(pad).unwrap_or_default();
        let wrong = encrypted[start..].iter().fold(0, |wrong, byte| wrong | (byte ^ expected));
        if !possible || wrong != 0 {
            return Err(Refusal::Decryption);
        }
        encrypted.truncate(start);
        Ok(encrypted)
    }
}

/// An encrypted message and its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Base64.
    pub encrypt: String,
    /// Lower-case hexadecimal.
    pub msg_signature: String,
    /// Seconds since the epoch.
    pub timestamp: String,
    /// Any text.
    pub nonce: String,
}

/// What opens and seals the callbacks of one application, contact sync or smart robot.
///
/// ```
/// use wecom::callback::{Crypto, EncodingAesKey};
///
/// # fn main() -> Result<(), wecom::callback::Refusal> {
/// let key = EncodingAesKey::parse("jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C")?;
/// let crypto = Crypto::new("QDG6eK", key, "wx5823bf96d3bd56c7");
/// let sealed = crypto.seal(b"hello", "1409659813", "1372623149");
/// let opened = crypto.open(&sealed.msg_signature, &sealed.timestamp, &sealed.nonce, &sealed.encrypt)?;
/// assert_eq!(opened, b"hello");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Crypto {
    token: Secret,
    key: EncodingAesKey,
    receive_id: String,
}

impl Crypto {
    /// Takes the Token, the key and the receive id: the corp id for applications and contact sync, the suite id for
    /// suites, nothing for smart robots.
    pub fn new(token: impl Into<Secret>, key: EncodingAesKey, receive_id: impl Into<String>) -> Self {
        Self { token: token.into(), key, receive_id: receive_id.into() }
    }

    /// Returns the key, which also opens the media of smart robots in URL mode.
    pub fn key(&self) -> &EncodingAesKey {
        &self.key
    }

    /// Returns the signature: SHA-1 over the four texts, sorted and joined.
    pub fn signature(&self, timestamp: &str, nonce: &str, encrypted: &str) -> String {
        let mut texts = [self.token.expose(), timestamp, nonce, encrypted];
        texts.sort_unstable();
        let mut hash = Sha1::new();
        texts.iter().for_each(|text| hash.update(text));
        hex::encode(hash.finalize())
    }

    /// Checks the signature, in constant time, then decrypts.
    ///
    /// # Errors
    /// [`Refusal::Signature`] before anything is decrypted; then [`Refusal::Base64`], [`Refusal::Decryption`],
    /// [`Refusal::Frame`], [`Refusal::ReceiveId`].
    pub fn open(&self, signature: &str, timestamp: &str, nonce: &str, encrypted: &str) -> Result<Vec<u8>, Refusal> {
        let expected = self.signature(timestamp, nonce, encrypted);
        if !bool::from(expected.as_bytes().ct_eq(signature.as_bytes())) {
            return Err(Refusal::Signature);
        }
        let encrypted = BASE64.decode(encrypted).map_err(|_| Refusal::Base64)?;
        let frame = self.key.decrypt(encrypted)?;
        let length = frame.get(RANDOM..RANDOM + LENGTH).ok_or(Refusal::Frame)?;
        let length = length.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
        let body = &frame[RANDOM + LENGTH..];
        let message = body.get(..length).ok_or(Refusal::Frame)?;
        if body[length..] != *self.receive_id.as_bytes() {
            return Err(Refusal::ReceiveId);
        }
        Ok(message.to_vec())
    }

    /// Encrypts and signs. For smart robots the nonce must be the callback's.
    pub fn seal(&self, message: &[u8], timestamp: &str, nonce: &str) -> Sealed {
        self.seal_with(rand::random(), message, timestamp, nonce)
    }

    fn seal_with(&self, random: [u8; RANDOM], message: &[u8], timestamp: &str, nonce: &str) -> Sealed {
        let mut plain = Vec::with_capacity(RANDOM + LENGTH + message.len() + self.receive_id.len() + BLOCK);
        plain.extend_from_slice(&random);
        // A body is far smaller than 4 GB.
        plain.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
        plain.extend_from_slice(message);
        plain.extend_from_slice(self.receive_id.as_bytes());
        let encrypt = BASE64.encode(self.key.encrypt(plain));
        let msg_signature = self.signature(timestamp, nonce, &encrypt);
        Sealed { encrypt, msg_signature, timestamp: timestamp.to_owned(), nonce: nonce.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;

    /// One vector: official, or ours that official libraries opened (fixtures/wecom/callback/vectors.json).
    #[derive(Deserialize)]
    struct Vector {
        name: String,
        token: String,
        aes_key: String,
        aes_key_hex: String,
        receive_id: String,
        timestamp: String,
        nonce: String,
        signature: String,
        encrypt: String,
        random: String,
        message: String,
    }

    fn vectors() -> Vec<Vector> {
        serde_json::from_str(include_str!("../../../../fixtures/wecom/callback/vectors.json")).unwrap()
    }

    impl Vector {
        fn crypto(&self) -> Crypto {
            Crypto::new(self.token.as_str(), EncodingAesKey::parse(&self.aes_key).unwrap(), &*self.receive_id)
        }
    }

    #[test]
    fn every_vector_opens_and_seals_to_the_byte() {
        let vectors = vectors();
        assert_eq!(vectors.len(), 11);
        for v in vectors {
            assert_eq!(hex::encode(EncodingAesKey::parse(&v.aes_key).unwrap().0), v.aes_key_hex, "{}", v.name);
            let crypto = v.crypto();
            let opened = crypto.open(&v.signature, &v.timestamp, &v.nonce, &v.encrypt).unwrap();
            assert_eq!(String::from_utf8(opened).unwrap(), v.message, "{}", v.name);
            let random = hex::decode(&v.random).unwrap().try_into().unwrap();
            let sealed = crypto.seal_with(random, v.message.as_bytes(), &v.timestamp, &v.nonce);
            assert_eq!((sealed.encrypt, sealed.msg_signature), (v.encrypt, v.signature), "{}", v.name);
        }
    }

    #[test]
    fn a_file_is_bare() {
        let key = EncodingAesKey::parse("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG").unwrap();
        let sealed = hex::decode("dc8c51e463ac88210f06e36da659f2bb6f8b12d7b7c5f4af68aa12dbeceda563").unwrap();
        assert_eq!(key.open_file(&sealed).unwrap(), b"hello wecom file\n");
        assert_eq!(key.seal_file(b"hello wecom file\n"), sealed);
    }

    #[test]
    fn refusals_come_in_the_official_order() {
        let v = vectors().remove(0);
        let open = |crypto: Crypto, encrypt: &str| {
            let signature = crypto.signature(&v.timestamp, &v.nonce, encrypt);
            crypto.open(&signature, &v.timestamp, &v.nonce, encrypt).unwrap_err()
        };
        let key = || EncodingAesKey::parse(&v.aes_key).unwrap();
        let other = Crypto::new("other", key(), &*v.receive_id);
        assert_eq!(other.open(&v.signature, &v.timestamp, &v.nonce, &v.encrypt), Err(Refusal::Signature));
        assert_eq!(open(Crypto::new("t", key(), "wwother"), &v.encrypt), Refusal::ReceiveId);
        assert_eq!(open(v.crypto(), "!!!"), Refusal::Base64);
        assert_eq!(open(v.crypto(), "AAAA"), Refusal::Decryption);
        let short = BASE64.encode(key().encrypt(vec![1; 10]));
        assert_eq!(open(v.crypto(), &short), Refusal::Frame);
        for bad in ["", "short", &"!".repeat(43), &"a".repeat(44)] {
            assert!(EncodingAesKey::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn neither_key_nor_token_can_be_printed() {
        let v = vectors().remove(0);
        let shown = format!("{:?}", v.crypto());
        assert!(!shown.contains(&v.token) && !shown.contains(&v.aes_key_hex[..8]), "{shown}");
    }

    #[test]
    fn every_length_comes_back() {
        let crypto = vectors()[0].crypto();
        let longest: Vec<u8> = (0..70_000_u32).map(|i| (i * 31 % 251) as u8).collect();
        for length in 0..=longest.len() {
            let message = &longest[..length];
            let sealed = crypto.seal(message, "1", "2");
            assert!(crypto.open(&sealed.msg_signature, "1", "2", &sealed.encrypt).unwrap() == message, "{length}");
        }
    }

    #[test]
    fn every_flipped_bit_is_refused_in_the_same_way() {
        let crypto = vectors()[0].crypto();
        let sealed = crypto.seal("收到".as_bytes(), "1700000000", "nonce");
        let refused = |signature: &str, timestamp: &str, nonce: &str, encrypt: &str| {
            assert_eq!(crypto.open(signature, timestamp, nonce, encrypt), Err(Refusal::Signature));
        };
        let flipped = |text: &str, bit: usize| {
            let mut bytes = text.as_bytes().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            String::from_utf8_lossy(&bytes).into_owned()
        };
        for bit in 0..sealed.encrypt.len() * 8 {
            refused(&sealed.msg_signature, "1700000000", "nonce", &flipped(&sealed.encrypt, bit));
        }
        for bit in 0..sealed.msg_signature.len() * 8 {
            refused(&flipped(&sealed.msg_signature, bit), "1700000000", "nonce", &sealed.encrypt);
        }
        for bit in 0.."nonce".len() * 8 {
            refused(&sealed.msg_signature, "1700000000", &flipped("nonce", bit), &sealed.encrypt);
        }
        for bit in 0.."1700000000".len() * 8 {
            refused(&sealed.msg_signature, &flipped("1700000000", bit), "nonce", &sealed.encrypt);
        }
    }

    proptest! {
        #[test]
        fn what_is_sealed_can_be_opened(message in prop::collection::vec(any::<u8>(), 0..4000), receive_id in "[a-z0-9]{0,32}") {
            let key = EncodingAesKey::parse(&vectors()[0].aes_key).unwrap();
            let crypto = Crypto::new("t", key, receive_id);
            let sealed = crypto.seal(&message, "1", "n");
            prop_assert_eq!(crypto.open(&sealed.msg_signature, "1", "n", &sealed.encrypt).unwrap(), message);
        }

        #[test]
        fn garbage_with_a_valid_signature_is_refused_without_a_panic(garbage in prop::collection::vec(any::<u8>(), 0..400)) {
            let crypto = vectors()[0].crypto();
            let encrypted = BASE64.encode(&garbage);
            let signature = crypto.signature("1", "2", &encrypted);
            prop_assert!(crypto.open(&signature, "1", "2", &encrypted).is_err());
        }
    }
}
