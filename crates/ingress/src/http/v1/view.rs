//! What is shown of messages: the shapes of product.md §17.

use domain::{AttemptRecord, DeliveryState, ESCALATION, Message, MessageState, Reason, Recipient, RecipientState};
use pipeline::Receipt;
use pipeline::ports::{DeliveryRecord, FeedbackRecord, MessageRecord, MessageSummary};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// Proof of acceptance.
#[derive(Serialize, ToSchema)]
pub(super) struct ReceiptView {
    /// The message's id.
    #[schema(example = "msg_01K2ZK8Q0ZJ4M8W3T0000000000")]
    id: String,
    /// `accepted`, or `duplicate` for a repeat that will not be sent.
    state: &'static str,
    /// When, RFC 3339.
    accepted_at: String,
    /// The message it repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate_of: Option<String>,
    /// What was taken and will perhaps not look as it was meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl ReceiptView {
    pub(super) fn with_warnings(mut self, warnings: Vec<&'static str>) -> Self {
        self.warnings.extend(warnings.into_iter().map(str::to_owned));
        self
    }
}

impl From<&Receipt> for ReceiptView {
    fn from(receipt: &Receipt) -> Self {
        Self {
            id: receipt.id.to_string(),
            state: receipt.state.name(),
            accepted_at: receipt.accepted_at.to_string(),
            duplicate_of: receipt.duplicate_of.map(|id| id.to_string()),
            warnings: receipt.warnings.clone(),
        }
    }
}

/// A message with all that happened to it.
#[derive(Serialize, ToSchema)]
pub(super) struct MessageView {
    #[serde(flatten)]
    summary: SummaryView,
    /// What became of each recipient.
    recipients: Vec<RecipientView>,
    /// The calls it was divided into.
    deliveries: Vec<DeliveryView>,
    /// Who did what with its card.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    feedback: Vec<FeedbackView>,
    /// Links that are counted; by whom they were clicked nobody knows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<LinkView>,
}

/// A link that is counted.
#[derive(Serialize, ToSchema)]
pub(super) struct LinkView {
    /// Where it leads.
    target: String,
    /// How often it was clicked.
    clicks: u64,
}

/// Somebody did something with a message's card.
#[derive(Serialize, ToSchema)]
pub(super) struct FeedbackView {
    /// When.
    at: String,
    /// Who, by userid; `hongyan` for what was done by itself.
    who: String,
    /// `press`, `acknowledge`, `card_updated` or `card_not_updated`.
    action: String,
    /// The button's key.
    #[serde(skip_serializing_if = "String::is_empty")]
    key: String,
}

impl MessageView {
    pub(super) fn with_feedback(self, feedback: Vec<FeedbackRecord>, links: Vec<(String, u64)>) -> Self {
        let view = |FeedbackRecord { at, who, action, key }| FeedbackView { at: at.to_string(), who, action, key };
        let links = links.into_iter().map(|(target, clicks)| LinkView { target, clicks }).collect();
        Self { feedback: feedback.into_iter().map(view).collect(), links, ..self }
    }
}

/// A message in a list.
#[derive(Serialize, ToSchema)]
pub(super) struct SummaryView {
    /// Its id.
    id: String,
    /// `accepted`, `sending`, `delivered`, `partly_delivered`, `uncertain`, `failed`, `cancelled`, `expired`, `recalled`
    /// or `duplicate`. `delivered` means: taken upstream with success; no more is known.
    state: &'static str,
    /// Whose it is.
    caller: String,
    /// When it was accepted.
    accepted_at: String,
    /// `urgent`, `normal` or `bulk`.
    priority: &'static str,
    /// Not to be sent before.
    #[serde(skip_serializing_if = "Option::is_none")]
    send_at: Option<String>,
    /// Not to be sent at or after.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    /// For search.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    /// The caller's own object.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
    /// The message it repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate_of: Option<String>,
    /// The failed message that it was sent in place of.
    #[serde(skip_serializing_if = "Option::is_none")]
    replay_of: Option<String>,
    /// The configured name of its route; `own` for one that came with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<String>,
    /// When somebody acknowledged it.
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged_at: Option<String>,
    /// What made its content.
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<TemplateUseView>,
    /// The kind of content, such as `text`.
    content_type: &'static str,
    /// The file that some got a link to, in place of what their channel does not carry (`"overflow": "link"`).
    #[serde(skip_serializing_if = "Option::is_none")]
    linked: Option<FileLinkView>,
    /// The content, as WeCom spells it.
    #[schema(value_type = Object)]
    content: Option<Box<RawValue>>,
}

/// What became of one recipient.
#[derive(Serialize, ToSchema)]
pub(super) struct RecipientView {
    /// Such as `user:zhangsan` or `robot:default`.
    recipient: String,
    /// `waiting`, `sending`, `delivered`, `uncertain`, `failed`, `cancelled`, `expired` or `recalled`.
    state: &'static str,
    /// Over which channel.
    channel: String,
    /// Why it is not delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ReasonView>,
}

/// Why something failed.
#[derive(Serialize, ToSchema)]
pub(super) struct ReasonView {
    /// WeCom's errcode in decimal, or a word of ours.
    code: String,
    /// What happened.
    message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// One call upstream, with its attempts.
#[derive(Serialize, ToSchema)]
pub(super) struct DeliveryView {
    /// Its id.
    id: String,
    /// `waiting`, `leased`, `done`, `moved_on` or `dead`.
    state: &'static str,
    /// Such as `wecom_app`.
    channel: String,
    /// The configured name of the app or robot.
    account: String,
    /// For how many recipients.
    recipients: usize,
    /// Which step of its message's route it is, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<u8>,
    /// Whether it was added because nobody acknowledged the message in time.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    escalation: bool,
    /// The delivery it was merged into as a digest; its own id, if it is the one that carries the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// How many of its parts were sent, if it is divided.
    #[serde(skip_serializing_if = "Option::is_none")]
    parts_sent: Option<u16>,
    /// When it is tried next.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<String>,
    /// WeCom's id of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    msgid: Option<String>,
    /// Whether msgid and refused recipients come from a repeat that WeCom may have swallowed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unconfirmed: bool,
    /// Why it is not delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ReasonView>,
    /// The attempts so far.
    attempts: Vec<AttemptView>,
}

/// One attempt.
#[derive(Serialize, ToSchema)]
pub(super) struct AttemptView {
    /// Its id.
    id: String,
    /// Counted from 1.
    number: u16,
    /// `sent`, `deferred`, `refused` or `uncertain`.
    result: String,
    /// When it started.
    started_at: String,
    /// How long it took.
    latency_ms: i64,
    /// Whether an earlier attempt may already have been taken.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    redelivered: bool,
    /// Whether the answer came after the delivery had moved on to a later step.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    late: bool,
    /// How many bytes were written, where that is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u32>,
    /// What was written, without secrets, if it was not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<String>,
    /// Whether it asked whether a closed lane may open.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    probe: bool,
    /// Why it failed, or what WeCom remarked.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ReasonView>,
}

/// What made a content.
#[derive(Serialize, ToSchema)]
pub(super) struct TemplateUseView {
    /// The template.
    name: String,
    /// Its version.
    version: u32,
    /// What it was given.
    #[schema(value_type = Object)]
    variables: serde_json::Map<String, serde_json::Value>,
}

/// A file that was linked to; where it is, only its readers are told.
#[derive(Serialize, ToSchema)]
pub(super) struct FileLinkView {
    /// The file.
    #[schema(example = "med_01K2ZK8Q0ZJ4M8W3T0000000000")]
    media_id: String,
    /// What it is called.
    file_name: String,
    /// How many bytes it has.
    size: u64,
    /// When the link ends.
    expires_at: String,
}

/// A page of messages, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct PageView {
    /// The messages.
    pub(super) messages: Vec<SummaryView>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_cursor: Option<String>,
}

impl From<MessageSummary> for SummaryView {
    fn from(summary: MessageSummary) -> Self {
        Self::of(summary.message, summary.state)
    }
}

impl SummaryView {
    fn of(message: Message, state: MessageState) -> Self {
        Self {
            id: message.id.to_string(),
            state: state.name(),
            caller: message.caller.to_string(),
            accepted_at: message.accepted_at.to_string(),
            priority: message.priority.name(),
            send_at: message.send_at.map(|time| time.to_string()),
            expires_at: message.expires_at.map(|time| time.to_string()),
            tags: message.tags,
            metadata: message.metadata.and_then(|json| RawValue::from_string(json.into()).ok()),
            duplicate_of: message.duplicate_of.map(|id| id.to_string()),
            replay_of: message.replay_of.map(|id| id.to_string()),
            route: message.route.map(|route| route.name.clone().unwrap_or_else(|| "own".to_owned())),
            acknowledged_at: message.acknowledged_at.map(|time| time.to_string()),
            template: message.template.map(|made| TemplateUseView {
                name: made.name,
                version: made.version.unwrap_or_default(),
                variables: made.variables,
            }),
            content_type: message.content.kind().name(),
            linked: message.content.link().map(|link| FileLinkView {
                media_id: link.media.to_string(),
                file_name: link.file_name.clone(),
                size: link.size,
                expires_at: link.until.to_string(),
            }),
            content: RawValue::from_string(message.content.object().to_owned()).ok(),
        }
    }
}

impl From<MessageRecord> for MessageView {
    fn from(record: MessageRecord) -> Self {
        let recipients = record.deliveries.iter().flat_map(recipients).collect();
        Self {
            summary: SummaryView::of(record.message, record.state),
            recipients,
            deliveries: record.deliveries.into_iter().map(DeliveryView::from).collect(),
            feedback: Vec::new(),
            links: Vec::new(),
        }
    }
}

/// What became of a delivery's recipients. Who went on to a later step is shown there.
fn recipients(record: &DeliveryRecord) -> impl Iterator<Item = RecipientView> + '_ {
    let views = record.delivery.recipients.iter().map(|recipient| recipient_view(record, recipient));
    views.filter(|view| view.state != RecipientState::MovedOn.name())
}

fn recipient_view(record: &DeliveryRecord, recipient: &Recipient) -> RecipientView {
    let own = record.exceptions.iter().find(|(exception, ..)| exception == recipient);
    let (state, reason) = match own {
        Some((_, state, reason)) => (*state, reason.as_ref()),
        None => (record.state, record.reason.as_ref()),
    };
    RecipientView {
        recipient: recipient.to_string(),
        state: state.name(),
        channel: record.delivery.lane.channel().to_owned(),
        reason: reason.map(ReasonView::from),
    }
}

impl From<&Reason> for ReasonView {
    fn from(reason: &Reason) -> Self {
        Self { code: reason.code.clone(), message: reason.text.clone(), hint: reason.hint.clone() }
    }
}

impl From<DeliveryRecord> for DeliveryView {
    fn from(record: DeliveryRecord) -> Self {
        let delivery = record.delivery;
        let waiting = record.state == RecipientState::Waiting;
        let attempt = |attempt: AttemptRecord| AttemptView {
            id: delivery.id.attempt(attempt.number).to_string(),
            number: attempt.number,
            result: attempt.result,
            started_at: attempt.started_at.to_string(),
            latency_ms: attempt.ended_at.as_millis() - attempt.started_at.as_millis(),
            redelivered: attempt.redelivery,
            late: attempt.late,
            bytes: Some(attempt.bytes).filter(|bytes| *bytes > 0),
            request: attempt.request,
            probe: attempt.probe,
            reason: attempt.reason.as_ref().map(ReasonView::from),
        };
        Self {
            id: delivery.id.to_string(),
            state: DeliveryState::from(record.state).name(),
            channel: delivery.lane.channel().to_owned(),
            account: delivery.lane.account().to_owned(),
            recipients: delivery.recipients.len(),
            step: delivery.step.map(|placed| placed.index).filter(|index| *index != ESCALATION).map(|index| index + 1),
            escalation: delivery.step.is_some_and(|placed| placed.index == ESCALATION),
            digest: record.digest_of.map(|id| id.to_string()),
            parts_sent: Some(delivery.part).filter(|part| *part > 0),
            next_attempt_at: waiting.then(|| delivery.due_at.to_string()),
            msgid: record.handle.map(|handle| domain::msgid_of(&handle).to_owned()),
            unconfirmed: record.unconfirmed,
            reason: record.reason.as_ref().map(ReasonView::from),
            attempts: record.attempts.into_iter().map(attempt).collect(),
        }
    }
}
