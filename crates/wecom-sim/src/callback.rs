//! Calls applications back: verifies a URL within a second, posts with five seconds' patience and three retries, shows
//! members what is answered (path/90930).

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::clock::Millis;
use crate::crypto::{self, Key};
use crate::event::Event;
use crate::world::{Sent, State, Target, World};
use crate::xml;

/// How long the verification of a URL may take (path/90930).
const VERIFY: Duration = Duration::from_secs(1);
/// How long an answer may take (path/90930).
const ANSWER: Duration = Duration::from_secs(5);
/// Bytes of a passive text (path/90241).
const TEXT: usize = 2048;
/// The largest answer that is read.
const MAX_ANSWER: usize = 1024 * 1024;
/// Attempts that are kept.
const KEPT: usize = 10_000;

/// Where an application, or contact sync, is called back.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) key: Key,
}

/// One attempt to call back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CallbackAttempt {
    /// When, in milliseconds of the simulator's clock.
    pub at: i64,
    /// Where.
    pub url: String,
    /// Counted from 1; at most 4.
    pub attempt: u32,
    /// What was sent, before it was encrypted.
    pub message: String,
    /// The HTTP status; absent where there was no answer.
    pub status: Option<u16>,
    /// What went wrong.
    pub error: Option<String>,
    /// The passive reply, decrypted.
    pub reply: Option<String>,
}

/// The attempts so far, and the way back to the world.
#[derive(Debug)]
pub(crate) struct Callbacks {
    world: Weak<World>,
    attempts: Mutex<Vec<CallbackAttempt>>,
}

/// A callback on its way.
pub(crate) struct Push {
    endpoint: Endpoint,
    corp: String,
    agentid: Option<i64>,
    event: Event,
    message: String,
    retries: u32,
    spacing: Duration,
}

impl Callbacks {
    pub(crate) fn new(world: Weak<World>) -> Self {
        Self { world, attempts: Mutex::new(Vec::new()) }
    }

    pub(crate) fn attempts(&self) -> Vec<CallbackAttempt> {
        self.attempts.lock().clone()
    }

    /// Readies a callback; `None` if nobody is to be called.
    pub(crate) fn ready(state: &State, corp_id: &str, agentid: Option<i64>, event: Event, now: Millis) -> Option<Push> {
        let corp = state.corps.get(corp_id)?;
        let endpoint = match agentid {
            Some(id) => corp.apps.get(&id)?.lock().callback.clone()?,
            None => corp.contacts_callback.clone()?,
        };
        let message = event.to_xml(corp_id, agentid, now / 1000);
        let (retries, spacing) = (state.rules.callback_retries, state.rules.callback_retry_ms);
        let corp = corp_id.to_owned();
        Some(Push { endpoint, corp, agentid, event, message, retries, spacing: Duration::from_millis(spacing) })
    }

    /// Calls a URL that a request named, without waiting for the answer.
    pub(crate) fn push_to(&self, state: &State, corp: &str, endpoint: Endpoint, event: Event, now: Millis) {
        let (retries, spacing) = (state.rules.callback_retries, state.rules.callback_retry_ms);
        let message = event.to_xml(corp, None, now / 1000);
        let (corp, spacing) = (corp.to_owned(), Duration::from_millis(spacing));
        let push = Push { endpoint, corp, agentid: None, event, message, retries, spacing };
        if let Some(world) = self.world.upgrade() {
            tokio::spawn(async move { world.callbacks.deliver(push).await });
        }
    }

    /// Calls back without waiting for the answer.
    pub(crate) fn push(&self, state: &State, corp_id: &str, agentid: Option<i64>, event: Event, now: Millis) {
        let push = Self::ready(state, corp_id, agentid, event, now);
        if let (Some(push), Some(world)) = (push, self.world.upgrade()) {
            tokio::spawn(async move { world.callbacks.deliver(push).await });
        }
    }

    /// Calls back until it is answered with 200 or the retries are used up; returns the attempts.
    pub(crate) async fn deliver(&self, push: Push) -> Vec<CallbackAttempt> {
        let mut made = Vec::new();
        for attempt in 1..=push.retries + 1 {
            if attempt > 1 {
                tokio::time::sleep(push.spacing).await;
            }
            let Some(world) = self.world.upgrade() else { break };
            let result = self.attempt(&world, &push, attempt).await;
            let done = result.status == Some(200);
            let mut result = result;
            if let Some(reply) = &result.reply {
                result.error = show(&world, &push, reply).err().map(str::to_owned);
            }
            let mut attempts = self.attempts.lock();
            if attempts.len() >= KEPT {
                attempts.remove(0);
            }
            attempts.push(result.clone());
            drop(attempts);
            made.push(result);
            if done {
                break;
            }
        }
        made
    }

    async fn attempt(&self, world: &Arc<World>, push: &Push, attempt: u32) -> CallbackAttempt {
        let now = world.clock.now();
        let Endpoint { url, token, key } = &push.endpoint;
        let encrypted = crypto::seal(key, &push.corp, &push.message);
        let agent = push.agentid.map(|id| id.to_string()).unwrap_or_default();
        let body = format!(
            "<xml>{}{}{}</xml>",
            xml::cdata("ToUserName", &push.corp),
            xml::cdata("AgentID", &agent),
            xml::cdata("Encrypt", &encrypted)
        );
        let query = signed_query(token, now / 1000, &encrypted);
        let answer = exchange(Method::POST, url, &query, body, "text/xml", ANSWER).await;
        let mut made = CallbackAttempt {
            at: now,
            url: url.clone(),
            attempt,
            message: push.message.clone(),
            status: None,
            error: None,
            reply: None,
        };
        match answer {
            Err(error) => made.error = Some(error),
            Ok((status, answer)) => {
                made.status = Some(status);
                // An empty body, or the customary word, is no reply.
                if status == 200 && !answer.trim().is_empty() && answer.trim() != "success" {
                    match opened(&push.endpoint, &push.corp, &answer) {
                        Ok(reply) => made.reply = Some(reply),
                        Err(error) => made.error = Some(error),
                    }
                }
            }
        }
        made
    }
}

/// `msg_signature`, `timestamp` and `nonce` for a URL.
pub(crate) fn signed_query(token: &str, seconds: i64, encrypted: &str) -> Vec<(&'static str, String)> {
    let nonce = rand::random_range(1_000_000_000_u64..9_999_999_999).to_string();
    let timestamp = seconds.to_string();
    let signature = crypto::signature(token, &timestamp, &nonce, encrypted);
    vec![("msg_signature", signature), ("timestamp", timestamp), ("nonce", nonce)]
}

/// Checks a URL as WeCom does when it is saved: the plain echo, within a second.
pub(crate) async fn verify(endpoint: &Endpoint, receive_id: &str, seconds: i64) -> Result<(), String> {
    let echo = rand::random_range(1_000_000_000_000_000_000_u64..9_000_000_000_000_000_000).to_string();
    let encrypted = crypto::seal(&endpoint.key, receive_id, &echo);
    let mut query = signed_query(&endpoint.token, seconds, &encrypted);
    query.push(("echostr", encrypted));
    match exchange(Method::GET, &endpoint.url, &query, String::new(), "", VERIFY).await? {
        (200, answer) if answer == echo => Ok(()),
        (200, answer) if answer.trim().trim_matches('"') == echo => {
            Err("the echo came with quotes, blanks or line breaks around it".to_owned())
        }
        (200, answer) => Err(format!("200, but not the echo: {:?}", answer.chars().take(80).collect::<String>())),
        (status, _) => Err(format!("HTTP {status}")),
    }
}

/// Opens a passive reply.
fn opened(endpoint: &Endpoint, receive_id: &str, answer: &str) -> Result<String, String> {
    let fields = xml::read(answer).ok_or("the reply is not XML")?;
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let expected = crypto::signature(&endpoint.token, text("TimeStamp"), text("Nonce"), text("Encrypt"));
    if expected != text("MsgSignature") {
        return Err("the reply's signature does not fit".to_owned());
    }
    crypto::open(&endpoint.key, receive_id, text("Encrypt")).ok_or_else(|| "the reply cannot be decrypted".to_owned())
}

/// Shows a passive reply to whom it is for: a message, or a change of the card that was pressed.
fn show(world: &World, push: &Push, reply: &str) -> Result<(), &'static str> {
    let fields = xml::read(reply).ok_or("the decrypted reply is not XML")?;
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let userid = push.event.from().to_owned();
    let agentid = push.agentid.unwrap_or_default();
    let at = |pointer: &str| fields.pointer(pointer).cloned().unwrap_or_default();
    let kind = text("MsgType");
    if !push.event.takes(kind) {
        return Err("this kind of reply is not shown for what was called back");
    }
    let content = text("Content");
    let body = match kind {
        // Longer is cut (path/90241).
        "text" => json!({ "content": &content[..content.floor_char_boundary(TEXT)] }),
        "image" => json!({ "media_id": at("/Image/MediaId") }),
        "voice" => json!({ "media_id": at("/Voice/MediaId") }),
        "video" => {
            json!({ "media_id": at("/Video/MediaId"), "title": at("/Video/Title"), "description": at("/Video/Description") })
        }
        "news" => json!({ "articles": articles(&at("/Articles/item")) }),
        "update_button" | "update_template_card" | "update_taskcard" => {
            return update_card(world, push, &fields, &userid);
        }
        _ => return Err("the reply's MsgType is unknown"),
    };
    let target = Target::App { agentid, users: vec![userid], dropped: Vec::new() };
    let mut whole = json!({ "msgtype": kind });
    whole[kind] = body;
    let sent = Sent::new(world.clock.now(), target, kind, whole);
    let number = world.state.lock().keep(sent);
    world.announce(number);
    Ok(())
}

fn articles(items: &Value) -> Vec<Value> {
    let items = match items {
        Value::Array(items) => items.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    };
    let article = |item: Value| json!({ "title": item["Title"], "description": item["Description"], "url": item["Url"], "picurl": item["PicUrl"] });
    items.into_iter().map(article).collect()
}

/// The presser's copy of the card changes, nobody else's.
fn update_card(world: &World, push: &Push, fields: &Value, userid: &str) -> Result<(), &'static str> {
    let task_id = xml::read(&push.message).and_then(|message| message["TaskId"].as_str().map(str::to_owned));
    let task_id = task_id.ok_or("no card was pressed")?;
    let mut state = world.state.lock();
    // Unique for an application, not among them.
    let own = |sent: &Sent| matches!(sent.target, Target::App { agentid, .. } if Some(agentid) == push.agentid);
    let holds = |sent: &&mut Sent| {
        own(sent)
            && ["/template_card/task_id", "/taskcard/task_id"]
                .iter()
                .any(|at| sent.body.pointer(at).and_then(Value::as_str) == Some(&task_id))
    };
    let sent = state.sent.iter_mut().find(holds).ok_or("the pressed card is gone")?;
    let update = match fields.pointer("/Button/ReplaceName").or_else(|| fields.pointer("/TaskCard/ReplaceName")) {
        Some(name) => json!({ "button": { "replace_name": name } }),
        None => json!({ "passive_template_card": fields["TemplateCard"] }),
    };
    sent.updates.insert(userid.to_owned(), update);
    let number = sent.number;
    drop(state);
    world.announce(number);
    Ok(())
}

/// One HTTP exchange on a connection of its own. Plain http only: what is called back stands on the same machine.
pub(crate) async fn exchange(
    method: Method,
    url: &str,
    query: &[(&'static str, String)],
    body: String,
    content_type: &str,
    patience: Duration,
) -> Result<(u16, String), String> {
    let exchanged = timeout(patience, exchange_unbounded(method, url, query, body, content_type)).await;
    exchanged.map_err(|_| format!("no answer within {} s", patience.as_secs()))?
}

async fn exchange_unbounded(
    method: Method,
    url: &str,
    query: &[(&'static str, String)],
    body: String,
    content_type: &str,
) -> Result<(u16, String), String> {
    let uri: Uri = url.parse().map_err(|_| format!("`{url}` is not a URL"))?;
    if uri.scheme_str() != Some("http") {
        return Err("the simulator calls back plain http only".to_owned());
    }
    let host = uri.host().unwrap_or_default();
    let address = (host.trim_matches(['[', ']']), uri.port_u16().unwrap_or(80));
    let connection = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(connection)).await;
    let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    let mut target = uri.path().to_owned();
    let own = uri.query().map(str::to_owned).into_iter();
    let pairs = query.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
    let query: Vec<String> = own.chain(pairs).collect();
    if !query.is_empty() {
        target.push('?');
        target.push_str(&query.join("&"));
    }
    let mut request = Request::builder().method(method).uri(target);
    request = request.header("host", uri.authority().map_or(host, |authority| authority.as_str()));
    if !content_type.is_empty() {
        request = request.header("content-type", content_type);
    }
    let request = request.body(Full::new(Bytes::from(body))).map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await.map_err(|error| error.to_string())?;
    Ok((status, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
}

/// Percent-encodes all but letters, digits and `-._~`.
pub(crate) fn encoded(value: &str) -> String {
    let unreserved = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let shown = |byte: u8| if unreserved(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    value.bytes().map(shown).collect()
}
