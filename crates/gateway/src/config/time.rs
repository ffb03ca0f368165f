//! A length of time in the configuration: `10s`, `5m`, `24h`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl Span {
    /// So many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        domain::parse_duration(&text)
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not a length of time such as 10s, 5m or 24h")))
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let seconds = self.0.as_secs();
        let text = match seconds {
            _ if self.0.subsec_millis() > 0 => format!("{}ms", self.0.as_millis()),
            0 => "0s".to_owned(),
            _ if seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
            _ if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
            _ => format!("{seconds}s"),
        };
        serializer.serialize_str(&text)
    }
}
