//! The file channel: renders as WeCom's channels do, and writes the request to a folder instead of sending it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{
    Attempt, CallLimits, Content, ContentKind, FailureClass, Lane, Options, Quota, Reason, RecipientSet, Violation,
};
use pipeline::ports::{Channel, MediaKind, RecallAnswer, UploadAnswer};

/// Writes each request of another channel to a file.
#[derive(Debug)]
pub struct FileChannel {
    inner: Arc<dyn Channel>,
    folder: PathBuf,
    written: AtomicU64,
}

impl FileChannel {
    /// Stands in for `inner`, writing to `folder`.
    pub fn new(inner: Arc<dyn Channel>, folder: PathBuf) -> Self {
        Self { inner, folder, written: AtomicU64::new(0) }
    }

    async fn write(&self, body: &[u8]) -> std::io::Result<String> {
        tokio::fs::create_dir_all(&self.folder).await?;
        let lane = self.lane().as_str().replace(':', "-");
        loop {
            let name = format!("{lane}-{:06}.json", self.written.fetch_add(1, Ordering::Relaxed) + 1);
            let new = tokio::fs::OpenOptions::new().write(true).create_new(true).open(self.folder.join(&name)).await;
            match new {
                Ok(mut file) => {
                    tokio::io::AsyncWriteExt::write_all(&mut file, body).await?;
                    tokio::io::AsyncWriteExt::flush(&mut file).await?;
                    return Ok(name);
                }
                // From an earlier run: go on counting.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[async_trait]
impl Channel for FileChannel {
    fn lane(&self) -> &Lane {
        self.inner.lane()
    }

    fn concurrency(&self) -> usize {
        self.inner.concurrency()
    }

    fn quota(&self) -> Option<Quota> {
        None
    }

    fn call_limits(&self) -> Option<CallLimits> {
        self.inner.call_limits()
    }

    fn parts(&self, content: &Content, options: &Options) -> Result<Vec<Content>, Vec<Violation>> {
        self.inner.parts(content, options)
    }

    fn exceeds(&self, content: &Content, file_size: Option<u64>) -> bool {
        self.inner.exceeds(content, file_size)
    }

    fn longest(&self, kind: ContentKind) -> Option<usize> {
        self.inner.longest(kind)
    }

    fn media_scope(&self) -> Option<String> {
        None
    }

    async fn upload(&self, _kind: MediaKind, file_name: &str, _content: Bytes) -> UploadAnswer {
        UploadAnswer::Uploaded(file_name.to_owned())
    }

    fn duplicate_check(&self) -> Option<Duration> {
        None
    }

    fn render(
        &self,
        content: &Content,
        options: &Options,
        recipients: &RecipientSet,
        duplicate_check: bool,
    ) -> Result<Bytes, Vec<Violation>> {
        self.inner.render(content, options, recipients, duplicate_check)
    }

    async fn attempt(&self, body: Bytes, _recipients: &RecipientSet, _address: Option<&str>) -> Attempt {
        match self.write(&body).await {
            Ok(name) => Attempt::Sent { refused: Vec::new(), handle: None, note: Some(format!("written to {name}")) },
            Err(error) => {
                let text = format!("could not write to {}: {error}", self.folder.display());
                let reason = Reason::new("file", text).with_hint("check that the folder can be written to");
                Attempt::Deferred { class: FailureClass::Misconfigured, reason, retry_after: None }
            }
        }
    }

    async fn recall(&self, _handle: &str) -> Option<RecallAnswer> {
        None
    }

    fn can_recall(&self) -> bool {
        false
    }
}
