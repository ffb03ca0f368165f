//! The application channel: members, departments and tags.

mod render;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{Attempt, CallLimits, Content, Lane, Options, Quota, Reason, Recipient, RecipientSet, Refusal, Violation};
use pipeline::ports::{Channel, RecallAnswer};
use pipeline::telemetry::{Happening as _, UnknownAnswer};
use wecom::api::message::{RecallMessage, SendMessage, SendMessageResponse};
use wecom::{AgentId, Client, MsgId, limits};

use crate::verdict;

/// How long WeCom recognises a repeat of an identical request.
const DUPLICATE_CHECK: Duration = Duration::from_secs(600);

/// Sends as one application.
#[derive(Debug)]
pub struct WecomApp {
    lane: Lane,
    agent: AgentId,
    client: Client,
    concurrency: usize,
}

impl WecomApp {
    /// Makes the channel of the application configured as `name`.
    pub fn new(name: &str, agent: AgentId, client: Client, concurrency: usize) -> Self {
        Self { lane: Lane::new("wecom_app", name), agent, client, concurrency }
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

    fn call_limits(&self) -> CallLimits {
        CallLimits { users: limits::USERS_PER_CALL, parties: limits::PARTIES_PER_CALL, tags: limits::TAGS_PER_CALL }
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
        render::render(self.agent, content, options, recipients, check)
    }

    async fn attempt(&self, body: Bytes, recipients: &RecipientSet) -> Attempt {
        match self.client.send_encoded::<SendMessage>(body).await {
            Ok(answer) => sent(answer, recipients),
            Err(error) => verdict::of(&error),
        }
    }

    async fn recall(&self, handle: &str) -> Option<RecallAnswer> {
        Some(match self.client.send(RecallMessage { msgid: MsgId::new(handle) }).await {
            Ok(_) => RecallAnswer::Recalled,
            Err(error) if error.is_transient() || error.is_auth() => RecallAnswer::Unanswered(verdict::reason(&error)),
            Err(error) => RecallAnswer::Refused(verdict::reason(&error)),
        })
    }

    fn can_recall(&self) -> bool {
        true
    }
}

fn sent(answer: SendMessageResponse, recipients: &RecipientSet) -> Attempt {
    for field in answer.unknown.keys() {
        UnknownAnswer::Field(field).emit();
    }
    let note = answer.errmsg.contains("Warning").then_some(answer.errmsg);
    let mut refused = Vec::new();
    let invalid = "does not exist, or is outside the application's visible range";
    for (code, ids, text) in [
        ("invaliduser", &answer.invaliduser, invalid),
        ("invalidparty", &answer.invalidparty, invalid),
        ("invalidtag", &answer.invalidtag, invalid),
        ("unlicenseduser", &answer.unlicenseduser, "has no basic API licence (基础接口许可)"),
    ] {
        for id in ids {
            // Named twice, as invalid and unlicensed, is refused once.
            let new: Vec<&Recipient> = matching(recipients, code, id)
                .filter(|recipient| !refused.iter().any(|known: &Refusal| known.recipient == **recipient))
                .collect();
            refused.extend(new.into_iter().map(|recipient| Refusal {
                recipient: recipient.clone(),
                reason: Reason::new(code, format!("`{recipient}` {text}")),
            }));
        }
    }
    Attempt::Sent { refused, handle: answer.msgid.map(|msgid| msgid.to_string()).filter(|id| !id.is_empty()), note }
}

/// Finds the recipient an answer names; WeCom answers userids in lower case.
fn matching<'a>(recipients: &'a RecipientSet, code: &str, id: &str) -> impl Iterator<Item = &'a Recipient> {
    let (party, tag) = (code == "invalidparty", code == "invalidtag");
    recipients.iter().filter(move |recipient| match recipient {
        Recipient::User(user) => !party && !tag && user.eq_ignore_ascii_case(id),
        Recipient::Party(known) => party && known == id,
        Recipient::Tag(known) => tag && known == id,
        Recipient::All | Recipient::Robot(_) => false,
    })
}
