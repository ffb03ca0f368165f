//! A company's APIs besides sending, and what WeCom allows of each (path/90312). Applications and group chats of one company
//! share them.

use domain::Quota;
use pipeline::ports::{Api, ApiCall};
use wecom::Endpoint as _;
use wecom::api::appchat::{CreateChat, GetChat, UpdateChat};
use wecom::api::media::UploadMedia;
use wecom::api::message::RecallMessage;

/// The APIs of one company.
#[derive(Clone, Debug)]
pub struct CompanyApis {
    /// The company.
    pub company: String,
    /// Of each API.
    pub base: Vec<Quota>,
    /// Group chats that may be made, besides.
    pub chat_creations: Quota,
    /// Changes of group chats, besides.
    pub chat_updates: Quota,
}

impl CompanyApis {
    /// What a call counts against.
    pub(crate) fn api(&self, call: ApiCall) -> Api {
        let (path, more) = match call {
            ApiCall::Upload(_) => (UploadMedia::PATH, None),
            ApiCall::Recall => (RecallMessage::PATH, None),
            ApiCall::ReadChat => (GetChat::PATH, None),
            ApiCall::CreateChat => (CreateChat::PATH, Some(self.chat_creations)),
            ApiCall::UpdateChat => (UpdateChat::PATH, Some(self.chat_updates)),
        };
        let quotas = more.into_iter().chain(self.base.iter().copied()).collect();
        Api { name: format!("{}{path}", self.company), quotas }
    }
}
