//! The group chat channel: a chat that an application makes, keeps and speaks in (paths 90244 to 90248).
//!
//! The chat is made with its first message. Whether its members are those that are configured is looked after once in
//! each run: who is missing is added, who is no longer named is removed.

mod render;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{Attempt, CallLimits, Content, ContentKind, FailureClass, Lane, Options, Quota, RecipientSet, Violation};
use pipeline::ports::{Channel, MediaKind, PeopleQuota, RecallAnswer, UploadAnswer};
use tokio::sync::Mutex;
use wecom::api::appchat::{CreateChat, GetChat, SendChatMessage, UpdateChat};
use wecom::{Client, ErrCode, limits};

use crate::fit::Carries;
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
    /// Whether the chat is known to be there, with its members.
    kept: Mutex<bool>,
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
    /// The company whose uploads are shared.
    pub company: String,
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
        (concurrency, quota, people_quota): (usize, Quota, PeopleQuota),
    ) -> Self {
        let lane = Lane::new("wecom_appchat", name);
        Self { lane, client, chat, concurrency, quota, people_quota, kept: Mutex::new(false) }
    }

    /// Sees to it that the chat is there, with the members that are configured.
    async fn keep(&self) -> Result<(), wecom::Error> {
        let mut kept = self.kept.lock().await;
        if *kept {
            return Ok(());
        }
        match self.client.send(GetChat { chatid: self.chat.chatid.clone() }).await {
            Ok(answer) => self.update(&answer.chat_info.userlist).await?,
            Err(error) if is_missing(&error) => self.create().await?,
            Err(error) => return Err(error),
        }
        *kept = true;
        Ok(())
    }

    async fn create(&self) -> Result<(), wecom::Error> {
        let chat = CreateChat {
            name: Some(self.chat.title.clone()),
            owner: self.chat.owner.clone(),
            userlist: self.chat.members.clone(),
            chatid: Some(self.chat.chatid.clone()),
        };
        match self.client.send(chat).await {
            Ok(_) => Ok(()),
            // Made by an earlier call that was never answered.
            Err(error) if error.errcode() == Some(ErrCode(86_215)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn update(&self, now: &[String]) -> Result<(), wecom::Error> {
        let is_in = |list: &[String], who: &str| list.iter().any(|member| member.eq_ignore_ascii_case(who));
        let missing = |from: &[String], of: &[String]| -> Vec<String> {
            of.iter().filter(|member| !is_in(from, member)).cloned().collect()
        };
        let (add, remove) = (missing(now, &self.chat.members), missing(&self.chat.members, now));
        if add.is_empty() && remove.is_empty() {
            return Ok(());
        }
        let change = UpdateChat {
            chatid: self.chat.chatid.clone(),
            name: None,
            // An owner cannot leave without another: the configured one, or the first who stays.
            owner: self.chat.owner.clone().or_else(|| self.chat.members.first().cloned()),
            add_user_list: add,
            del_user_list: remove,
        };
        self.client.send(change).await.map(drop)
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

    fn call_limits(&self) -> Option<CallLimits> {
        None
    }

    fn duplicate_check(&self) -> Option<Duration> {
        None
    }

    fn parts(&self, content: &Content, options: &Options) -> Result<Vec<Content>, Vec<Violation>> {
        CARRIES.parts(content, options)
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
        // What fails here was not the message: it was not sent.
        if let Err(error) = self.keep().await {
            return match verdict::of(&error) {
                Attempt::Uncertain { reason } => {
                    Attempt::Deferred { class: FailureClass::Unreachable, reason, retry_after: None }
                }
                other => other,
            };
        }
        match self.client.send_encoded::<SendChatMessage>(body).await {
            Ok(_) => Attempt::Sent { refused: Vec::new(), handle: None, note: None },
            Err(error) if is_missing(&error) => {
                *self.kept.lock().await = false;
                let reason = verdict::reason(&error);
                Attempt::Deferred { class: FailureClass::Rejected, reason, retry_after: None }
            }
            Err(error) => verdict::of(&error),
        }
    }

    fn media_scope(&self) -> Option<String> {
        Some(format!("company:{}", self.chat.company))
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
