//! Where the whole of a content can be had that a channel does not carry: a file that the gateway keeps for a while.
//!
//! Knows nothing about how the URL is made, or how the notice is worded that holds it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{MediaId, Timestamp};

/// A link to a file of ours.
#[derive(Clone, PartialEq, Eq)]
pub struct FileLink {
    /// The file.
    pub media: MediaId,
    /// What it is called.
    pub file_name: String,
    /// How many bytes it has.
    pub size: u64,
    /// Where it is.
    pub url: String,
    /// Until when it is there.
    pub until: Timestamp,
}

impl fmt::Debug for FileLink {
    /// Without the URL: whoever has it has the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { media, size, until, .. } = self;
        f.debug_struct("FileLink")
            .field("media", media)
            .field("size", size)
            .field("until", until)
            .finish_non_exhaustive()
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    media: String,
    name: String,
    size: u64,
    url: String,
    until: i64,
}

impl FileLink {
    pub(super) fn to_stored(&self) -> String {
        let stored = Stored {
            media: self.media.to_string(),
            name: self.file_name.clone(),
            size: self.size,
            url: self.url.clone(),
            until: self.until.as_millis(),
        };
        serde_json::to_string(&stored).unwrap_or_else(|_| unreachable!("texts and numbers can be written"))
    }

    /// Reads what [`Self::to_stored`] wrote, and returns what stands behind it.
    pub(super) fn from_stored(text: &str) -> Option<(Self, &str)> {
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<Stored>();
        let stored = values.next()?.ok()?;
        let rest = text.get(values.byte_offset()..)?.strip_prefix(' ')?;
        let link = Self {
            media: stored.media.parse().ok()?,
            file_name: stored.name,
            size: stored.size,
            url: stored.url,
            until: Timestamp::from_millis(stored.until),
        };
        Some((link, rest))
    }
}
