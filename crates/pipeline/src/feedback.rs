//! What comes back: what people write and press → what business systems hear, what is noted on messages, how cards change.
//!
//! The way in keeps what it heard and answers; this acts on it afterwards, once, in the order of each who did it. What must
//! reach somebody goes through the outbox of webhooks, in the transaction that marks it as acted on; the answer of a
//! business system to a press may acknowledge the message and change its card, which goes through the outbox, too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::{CallerId, FeedbackRule, Grant, Heard, Lane, MessageId, Press, Scope, What, rule_for};
use futures::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::accept::Intake;
use crate::directory::{DirectoryKeeper, MemberChange};
use crate::ports::{Channels, Clock, Effects, FeedbackRecord, HeardRecord, Ledger, LedgerError, Word};
use crate::telemetry::{Happening as _, LedgerFailed};
use crate::webhooks::Answered;

/// How often it is looked for what no signal announced.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How many are acted on at once, each of another sender.
const TOGETHER: usize = 16;
/// The topic of what people did, and of presses, whose answers are listened to.
const CALLBACK: &str = "callback";
const PRESS: &str = "card.press";
/// The topic of a card that is to be changed.
pub const CARD_UPDATE: &str = "card.update";
/// The outbox's name of an application's cards.
const CARDS: &str = "card:";

/// The outbox's name of the cards of an application.
pub fn card_target(app: &str) -> String {
    format!("{CARDS}{app}")
}

/// What follows what is heard at one callback.
#[derive(Clone, Debug, Default)]
pub struct FeedbackConfig {
    /// The first that fits is taken.
    pub rules: Vec<FeedbackRule>,
    /// The webhook that is told of everything that no rule tells another of.
    pub webhook: Option<String>,
    /// Whose the files are that people send.
    pub caller: String,
}

/// Acts on what was heard.
pub struct Feedback {
    ledger: Arc<dyn Ledger>,
    intake: Arc<Intake>,
    clock: Arc<dyn Clock>,
    channels: Channels,
    callbacks: BTreeMap<String, FeedbackConfig>,
    directory: DirectoryKeeper,
    signal: Arc<Notify>,
}

impl std::fmt::Debug for Feedback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feedback").field("callbacks", &self.callbacks.keys()).finish_non_exhaustive()
    }
}

impl Feedback {
    /// Makes one; [`Self::run`] sets it to work, `signal` wakes it.
    pub fn new(
        (ledger, intake): (Arc<dyn Ledger>, Arc<Intake>),
        clock: Arc<dyn Clock>,
        channels: Channels,
        (callbacks, signal): (BTreeMap<String, FeedbackConfig>, Arc<Notify>),
        directory: DirectoryKeeper,
    ) -> Self {
        Self { ledger, intake, clock, channels, callbacks, directory, signal }
    }

    /// Acts until `shutdown`.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        loop {
            let acted = tokio::select! {
                acted = self.act() => acted,
                () = shutdown.cancelled() => return,
            };
            match acted {
                Ok(0) => {}
                Ok(_) => continue,
                Err(error) => LedgerFailed { error: &error }.emit(),
            }
            tokio::select! {
                () = self.signal.notified() => {}
                () = self.clock.sleep_until(self.clock.now() + LOOK_EVERY) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Acts on what is first of each sender; returns on how much.
    async fn act(&self) -> Result<usize, LedgerError> {
        let found = self.ledger.unhandled(TOGETHER).await?;
        let count = found.len();
        let acting = stream::iter(found).map(|record| async move { self.act_on(&record).await });
        let results: Vec<Result<(), LedgerError>> = acting.buffer_unordered(TOGETHER).collect().await;
        results.into_iter().collect::<Result<(), _>>()?;
        Ok(count)
    }

    async fn act_on(&self, record: &HeardRecord) -> Result<(), LedgerError> {
        let now = self.clock.now();
        let Some(heard) = &record.heard else {
            tracing::error!(id = record.id, "What was heard cannot be read, and is left out");
            return self.ledger.handled(record.id, Effects::default(), now).await;
        };
        if let What::Contact(change) = &heard.what
            && let Some(change) = MemberChange::of(change)
        {
            self.directory.apply(change).await?;
        }
        let effects = self.effects(record.id, heard).await?;
        self.ledger.handled(record.id, effects, now).await
    }

    async fn effects(&self, id: i64, heard: &Heard) -> Result<Effects, LedgerError> {
        let nothing = FeedbackConfig::default();
        let config = self.callbacks.get(&heard.callback).unwrap_or(&nothing);
        let rule = rule_for(&config.rules, heard);
        let mut effects = Effects::default();
        let mut messages = Vec::new();
        if let What::Press(press) = &heard.what {
            messages = self.ledger.messages_of_card(&press.task_id).await?;
            let note = |action: &str| FeedbackRecord {
                at: heard.at,
                who: heard.from.clone(),
                action: action.to_owned(),
                key: press.button.clone(),
            };
            effects.feedback.extend(messages.iter().map(|message| (*message, note("press"))));
            if rule.is_some_and(|rule| rule.acknowledge) {
                effects.acknowledged.clone_from(&messages);
                effects.feedback.extend(messages.iter().map(|message| (*message, note("acknowledge"))));
            }
        }
        let Some(webhook) = rule.and_then(|rule| rule.webhook.clone()).or_else(|| config.webhook.clone()) else {
            return Ok(effects);
        };
        let file = self.keep_file(heard, config).await;
        let topic = if matches!(heard.what, What::Press(_)) { PRESS } else { CALLBACK };
        let body = told(id, heard, &messages, file).to_string();
        effects.words.push(Word { target: webhook, topic: topic.to_owned(), key: heard.from.clone(), body });
        Ok(effects)
    }

    /// Keeps a file that somebody sent: where it lies it is gone in three days.
    async fn keep_file(&self, heard: &Heard, config: &FeedbackConfig) -> Option<Value> {
        let What::File { media_id, file_name, .. } = &heard.what else { return None };
        let lane = Lane::new("wecom_app", heard.app.as_deref().unwrap_or_default());
        let fetched = match self.channels.get(&lane) {
            Some(channel) => channel.download(media_id).await,
            None => Err("its application is not configured".to_owned()),
        };
        let kept = match fetched {
            Ok((name, content)) => {
                let grant = Grant::new(CallerId::new(config.caller.clone()), [Scope::Send]);
                let name = file_name.clone().unwrap_or(name);
                let size = content.len();
                let kept = self.intake.keep(&grant, name.clone(), content, self.clock.now()).await;
                kept.map(|file| json!({ "id": file.id.to_string(), "file_name": name, "size": size }))
                    .map_err(|error| error.to_string())
            }
            Err(error) => Err(error),
        };
        Some(kept.unwrap_or_else(|error| {
            tracing::warn!(error, "A file that somebody sent could not be kept");
            json!({ "error": error })
        }))
    }

    /// What a business system's answer to a press asks for.
    async fn follow_answer(&self, event: &str, answer: &str) -> Result<(), LedgerError> {
        let Ok(Value::Object(answer)) = serde_json::from_str(answer) else { return Ok(()) };
        let event: Value = serde_json::from_str(event).unwrap_or_default();
        let Some(id) = event["callback_id"].as_i64() else { return Ok(()) };
        let Some(heard) = self.ledger.heard(id).await?.and_then(|record| record.heard) else { return Ok(()) };
        let What::Press(press) = &heard.what else { return Ok(()) };
        let mut effects = Effects::default();
        if answer.get("acknowledge").and_then(Value::as_bool) == Some(true) {
            effects.acknowledged = self.ledger.messages_of_card(&press.task_id).await?;
            let note = FeedbackRecord {
                at: self.clock.now(),
                who: heard.from.clone(),
                action: "acknowledge".to_owned(),
                key: press.button.clone(),
            };
            effects.feedback = effects.acknowledged.iter().map(|message| (*message, note.clone())).collect();
        }
        effects.words.extend(card_update(&heard, press, &answer));
        self.ledger.follow(effects, self.clock.now()).await
    }
}

#[async_trait]
impl Answered for Feedback {
    async fn answered(&self, topic: &str, _key: &str, event: &str, answer: &str) {
        if topic == PRESS
            && let Err(error) = self.follow_answer(event, answer).await
        {
            LedgerFailed { error: &error }.emit();
        }
    }
}

/// What a business system is told. The code that changes the card stays here.
fn told(id: i64, heard: &Heard, messages: &[MessageId], file: Option<Value>) -> Value {
    let mut what = json!(heard.what);
    let mut raw = heard.raw.clone();
    if let Some(object) = what.as_object_mut() {
        object.remove("response_code");
    }
    raw.remove("ResponseCode");
    raw.remove("response_url");
    let mut told = json!({
        "callback_id": id,
        "callback": heard.callback,
        "app": heard.app,
        "from": heard.from,
        "said_at": heard.at.to_string(),
        "what": what,
        "raw": raw,
    });
    if !messages.is_empty() {
        let ids: Vec<String> = messages.iter().map(ToString::to_string).collect();
        told["messages"] = json!(ids);
    }
    if let Some(file) = file {
        told["file"] = file;
    }
    told
}

/// The change of a card that an answer asks for: `{"button": "已批准"}` or `{"card": {…}, "replace_text": "…"}`.
fn card_update(heard: &Heard, press: &Press, answer: &serde_json::Map<String, Value>) -> Option<Word> {
    let update = match (answer.get("button"), answer.get("card")) {
        (Some(Value::String(button)), _) => json!({ "button": { "replace_name": button } }),
        (_, Some(Value::Object(card))) => {
            let mut card = card.clone();
            card.remove("task_id");
            if let Some(text) = answer.get("replace_text") {
                card.insert("replace_text".to_owned(), text.clone());
            }
            json!({ "template_card": card })
        }
        _ => return None,
    };
    let mut body = json!({ "response_code": press.response_code });
    body.as_object_mut()?.extend(update.as_object()?.clone());
    match answer.get("users") {
        Some(users @ Value::Array(_)) => body["userids"] = users.clone(),
        _ => body["atall"] = json!(1),
    }
    let app = heard.app.clone().unwrap_or_default();
    Some(Word {
        target: card_target(&app),
        topic: CARD_UPDATE.to_owned(),
        key: press.task_id.clone(),
        body: body.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;

    use super::*;

    #[test]
    fn an_answer_changes_the_card_of_everybody_or_of_those_it_names() {
        let press =
            Press { task_id: "t".into(), response_code: "CODE".into(), button: "yes".into(), ..Press::default() };
        let heard = Heard {
            callback: "default".into(),
            key: "k".into(),
            app: Some("default".into()),
            from: "zhangsan".into(),
            at: Timestamp::EPOCH,
            what: What::Press(press.clone()),
            raw: serde_json::Map::new(),
        };
        let update = |answer: Value| {
            let word = card_update(&heard, &press, answer.as_object().unwrap())?;
            Some(serde_json::from_str::<Value>(&word.body).unwrap())
        };
        let button = update(json!({ "button": "已批准" })).unwrap();
        assert_eq!(button, json!({ "response_code": "CODE", "button": { "replace_name": "已批准" }, "atall": 1 }));
        let card = json!({ "card": { "card_type": "text_notice", "task_id": "x" }, "users": ["lisi"] });
        let card = update(card).unwrap();
        assert_eq!((&card["userids"], card["template_card"].get("task_id")), (&json!(["lisi"]), None));
        assert_eq!(update(json!({ "ok": true })), None);
        let told = told(7, &heard, &[], None);
        assert!(!told.to_string().contains("CODE"), "{told}");
    }
}
