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
        let answer = answer.map_err(|error| said(&error))?;
        if (200..300).contains(&answer.status) {
            return Ok(String::from_utf8_lossy(&answer.body).into_owned());
        }
        Err(format!("the receiver answered HTTP {}", answer.status))
    }
}

/// What went wrong, of a webhook: the errors themselves speak of files.
fn said(error: &FetchError) -> String {
    match error {
        FetchError::Url(url) => format!("`{url}` is no web address without user and password"),
        FetchError::Forbidden(url) => format!("`{url}` leads to an address that no webhook may reach"),
        FetchError::TooLarge(limit) => format!("the receiver answered more than {limit} bytes"),
        FetchError::Failed(cause) => {
            // The innermost cause says whether it was DNS, TLS or a refused connection.
            let mut cause: &dyn std::error::Error = &**cause;
            while let Some(inner) = cause.source() {
                cause = inner;
            }
            format!("the webhook's receiver could not be reached: {cause}")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_said_of_a_webhook_speaks_of_no_file() {
        let post = GuardedPost::default();
        // Nothing listens at the first; the others are never connected to.
        for url in ["http://127.0.0.1:9/", "http://169.254.169.254/", "http://user:pass@127.0.0.1:9/", "ftp://x/"] {
            let said = post.post(url, Vec::new(), String::new(), Duration::from_secs(5)).await.unwrap_err();
            assert!(!said.contains("file") && !said.contains("pass@"), "{url}: {said}");
        }
    }
}
