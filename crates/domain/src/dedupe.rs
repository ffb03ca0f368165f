//! When is a submission a repeat of an earlier one?
//!
//! Two questions, two hashes: the caller's own `dedupe` key or content inside a window, and the equality of whole
//! requests that idempotency keys and WeCom's duplicate check ask about. Knows nothing about where either is kept.

use std::fmt;
use std::time::Duration;

/// The longest dedupe or idempotency key, in bytes.
pub const DEDUPE_KEY_MAX_BYTES: usize = 255;

/// How a submission wants its repeats to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dedupe {
    /// What counts as the same.
    pub by: DedupeBy,
    /// How long after the first a repeat is still a repeat.
    pub window: Duration,
}

/// What counts as the same submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DedupeBy {
    /// The same key of the caller's choice.
    Key(String),
    /// The same recipients, app, options and content.
    Content,
}

/// SHA-256 of a request.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestHash([u8; 32]);

impl RequestHash {
    /// Takes the 32 bytes of a SHA-256.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the first 64 bits, enough where a false match does no harm.
    pub fn short(&self) -> i64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.0[..8]);
        i64::from_be_bytes(first)
    }
}

impl fmt::Display for RequestHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RequestHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
