//! The group chat channel: a chat that an application makes, keeps and speaks in (paths 90244 to 90248).
//!
//! The chat is made with its first message. Whether its members are those that are configured is looked after once in
//! each run: who is missing is added, who is no longer named is removed. Each of these calls is prepared for: it counts
//! against quotas of its own.

mod render;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{Attempt, CallLimits, Content, ContentKind, FailureClass, Lane, Options, Quota, RecipientSet, Violation};
use parking_lot::Mutex;
use pipeline::ports::{Api, ApiCall, Channel, MediaKind, PeopleQuota, RecallAnswer, UploadAnswer};
use wecom::api::appchat::{CreateChat, GetChat, SendChatMessage, UpdateChat};
use wecom::{Client, ErrCode, limits};

use crate::company::CompanyApis;
use crate::fit::{Carries, largest_upload};
use crate::{verdict, wecom_app};

/// Speaks in one group chat.
#[derive(Debug)]
pub struct WecomAppchat {
    lane: Lane,
    client: Client,
    chat: ChatConfig,
    concurrency: usize,
    quota: Quota,
    people_quota: PeopleQuota,
    apis: CompanyApis,
    known: Mutex<Known>,
}

/// What is known of the chat in this run.
#[derive(Clone, Debug)]
enum Known {
    /// Nothing.
    Nothing,
    /// It is not there.
    Missing,
    /// It is there, with these members.
    Members(Vec<String>),
    /// It is there, with the members that are configured.
    Kept,
}

/// A group chat.
#[derive(Clone, Debug)]
pub struct ChatConfig {
    /// Its id at WeCom: at most 32 letters and digits.
    pub chatid: String,
    /// What its members see as its name.
    pub title: String,
    /// Who owns it; absent: WeCom chooses.
    pub owner: Option<String>,
    /// Its members, at least 2.
    pub members: Vec<String>,
}

/// What a group chat takes (path/90248).
const CARRIES: Carries = Carries {
    kinds: &[
        ContentKind::Text,
        ContentKind::Markdown,
        ContentKind::Image,
        ContentKind::Voice,
        ContentKind::Video,
        ContentKind::File,
        ContentKind::TextCard,
        ContentKind::News,
        ContentKind::MpNews,
    ],
    longest,
    largest: largest_upload,
    name: "a group chat",
};

fn longest(kind: ContentKind) -> Option<usize> {
    match kind {
        ContentKind::Text => Some(limits::TEXT_BYTES),
        ContentKind::Markdown => Some(limits::MARKDOWN_BYTES),
        _ => None,
    }
}

impl WecomAppchat {
    /// Makes the channel of the chat configured as `name`.
    pub fn new(
        name: &str,
        client: Client,
        chat: ChatConfig,
        apis: CompanyApis,
        (concurrency, quota, people_quota): (usize, Quota, PeopleQuota),
    ) -> Self {
        let lane = Lane::new("wecom_appchat", name);
        let known = Mutex::new(Known::Nothing);
        Self { lane, client, chat, concurrency, quota, people_quota, apis, known }
    }

    async fn read(&self) -> Result<Known, wecom::Error> {
        match self.client.send(GetChat { chatid: self.chat.chatid.clone() }).await {
            Ok(answer) if self.change_from(&answer.chat_info.userlist).is_none() => Ok(Known::Kept),
            Ok(answer) => Ok(Known::Members(answer.chat_info.userlist)),
            Err(error) if is_missing(&error) => Ok(Known::Missing),
            Err(error) => Err(error),
        }
    }

    async fn create(&self) -> Result<Known, wecom::Error> {
        let chat = CreateChat {
            name: Some(self.chat.title.clone()),
            owner: self.chat.owner.clone(),
            userlist: self.chat.members.clone(),
            chatid: Some(self.chat.chatid.clone()),
        };
        match self.client.send(chat).await {
            Ok(_) => Ok(Known::Kept),
            // Made by an earlier call that was never answered.
            Err(error) if error.errcode() == Some(ErrCode(86_215)) => Ok(Known::Kept),
            Err(error) => Err(error),
        }
    }

    async fn update(&self, members: &[String]) -> Result<Known, wecom::Error> {
        if let Some(change) = self.change_from(members) {
            self.client.send(change).await?;
        }
        Ok(Known::Kept)
    }

    /// What makes these members those that are configured; `None` if they are.
    fn change_from(&self, members: &[String]) -> Option<UpdateChat> {
        let is_in = |list: &[String], who: &str| list.iter().any(|member| member.eq_ignore_ascii_case(who));
        let missing = |from: &[String], of: &[String]| -> Vec<String> {
            of.iter().filter(|member| !is_in(from, member)).cloned().collect()
        };
        let (add, remove) = (missing(members, &self.chat.members), missing(&self.chat.members, members));
        (!add.is_empty() || !remove.is_empty()).then(|| UpdateChat {
            chatid: self.chat.chatid.clone(),
            name: None,
            // An owner cannot leave without another: the configured one, or the first who stays.
            owner: self.chat.owner.clone().or_else(|| self.chat.members.first().cloned()),
            add_user_list: add,
            del_user_list: remove,
        })
    }
}

fn is_missing(error: &wecom::Error) -> bool {
    matches!(error.errcode(), Some(ErrCode(86_003 | 40_050 | 86_001)))
}

#[async_trait]
impl Channel for WecomAppchat {
    fn lane(&self) -> &Lane {
        &self.lane
    }

    fn concurrency(&self) -> usize {
        self.concurrency
    }

    fn quota(&self) -> Option<Quota> {
        Some(self.quota)
    }

    fn people_quota(&self) -> PeopleQuota {
        self.people_quota.clone()
    }

    fn people(&self, _recipients: &RecipientSet) -> u32 {
        u32::try_from(self.chat.members.len()).unwrap_or(u32::MAX)
    }

    fn api(&self, call: ApiCall) -> Option<Api> {
        (call != ApiCall::Recall).then(|| self.apis.api(call))
    }

    fn preparation(&self) -> Option<ApiCall> {
        match &*self.known.lock() {
            Known::Nothing => Some(ApiCall::ReadChat),
            Known::Missing => Some(ApiCall::CreateChat),
            Known::Members(_) => Some(ApiCall::UpdateChat),
            Known::Kept => None,
        }
    }

    async fn prepare(&self) -> Result<(), Attempt> {
        let known = self.known.lock().clone();
        let kept = match known {
            Known::Nothing => self.read().await,
            Known::Missing => self.create().await,
            Known::Members(members) => self.update(&members).await,
            Known::Kept => return Ok(()),
        };
        *self.known.lock() = kept.map_err(|error| verdict::of(&error))?;
        Ok(())
    }

    fn call_limits(&self) -> Option<CallLimits> {
        None
    }

    fn duplicate_check(&self) -> Option<Duration> {
        None
    }

    fn parts(&self, content: &Content, options: &Options) -> Result<Vec<Content>, Vec<Violation>> {
        CARRIES.parts(content, options)
    }

    fn exceeds(&self, content: &Content, file_size: Option<u64>) -> bool {
        CARRIES.exceeds(content, file_size)
    }

    fn longest(&self, kind: ContentKind) -> Option<usize> {
        longest(kind)
    }

    fn render(
        &self,
        content: &Content,
        options: &Options,
        recipients: &RecipientSet,
        _duplicate_check: bool,
    ) -> Result<Bytes, Vec<Violation>> {
        render::render(&self.chat.chatid, &*CARRIES.fit(content)?, options, recipients)
    }

    async fn attempt(&self, body: Bytes, _recipients: &RecipientSet, _address: Option<&str>) -> Attempt {
        match self.client.send_encoded::<SendChatMessage>(body).await {
            Ok(_) => Attempt::Sent { refused: Vec::new(), handle: None, note: None },
            Err(error) if is_missing(&error) => {
                *self.known.lock() = Known::Missing;
                let reason = verdict::reason(&error);
                Attempt::Deferred { class: FailureClass::Rejected, reason, retry_after: None }
            }
            Err(error) => verdict::of(&error),
        }
    }

    fn media_scope(&self) -> Option<String> {
        Some(format!("company:{}", self.apis.company))
    }

    async fn upload(&self, kind: MediaKind, file_name: &str, content: Bytes) -> UploadAnswer {
        wecom_app::upload(&self.client, kind, file_name, content).await
    }

    async fn recall(&self, _handle: &str) -> Option<RecallAnswer> {
        None
    }

    fn can_recall(&self) -> bool {
        false
    }
}
