//! The application channel: members, departments and tags.

mod render;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{
    Attempt, CallLimits, Content, ContentKind, Lane, Options, Quota, Reason, Recipient, RecipientSet, Refusal,
    Violation,
};
use pipeline::ports::{
    Api, ApiCall, Channel, MediaKind, PeopleQuota, RecallAnswer, UploadAnswer, UpstreamCall, UpstreamError,
};
use pipeline::telemetry::{Happening as _, UnknownAnswer};
use wecom::api::media::{GetMedia, UploadKind, UploadMedia};
use wecom::api::message::{RecallMessage, SendMessage, SendMessageResponse};
use wecom::{AgentId, Client, MsgId, limits};

use crate::company::CompanyApis;
use crate::config::{Audience, Readers};
use crate::fit::{Carries, largest_upload};
use crate::{upstream, verdict};

/// How long WeCom recognises a repeat of an identical request.
const DUPLICATE_CHECK: Duration = Duration::from_secs(600);

/// Sends as one application.
#[derive(Debug)]
pub struct WecomApp {
    lane: Lane,
    agent: AgentId,
    client: Client,
    concurrency: usize,
    readers: Readers,
    people_quota: PeopleQuota,
    audience: Audience,
    apis: CompanyApis,
}

/// How an application's channel is made.
#[derive(Clone, Debug)]
pub struct WecomAppConfig {
    /// The application.
    pub agent: AgentId,
    /// Calls under way at once.
    pub concurrency: usize,
    /// Where its messages are read.
    pub readers: Readers,
    /// What it may send to whom.
    pub people_quota: PeopleQuota,
    /// How many people departments, tags and everybody are counted as.
    pub audience: Audience,
    /// The company's other APIs.
    pub apis: CompanyApis,
}

/// What WeCom's own client shows (path/90236).
const IN_WECOM: Carries = Carries {
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
        ContentKind::MiniprogramNotice,
        ContentKind::TemplateCard,
    ],
    longest,
    largest: largest_upload,
    name: "an application",
};
/// What the WeChat plugin shows, too: no markdown, no cards, no mini-program notices (path/90236).
const IN_WECHAT: Carries = Carries {
    kinds: &[
        ContentKind::Text,
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
    name: "an application read in WeChat",
};

fn longest(kind: ContentKind) -> Option<usize> {
    match kind {
        ContentKind::Text => Some(limits::TEXT_BYTES),
        ContentKind::Markdown => Some(limits::MARKDOWN_BYTES),
        _ => None,
    }
}

impl WecomApp {
    /// Makes the channel of the application configured as `name`.
    pub fn new(name: &str, client: Client, config: WecomAppConfig) -> Self {
        let WecomAppConfig { agent, concurrency, readers, people_quota, audience, apis } = config;
        let lane = Lane::new("wecom_app", name);
        Self { lane, agent, client, concurrency, readers, people_quota, audience, apis }
    }

    fn carries(&self) -> Carries {
        match self.readers {
            Readers::Wecom => IN_WECOM,
            Readers::Wechat | Readers::Both => IN_WECHAT,
        }
    }
}

#[async_trait]
impl Channel for WecomApp {
    fn lane(&self) -> &Lane {
        &self.lane
    }

    fn concurrency(&self) -> usize {
        self.concurrency
    }

    fn quota(&self) -> Option<Quota> {
        None
    }

    fn people_quota(&self) -> PeopleQuota {
        self.people_quota.clone()
    }

    fn people(&self, recipients: &RecipientSet) -> u32 {
        let counted = recipients.iter().map(|recipient| match recipient {
            Recipient::Party(_) => self.audience.party,
            Recipient::Tag(_) => self.audience.tag,
            Recipient::All => self.audience.all,
            _ => 1,
        });
        counted.fold(0, u32::saturating_add)
    }

    fn api(&self, call: ApiCall) -> Option<Api> {
        matches!(call, ApiCall::Upload(_) | ApiCall::Recall).then(|| self.apis.api(call))
    }

    fn call_limits(&self) -> Option<CallLimits> {
        let (users, parties) = (limits::USERS_PER_CALL, limits::PARTIES_PER_CALL);
        Some(CallLimits { users, parties, tags: limits::TAGS_PER_CALL })
    }

    fn parts(&self, content: &Content, options: &Options) -> Result<Vec<Content>, Vec<Violation>> {
        self.carries().parts(content, options)
    }

    fn exceeds(&self, content: &Content, file_size: Option<u64>) -> bool {
        self.carries().exceeds(content, file_size)
    }

    fn longest(&self, kind: ContentKind) -> Option<usize> {
        longest(kind)
    }

    fn duplicate_check(&self) -> Option<Duration> {
        Some(DUPLICATE_CHECK)
    }

    fn render(
        &self,
        content: &Content,
        options: &Options,
        recipients: &RecipientSet,
        duplicate_check: bool,
    ) -> Result<Bytes, Vec<Violation>> {
        let check = duplicate_check.then_some(DUPLICATE_CHECK);
        render::render(self.agent, &*self.carries().fit(content)?, options, recipients, check)
    }

    async fn attempt(&self, body: Bytes, recipients: &RecipientSet, _address: Option<&str>) -> Attempt {
        match self.client.send_encoded::<SendMessage>(body).await {
            Ok(answer) => sent(answer, recipients),
            Err(error) => verdict::of(&error),
        }
    }

    fn media_scope(&self) -> Option<String> {
        Some(format!("company:{}", self.apis.company))
    }

    async fn upload(&self, kind: MediaKind, file_name: &str, content: Bytes) -> UploadAnswer {
        upload(&self.client, kind, file_name, content).await
    }

    async fn recall(&self, handle: &str) -> Option<RecallAnswer> {
        Some(match self.client.send(RecallMessage { msgid: MsgId::new(domain::msgid_of(handle)) }).await {
            Ok(_) => RecallAnswer::Recalled,
            Err(error) if error.is_transient() || error.is_auth() => RecallAnswer::Unanswered(verdict::reason(&error)),
            Err(error) => RecallAnswer::Refused(verdict::reason(&error)),
        })
    }

    fn can_recall(&self) -> bool {
        true
    }

    async fn download(&self, media_id: &str) -> Result<(String, Bytes), String> {
        let mut content = Vec::new();
        let fetched = self.client.download(&GetMedia::new(media_id), &mut content).await;
        let fetched = fetched.map_err(|error| verdict::reason(&error).text)?;
        Ok((fetched.file_name.unwrap_or_else(|| "file".to_owned()), content.into()))
    }

    async fn call(&self, mut call: UpstreamCall) -> Result<serde_json::Value, UpstreamError> {
        // What concerns messages names the application that it is for.
        if call.path.starts_with("/cgi-bin/message/")
            && let Some(serde_json::Value::Object(body)) = &mut call.body
        {
            body.entry("agentid").or_insert_with(|| self.agent.0.into());
        }
        upstream::call(&self.client, call).await
    }
}

/// Uploads a file for a company.
pub(crate) async fn upload(client: &Client, kind: MediaKind, file_name: &str, content: Bytes) -> UploadAnswer {
    let kind = match kind {
        MediaKind::Image => UploadKind::Image,
        MediaKind::Voice => UploadKind::Voice,
        MediaKind::Video => UploadKind::Video,
        MediaKind::File => UploadKind::File,
    };
    match client.upload(kind, UploadMedia::bytes(file_name, content)).await {
        Ok(uploaded) => UploadAnswer::Uploaded(uploaded.media_id.to_string()),
        Err(error) => UploadAnswer::Failed(verdict::of(&error)),
    }
}

fn sent(answer: SendMessageResponse, recipients: &RecipientSet) -> Attempt {
    for field in answer.unknown.keys() {
        UnknownAnswer::Field(field).emit();
    }
    let note = answer.errmsg.contains("Warning").then_some(answer.errmsg);
    let mut refused = Vec::new();
    let invalid = "does not exist, or is outside the application's visible range";
    let visible =
        "check the id; or an administrator adds it to the application's visible range (可见范围) in the admin console";
    let licence = "an administrator assigns the member an account with a basic API licence";
    for (code, ids, text, hint) in [
        ("invaliduser", &answer.invaliduser, invalid, visible),
        ("invalidparty", &answer.invalidparty, invalid, visible),
        ("invalidtag", &answer.invalidtag, invalid, visible),
        ("unlicenseduser", &answer.unlicenseduser, "has no basic API licence (基础接口许可)", licence),
    ] {
        for id in ids {
            // Named twice, as invalid and unlicensed, is refused once.
            let new: Vec<&Recipient> = matching(recipients, code, id)
                .filter(|recipient| !refused.iter().any(|known: &Refusal| known.recipient == **recipient))
                .collect();
            refused.extend(new.into_iter().map(|recipient| Refusal {
                recipient: recipient.clone(),
                reason: Reason::new(code, format!("`{recipient}` {text}")).with_hint(hint),
                moves_on: false,
            }));
        }
    }
    let msgid = answer.msgid.map(|msgid| msgid.to_string()).filter(|id| !id.is_empty());
    let handle = msgid.map(|msgid| match &answer.response_code {
        Some(code) => domain::handle_with_code(&msgid, code),
        None => msgid,
    });
    Attempt::Sent { refused, handle, note }
}

/// Finds the recipient an answer names; WeCom answers userids in lower case.
fn matching<'a>(recipients: &'a RecipientSet, code: &str, id: &str) -> impl Iterator<Item = &'a Recipient> {
    let (party, tag) = (code == "invalidparty", code == "invalidtag");
    recipients.iter().filter(move |recipient| match recipient {
        Recipient::User(user) => !party && !tag && user.eq_ignore_ascii_case(id),
        Recipient::Party(known) => party && known == id,
        Recipient::Tag(known) => tag && known == id,
        Recipient::All | Recipient::Robot(_) | Recipient::Chat(_) | Recipient::Email(_) | Recipient::Person(_) => false,
    })
}
