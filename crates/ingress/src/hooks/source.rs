//! What a monitoring, CI or code system says, in one shape: bytes and headers in, notices out.
//!
//! One file a source, beside the template that makes markdown of its notices. Pure: a source knows neither routes nor the
//! intake, and does not wait.

mod alertmanager;
mod read;

use axum::http::HeaderMap;
use domain::{Mention, Priority, Violation};
use serde_json::{Map, Value};

/// Every source there is.
pub(super) const SOURCES: &[&dyn Source] = &[&alertmanager::Alertmanager];

/// What was posted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Posted<'a> {
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

impl<'a> Posted<'a> {
    /// Returns a header, if it is there and text.
    pub(super) fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Reads the body as one JSON object.
    pub(super) fn object(&self) -> Result<Map<String, Value>, Violation> {
        match serde_json::from_slice(self.body) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) => Err(Violation::new("invalid", "(body)", "is JSON, but no object")),
            Err(error) => Err(Violation::new("malformed_json", "(body)", format!("is not JSON: {error}"))),
        }
    }
}

/// One thing that is told.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Notice {
    /// The same for the same happening, also when the source tells it again or from another node.
    pub(super) key: String,
    /// How urgent it is, where the configuration does not say.
    pub(super) priority: Priority,
    /// For search: what the source calls its kind, its state, its severity.
    pub(super) tags: Vec<String>,
    /// Whom a group should call by name.
    pub(super) mention: Mention,
    /// What the template is given.
    pub(super) variables: Map<String, Value>,
}

/// How a source can prove that it is itself, besides a bearer token and the secret in the path.
#[derive(Clone, Copy, Debug)]
pub(super) enum Proof {
    /// It can do nothing more.
    None,
    /// A header holds the secret itself.
    Token {
        /// The header.
        header: &'static str,
    },
    /// A header holds the HMAC-SHA256 of the body in hexadecimal, keyed with the secret.
    Signature {
        /// The header.
        header: &'static str,
        /// What stands before the hexadecimal digits.
        prefix: &'static str,
        /// A header whose value, with a colon, is signed before the body.
        timestamp: Option<&'static str>,
    },
}

/// A system that tells of things.
pub(super) trait Source: Sync {
    /// Returns its name, as in the path and the configuration.
    fn name(&self) -> &'static str;

    /// Returns how it proves that it is itself.
    fn proof(&self) -> Proof {
        Proof::None
    }

    /// Reads what it posted; nothing to tell is an empty list.
    ///
    /// # Errors
    /// The field that is not as the source writes it.
    fn read(&self, posted: &Posted<'_>) -> Result<Vec<Notice>, Violation>;

    /// Returns the template that makes markdown of its notices; `None` where only the operator knows what is posted.
    fn template(&self) -> Option<&'static str>;
}
