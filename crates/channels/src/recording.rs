//! The recording channel: remembers what it was given, and meets what a test scripts.

use std::collections::VecDeque;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{Attempt, CallLimits, Content, ContentKind, Lane, Options, Quota, RecipientSet, Violation};
use parking_lot::Mutex;
use pipeline::ports::{Channel, MediaKind, PeopleQuota, RecallAnswer, UploadAnswer};

/// Remembers requests; takes everything unless scripted otherwise.
#[derive(Debug)]
pub struct RecordingChannel {
    lane: Lane,
    concurrency: usize,
    quota: Option<Quota>,
    duplicate_check: Option<Duration>,
    people_quota: PeopleQuota,
    script: Mutex<VecDeque<Scripted>>,
    requests: Mutex<Vec<Bytes>>,
}

#[derive(Debug)]
enum Scripted {
    Meets(Attempt),
    Panics,
}

impl RecordingChannel {
    /// Stands on a lane, one call at a time.
    pub fn new(lane: Lane) -> Self {
        Self {
            lane,
            concurrency: 1,
            quota: None,
            duplicate_check: None,
            people_quota: PeopleQuota::default(),
            script: Mutex::default(),
            requests: Mutex::default(),
        }
    }

    /// Takes so many calls at once.
    #[must_use]
    pub fn with_concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// Has a quota.
    #[must_use]
    pub fn with_quota(mut self, quota: Quota) -> Self {
        self.quota = Some(quota);
        self
    }

    /// Has quotas that count people.
    #[must_use]
    pub fn with_people_quota(mut self, quota: PeopleQuota) -> Self {
        self.people_quota = quota;
        self
    }

    /// Recognises repeats.
    #[must_use]
    pub fn with_duplicate_check(mut self, interval: Duration) -> Self {
        self.duplicate_check = Some(interval);
        self
    }

    /// Has the next unscripted call meet this.
    pub fn meets(&self, attempt: Attempt) {
        self.script.lock().push_back(Scripted::Meets(attempt));
    }

    /// Has the next unscripted call panic.
    pub fn panics(&self) {
        self.script.lock().push_back(Scripted::Panics);
    }

    /// Returns every request so far.
    pub fn requests(&self) -> Vec<Bytes> {
        self.requests.lock().clone()
    }
}

#[async_trait]
impl Channel for RecordingChannel {
    fn lane(&self) -> &Lane {
        &self.lane
    }

    fn concurrency(&self) -> usize {
        self.concurrency
    }

    fn quota(&self) -> Option<Quota> {
        self.quota
    }

    fn people_quota(&self) -> PeopleQuota {
        self.people_quota.clone()
    }

    fn call_limits(&self) -> Option<CallLimits> {
        Some(CallLimits { users: 1000, parties: 100, tags: 100 })
    }

    fn parts(&self, content: &Content, _options: &Options) -> Result<Vec<Content>, Vec<Violation>> {
        Ok(vec![content.clone()])
    }

    fn longest(&self, _kind: ContentKind) -> Option<usize> {
        Some(2048)
    }

    fn media_scope(&self) -> Option<String> {
        None
    }

    async fn upload(&self, _kind: MediaKind, file_name: &str, _content: Bytes) -> UploadAnswer {
        UploadAnswer::Uploaded(file_name.to_owned())
    }

    fn duplicate_check(&self) -> Option<Duration> {
        self.duplicate_check
    }

    fn render(
        &self,
        content: &Content,
        _options: &Options,
        recipients: &RecipientSet,
        duplicate_check: bool,
    ) -> Result<Bytes, Vec<Violation>> {
        let check = if duplicate_check { " check" } else { "" };
        Ok(format!("{} → {}{check}", content.object(), recipients.to_stored().replace('\n', ",")).into())
    }

    async fn attempt(&self, body: Bytes, _recipients: &RecipientSet, _address: Option<&str>) -> Attempt {
        self.requests.lock().push(body);
        let scripted = self.script.lock().pop_front();
        match scripted {
            Some(Scripted::Meets(attempt)) => attempt,
            #[expect(clippy::panic, reason = "a test asked for it")]
            Some(Scripted::Panics) => panic!("scripted"),
            None => Attempt::Sent { refused: Vec::new(), handle: None, note: None },
        }
    }

    async fn recall(&self, _handle: &str) -> Option<RecallAnswer> {
        None
    }

    fn can_recall(&self) -> bool {
        false
    }
}
