//! The one task that holds the WebSocket: subscribes, pings, matches acknowledgements, keeps each conversation in order,
//! connects again.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use hyper::Uri;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use url::{Host, Url};

use super::{ConnectionEvent, ConnectionSettings, LongConnectionError, Told};
use crate::smart_robot::{RobotCallback, RobotContent, RobotEvent};
use crate::transport::Duplex;
use crate::{ErrCode, Transport};

/// The longest wait before connecting again.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);
/// How often in a row a refused subscription is tried: the secret will not become right by itself.
const REFUSALS: u32 = 5;
/// Pings in a row that may stay unanswered.
const UNANSWERED_PINGS: u32 = 2;
/// How often it is looked whether a broken connection is still needed.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Events that are held while nobody takes them, beside those in the channel.
const UNTAKEN: usize = 10_000;
/// The largest message: a chunk of an upload in base64, and room.
const MAX_MESSAGE: usize = 4 * 1024 * 1024;

type Socket = WebSocketStream<Box<dyn Duplex>>;
pub(super) type Acknowledged = Result<Value, LongConnectionError>;

/// Something to be sent, in order with what else belongs to its conversation.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) conversation: String,
    pub(super) cmd: &'static str,
    pub(super) req_id: String,
    pub(super) body: Value,
    pub(super) acknowledged: oneshot::Sender<Acknowledged>,
}

/// What comes in: a callback if it has a `cmd`, an acknowledgement otherwise.
#[derive(Deserialize)]
struct Frame {
    cmd: Option<String>,
    #[serde(default)]
    headers: Headers,
    #[serde(default)]
    errcode: Option<ErrCode>,
    #[serde(default)]
    errmsg: Option<String>,
    #[serde(default)]
    body: Value,
}

#[derive(Default, Deserialize)]
struct Headers {
    #[serde(default)]
    req_id: String,
}

pub(super) fn new_req_id(what: &str) -> String {
    format!("{what}_{:032x}", rand::random::<u128>())
}

/// A connection that is made.
pub(super) struct Connection {
    transport: Transport,
    settings: ConnectionSettings,
    origin: Uri,
    socket: Socket,
}

/// Why a connection is no more.
enum End {
    /// It broke.
    Broken(String),
    /// Another process took its place.
    Replaced,
    /// Nobody needs it any more.
    Unneeded,
}

impl Connection {
    pub(super) async fn open(transport: Transport, settings: ConnectionSettings) -> Result<Self, LongConnectionError> {
        let origin = origin_of(&settings.url)?;
        let socket = connect(&transport, &settings, &origin).await?;
        Ok(Self { transport, settings, origin, socket })
    }

    pub(super) async fn run(mut self, mut waiting: mpsc::Receiver<Command>, events: mpsc::Sender<ConnectionEvent>) {
        let mut queues = Queues::default();
        loop {
            if events.send(ConnectionEvent::Connected).await.is_err() && waiting.is_closed() {
                return;
            }
            let end = serve(&mut self.socket, &self.settings, &mut queues, &mut waiting, &events).await;
            queues.lost();
            let last = match end {
                End::Unneeded => {
                    // A server that is gone does not mind.
                    let _closed = timeout(Duration::from_secs(1), self.socket.close(None)).await;
                    return;
                }
                End::Replaced => ConnectionEvent::Replaced,
                End::Broken(reason) => {
                    // Whether anybody listens shows at the next event.
                    let _nobody = events.send(ConnectionEvent::Lost { reason }).await;
                    let again = tokio::select! {
                        again = self.connect_again() => again,
                        // Not again in a place that somebody else may have by then.
                        () = unneeded(&waiting) => return,
                    };
                    match again {
                        Ok(()) => continue,
                        Err(error) => ConnectionEvent::Ended(error),
                    }
                }
            };
            queues.end();
            let _nobody = events.send(last).await;
            return;
        }
    }

    async fn connect_again(&mut self) -> Result<(), LongConnectionError> {
        let (mut attempt, mut refusals) = (0, 0);
        loop {
            let backoff = self.settings.first_backoff.saturating_mul(1 << attempt.min(10)).min(LONGEST_BACKOFF);
            // Spread, so that many robots do not come back at the same moment.
            tokio::time::sleep(backoff.mul_f64(rand::random_range(0.8..1.2))).await;
            attempt += 1;
            match connect(&self.transport, &self.settings, &self.origin).await {
                Ok(socket) => {
                    self.socket = socket;
                    return Ok(());
                }
                Err(error) => {
                    refusals += u32::from(error.errcode().is_some());
                    if attempt >= self.settings.attempts || refusals >= REFUSALS {
                        return Err(error);
                    }
                }
            }
        }
    }
}

/// Waits until nobody can send any more.
async fn unneeded(waiting: &mpsc::Receiver<Command>) {
    while !waiting.is_closed() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Reads a `wss` URL as where to connect to.
pub(super) fn origin_of(text: &str) -> Result<Uri, LongConnectionError> {
    // A URL may hold a password: only what is behind it is repeated.
    let shown = || text.rsplit('@').next().unwrap_or_default().split(['?', '#']).next().unwrap_or_default();
    let invalid = || LongConnectionError::Url(shown().to_owned());
    let url = Url::parse(text).map_err(|_| invalid())?;
    let loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let rest = match (url.scheme(), loopback) {
        ("wss", _) => format!("https{}", &text["wss".len()..]),
        ("ws", true) => format!("http{}", &text["ws".len()..]),
        _ => return Err(invalid()),
    };
    rest.parse().map_err(|_| invalid())
}

/// Connects, and subscribes as the robot.
async fn connect(
    transport: &Transport,
    settings: &ConnectionSettings,
    origin: &Uri,
) -> Result<Socket, LongConnectionError> {
    let stream = transport.open_to(origin.clone()).await.map_err(LongConnectionError::Connect)?;
    let mut config = WebSocketConfig::default();
    config.max_message_size = Some(MAX_MESSAGE);
    config.max_frame_size = Some(MAX_MESSAGE);
    let handshake = tokio_tungstenite::client_async_with_config(settings.url.as_str(), stream, Some(config));
    let failed = |error: tokio_tungstenite::tungstenite::Error| LongConnectionError::Connect(error.into());
    let handshake = timeout(transport.patience(), handshake).await;
    let (mut socket, _) = handshake.map_err(|_| LongConnectionError::NoAcknowledgement)?.map_err(failed)?;
    let req_id = new_req_id("aibot_subscribe");
    let body = json!({ "bot_id": settings.bot_id, "secret": settings.secret.expose() });
    socket.send(frame("aibot_subscribe", &req_id, Some(&body))).await.map_err(failed)?;
    let subscribed = async {
        while let Some(message) = socket.next().await {
            let Some(frame) = read(&message.map_err(failed)?) else { continue };
            if frame.cmd.is_none() && frame.headers.req_id == req_id {
                return acknowledgement(frame).map(drop);
            }
        }
        Err(LongConnectionError::Lost)
    };
    timeout(settings.ack_timeout, subscribed).await.map_err(|_| LongConnectionError::NoAcknowledgement)??;
    Ok(socket)
}

fn frame(cmd: &str, req_id: &str, body: Option<&Value>) -> Message {
    let mut frame = json!({ "cmd": cmd, "headers": { "req_id": req_id } });
    if let Some(body) = body {
        frame["body"] = body.clone();
    }
    Message::text(frame.to_string())
}

fn read(message: &Message) -> Option<Frame> {
    match message {
        Message::Text(text) => serde_json::from_str(text).ok(),
        Message::Binary(bytes) => serde_json::from_slice(bytes).ok(),
        _ => None,
    }
}

fn acknowledgement(frame: Frame) -> Acknowledged {
    match frame.errcode.unwrap_or_default() {
        ErrCode::OK => Ok(frame.body),
        errcode => Err(LongConnectionError::Refused { errcode, errmsg: frame.errmsg.unwrap_or_default() }),
    }
}

/// Serves a connection until it ends.
async fn serve(
    socket: &mut Socket,
    settings: &ConnectionSettings,
    queues: &mut Queues,
    waiting: &mut mpsc::Receiver<Command>,
    events: &mpsc::Sender<ConnectionEvent>,
) -> End {
    let mut pings = interval_at(Instant::now() + settings.ping_every, settings.ping_every);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unanswered = 0;
    let mut untaken: VecDeque<ConnectionEvent> = VecDeque::new();
    // What waited for this connection.
    let mut send = queues.ready(settings.ack_timeout);
    loop {
        for message in send {
            // A peer that reads nothing must not hold up everything else.
            match timeout(settings.ack_timeout, socket.send(message)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return End::Broken(error.to_string()),
                Err(_) => return End::Broken("WeCom takes nothing any more".to_owned()),
            }
        }
        send = Vec::new();
        let overdue = queues.next_deadline();
        send = tokio::select! {
            message = socket.next() => match message {
                None => return End::Broken("WeCom closed the connection".to_owned()),
                Some(Err(error)) => return End::Broken(error.to_string()),
                Some(Ok(Message::Close(_))) => return End::Broken("WeCom closed the connection".to_owned()),
                Some(Ok(message)) => {
                    // Whatever comes shows that it lives.
                    unanswered = 0;
                    let Some(frame) = read(&message) else { continue };
                    if frame.cmd.is_none() {
                        queues.acknowledge(frame);
                        queues.ready(settings.ack_timeout)
                    } else {
                        match told(frame) {
                            Some(ConnectionEvent::Replaced) => return End::Replaced,
                            Some(_) if untaken.len() >= UNTAKEN => {
                                return End::Broken("nobody takes what the robot is told".to_owned());
                            }
                            Some(event) => untaken.push_back(event),
                            None => {}
                        }
                        continue;
                    }
                }
            },
            // Never waited for: whoever takes events may itself wait for an acknowledgement.
            room = events.reserve(), if !untaken.is_empty() && !events.is_closed() => {
                if let (Ok(room), Some(event)) = (room, untaken.pop_front()) {
                    room.send(event);
                }
                continue;
            }
            command = waiting.recv() => match command {
                None => {
                    // What came is still handed over, as far as there is room.
                    untaken.into_iter().for_each(|event| drop(events.try_send(event)));
                    return End::Unneeded;
                }
                Some(command) => {
                    queues.put(command);
                    queues.ready(settings.ack_timeout)
                }
            },
            _ = pings.tick() => {
                if unanswered >= UNANSWERED_PINGS {
                    return End::Broken("WeCom does not answer pings".to_owned());
                }
                unanswered += 1;
                vec![frame("ping", &new_req_id("ping"), None)]
            }
            () = async { match overdue { Some(at) => sleep_until(at).await, None => std::future::pending().await } } => {
                queues.give_up_overdue();
                queues.ready(settings.ack_timeout)
            }
        };
    }
}

/// Reads a callback as an event; `None` for what this version does not know.
fn told(frame: Frame) -> Option<ConnectionEvent> {
    let cmd = frame.cmd.unwrap_or_default();
    if !matches!(cmd.as_str(), "aibot_msg_callback" | "aibot_event_callback") {
        return None;
    }
    let callback = RobotCallback::read(frame.body);
    if callback.content == RobotContent::Event(RobotEvent::Disconnected) {
        return Some(ConnectionEvent::Replaced);
    }
    Some(ConnectionEvent::Told(Box::new(Told { callback, req_id: frame.headers.req_id })))
}

/// What waits and what is under way, conversation by conversation: one command of each at a time.
#[derive(Default)]
struct Queues {
    waiting: HashMap<String, VecDeque<Command>>,
    /// By `req_id`.
    under_way: HashMap<String, UnderWay>,
}

struct UnderWay {
    command: Command,
    until: Instant,
}

impl Queues {
    fn put(&mut self, command: Command) {
        self.waiting.entry(command.conversation.clone()).or_default().push_back(command);
    }

    /// Takes what may be sent now.
    fn ready(&mut self, ack_timeout: Duration) -> Vec<Message> {
        let busy: Vec<String> = self.under_way.values().map(|way| way.command.conversation.clone()).collect();
        let mut messages = Vec::new();
        let until = Instant::now() + ack_timeout;
        for (conversation, queue) in &mut self.waiting {
            if busy.contains(conversation) {
                continue;
            }
            // Two conversations may share a callback's id: the acknowledgements could not be told apart.
            let free = queue.front().is_some_and(|command| !self.under_way.contains_key(&command.req_id));
            if let Some(command) = queue.pop_front_if(|_| free) {
                messages.push(frame(command.cmd, &command.req_id, Some(&command.body)));
                self.under_way.insert(command.req_id.clone(), UnderWay { command, until });
            }
        }
        self.waiting.retain(|_, queue| !queue.is_empty());
        messages
    }

    fn acknowledge(&mut self, frame: Frame) {
        // An answered ping, or an acknowledgement that came too late, is nobody's.
        if let Some(way) = self.under_way.remove(&frame.headers.req_id) {
            let _asker_left = way.command.acknowledged.send(acknowledgement(frame));
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.under_way.values().map(|way| way.until).min()
    }

    fn give_up_overdue(&mut self) {
        let now = Instant::now();
        for (_, way) in self.under_way.extract_if(|_, way| way.until <= now) {
            let _asker_left = way.command.acknowledged.send(Err(LongConnectionError::NoAcknowledgement));
        }
    }

    /// What was under way may have arrived; what waited goes out by the next connection.
    fn lost(&mut self) {
        for (_, way) in self.under_way.drain() {
            let _asker_left = way.command.acknowledged.send(Err(LongConnectionError::Lost));
        }
    }

    fn end(&mut self) {
        for command in self.waiting.drain().flat_map(|(_, queue)| queue) {
            let _asker_left = command.acknowledged.send(Err(LongConnectionError::Ended));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_websockets_are_for_loopback() {
        for good in
            [super::super::OFFICIAL_URL, "ws://127.0.0.1:1/ws", "ws://localhost:1", "wss://wecom.internal:8443/x"]
        {
            assert!(origin_of(good).is_ok(), "{good}");
        }
        for bad in ["", "ws://example.com", "https://example.com", "wss://", "example.com"] {
            assert!(origin_of(bad).is_err(), "{bad}");
        }
    }
}
