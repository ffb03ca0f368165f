//! What submissions and schedules name by URL: fetched through the guarded client, which reaches public addresses only.
//! And what schedules name by a path below a folder.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use pipeline::Fetch;
use wecom::fetch::{Reach, fetch};

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
    async fn fetch(&self, url: &str, limit: usize) -> Result<(String, Bytes), String> {
        let fetched = fetch(url, self.reach, limit, PATIENCE).await.map_err(|error| error.to_string())?;
        // The path's last part names the file where the server does not; its query may hold a signature.
        let in_path = url.split(['?', '#']).next().and_then(|path| path.rsplit('/').next());
        let named = fetched.file_name.or_else(|| in_path.map(str::to_owned)).filter(|name| !name.is_empty());
        Ok((named.unwrap_or_else(|| "file".to_owned()), fetched.content))
    }
}

/// Reads files below a folder, and none elsewhere, whatever links lead there.
#[derive(Clone, Debug, Default)]
pub struct FolderFetch {
    /// The folder; without one nothing is read.
    pub folder: Option<PathBuf>,
}

#[async_trait]
impl Fetch for FolderFetch {
    async fn fetch(&self, path: &str, limit: usize) -> Result<(String, Bytes), String> {
        let (folder, path) = (self.folder.clone(), PathBuf::from(path));
        let reading = tokio::task::spawn_blocking(move || read_below(folder, &path, limit));
        reading.await.map_err(|_| "reading was interrupted".to_owned())?
    }
}

fn read_below(folder: Option<PathBuf>, path: &Path, limit: usize) -> Result<(String, Bytes), String> {
    let folder = folder.ok_or("no folder is configured for files: name one as `schedules.files`")?;
    let outside = || format!("`{}` is no file below the folder that `schedules.files` names", path.display());
    // Where links lead is seen here; what is no plain file, such as a pipe, could keep us waiting.
    let folder =
        folder.canonicalize().map_err(|_| "the folder that `schedules.files` names is not there".to_owned())?;
    let found = folder.join(path).canonicalize().map_err(|_| outside())?;
    if !found.starts_with(&folder) || !found.is_file() {
        return Err(outside());
    }
    let file = std::fs::File::open(&found).map_err(|_| format!("`{}` cannot be read", path.display()))?;
    let mut content = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    file.take(most).read_to_end(&mut content).map_err(|_| format!("`{}` cannot be read", path.display()))?;
    if content.len() > limit {
        return Err(format!("the file is larger than {limit} bytes"));
    }
    let name = found.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok((name, content.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_are_read_below_the_folder_only() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::create_dir(folder.path().join("reports")).unwrap();
        std::fs::write(folder.path().join("reports/plan.json"), "{}").unwrap();
        std::fs::write(elsewhere.path().join("secret"), "secret").unwrap();
        std::os::unix::fs::symlink(elsewhere.path().join("secret"), folder.path().join("link")).unwrap();
        let below = FolderFetch { folder: Some(folder.path().to_owned()) };
        let absolute = folder.path().join("reports/plan.json");
        for path in ["reports/plan.json", absolute.to_str().unwrap(), "reports/../reports/plan.json"] {
            assert_eq!(below.fetch(path, 2).await.unwrap(), ("plan.json".to_owned(), Bytes::from("{}")), "{path}");
        }
        assert!(below.fetch("reports/plan.json", 1).await.unwrap_err().contains("larger than 1 bytes"));
        let secret = elsewhere.path().join("secret");
        for path in
            [secret.to_str().unwrap(), "link", "../../etc/passwd", "/etc/passwd", "reports", "nothing", "/dev/zero", ""]
        {
            assert!(below.fetch(path, 100).await.unwrap_err().contains("is no file below"), "{path}");
        }
        assert!(FolderFetch::default().fetch("x", 1).await.unwrap_err().contains("schedules.files"));
    }
}
