//! What fits of an encrypted message and what does not, each by itself: for whoever looks for what is wrong.
//!
//! Says what [`Crypto::open`] must not: never an answer to whoever called. Tried by the tests of `hongyan callback verify`,
//! which says in words what is seen here.

use base64::Engine as _;

use super::{BASE64, Crypto, LENGTH, RANDOM};

/// The longest receive id that is taken for one.
const MAX_RECEIVE_ID: usize = 64;

/// What fits of an encrypted message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing that may be wrong by itself")]
pub struct Inspection {
    /// Whether the signature fits: the Token, and all that is signed.
    pub signature: bool,
    /// Whether the message is base64.
    pub base64: bool,
    /// Whether it is whole blocks: what was cut off is none.
    pub blocks: bool,
    /// Whether the key fits: a frame came out.
    pub key: bool,
    /// Whether the padding is as it must be.
    pub padding: bool,
    /// For whom it is, if the key fits.
    pub receive_id: Option<String>,
}

impl Crypto {
    /// Looks at each thing by itself, whatever the signature says.
    pub fn inspect(&self, signature: &str, timestamp: &str, nonce: &str, encrypted: &str) -> Inspection {
        let mut seen = Inspection {
            signature: self.signature(timestamp, nonce, encrypted) == signature,
            base64: false,
            blocks: false,
            key: false,
            padding: false,
            receive_id: None,
        };
        let Ok(encrypted) = BASE64.decode(encrypted) else { return seen };
        seen.base64 = true;
        let Ok(mut frame) = self.key.decrypt_blocks(encrypted.clone()) else { return seen };
        seen.blocks = true;
        if let Ok(unpadded) = self.key.decrypt(encrypted) {
            seen.padding = true;
            frame = unpadded;
        }
        let Some(rest) = after_message(&frame) else { return seen };
        // Where the padding cannot be told, ours is what can be recognised.
        let receive_id = match rest.strip_prefix(self.receive_id.as_bytes()) {
            Some(_) if !seen.padding && !self.receive_id.is_empty() => Some(self.receive_id.clone()),
            _ => as_receive_id(rest),
        };
        seen.key = receive_id.is_some();
        seen.receive_id = receive_id;
        seen
    }
}

/// What stands behind the message, if there is one.
fn after_message(frame: &[u8]) -> Option<&[u8]> {
    let length = frame.get(RANDOM..RANDOM + LENGTH)?;
    let length = length.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
    frame[RANDOM + LENGTH..].get(length..)
}

fn as_receive_id(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    (text.len() <= MAX_RECEIVE_ID && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| text.to_owned())
}
