//! Which of token, key, receive id, base64 and padding is wrong, in words.

use wecom::callback::{Crypto, Query, Refusal};

use crate::cli::{Context, FAILED, complain, print};

/// What keeps a message from being opened.
pub(super) struct Fault {
    refusal: Refusal,
    english: String,
    chinese: String,
}

/// What a code of WeCom's sample library means, in Chinese.
pub(super) fn chinese(code: i64) -> Option<&'static str> {
    crate::cli::chinese::refusal(code)
}

impl Fault {
    /// Prints it; returns the exit code.
    pub(super) fn tell(&self, context: &Context) -> u8 {
        let code = self.refusal.code();
        let text = context.language.pick(&self.english, &self.chinese);
        if context.json {
            print(&serde_json::json!({ "ok": false, "code": code, "reason": text }).to_string());
        } else {
            complain(&format!("{code} {text}"));
        }
        FAILED
    }

    pub(super) fn malformed(english: impl Into<String>, chinese: impl Into<String>) -> Self {
        Self { refusal: Refusal::Malformed, english: english.into(), chinese: chinese.into() }
    }
}

/// Opens a message by whichever of the keys fits.
pub(super) fn open(keys: &[Crypto], query: &Query, encrypted: &str) -> Result<Vec<u8>, Fault> {
    let mut first = None;
    for crypto in keys {
        match crypto.open(&query.msg_signature, &query.timestamp, &query.nonce, encrypted) {
            Ok(plain) => return Ok(plain),
            Err(refusal) => first = first.or(Some((crypto, refusal))),
        }
    }
    Err(match first {
        Some((crypto, refusal)) => explain(crypto, refusal, query, encrypted),
        None => Fault { refusal: Refusal::Key, english: "there are no keys".into(), chinese: "没有密钥".into() },
    })
}

fn explain(crypto: &Crypto, refusal: Refusal, query: &Query, encrypted: &str) -> Fault {
    let seen = crypto.inspect(&query.msg_signature, &query.timestamp, &query.nonce, encrypted);
    let lower = query.msg_signature.to_ascii_lowercase();
    let inside = seen.receive_id.as_deref().unwrap_or_default();
    let (english, chinese) = match refusal {
        Refusal::Signature if crypto.signature(&query.timestamp, &query.nonce, encrypted) == lower => (
            "the signature fits but for upper case: something on the way changed it".to_owned(),
            "签名只有大小写不同：途中被改动过".to_owned(),
        ),
        Refusal::Signature if seen.key && seen.padding => (
            "the Token is wrong, or timestamp or nonce were changed on the way; the EncodingAESKey fits: copy the Token from WeCom's console".to_owned(),
            "Token 不对，或 timestamp、nonce 途中被改动；EncodingAESKey 相符：请从企业微信后台复制 Token".to_owned(),
        ),
        Refusal::Signature if !seen.base64 || !seen.blocks => (
            "the signature does not fit, and the message was changed or cut off on the way: is the URL in single quotes, and whole?".to_owned(),
            "签名不符，且密文被改动或截断：URL 是否用单引号括起、是否完整？".to_owned(),
        ),
        Refusal::Signature => (
            "neither Token nor EncodingAESKey fits: are these the keys of another callback, or from before they were made anew?".to_owned(),
            "Token 与 EncodingAESKey 都不符：是否为其他回调的密钥，或重新生成之前的密钥？".to_owned(),
        ),
        Refusal::Base64 => (
            "the Token fits, but the message is not base64: something on the way changed it after all".to_owned(),
            "Token 相符，但密文不是 base64：内容被改动过".to_owned(),
        ),
        Refusal::Decryption if !seen.blocks => (
            "the Token fits, but the message is not whole blocks of 16 bytes: it was cut off before it was signed".to_owned(),
            "Token 相符，但密文长度不是 16 字节的整数倍：签名前已被截断".to_owned(),
        ),
        Refusal::Decryption if seen.key => (
            "Token and EncodingAESKey fit, but the padding is wrong: it must be PKCS#7 in blocks of 32 bytes".to_owned(),
            "Token 与 EncodingAESKey 相符，但填充不对：须为 32 字节块的 PKCS#7".to_owned(),
        ),
        Refusal::ReceiveId if seen.key => {
            let (of, whose) = if inside.is_empty() { ("nobody: a smart robot's", "空（智能机器人）") } else { (inside, inside) };
            (
                format!("Token and EncodingAESKey fit, but the receive id is wrong: the message is for {of}"),
                format!("Token 与 EncodingAESKey 相符，但 receive id 不对：消息属于 {whose}"),
            )
        }
        Refusal::Decryption | Refusal::Frame | Refusal::ReceiveId => (
            "the Token fits, but the EncodingAESKey is wrong: copy it from WeCom's console".to_owned(),
            "Token 相符，但 EncodingAESKey 不对：请从企业微信后台复制".to_owned(),
        ),
        other => (other.to_string(), chinese(other.code().into()).unwrap_or_default().to_owned()),
    };
    Fault { refusal, english, chinese }
}
