//! Smart robots over the long connection: told, kept, answered as at `/callback/{name}`; only the way is another.
//!
//! One task a robot connects, hears, and connects again with more and more patience. WeCom keeps one connection a robot:
//! where another program took the place, this one leaves it that until its next start, and says so. What comes is on disk
//! before it is answered, in the order in which it came; answers are not waited for. Knows nothing about HTTP.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use domain::{Content, RetryPolicy};
use futures::future::join_all;
use futures::stream::{FuturesUnordered, StreamExt as _};
use parking_lot::Mutex;
use pipeline::TemplateBook;
use pipeline::ports::{Clock, ConnectionPhase, HeardAnswer, Ledger, REQ_ID};
use pipeline::telemetry::{Happening as _, LedgerFailed, SmartRobotChanged};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use wecom::Transport;
use wecom::smart_robot::{
    ConnectionEvent, ConnectionSettings, LongConnection, LongConnectionError, RobotContent, Sender, Told,
};

use super::book::{CallbackBook, CallbackConfig, RobotLogin};
use super::line::{Line, reply_of, write};
use super::translate::Opened;

/// How a first connection is tried again; one that broke, the SDK makes again by itself.
const AGAIN: RetryPolicy = RetryPolicy {
    attempts: u16::MAX,
    base: Duration::from_secs(1),
    factor: 2.0,
    cap: Duration::from_secs(30),
    jitter: true,
    deadline: Duration::MAX,
};
/// The longest that a robot that was refused waits, unless the configuration says a longer time.
const REFUSED_FOR: Duration = Duration::from_secs(600);
/// How often a message is answered anew whose answer may not have arrived; an event is answered at once or never.
const TRIES: usize = 3;
/// Messages that were answered are remembered, so that a repeat of one is not answered again.
const ANSWERED: usize = 1000;
/// How long what was heard waits for a ledger that takes nothing, before it is tried again.
const LEDGER_PAUSE: Duration = Duration::from_secs(1);
/// How long answers that are under way may take at the end, and closing the connection.
const LAST_ANSWERS: Duration = Duration::from_secs(5);
const CLOSING: Duration = Duration::from_secs(3);

/// How robots are connected.
#[derive(Clone, Debug)]
pub struct ConnectionConfig {
    /// The network.
    pub transport: Transport,
    /// Where WeCom listens.
    pub url: String,
    /// How long a robot that was refused waits: neither id nor secret becomes right by itself.
    pub refused_for: Duration,
}

/// The connections of all robots that have one.
pub struct LongConnections {
    callbacks: Arc<CallbackBook>,
    ledger: Arc<dyn Ledger>,
    templates: TemplateBook,
    clock: Arc<dyn Clock>,
    config: ConnectionConfig,
}

impl std::fmt::Debug for LongConnections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.callbacks.lines.keys()).finish()
    }
}

impl LongConnections {
    /// Makes them; [`Self::run`] sets them to work.
    pub fn new(
        callbacks: Arc<CallbackBook>,
        (ledger, templates): (Arc<dyn Ledger>, TemplateBook),
        clock: Arc<dyn Clock>,
        config: ConnectionConfig,
    ) -> Self {
        Self { callbacks, ledger, templates, clock, config }
    }

    /// Keeps every robot connected until `shutdown`; what was heard by then is kept and, as far as it is quick, answered.
    pub async fn run(self, shutdown: CancellationToken) {
        let connections = Arc::new(self);
        let robot = |(name, line): (&String, &Line)| {
            let config = connections.callbacks.config(name)?;
            let login = config.robot.clone()?;
            line.becomes(ConnectionPhase::Connecting, None, None, connections.clock.now());
            let (connections, name, shutdown) = (connections.clone(), name.clone(), shutdown.clone());
            Some(tokio::spawn(async move {
                let Some(line) = connections.callbacks.lines.get(&name) else { return };
                let (connections, name) = (connections.as_ref(), name.as_str());
                let robot = Robot { connections, name, line, config, answered: Mutex::default() };
                robot.stay_connected(&login, &shutdown).await;
            }))
        };
        for ended in join_all(connections.callbacks.lines.iter().filter_map(robot)).await {
            if let Err(error) = ended {
                tracing::error!(%error, "A smart robot's task ended before its time");
            }
        }
    }
}

/// One robot.
struct Robot<'a> {
    connections: &'a LongConnections,
    name: &'a str,
    line: &'a Line,
    config: CallbackConfig,
    /// The messages that were answered last, or are being answered.
    answered: Mutex<VecDeque<String>>,
}

/// Why a connection is heard no more.
enum End {
    Stopped,
    Replaced,
    Failed(LongConnectionError),
}

impl Robot<'_> {
    async fn stay_connected(self, login: &RobotLogin, shutdown: &CancellationToken) {
        let config = &self.connections.config;
        let settings = ConnectionSettings::new(&login.bot_id, login.secret.clone())
            .url(&config.url)
            .reconnect(AGAIN.base, u32::MAX);
        let mut failures = 0;
        loop {
            let opened = tokio::select! {
                opened = LongConnection::open(config.transport.clone(), settings.clone()) => opened,
                () = shutdown.cancelled() => return,
            };
            let end = match opened {
                Ok(connection) => {
                    failures = 0;
                    self.hear_all(connection, shutdown).await
                }
                Err(error) => End::Failed(error),
            };
            let wait = match end {
                End::Stopped => return,
                End::Replaced => {
                    let reason = (-1, "another program connected as this robot".to_owned());
                    return self.becomes(ConnectionPhase::Replaced, Some(reason), None);
                }
                End::Failed(error) => {
                    failures = u16::saturating_add(failures, 1);
                    self.failed(&error, failures)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Notes that there is no connection; says how long to wait before the next.
    fn failed(&self, error: &LongConnectionError, failures: u16) -> Duration {
        let code = error.errcode().map(|code| i32::try_from(code.0).unwrap_or(-1));
        let reason = (code.unwrap_or(-1), with_causes(error));
        if code.is_some() && !error.is_transient() {
            self.becomes(ConnectionPhase::Refused, Some(reason), None);
            // Subscribing is rate-protected (path/101463).
            let refused_for = self.connections.config.refused_for;
            let longer = refused_for.saturating_mul(1 << failures.saturating_sub(1).min(10));
            return longer.min(REFUSED_FOR.max(refused_for));
        }
        self.becomes(ConnectionPhase::Away, Some(reason), None);
        AGAIN.delay(failures, rand::random())
    }

    /// Notes how the connection is now: for whoever looks, in the log, and among the attempts.
    fn becomes(&self, phase: ConnectionPhase, reason: Option<(i32, String)>, sender: Option<Sender>) {
        let (attempts, now) = (self.connections.callbacks.attempts(), self.connections.clock.now());
        if self.line.becomes(phase, reason.clone(), sender, now) {
            let text = reason.as_ref().map(|(_, text)| text.as_str()).unwrap_or_default();
            SmartRobotChanged { callback: self.name, phase, reason: text }.emit();
            attempts.keep(self.name, None, "connect", reason, now);
        }
    }

    /// Hears and answers until the connection or the gateway ends.
    async fn hear_all(&self, mut connection: LongConnection, shutdown: &CancellationToken) -> End {
        let sender = connection.sender();
        // In the order in which they are put in, they hand their commands over; each conversation keeps that.
        let mut answers = FuturesUnordered::new();
        let end = loop {
            let event = tokio::select! {
                event = connection.next() => event,
                Some(()) = answers.next() => continue,
                () = shutdown.cancelled() => break End::Stopped,
            };
            match event {
                Some(ConnectionEvent::Connected) => {
                    self.becomes(ConnectionPhase::Connected, None, Some(sender.clone()));
                }
                Some(ConnectionEvent::Told(told)) => {
                    if let Some(content) = self.hear(&told, shutdown).await {
                        answers.push(self.answer(&sender, told, content));
                    }
                }
                Some(ConnectionEvent::Lost { reason }) => {
                    self.becomes(ConnectionPhase::Away, Some((-1, reason)), None);
                }
                Some(ConnectionEvent::Replaced) => break End::Replaced,
                Some(ConnectionEvent::Ended(error)) => break End::Failed(error),
                Some(_) => {}
                None => break End::Failed(LongConnectionError::Ended),
            }
        };
        if matches!(end, End::Stopped) {
            let last = async { while answers.next().await.is_some() {} };
            let _late = timeout(LAST_ANSWERS, last).await;
            self.line.becomes(ConnectionPhase::Connecting, None, None, self.connections.clock.now());
            drop(answers);
            drop(sender);
            self.keep_the_rest(connection, shutdown).await;
        }
        end
    }

    /// What came until the end is kept; it is acted on, though nothing answers it, at the next start.
    async fn keep_the_rest(&self, connection: LongConnection, shutdown: &CancellationToken) {
        for event in timeout(CLOSING, connection.close()).await.unwrap_or_default() {
            if let ConnectionEvent::Told(told) = event {
                let _unanswered = self.hear(&told, shutdown).await;
            }
        }
    }

    /// Keeps what the robot was told; returns what is to be answered.
    async fn hear(&self, told: &Told, shutdown: &CancellationToken) -> Option<Content> {
        let LongConnections { callbacks, ledger, templates, clock, .. } = self.connections;
        let now = clock.now();
        let opened = Opened::Robot(Box::new(told.callback.clone()));
        callbacks.attempts().keep(self.name, None, opened.kind(), None, now);
        let mut heard = opened.heard(self.name, self.config.app.as_deref(), now);
        heard.key = dedupe_key(told);
        heard.raw.insert(REQ_ID.to_owned(), told.req_id().into());
        let reply = super::reply_to(&self.config, &heard, templates);
        let became = loop {
            match ledger.hear(heard.clone(), reply.clone()).await {
                Ok(became) => break became,
                // Nobody would tell it again: it waits here, and what comes after it waits behind it.
                Err(error) => LedgerFailed { error: &error }.emit(),
            }
            if shutdown.is_cancelled() {
                tracing::error!(callback = self.name, "What a smart robot was told could not be kept, and is lost");
                return None;
            }
            tokio::select! {
                () = tokio::time::sleep(LEDGER_PAUSE) => {}
                () = shutdown.cancelled() => {}
            }
        };
        callbacks.heard.notify_one();
        match became {
            HeardAnswer::New => reply,
            // One whose answer did not go out is answered now.
            HeardAnswer::Repeat(answered) => answered,
        }
        .filter(|_| self.is_answered_first(heard.key))
    }

    /// Notes that a message is answered; returns whether it was not before.
    fn is_answered_first(&self, key: String) -> bool {
        let mut answered = self.answered.lock();
        if answered.contains(&key) {
            return false;
        }
        answered.push_back(key);
        if answered.len() > ANSWERED {
            answered.pop_front();
        }
        true
    }

    /// Answers; what could not be answered may be, should it be repeated.
    async fn answer(&self, sender: &Sender, told: Box<Told>, content: Content) {
        let Some(reply) = reply_of(&content, &told) else {
            tracing::warn!(
                callback = self.name,
                "A reply was made that does not answer what a smart robot was told: a press takes a card, and no other event than entering the chat an answer"
            );
            return;
        };
        let tries = if matches!(told.callback.content, RobotContent::Event(_)) { 1 } else { TRIES };
        for tried in 1..=tries {
            let Err(error) = write(sender, &told, &reply).await else { return };
            // A repeat is preferred to a loss: where the answer may have arrived, it may be seen twice.
            if tried < tries && error.is_transient() && !matches!(error, LongConnectionError::Refused { .. }) {
                continue;
            }
            self.answered.lock().retain(|key| *key != dedupe_key(&told));
            let error = with_causes(&error);
            tracing::warn!(callback = self.name, error, "An answer of smart robot `{}` was not taken", self.name);
            return;
        }
    }
}

/// The same for repeats; what has no id of its own is told once.
fn dedupe_key(told: &Told) -> String {
    match told.callback.msgid.as_str() {
        "" => format!("req:{}", told.req_id()),
        msgid => format!("msg:{msgid}"),
    }
}

/// An error in one line, with what is behind it.
fn with_causes(error: &LongConnectionError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
