//! A channel: one way out, of one application or robot.
//!
//! A channel renders, calls once, and says what it met. It knows nothing about the ledger, retries or quotas.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{Attempt, CallLimits, Content, ContentKind, Lane, Options, Quota, Reason, RecipientSet, Violation};
use serde_json::Value;

/// One way out, of one application or robot.
#[async_trait]
pub trait Channel: Send + Sync + fmt::Debug {
    /// Returns the lane whose deliveries it takes.
    fn lane(&self) -> &Lane;

    /// Returns how many calls may be under way at once.
    fn concurrency(&self) -> usize;

    /// Returns the quota that the upstream imposes, if any.
    fn quota(&self) -> Option<Quota>;

    /// Returns the quotas that count people instead of calls.
    fn people_quota(&self) -> PeopleQuota {
        PeopleQuota::default()
    }

    /// Returns how many people a call reaches, as far as is known.
    fn people(&self, recipients: &RecipientSet) -> u32 {
        u32::try_from(recipients.len()).unwrap_or(u32::MAX)
    }

    /// Returns what a call besides sending counts against; `None` where nothing counts it.
    fn api(&self, _call: ApiCall) -> Option<Api> {
        None
    }

    /// Names the next call that must be made before this channel can send; `None` once it can.
    fn preparation(&self) -> Option<ApiCall> {
        None
    }

    /// Makes the call that [`Self::preparation`] named. Called by one at a time.
    ///
    /// # Errors
    /// What it met.
    async fn prepare(&self) -> Result<(), Attempt> {
        Ok(())
    }

    /// Returns how many recipients one call takes; `None` where a call serves all of them, however many.
    fn call_limits(&self) -> Option<CallLimits>;

    /// Returns how long the upstream recognises a repeat of an identical request, if it can at all.
    fn duplicate_check(&self) -> Option<Duration>;

    /// Divides a content that is too long for one request into those of several, cuts it, or says where it is to be had, as
    /// its options say.
    ///
    /// # Errors
    /// Every documented rule that the message breaks, first things first.
    fn parts(&self, content: &Content, options: &Options) -> Result<Vec<Content>, Vec<Violation>>;

    /// Tells whether a text is longer than one request carries here, or a content's file of `file_size` bytes larger; also
    /// one of a kind that is not carried at all.
    fn exceeds(&self, content: &Content, file_size: Option<u64>) -> bool {
        let is_long = |text: String| self.longest(content.kind()).is_some_and(|longest| text.len() > longest);
        file_size.is_none() && content.plain_content().is_some_and(is_long)
    }

    /// Returns how long a text of this kind may be, in bytes; `None` for kinds that are never merged here.
    fn longest(&self, kind: ContentKind) -> Option<usize>;

    /// Renders the request body: a pure function of what was accepted.
    ///
    /// # Errors
    /// Every documented rule that the message breaks, first things first.
    fn render(
        &self,
        content: &Content,
        options: &Options,
        recipients: &RecipientSet,
        duplicate_check: bool,
    ) -> Result<Bytes, Vec<Violation>>;

    /// Makes one call. `address` says where it goes, if that is not said by its recipients.
    async fn attempt(&self, body: Bytes, recipients: &RecipientSet, address: Option<&str>) -> Attempt;

    /// Says where files are uploaded so that this channel can send them; `None` if it sends none.
    fn media_scope(&self) -> Option<String>;

    /// Uploads a file.
    async fn upload(&self, kind: MediaKind, file_name: &str, content: Bytes) -> UploadAnswer;

    /// Withdraws what was sent; `None` if this channel never can.
    async fn recall(&self, handle: &str) -> Option<RecallAnswer>;

    /// Tells whether what it sent can be withdrawn at all.
    fn can_recall(&self) -> bool;

    /// Fetches a file that somebody sent: what it is called, and its bytes.
    ///
    /// # Errors
    /// Why not, in words.
    async fn download(&self, _media_id: &str) -> Result<(String, Bytes), String> {
        Err("nobody sends files this way".to_owned())
    }

    /// Makes a call of the upstream's API that is no message, as its account.
    ///
    /// # Errors
    /// [`UpstreamError`].
    async fn call(&self, _call: UpstreamCall) -> Result<Value, UpstreamError> {
        Err(UpstreamError::Unavailable("there is no such API".to_owned()))
    }
}

/// A call of an upstream's API that is no message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UpstreamCall {
    /// Its path.
    pub path: String,
    /// Its query, without a token.
    pub query: Vec<(String, String)>,
    /// Its body; without one it is a GET.
    pub body: Option<Value>,
}

/// An upstream did not do what a call asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// It refused.
    #[error("errcode {errcode}: {errmsg}")]
    Refused {
        /// Its code.
        errcode: i64,
        /// Its words.
        errmsg: String,
    },
    /// It gave no answer of its own; later it may.
    #[error("{0}")]
    Unavailable(String),
}

/// Quotas that count people instead of calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeopleQuota {
    /// To each member.
    pub members: Vec<Quota>,
    /// Person-times a calendar day, in Asia/Shanghai.
    pub day: Option<u32>,
    /// Person-times of all lanes that share a name.
    pub shared: Option<(String, Vec<Quota>)>,
}

/// A call upstream that is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiCall {
    /// Uploads a file.
    Upload(MediaKind),
    /// Withdraws a message.
    Recall,
    /// Looks whether a group chat is there.
    ReadChat,
    /// Makes a group chat.
    CreateChat,
    /// Changes the members of a group chat.
    UpdateChat,
}

impl ApiCall {
    /// One of each, as quotas are shown.
    pub const ALL: [Self; 5] =
        [Self::Upload(MediaKind::File), Self::Recall, Self::ReadChat, Self::CreateChat, Self::UpdateChat];

    /// Returns what such calls are counted as: `uploads`.
    pub fn counts(self) -> &'static str {
        match self {
            Self::Upload(_) => "uploads",
            Self::Recall => "recalls",
            Self::ReadChat => "chat_reads",
            Self::CreateChat => "chat_creations",
            Self::UpdateChat => "chat_updates",
        }
    }
}

/// What calls count against: one API of a company's, or of a robot's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// The same for all that share the quotas: `ww…/cgi-bin/media/upload`.
    pub name: String,
    /// How many calls there may be.
    pub quotas: Vec<Quota>,
}

/// What a file is sent as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A voice clip.
    Voice,
    /// A video.
    Video,
    /// Any file.
    File,
}

impl MediaKind {
    /// Returns WeCom's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Voice => "voice",
            Self::Video => "video",
            Self::File => "file",
        }
    }
}

/// What became of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadAnswer {
    /// It is there, under this name.
    Uploaded(String),
    /// It is not uploaded but sent within the message: this is the content's object then.
    Inline(String),
    /// It was not taken; the attempt says why, and what follows.
    Failed(Attempt),
}

/// What became of an attempt to withdraw a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecallAnswer {
    /// It is withdrawn.
    Recalled,
    /// It cannot be withdrawn, ever.
    Refused(Reason),
    /// It was not answered; another try may succeed.
    Unanswered(Reason),
}

/// The channels, by lane.
#[derive(Clone, Debug, Default)]
pub struct Channels {
    by_lane: Arc<BTreeMap<Lane, Arc<dyn Channel>>>,
}

impl Channels {
    /// Collects channels.
    pub fn new(channels: impl IntoIterator<Item = Arc<dyn Channel>>) -> Self {
        let by_lane = channels.into_iter().map(|channel| (channel.lane().clone(), channel)).collect();
        Self { by_lane: Arc::new(by_lane) }
    }

    /// Finds the channel of a lane.
    pub fn get(&self, lane: &Lane) -> Option<&Arc<dyn Channel>> {
        self.by_lane.get(lane)
    }

    /// Returns the accounts of a kind of channel, in alphabetical order.
    pub fn accounts(&self, channel: &str) -> Vec<&str> {
        self.by_lane.keys().filter(|lane| lane.channel() == channel).map(Lane::account).collect()
    }

    /// Iterates over all channels.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Channel>> {
        self.by_lane.values()
    }
}
