//! What became of a message, as qyapi would have answered: waited for a moment, and else taken for granted.

use std::sync::Arc;

use domain::{MessageId, MessageState, Reason, Recipient};
use pipeline::ports::{DeliveryRecord, MessageRecord};
use serde_json::Value;

use super::Answer;
use crate::http::Api;

/// All recipients were refused (path/90236).
const ALL_INVALID: i64 = 81_013;

/// Waits for the outcome as long as is configured; not at all where its lane is closed.
pub(super) async fn of(api: &Arc<Api>, id: MessageId) -> Result<Answer, Answer> {
    let watch = api.dispatcher.watch(id);
    let deadline = api.clock.now() + api.front.wait;
    loop {
        let record = api.ledger.message(id, None).await.map_err(|_| Answer::busy("system busy"))?;
        let Some(record) = record else { return Err(Answer::busy("system busy")) };
        if record.state.is_final() {
            return answer(&record);
        }
        // While WeCom is away nobody waits for it again and again.
        let tried_later = |delivery: &DeliveryRecord| api.dispatcher.is_closed(&delivery.delivery.lane);
        if record.deliveries.last().is_some_and(tried_later) {
            return Ok(taken(id, &record));
        }
        let waited = tokio::select! {
            () = watch.settled() => true,
            () = api.clock.sleep_until(deadline) => false,
        };
        if !waited {
            // It is on disk, and will be delivered.
            return Ok(taken(id, &record));
        }
    }
}

impl Answer {
    /// Without what only applications' messages are answered.
    pub(super) fn short(mut self) -> Self {
        self.forget(&["invaliduser", "invalidparty", "invalidtag", "unlicenseduser", "msgid"]);
        self
    }
}

fn answer(record: &MessageRecord) -> Result<Answer, Answer> {
    let id = record.message.duplicate_of.unwrap_or(record.message.id);
    match record.state {
        MessageState::Failed => Err(refusal(record)),
        MessageState::Expired => Err(Answer::refuse(-1, "the message expired before it was sent")),
        MessageState::Uncertain => {
            Err(Answer::refuse(-1, "WeCom gave no answer; nobody knows whether it was delivered"))
        }
        _ => Ok(taken(id, record)),
    }
}

/// Taken: for all but those who are listed.
fn taken(id: MessageId, record: &MessageRecord) -> Answer {
    let refused = |code: &str| -> Value {
        let exceptions = record.deliveries.iter().flat_map(|delivery| &delivery.exceptions);
        let of_code = exceptions.filter(|(_, _, reason)| reason.as_ref().is_some_and(|reason| reason.code == code));
        let ids: Vec<&str> = of_code.map(|(recipient, ..)| named(recipient)).collect();
        ids.join("|").into()
    };
    Answer::ok()
        .with("invaliduser", refused("invaliduser"))
        .with("invalidparty", refused("invalidparty"))
        .with("invalidtag", refused("invalidtag"))
        .with("unlicenseduser", refused("unlicenseduser"))
        .with("msgid", id.to_string())
}

fn named(recipient: &Recipient) -> &str {
    match recipient {
        Recipient::User(id) | Recipient::Party(id) | Recipient::Tag(id) => id,
        _ => "",
    }
}

/// Why nobody got it, by WeCom's own code where it gave one.
fn refusal(record: &MessageRecord) -> Answer {
    let reason = record.deliveries.iter().rev().find_map(|delivery| delivery.reason.as_ref());
    let Some(Reason { code, text, hint }) = reason else { return Answer::refuse(-1, "the message was not delivered") };
    let answer = match code.parse::<i64>() {
        Ok(errcode) => Answer::refuse(errcode, text.split_once(": ").map_or(text.as_str(), |(_, words)| words)),
        Err(_) if ["invaliduser", "invalidparty", "invalidtag", "unlicenseduser"].contains(&code.as_str()) => {
            Answer::refuse(ALL_INVALID, "user & party & tag all invalid")
        }
        Err(_) => Answer::refuse(-1, text.as_str()),
    };
    match hint {
        Some(hint) => answer.hint(hint),
        None => answer,
    }
}
