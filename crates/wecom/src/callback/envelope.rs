//! The envelope around a callback, as XML or JSON, and its query.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Element, Refusal, Sealed};

/// What stands in the query of a callback.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Query {
    /// The signature.
    #[serde(default)]
    pub msg_signature: String,
    /// Seconds since the epoch.
    #[serde(default)]
    pub timestamp: String,
    /// Any text.
    #[serde(default)]
    pub nonce: String,
    /// Only when the URL is verified.
    #[serde(default)]
    pub echostr: Option<String>,
}

impl Query {
    /// Reads the part of the URL behind `?`.
    ///
    /// A `+` in `echostr` is a plus: base64 has no blanks, and some proxies decode it before it arrives here.
    pub fn parse(query: &str) -> Self {
        let mut read = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "msg_signature" => read.msg_signature = value.into_owned(),
                "timestamp" => read.timestamp = value.into_owned(),
                "nonce" => read.nonce = value.into_owned(),
                "echostr" => read.echostr = Some(value.replace(' ', "+")),
                _ => {}
            }
        }
        read
    }
}

/// How an envelope is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Applications and contact sync.
    Xml,
    /// Smart robots: lower-case keys, `timestamp` a number (path/101033).
    Json,
    /// The JSON of applications that a comment in path/90238 describes: keys as in XML, all texts.
    AppJson,
}

impl Format {
    /// Writes the envelope of a reply.
    pub fn reply(self, sealed: &Sealed) -> String {
        match self {
            Self::Xml => Element::new("xml")
                .with("Encrypt", &sealed.encrypt)
                .with("MsgSignature", &sealed.msg_signature)
                .with("TimeStamp", &sealed.timestamp)
                .with("Nonce", &sealed.nonce)
                .to_string(),
            Self::Json => json!({
                "encrypt": sealed.encrypt,
                "msgsignature": sealed.msg_signature,
                "timestamp": sealed.timestamp.parse::<i64>().unwrap_or_default(),
                "nonce": sealed.nonce,
            })
            .to_string(),
            Self::AppJson => json!({
                "Encrypt": sealed.encrypt,
                "MsgSignature": sealed.msg_signature,
                "TimeStamp": sealed.timestamp,
                "Nonce": sealed.nonce,
            })
            .to_string(),
        }
    }
}

/// The outside of a callback. Nothing in it is signed but the encrypted message: trust no other field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// For whom it claims to be: a corp id, or a suite id.
    pub to_user_name: Option<String>,
    /// The application it claims to be for.
    pub agent_id: Option<String>,
    /// The encrypted message.
    pub encrypt: String,
    /// How it was written.
    pub format: Format,
}

impl Envelope {
    /// Reads an envelope, XML or JSON.
    ///
    /// # Errors
    /// [`Refusal::Malformed`].
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
        if body.first() == Some(&b'{') { Self::parse_json(body) } else { Self::parse_xml(body) }
    }

    fn parse_xml(body: &[u8]) -> Result<Self, Refusal> {
        let root = Element::parse(body)?;
        Ok(Self {
            to_user_name: root.owned("ToUserName"),
            agent_id: root.owned("AgentID"),
            encrypt: root.owned("Encrypt").ok_or(Refusal::Malformed)?,
            format: Format::Xml,
        })
    }

    fn parse_json(body: &[u8]) -> Result<Self, Refusal> {
        // A robot's message may quote long ones; what is larger than any of them is not WeCom's.
        const MOST: usize = 1024 * 1024;
        if body.len() > MOST {
            return Err(Refusal::Malformed);
        }
        let Ok(Value::Object(object)) = serde_json::from_slice(body) else { return Err(Refusal::Malformed) };
        let field = |wanted: &str| {
            let (_, value) = object.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
            match value {
                Value::String(text) if !text.is_empty() => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            }
        };
        let format = if object.contains_key("Encrypt") { Format::AppJson } else { Format::Json };
        Ok(Self {
            to_user_name: field("ToUserName"),
            agent_id: field("AgentID"),
            encrypt: field("Encrypt").ok_or(Refusal::Malformed)?,
            format,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_keeps_the_plus_of_base64() {
        let query = Query::parse("msg_signature=5c&timestamp=1&nonce=n&echostr=a%2Bb+c%2F%3D%3D&own=1");
        assert_eq!(query.echostr.as_deref(), Some("a+b+c/=="));
        assert_eq!((query.msg_signature.as_str(), query.nonce.as_str()), ("5c", "n"));
    }

    #[test]
    fn every_form_of_an_envelope_is_read() {
        for body in [
            "<xml><Encrypt><![CDATA[abc]]></Encrypt><AgentID>218</AgentID><ToUserName>ww1</ToUserName></xml>",
            r#"{"ToUserName":"ww1","AgentID":"218","Encrypt":"abc"}"#,
            r#" {"tousername":"ww1","encrypt":"abc","agentid":218}"#,
        ] {
            let envelope = Envelope::parse(body.as_bytes()).unwrap();
            assert_eq!((envelope.encrypt.as_str(), envelope.to_user_name.as_deref()), ("abc", Some("ww1")), "{body}");
            assert_eq!(envelope.agent_id.as_deref(), Some("218"), "{body}");
        }
        for body in ["", "{}", "[]", "<xml/>", "{\"encrypt\":1.5", "plain"] {
            assert_eq!(Envelope::parse(body.as_bytes()), Err(Refusal::Malformed), "{body}");
        }
    }

    #[test]
    fn a_reply_has_the_shape_of_its_format() {
        let sealed = Sealed {
            encrypt: "e".into(),
            msg_signature: "s".into(),
            timestamp: "1641002400".into(),
            nonce: "n".into(),
        };
        assert_eq!(
            Format::Xml.reply(&sealed),
            "<xml><Encrypt><![CDATA[e]]></Encrypt><MsgSignature><![CDATA[s]]></MsgSignature><TimeStamp>1641002400</TimeStamp><Nonce><![CDATA[n]]></Nonce></xml>"
        );
        assert_eq!(
            Format::Json.reply(&sealed),
            r#"{"encrypt":"e","msgsignature":"s","timestamp":1641002400,"nonce":"n"}"#
        );
    }
}
