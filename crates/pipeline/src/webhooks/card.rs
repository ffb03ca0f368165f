//! Changes of cards that were sent: upstream, by the code that each of them was given, once.
//!
//! The drop-in front hands out codes of our own: they stand for a message, and for the real code as soon as there is one.

use domain::{Lane, MessageId, response_code};
use serde_json::Value;

use super::{WebhookSender, WebhookTarget};
use crate::ports::{Effects, FeedbackRecord, LedgerError, Posted, Told, UpstreamCall, UpstreamError, WebhookEvent};
use crate::telemetry::{Happening as _, LedgerFailed, WebhookFailed};

/// The call that changes a card (path/94888).
const UPDATE_CARD: &str = "/cgi-bin/message/update_template_card";
/// What codes of our own begin with; the message's id follows.
const OWN: &str = "rc_";

/// The code of our own that stands for a message's card.
pub fn card_code(message: MessageId) -> String {
    format!("{OWN}{message}")
}

/// The message whose card a code of our own stands for.
pub fn message_of_card_code(code: &str) -> Option<MessageId> {
    code.strip_prefix(OWN)?.parse().ok()
}

/// Changes a card. The code for it is good once: what WeCom refuses is given up.
pub(super) async fn change(
    sender: &WebhookSender,
    target: &WebhookTarget,
    lane: &Lane,
    event: &WebhookEvent,
) -> Posted {
    let Some(Told::Object { key, body, .. }) = &event.told else { return Posted::Taken };
    let dead = |error: String| {
        WebhookFailed { target: &event.target, event: event.id, tries: event.tries + 1, error: &error, dead: true }
            .emit();
        Posted::Dead { error }
    };
    let Some(channel) = sender.channels.get(lane) else { return dead(format!("{lane} is not configured")) };
    let mut body: Value = serde_json::from_str(body).unwrap_or_default();
    if let Some(message) = body["response_code"].as_str().and_then(message_of_card_code) {
        match real_code(sender, message).await {
            Ok(Code::Known(code)) => body["response_code"] = code.into(),
            Ok(Code::NotYet) => return sender.not_taken(target, event, "the card was not sent yet".to_owned()),
            Ok(Code::Never) => return dead("the card was never sent".to_owned()),
            Err(error) => return sender.not_taken(target, event, error.to_string()),
        }
    }
    let call = UpstreamCall { path: UPDATE_CARD.to_owned(), query: Vec::new(), body: Some(body) };
    match channel.call(call).await {
        Ok(_) => {
            note(sender, key, "card_updated").await;
            Posted::Taken
        }
        Err(UpstreamError::Unavailable(error)) => sender.not_taken(target, event, error),
        Err(refused @ UpstreamError::Refused { .. }) => {
            note(sender, key, "card_not_updated").await;
            dead(refused.to_string())
        }
    }
}

/// The code that WeCom gave for a card.
enum Code {
    Known(String),
    NotYet,
    Never,
}

async fn real_code(sender: &WebhookSender, message: MessageId) -> Result<Code, LedgerError> {
    let Some(record) = sender.ledger.message(message, None).await? else { return Ok(Code::Never) };
    let code = record.deliveries.iter().find_map(|delivery| response_code(delivery.handle.as_deref()?));
    Ok(match code {
        Some(code) => Code::Known(code.to_owned()),
        None if record.state.is_final() => Code::Never,
        None => Code::NotYet,
    })
}

/// Notes on the messages of a card what became of its change.
async fn note(sender: &WebhookSender, task_id: &str, action: &str) {
    let now = sender.clock.now();
    let noted = async {
        let messages = sender.ledger.messages_of_card(task_id).await?;
        let note = FeedbackRecord { at: now, who: "hongyan".to_owned(), action: action.to_owned(), key: String::new() };
        let feedback = messages.into_iter().map(|message| (message, note.clone())).collect();
        sender.ledger.follow(Effects { feedback, ..Effects::default() }, now).await
    };
    if let Err(error) = noted.await {
        LedgerFailed { error: &error }.emit();
    }
}
