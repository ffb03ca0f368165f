//! Posts to business systems: to where the operator wrote, and nowhere else; no redirect is followed.

use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use pipeline::Post;
use wecom::fetch::{FetchError, Poster, Reach};

/// How much of an answer is read.
const LARGEST_ANSWER: usize = 64 * 1024;

/// Posts over connections that are kept.
#[derive(Debug, Default)]
pub struct GuardedPost {
    /// Made when it is first used: reading the machine's certificates takes longer than starting.
    poster: OnceLock<Poster>,
}

impl GuardedPost {
    fn poster(&self) -> Result<&Poster, FetchError> {
        if let Some(poster) = self.poster.get() {
            return Ok(poster);
        }
        let made = Poster::new(Reach::Operator)?;
        Ok(self.poster.get_or_init(|| made))
    }
}

#[async_trait]
impl Post for GuardedPost {
    async fn post(
        &self,
        url: &str,
        headers: Vec<(&'static str, String)>,
        body: String,
        timeout: Duration,
    ) -> Result<String, String> {
        let posting = async { self.poster()?.post(url, &headers, body.into(), (LARGEST_ANSWER, timeout)).await };
        let answer = posting.await;
        let answer = answer.map_err(|error| match std::error::Error::source(&error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        })?;
        if (200..300).contains(&answer.status) {
            return Ok(String::from_utf8_lossy(&answer.body).into_owned());
        }
        Err(format!("the receiver answered HTTP {}", answer.status))
    }
}
