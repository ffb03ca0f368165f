//! What comes back: what people write and press → what business systems hear, what is noted on messages, how cards change.
//!
//! The way in keeps what it heard and answers; this acts on it afterwards, once, in the order of each who did it. What must
//! reach somebody goes through the outbox of webhooks, in the transaction that marks it as acted on; the answer of a
//! business system to a press may acknowledge the message and change its card, which goes through the outbox, too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{
    CallerId, Content, ContentKind, FeedbackRule, Grant, Heard, Lane, MessageId, Press, Scope, Timestamp, What,
    rule_for,
};
use futures::FutureExt as _;
use futures::stream::{FuturesUnordered, StreamExt as _};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::accept::Intake;
use crate::directory::{DirectoryKeeper, MemberChange};
use crate::ports::{
    Channels, Clock, Effects, FeedbackRecord, HeardRecord, Ledger, LedgerError, REQ_ID, RobotAnswer, SmartRobots, Word,
};
use crate::telemetry::{Happening as _, LedgerFailed};
use crate::webhooks::{Answered, robot_answer_body};

/// How often it is looked for what no signal announced.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How many are acted on at once, each of another sender.
const TOGETHER: usize = 16;
/// The topic of what people did, and of presses, whose answers are listened to.
const CALLBACK: &str = "callback";
const PRESS: &str = "card.press";
/// The topic of a card that is to be changed.
pub const CARD_UPDATE: &str = "card.update";
/// The topic of an answer over a smart robot's connection.
const ROBOT_ANSWER: &str = "robot.answer";
/// The outbox's name of an application's cards, and of a smart robot's connection.
const CARDS: &str = "card:";
const ROBOT: &str = "smart_robot:";
/// How long something that happened, such as a press, can be answered over a connection (path/101463).
const QUICK: Duration = Duration::from_secs(5);
/// How long the files of one message may take: what its sender does next waits meanwhile.
const FETCHING: Duration = Duration::from_secs(60);

/// The outbox's name of the cards of an application.
pub fn card_target(app: &str) -> String {
    format!("{CARDS}{app}")
}

/// The outbox's name of the connection of a callback's smart robot.
pub fn smart_robot_target(callback: &str) -> String {
    format!("{ROBOT}{callback}")
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
    /// Whether it is told over a smart robot's connection, which takes answers later on, too.
    pub by_connection: bool,
}

/// Acts on what was heard.
pub struct Feedback {
    ledger: Arc<dyn Ledger>,
    intake: Arc<Intake>,
    clock: Arc<dyn Clock>,
    channels: Channels,
    robots: Arc<dyn SmartRobots>,
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
        (channels, robots): (Channels, Arc<dyn SmartRobots>),
        (callbacks, signal): (BTreeMap<String, FeedbackConfig>, Arc<Notify>),
        directory: DirectoryKeeper,
    ) -> Self {
        Self { ledger, intake, clock, channels, robots, callbacks, directory, signal }
    }

    /// Acts until `shutdown`: on what is first of each sender. Who sends a file that takes its time holds up nobody else.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let mut acting = FuturesUnordered::new();
        let mut busy = BTreeSet::new();
        loop {
            let found = self.ledger.unhandled(TOGETHER + busy.len()).await.unwrap_or_else(|error| {
                LedgerFailed { error: &error }.emit();
                Vec::new()
            });
            for record in found {
                if busy.len() < TOGETHER && busy.insert(record.id) {
                    acting.push(self.act(record));
                }
            }
            tokio::select! {
                Some(id) = acting.next() => {
                    busy.remove(&id);
                    // What ended at the same time is looked after at once.
                    while let Some(Some(id)) = acting.next().now_or_never() {
                        busy.remove(&id);
                    }
                }
                () = self.signal.notified() => {}
                () = self.clock.sleep_until(self.clock.now() + LOOK_EVERY) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Acts on one; if that fails, it is taken up again after a while.
    async fn act(&self, record: HeardRecord) -> i64 {
        if let Err(error) = self.act_on(&record).await {
            LedgerFailed { error: &error }.emit();
            self.clock.sleep_until(self.clock.now() + LOOK_EVERY).await;
        }
        record.id
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
        let files = self.keep_files(heard, config).await;
        let topic = if matches!(heard.what, What::Press(_)) { PRESS } else { CALLBACK };
        let body = told(id, heard, &messages, files).to_string();
        effects.words.push(Word { target: webhook, topic: topic.to_owned(), key: heard.from.clone(), body });
        Ok(effects)
    }

    /// Keeps the files that somebody sent: where they lie they are gone in three days, a smart robot's in minutes.
    async fn keep_files(&self, heard: &Heard, config: &FeedbackConfig) -> Vec<Value> {
        let (fetched, file_name) = match &heard.what {
            What::File { media_id, file_name, .. } if !media_id.is_empty() => {
                let lane = Lane::new("wecom_app", heard.app.as_deref().unwrap_or_default());
                let fetched = match self.channels.get(&lane) {
                    Some(channel) => channel.download(media_id).await,
                    None => Err("its application is not configured".to_owned()),
                };
                (vec![fetched], file_name.clone())
            }
            What::File { .. } | What::Message { .. } => (self.robot_files(heard).await, None),
            _ => return Vec::new(),
        };
        let mut kept = Vec::new();
        for fetched in fetched {
            kept.push(self.keep(fetched, file_name.clone(), config).await);
        }
        kept
    }

    async fn robot_files(&self, heard: &Heard) -> Vec<Result<(String, Bytes), String>> {
        let late = || vec![Err(format!("it was not there within {} s", FETCHING.as_secs()))];
        tokio::time::timeout(FETCHING, self.robots.files(heard)).await.unwrap_or_else(|_| late())
    }

    /// Keeps a file; says where it is, or why it is not.
    async fn keep(
        &self,
        fetched: Result<(String, Bytes), String>,
        file_name: Option<String>,
        config: &FeedbackConfig,
    ) -> Value {
        let kept = match fetched {
            Ok((name, content)) => {
                let grant = Grant::new(CallerId::new(config.caller.clone()), [Scope::Send]);
                let name = file_name.unwrap_or(name);
                let size = content.len();
                let kept = self.intake.keep(&grant, name.clone(), content, self.clock.now()).await;
                kept.map(|file| json!({ "id": file.id.to_string(), "file_name": name, "size": size }))
                    .map_err(|error| error.to_string())
            }
            Err(error) => Err(error),
        };
        kept.unwrap_or_else(|error| {
            tracing::warn!(error, "A file that somebody sent could not be kept");
            json!({ "error": error })
        })
    }

    /// What a business system's answer asks for.
    async fn follow_answer(&self, event: &str, answer: &str) -> Result<(), LedgerError> {
        let Ok(Value::Object(answer)) = serde_json::from_str(answer) else { return Ok(()) };
        let event: Value = serde_json::from_str(event).unwrap_or_default();
        let Some(id) = event["callback_id"].as_i64() else { return Ok(()) };
        let Some(heard) = self.ledger.heard(id).await?.and_then(|record| record.heard) else { return Ok(()) };
        let now = self.clock.now();
        let mut effects = Effects::default();
        if let What::Press(press) = &heard.what
            && answer.get("acknowledge").and_then(Value::as_bool) == Some(true)
        {
            effects.acknowledged = self.ledger.messages_of_card(&press.task_id).await?;
            let note = FeedbackRecord {
                at: now,
                who: heard.from.clone(),
                action: "acknowledge".to_owned(),
                key: press.button.clone(),
            };
            effects.feedback = effects.acknowledged.iter().map(|message| (*message, note.clone())).collect();
        }
        let config = self.callbacks.get(&heard.callback);
        effects.words.extend(match (&heard.what, config.filter(|config| config.by_connection)) {
            (_, Some(config)) => robot_answer(&heard, &config.rules, &answer, now),
            (What::Press(press), None) => card_update(&heard, press, &answer),
            _ => None,
        });
        if effects == Effects::default() {
            return Ok(());
        }
        self.ledger.follow(effects, now).await
    }
}

#[async_trait]
impl Answered for Feedback {
    async fn answered(&self, topic: &str, _key: &str, event: &str, answer: &str) {
        if (topic == PRESS || topic == CALLBACK)
            && let Err(error) = self.follow_answer(event, answer).await
        {
            LedgerFailed { error: &error }.emit();
        }
    }
}

/// What a business system is told. The code that changes the card stays here.
fn told(id: i64, heard: &Heard, messages: &[MessageId], mut files: Vec<Value>) -> Value {
    let mut what = json!(heard.what);
    let mut raw = heard.raw.clone();
    if let Some(object) = what.as_object_mut() {
        object.remove("response_code");
    }
    raw.remove("ResponseCode");
    raw.remove("response_url");
    raw.remove(REQ_ID);
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
    if matches!(heard.what, What::File { .. }) {
        told["file"] = files.pop().unwrap_or_default();
    } else if !files.is_empty() {
        told["files"] = json!(files);
    }
    told
}

/// The change of a card that an answer asks for: `{"button": "已批准"}` or `{"card": {…}, "replace_text": "…"}`.
fn card_update(heard: &Heard, press: &Press, answer: &serde_json::Map<String, Value>) -> Option<Word> {
    if press.response_code.is_empty() {
        // A smart robot's, by URL: only the answer to the press itself changes its card.
        return None;
    }
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

/// What an answer says over a smart robot's connection: `{"reply": "…"}` to what was written, `{"card": {…}}` there and in
/// place of the pressed card.
fn robot_answer(
    heard: &Heard,
    rules: &[FeedbackRule],
    answer: &serde_json::Map<String, Value>,
    now: Timestamp,
) -> Option<Word> {
    let is_press = matches!(heard.what, What::Press(_));
    let is_quick = is_press || matches!(heard.what, What::Event { .. });
    let content = match (answer.get("reply"), answer.get("card")) {
        (Some(Value::String(reply)), _) if !is_press => Content::plain(ContentKind::Markdown, reply),
        (_, Some(card @ Value::Object(_))) => Content::new(ContentKind::TemplateCard, card.to_string()),
        _ if answer.contains_key("button") => {
            tracing::warn!(
                callback = heard.callback,
                "An answer changes only a button: a smart robot's card is changed by `card`, a whole one"
            );
            return None;
        }
        _ => return None,
    };
    if is_quick {
        let rule = rule_for(rules, heard);
        if rule.is_some_and(|rule| rule.reply.is_some() || rule.template.is_some()) {
            tracing::debug!(callback = heard.callback, "What happened was answered by its rule, and can be only once");
            return None;
        }
        if now.since(heard.at) > QUICK {
            tracing::warn!(
                callback = heard.callback,
                "An answer came later than the 5 s in which a press can be answered"
            );
            return None;
        }
    }
    let users = answer.get("users").and_then(Value::as_array).into_iter().flatten();
    let users = users.filter_map(|user| Some(user.as_str()?.to_owned())).collect();
    let answer = RobotAnswer { told: heard.raw.clone(), content, users };
    Some(Word {
        target: smart_robot_target(&heard.callback),
        topic: ROBOT_ANSWER.to_owned(),
        // What must be there within seconds waits for nothing that was said before.
        key: if is_quick { heard.key.clone() } else { heard.from.clone() },
        body: robot_answer_body(&answer),
    })
}

#[cfg(test)]
mod tests {
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
        let told = told(7, &heard, &[], Vec::new());
        assert!(!told.to_string().contains("CODE"), "{told}");
    }

    #[test]
    fn over_a_connection_an_answer_is_said_or_changes_the_whole_card_in_time() {
        let raw = json!({ "msgid": "M", "req_id": "REQ" }).as_object().unwrap().clone();
        let heard = |what: What| Heard {
            callback: "planner".into(),
            key: "msg:M".into(),
            app: None,
            from: "zhangsan".into(),
            at: Timestamp::EPOCH,
            what,
            raw: raw.clone(),
        };
        let text = heard(What::Text { text: "进度".into() });
        let press = heard(What::Press(Press { task_id: "t".into(), button: "yes".into(), ..Press::default() }));
        let rules = [FeedbackRule { keys: vec!["yes".into()], template: Some("t".into()), ..FeedbackRule::default() }];
        let soon = Timestamp::from_millis(4_900);
        let answer = |heard: &Heard, rules: &[FeedbackRule], answer: Value, now: Timestamp| {
            robot_answer(heard, rules, answer.as_object().unwrap(), now)
        };
        let (reply, card) =
            (json!({ "reply": "**80%**" }), json!({ "card": { "card_type": "text_notice" }, "users": ["lisi"] }));
        let word = answer(&text, &rules, reply.clone(), Timestamp::from_millis(3_600_000)).unwrap();
        assert_eq!((word.target.as_str(), word.key.as_str()), ("smart_robot:planner", "zhangsan"));
        assert!(word.body.contains("REQ") && word.body.contains("80%"), "{}", word.body);
        let word = answer(&press, &[], card.clone(), soon).unwrap();
        assert!(word.key == "msg:M" && word.body.contains("lisi"), "{word:?}");
        assert_eq!(answer(&press, &[], card.clone(), Timestamp::from_millis(5_001)), None, "too late");
        assert_eq!(answer(&press, &rules, card, soon), None, "its rule has answered");
        assert_eq!(answer(&press, &[], json!({ "button": "好" }), soon), None, "there are no single buttons");
        assert_eq!(answer(&press, &[], reply, soon), None, "a press is answered by a card");
        assert!(!told(7, &text, &[], Vec::new()).to_string().contains("REQ"));
    }
}
