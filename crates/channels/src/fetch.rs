//! Files that submissions name by URL: fetched through the guarded client, which reaches public addresses only.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use pipeline::Fetch;
use wecom::fetch::{Reach, fetch};

/// The largest file that is fetched: WeCom takes none larger (path/90253).
const LARGEST: usize = 20 * 1024 * 1024;
/// How long a file may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Fetches files from public addresses.
#[derive(Clone, Copy, Debug, Default)]
pub struct GuardedFetch {
    /// Which addresses a URL may lead to.
    pub reach: Reach,
}

#[async_trait]
impl Fetch for GuardedFetch {
    async fn fetch(&self, url: &str) -> Result<(String, Bytes), String> {
        let fetched = fetch(url, self.reach, LARGEST, PATIENCE).await.map_err(|error| error.to_string())?;
        // The path's last part names the file where the server does not; its query may hold a signature.
        let in_path = url.split(['?', '#']).next().and_then(|path| path.rsplit('/').next());
        let named = fetched.file_name.or_else(|| in_path.map(str::to_owned)).filter(|name| !name.is_empty());
        Ok((named.unwrap_or_else(|| "file".to_owned()), fetched.content))
    }
}
