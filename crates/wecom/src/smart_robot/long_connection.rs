//! The long connection (长连接): a WebSocket over which a robot is told, answers, and writes first.
//! <https://developer.work.weixin.qq.com/document/path/101463>
//!
//! It connects again by itself when it breaks, and ends when another process connects as the same robot: WeCom keeps one
//! connection a robot.
//!
//! ```no_run
//! use wecom::Transport;
//! use wecom::smart_robot::{ConnectionEvent, ConnectionSettings, LongConnection, Reply};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = ConnectionSettings::new("the BotID", "the Secret");
//! let mut robot = LongConnection::open(Transport::builder().build()?, settings).await?;
//! let sender = robot.sender();
//! while let Some(event) = robot.next().await {
//!     if let ConnectionEvent::Told(told) = event {
//!         sender.reply(&told, &Reply::finished("收到")).await?;
//!     }
//! }
//! # Ok(()) }
//! ```

mod connection;
mod sender;
mod stream;

use std::time::Duration;

use tokio::sync::mpsc;

use super::RobotCallback;
use crate::transport::BoxError;
use crate::{ErrCode, Secret, Transport};

pub use sender::{Conversation, MediaKind, Sender};
pub use stream::Stream;

/// Where WeCom listens.
pub const OFFICIAL_URL: &str = "wss://openws.work.weixin.qq.com";
/// Commands that wait for the connection, as in Tencent's own client.
const WAITING: usize = 500;
/// Events that wait for whoever takes them.
const UNTAKEN: usize = 1000;

/// How a connection is made and kept.
#[derive(Clone, Debug)]
pub struct ConnectionSettings {
    url: String,
    bot_id: String,
    secret: Secret,
    ping_every: Duration,
    ack_timeout: Duration,
    first_backoff: Duration,
    attempts: u32,
    stream_limit: Duration,
}

impl ConnectionSettings {
    /// Takes the robot's `BotID` and Secret.
    pub fn new(bot_id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        Self {
            url: OFFICIAL_URL.to_owned(),
            bot_id: bot_id.into(),
            secret: secret.into(),
            ping_every: Duration::from_secs(30),
            ack_timeout: Duration::from_secs(5),
            first_backoff: Duration::from_secs(1),
            attempts: 10,
            // The page says six minutes, later sources ten: half a minute before the earlier one is safe.
            stream_limit: Duration::from_secs(330),
        }
    }

    /// Sets where to connect, for companies with a WeCom of their own; plain `ws` to loopback only.
    #[must_use]
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = url.into();
        self
    }

    /// Checks where it leads.
    ///
    /// # Errors
    /// [`LongConnectionError::Url`].
    pub fn check_url(&self) -> Result<(), LongConnectionError> {
        connection::origin_of(&self.url).map(drop)
    }

    /// Sets how often a ping is sent; default 30 s. Two unanswered ones end the connection.
    #[must_use]
    pub fn ping_every(mut self, every: Duration) -> Self {
        self.ping_every = every;
        self
    }

    /// Sets how long an acknowledgement is waited for; default 5 s.
    #[must_use]
    pub fn ack_timeout(mut self, timeout: Duration) -> Self {
        self.ack_timeout = timeout;
        self
    }

    /// Sets how long to wait before connecting again, doubled up to 30 s, and how often in a row; default 1 s, 10 times.
    /// A refusal is met five times at most.
    #[must_use]
    pub fn reconnect(mut self, first: Duration, attempts: u32) -> Self {
        self.first_backoff = first;
        self.attempts = attempts;
        self
    }

    /// Sets when an unfinished stream is finished in order to go on as a message of its own; default 5½ minutes.
    #[must_use]
    pub fn stream_limit(mut self, limit: Duration) -> Self {
        self.stream_limit = limit;
        self
    }
}

/// What happens on a connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectionEvent {
    /// The robot is connected, at first or again.
    Connected,
    /// The robot is told something.
    Told(Box<Told>),
    /// The connection broke; another is made.
    Lost {
        /// Why, for a log.
        reason: String,
    },
    /// Another process connected as this robot: the last event.
    Replaced,
    /// No connection can be made any more: the last event.
    Ended(LongConnectionError),
}

/// Something the robot is told, and what an answer refers to.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// What.
    pub callback: RobotCallback,
    req_id: String,
}

impl Told {
    /// Puts together again what was kept: the callback, and the id that an answer refers to.
    pub fn new(callback: RobotCallback, req_id: impl Into<String>) -> Self {
        Self { callback, req_id: req_id.into() }
    }

    /// Returns the id that an answer refers to.
    pub fn req_id(&self) -> &str {
        &self.req_id
    }
}

/// A command was not carried out, or a connection not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LongConnectionError {
    /// The URL cannot be used.
    #[error("`{0}` is not a wss URL; plain ws is for loopback addresses")]
    Url(String),
    /// No connection was made.
    #[error("could not connect to WeCom")]
    Connect(#[source] BoxError),
    /// WeCom refused.
    #[error("WeCom answered errcode {errcode}: {errmsg}")]
    Refused {
        /// The errcode.
        errcode: ErrCode,
        /// For people.
        errmsg: String,
    },
    /// No acknowledgement came in time; it may have been carried out.
    #[error("WeCom did not acknowledge in time")]
    NoAcknowledgement,
    /// The connection broke before the acknowledgement; it may have been carried out.
    #[error("the connection broke before WeCom acknowledged")]
    Lost,
    /// The connection has ended for good.
    #[error("the connection has ended")]
    Ended,
    /// What was to be sent breaks a rule.
    #[error("{0}")]
    Invalid(String),
}

impl LongConnectionError {
    /// Returns WeCom's errcode.
    pub fn errcode(&self) -> Option<ErrCode> {
        match self {
            Self::Refused { errcode, .. } => Some(*errcode),
            _ => None,
        }
    }

    /// Tells whether the same command may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connect(_) | Self::NoAcknowledgement | Self::Lost => true,
            Self::Refused { errcode, .. } => errcode.class() == crate::Class::Delay,
            Self::Url(_) | Self::Ended | Self::Invalid(_) => false,
        }
    }

    /// Tells whether it may have been carried out all the same.
    pub fn may_have_been_taken(&self) -> bool {
        matches!(self, Self::NoAcknowledgement | Self::Lost)
    }
}

/// A robot's connection.
#[derive(Debug)]
pub struct LongConnection {
    events: mpsc::Receiver<ConnectionEvent>,
    sender: Sender,
}

impl LongConnection {
    /// Connects and subscribes. Afterwards it stays connected by itself, until it or all its senders are dropped.
    ///
    /// # Errors
    /// [`LongConnectionError::Refused`] for a wrong `BotID` or Secret, [`LongConnectionError::Connect`], or
    /// [`LongConnectionError::Url`].
    pub async fn open(transport: Transport, settings: ConnectionSettings) -> Result<Self, LongConnectionError> {
        let (commands, waiting) = mpsc::channel(WAITING);
        let (events, taken) = mpsc::channel(UNTAKEN);
        let sender = Sender::new(commands, settings.stream_limit);
        let connection = connection::Connection::open(transport, settings).await?;
        tokio::spawn(connection.run(waiting, events));
        Ok(Self { events: taken, sender })
    }

    /// Waits for what happens next; `None` after the last event.
    pub async fn next(&mut self) -> Option<ConnectionEvent> {
        self.events.recv().await
    }

    /// Ends the connection, as soon as no sender of it is left, and returns what came until then.
    pub async fn close(self) -> Vec<ConnectionEvent> {
        let Self { mut events, sender } = self;
        drop(sender);
        let mut rest = Vec::new();
        while let Some(event) = events.recv().await {
            rest.push(event);
        }
        rest
    }

    /// Returns what answers and writes; any number may be used at once.
    pub fn sender(&self) -> Sender {
        self.sender.clone()
    }
}
