//! The JSON of an event: what happened, to which message, and who was not reached.

use domain::{MessageState, Recipient, RecipientState, Timestamp};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::ports::MessageRecord;

/// How many recipients that were not reached are named; the rest is counted.
const NAMED: usize = 100;

/// What became of a message.
pub(super) fn of_message(event: i64, at: Timestamp, state: Option<MessageState>, record: &MessageRecord) -> String {
    let message = &record.message;
    let troubled: Vec<Value> = troubled(record);
    let metadata = message.metadata.as_deref().and_then(|text| RawValue::from_string(text.to_owned()).ok());
    let body = json!({
        "id": format!("evt_{event}"),
        "type": if state.is_some() { "message.state" } else { "message.acknowledged" },
        "at": at.to_string(),
        "message": {
            "id": message.id.to_string(),
            "state": state.unwrap_or(record.state).name(),
            "accepted_at": message.accepted_at.to_string(),
            "tags": message.tags,
            "metadata": metadata,
            "not_delivered": troubled.iter().take(NAMED).collect::<Vec<_>>(),
            "not_delivered_count": troubled.len(),
        },
    });
    body.to_string()
}

/// What was told as an object: its own fields beside id, type and time.
pub(super) fn of_object(event: i64, at: Timestamp, topic: &str, body: &str) -> String {
    let mut told = json!({ "id": format!("evt_{event}"), "type": topic, "at": at.to_string() });
    if let (Some(told), Ok(Value::Object(own))) = (told.as_object_mut(), serde_json::from_str(body)) {
        told.extend(own);
    }
    told.to_string()
}

/// Who has not got it, and why.
fn troubled(record: &MessageRecord) -> Vec<Value> {
    let mut troubled = Vec::new();
    for delivery in &record.deliveries {
        for recipient in &delivery.delivery.recipients {
            let own = delivery.exceptions.iter().find(|(exception, ..)| exception == recipient);
            let (state, reason) =
                own.map_or((delivery.state, delivery.reason.as_ref()), |(_, state, reason)| (*state, reason.as_ref()));
            if !matches!(state, RecipientState::Delivered | RecipientState::MovedOn | RecipientState::Joined) {
                troubled.push(shown(
                    recipient,
                    state,
                    reason.map(|reason| (reason.code.as_str(), reason.text.as_str())),
                ));
            }
        }
    }
    troubled
}

fn shown(recipient: &Recipient, state: RecipientState, reason: Option<(&str, &str)>) -> Value {
    let reason = reason.map(|(code, text)| json!({ "code": code, "text": text }));
    json!({ "recipient": recipient.to_string(), "state": state.name(), "reason": reason })
}
