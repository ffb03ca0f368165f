//! Webhooks to business systems: what became of their messages, what people wrote and pressed, posted in order.
//!
//! The ledger keeps an outbox: what is to be told is written there in the transaction that makes it so. Each target has a
//! worker of its own, which reads beside the ledger's writer and never waits for another target, so that a receiver that
//! hangs slows nothing but itself. Events of one key (a message, a sender) are posted one after another; one that is not
//! taken is tried again until it is given up, and those after it wait. Knows nothing about HTTP: that is a port.

mod card;
mod event;
mod robot;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::{Lane, RetryPolicy};
use futures::stream::{self, StreamExt as _};
use tokio_util::sync::CancellationToken;

pub use self::card::{card_code, message_of_card_code};
pub(crate) use self::robot::to_body as robot_answer_body;
use crate::ports::{Channels, Clock, Ledger, LedgerError, Posted, SmartRobots, Told, WebhookEvent};
use crate::signature;
use crate::telemetry::{Happening as _, LedgerFailed, WebhookFailed, WebhookPosted};

/// How often an idle worker looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How many events a worker takes at once.
const BATCH: usize = 64;
/// How an event that was not taken is tried again: within seconds first, then every few minutes.
const RETRY: RetryPolicy = RetryPolicy {
    attempts: u16::MAX,
    base: Duration::from_secs(2),
    factor: 2.0,
    cap: Duration::from_secs(300),
    jitter: true,
    deadline: Duration::from_secs(3 * 24 * 3600),
};

/// Posts to business systems.
#[async_trait]
pub trait Post: Send + Sync {
    /// Posts a JSON body; returns what a status of 200 to 299 answered, at most 64 KiB of it.
    ///
    /// # Errors
    /// Why it was not taken, without anything of the body.
    async fn post(
        &self,
        url: &str,
        headers: Vec<(&'static str, String)>,
        body: String,
        timeout: Duration,
    ) -> Result<String, String>;
}

/// Hears what targets answer.
#[async_trait]
pub trait Answered: Send + Sync {
    /// Takes the answer to an event of a topic, by its key.
    async fn answered(&self, topic: &str, key: &str, event: &str, answer: &str);
}

/// Who is told.
#[derive(Clone)]
pub struct WebhookTarget {
    /// Where to.
    pub to: Destination,
    /// What the events are signed with; more than one while it is changed.
    pub secrets: Vec<Arc<[u8]>>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How many events are posted at once.
    pub concurrency: usize,
    /// How long an event is tried before it is given up.
    pub give_up_after: Duration,
}

impl std::fmt::Debug for WebhookTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookTarget").field("to", &self.to).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // It may hold a key.
            Self::Url(_) => f.write_str("Url(…)"),
            Self::Cards(lane) => write!(f, "Cards({lane})"),
            Self::SmartRobot { callback, .. } => write!(f, "SmartRobot({callback})"),
        }
    }
}

/// Where events go.
#[derive(Clone)]
pub enum Destination {
    /// To a business system: the operator's URL, never a caller's.
    Url(String),
    /// To WeCom: changes of cards, as the application of this lane.
    Cards(Lane),
    /// To WeCom: answers over a smart robot's connection.
    SmartRobot {
        /// The robots.
        robots: Arc<dyn SmartRobots>,
        /// The callback's name.
        callback: String,
    },
}

/// Posts the events of all targets.
pub struct WebhookSender {
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    post: Arc<dyn Post>,
    answered: Option<Arc<dyn Answered>>,
    channels: Channels,
    targets: BTreeMap<String, WebhookTarget>,
}

impl std::fmt::Debug for WebhookSender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookSender").field("targets", &self.targets.keys()).finish_non_exhaustive()
    }
}

impl WebhookSender {
    /// Makes a sender; [`Self::run`] sets it to work.
    pub fn new(
        ledger: Arc<dyn Ledger>,
        clock: Arc<dyn Clock>,
        (post, answered): (Arc<dyn Post>, Option<Arc<dyn Answered>>),
        (channels, targets): (Channels, BTreeMap<String, WebhookTarget>),
    ) -> Self {
        Self { ledger, clock, post, answered, channels, targets }
    }

    /// Posts until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let sender = Arc::new(self);
        let work = |(name, target): (&String, &WebhookTarget)| {
            let (sender, name, target, shutdown) = (sender.clone(), name.clone(), target.clone(), shutdown.clone());
            tokio::spawn(async move { sender.work(&name, &target, shutdown).await })
        };
        let workers: Vec<_> = sender.targets.iter().map(work).collect();
        for worker in workers {
            let _ended = worker.await;
        }
    }

    async fn work(&self, name: &str, target: &WebhookTarget, shutdown: CancellationToken) {
        loop {
            let taken = tokio::select! {
                taken = self.post_due(name, target) => taken,
                () = shutdown.cancelled() => return,
            };
            let more = taken.unwrap_or_else(|error| {
                LedgerFailed { error: &error }.emit();
                false
            });
            if more {
                continue;
            }
            tokio::select! {
                () = self.clock.sleep_until(self.clock.now() + LOOK_EVERY) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Posts what is due; says whether more may be.
    async fn post_due(&self, name: &str, target: &WebhookTarget) -> Result<bool, LedgerError> {
        let events = self.ledger.due_events(name, self.clock.now(), BATCH).await?;
        let found = !events.is_empty();
        let posting = stream::iter(events).map(|event| async move { (event.id, self.post_one(target, event).await) });
        let posted: Vec<(i64, Posted)> = posting.buffer_unordered(target.concurrency.max(1)).collect().await;
        let progressed = posted.iter().any(|(_, posted)| *posted == Posted::Taken);
        if found {
            self.ledger.events_posted(posted).await?;
        }
        Ok(progressed)
    }

    async fn post_one(&self, target: &WebhookTarget, event: WebhookEvent) -> Posted {
        if event.told.is_none() {
            return Posted::Dead { error: "what is stored of it cannot be read".to_owned() };
        }
        let body = match self.body_of(&event).await {
            Ok(Some(body)) => body,
            // Its message was forgotten meanwhile: nobody asks for it any more.
            Ok(None) => return Posted::Taken,
            Err(error) => return self.not_taken(target, &event, error.to_string()),
        };
        let url = match &target.to {
            Destination::Url(url) => url,
            Destination::Cards(lane) => return card::change(self, target, lane, &event).await,
            Destination::SmartRobot { robots, callback } => {
                return robot::answer(self, target, (robots.as_ref(), callback), &event).await;
            }
        };
        let nonce = format!("{:032x}", rand::random::<u128>());
        let secrets: Vec<&[u8]> = target.secrets.iter().map(AsRef::as_ref).collect();
        let headers = signature::headers(&secrets, &nonce, body.as_bytes(), self.clock.now());
        match self.post.post(url, headers.to_vec(), body.clone(), target.timeout).await {
            Ok(answer) => {
                WebhookPosted { target: &event.target }.emit();
                if let (Some(Told::Object { topic, key, .. }), Some(answered)) = (&event.told, &self.answered) {
                    answered.answered(topic, key, &body, &answer).await;
                }
                Posted::Taken
            }
            Err(error) => self.not_taken(target, &event, error),
        }
    }

    fn not_taken(&self, target: &WebhookTarget, event: &WebhookEvent, error: String) -> Posted {
        let now = self.clock.now();
        let dead = now.since(event.at) >= target.give_up_after;
        WebhookFailed { target: &event.target, event: event.id, tries: event.tries + 1, error: &error, dead }.emit();
        if dead {
            return Posted::Dead { error };
        }
        let wait = RETRY.delay(event.tries + 1, rand::random());
        Posted::Again { at: now + wait, error }
    }

    /// What is posted of an event; `None` if there is nothing left to tell of.
    async fn body_of(&self, event: &WebhookEvent) -> Result<Option<String>, LedgerError> {
        match &event.told {
            Some(Told::Message(id, state)) => {
                let record = self.ledger.message(*id, None).await?;
                Ok(record.map(|record| event::of_message(event.id, event.at, *state, &record)))
            }
            Some(Told::Object { topic, key: _, body }) => Ok(Some(event::of_object(event.id, event.at, topic, body))),
            None => Ok(None),
        }
    }
}
