//! The ids of WeCom, each a type of its own.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Secret;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes an id.
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into())
            }

            /// Returns the id.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Tells whether there is none.
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self::new(id)
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self::new(id)
            }
        }
    };
}

text_id!(
    /// A company (企业ID), usually `ww` and 16 hexadecimal digits.
    CorpId
);
text_id!(
    /// An uploaded file, valid for 3 days.
    MediaId
);
text_id!(
    /// A sent application message: the handle for recalling it.
    MsgId
);

/// A self-built application (`AgentId`), such as 1000002.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AgentId(pub i64);

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The key of a group robot: the whole of its credential, so it cannot be printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RobotKey(Secret);

/// The text is neither a robot's key nor its webhook URL.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RobotKeyError {
    /// There is no key.
    #[error("the robot key is empty")]
    Empty,
    /// A key has letters, digits and dashes only.
    #[error("a robot key has only letters, digits and `-`, such as 693a91f6-7e4c-4bc4-97a0-0ec2f1fa5aaa")]
    Malformed,
    /// The URL is not `https://HOST/cgi-bin/webhook/send?key=KEY` on the expected host.
    #[error("a webhook URL reads {0}/cgi-bin/webhook/send?key=KEY, without user, password or fragment")]
    OtherUrl(String),
}

impl RobotKey {
    /// Reads a key, or the whole webhook URL as the robot's page shows it; the URL must be one of `origin`.
    ///
    /// # Errors
    /// [`RobotKeyError::Empty`], [`RobotKeyError::Malformed`], or [`RobotKeyError::OtherUrl`] if a URL leads elsewhere.
    pub fn parse(text: &str, origin: &url::Url) -> Result<Self, RobotKeyError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(RobotKeyError::Empty);
        }
        let key = if text.contains("://") { Self::key_of_url(text, origin)? } else { text.to_owned() };
        let well_formed = key.len() <= 128 && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if key.is_empty() {
            Err(RobotKeyError::Empty)
        } else if well_formed {
            Ok(Self(Secret::new(key)))
        } else {
            Err(RobotKeyError::Malformed)
        }
    }

    fn key_of_url(text: &str, origin: &url::Url) -> Result<String, RobotKeyError> {
        let other = || RobotKeyError::OtherUrl(origin.origin().ascii_serialization());
        let url = url::Url::parse(text).map_err(|_| other())?;
        // Compare what was parsed, never the text: `https://host@elsewhere/` starts like the host and is not it.
        let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        if !plain || url.origin() != origin.origin() || url.path() != "/cgi-bin/webhook/send" {
            return Err(other());
        }
        url.query_pairs().find(|(name, _)| name == "key").map(|(_, key)| key.into_owned()).ok_or_else(other)
    }

    /// Returns the key itself, for the one place that puts it on the wire.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, RobotKeyError> {
        let origin = url::Url::parse(crate::OFFICIAL_ORIGIN).unwrap();
        RobotKey::parse(text, &origin).map(|key| key.expose().to_owned())
    }

    #[test]
    fn a_key_or_its_whole_url_is_taken() {
        for text in
            ["693a91f6-7e4c", " 693a91f6-7e4c\n", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=693a91f6-7e4c"]
        {
            assert_eq!(parse(text).as_deref(), Ok("693a91f6-7e4c"), "{text}");
        }
    }

    #[test]
    fn a_url_that_leads_elsewhere_is_refused() {
        for text in [
            "https://qyapi.weixin.qq.com@evil.example/cgi-bin/webhook/send?key=k",
            "https://user:pw@qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k",
            "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k#x",
            "https://qyapi.weixin.qq.com.evil.example/cgi-bin/webhook/send?key=k",
            "http://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k",
            "https://qyapi.weixin.qq.com/cgi-bin/webhook/upload_media?key=k",
            "https://qyapi.weixin.qq.com/cgi-bin/webhook/send",
        ] {
            assert!(matches!(parse(text), Err(RobotKeyError::OtherUrl(_))), "{text}");
        }
        assert_eq!(parse(""), Err(RobotKeyError::Empty));
        assert_eq!(parse("a b"), Err(RobotKeyError::Malformed));
    }

    #[test]
    fn a_key_cannot_be_printed() {
        let origin = url::Url::parse(crate::OFFICIAL_ORIGIN).unwrap();
        assert!(!format!("{:?}", RobotKey::parse("693a91f6", &origin).unwrap()).contains("693a"));
    }
}
