//! Callbacks without HTTP: what WeCom posts → a typed message or event, and a passive reply → what is answered.
//! <https://developer.work.weixin.qq.com/document/path/90930>
//!
//! WeCom verifies the URL by `GET` (answer [`Receiver::verify`]'s text within one second), then posts messages and events
//! (answer HTTP 200 within five seconds, with a reply or nothing). What is not answered is posted again, three times:
//! [`Callback::dedupe_key`] tells repeats apart.
//!
//! ```
//! use wecom::callback::{EncodingAesKey, Crypto, Passive, Query, Receiver};
//!
//! # fn receive(query: &Query, body: &[u8]) -> Result<String, wecom::callback::Refusal> {
//! let key = EncodingAesKey::parse("jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C")?;
//! let receiver = Receiver::new(Crypto::new("the Token", key, "ww0123456789abcdef"));
//! let callback = receiver.receive(query, body)?;
//! println!("{} says {:?}", callback.from_user, callback.content);
//! let answer = receiver.reply(&callback, &Passive::text("收到"));
//! # Ok(answer) }
//! ```

mod crypto;
mod envelope;
mod event;
mod message;
mod reply;
mod xml;

#[cfg(feature = "axum")]
pub mod axum;

pub use crypto::{Crypto, EncodingAesKey, Inspection, Refusal, Sealed};
pub use envelope::{Envelope, Format, Query};
pub use event::{
    ApprovalInfo, ApprovalItem, ApprovalNode, BatchJob, CardEvent, ContactChange, Event, Location, Picture, ScanCode,
    SelectedItem, SentLocation, TagChange, UserChange,
};
pub use message::{Callback, Content};
pub use reply::{CardReply, Passive, PassiveArticle};
pub use xml::{Element, MAX_BYTES, MAX_DEPTH};

use crate::token::now;

/// Opens what WeCom calls one URL with, and seals the replies.
#[derive(Clone, Debug)]
pub struct Receiver {
    crypto: Crypto,
}

impl Receiver {
    /// Takes the keys of one application, or of contact sync.
    pub fn new(crypto: Crypto) -> Self {
        Self { crypto }
    }

    /// Returns the keys.
    pub fn crypto(&self) -> &Crypto {
        &self.crypto
    }

    /// Answers the verification of the URL: the text to be answered, as it is, within one second.
    ///
    /// # Errors
    /// [`Refusal`]; [`Refusal::NoEcho`] without an `echostr`.
    pub fn verify(&self, query: &Query) -> Result<String, Refusal> {
        let echo = query.echostr.as_deref().ok_or(Refusal::NoEcho)?;
        // Base64 has no blanks: one was a plus that something decoded on the way.
        let echo = echo.replace(' ', "+");
        let plain = self.crypto.open(&query.msg_signature, &query.timestamp, &query.nonce, &echo)?;
        String::from_utf8(plain).map_err(|_| Refusal::Frame)
    }

    /// Opens a posted callback.
    ///
    /// # Errors
    /// [`Refusal`]; the caller is told no more than that.
    pub fn receive(&self, query: &Query, body: &[u8]) -> Result<Callback, Refusal> {
        let envelope = Envelope::parse(body)?;
        let plain = self.crypto.open(&query.msg_signature, &query.timestamp, &query.nonce, &envelope.encrypt)?;
        Callback::parse(&plain)
    }

    /// Makes the body that answers a callback, encrypted and signed.
    pub fn reply(&self, callback: &Callback, reply: &Passive) -> String {
        let seconds = now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
        let plain = reply.to_xml(callback, seconds).to_string();
        let nonce = format!("{:010}", rand::random_range(0..10_000_000_000_u64));
        Format::Xml.reply(&self.crypto.seal(plain.as_bytes(), &seconds.to_string(), &nonce))
    }
}
