//! URL mode: encrypted JSON in, encrypted JSON out, the receive id empty.
//! <https://developer.work.weixin.qq.com/document/path/101033>

use super::{Reply, RobotCallback};
use crate::callback::{Crypto, EncodingAesKey, Envelope, Format, Query, Refusal};
use crate::token::now;

/// Opens what WeCom posts to a robot's URL, and seals the answers.
#[derive(Clone, Debug)]
pub struct Receiver {
    crypto: Crypto,
}

impl Receiver {
    /// Takes the robot's Token and key.
    pub fn new(token: impl Into<crate::Secret>, key: EncodingAesKey) -> Self {
        Self { crypto: Crypto::new(token, key, "") }
    }

    /// Returns the keys; the key also opens the files that members send.
    pub fn crypto(&self) -> &Crypto {
        &self.crypto
    }

    /// Answers the verification of the URL: the text to be answered, as it is, within one second.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn verify(&self, query: &Query) -> Result<String, Refusal> {
        crate::callback::Receiver::new(self.crypto.clone()).verify(query)
    }

    /// Opens a posted callback.
    ///
    /// # Errors
    /// [`Refusal`]; the caller is told no more than that.
    pub fn receive(&self, query: &Query, body: &[u8]) -> Result<RobotCallback, Refusal> {
        let envelope = Envelope::parse(body)?;
        let plain = self.crypto.open(&query.msg_signature, &query.timestamp, &query.nonce, &envelope.encrypt)?;
        serde_json::from_slice(&plain).map(RobotCallback::read).map_err(|_| Refusal::Malformed)
    }

    /// Makes the body that answers a callback; the nonce must be the callback's.
    pub fn reply(&self, query: &Query, reply: &Reply) -> String {
        let seconds = now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
        let plain = reply.to_json().to_string();
        Format::Json.reply(&self.crypto.seal(plain.as_bytes(), &seconds.to_string(), &query.nonce))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smart_robot::RobotContent;

    #[test]
    fn a_message_is_opened_and_answered_with_its_own_nonce() {
        let key = EncodingAesKey::parse("q1Os1ZMe0nG28KUEx9lg3HjK7V5QyXvi212fzsgDqgz").unwrap();
        let receiver = Receiver::new("robotTok", key);
        let message = include_str!("../../../../fixtures/wecom/smart_robot/message.text.json");
        let sealed = receiver.crypto().seal(message.as_bytes(), "1700000100", "n0nce2");
        let query = Query {
            msg_signature: sealed.msg_signature,
            timestamp: "1700000100".into(),
            nonce: "n0nce2".into(),
            echostr: None,
        };
        let body = format!("{{\"encrypt\":\"{}\"}}", sealed.encrypt);
        let callback = receiver.receive(&query, body.as_bytes()).unwrap();
        assert_eq!(callback.content, RobotContent::Text("@RobotA hello".into()));
        let answer: serde_json::Value = serde_json::from_str(&receiver.reply(&query, &Reply::finished("ok"))).unwrap();
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        assert_eq!(text("nonce"), "n0nce2");
        let timestamp = answer["timestamp"].as_i64().unwrap().to_string();
        let opened = receiver.crypto().open(&text("msgsignature"), &timestamp, "n0nce2", &text("encrypt")).unwrap();
        assert!(String::from_utf8(opened).unwrap().contains("\"finish\":true"));
    }
}
