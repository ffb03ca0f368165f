//! Smart robots (path/101039): what members tell one, by URL or over its long connection, and what it may answer.
//!
//! One robot has either a URL or a connection. Knows nothing about HTTP or sockets: `long_connection` and `routes`
//! bring what comes in, this judges and keeps it.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use bytes::{Bytes, BytesMut};
use hyper::Method;
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use crate::callback::{Endpoint, exchange, signed_query};
use crate::clock::{DAY, HOUR, MINUTE, Millis, SECOND};
use crate::crypto;
use crate::event::Press;
use crate::quota::Window;
use crate::routes::random_id;
use crate::routes::reader::Reader;
use crate::rules::{Refused, Rules, card, refuse};
use crate::world::{MEDIA_LIFE, Sent, State, Target, World};

/// How long an answer to a press or to entering a chat may take (path/101463).
const QUICK: Millis = 5 * SECOND;
/// How long a message may be answered (path/101463).
const ANSWERABLE: Millis = DAY;
/// How long a file that a member sent can be fetched (path/100719).
const FILE_LIFE: Millis = 5 * MINUTE;
/// Answers and messages of one conversation, a minute and an hour (path/101463).
const LIMITS: (usize, usize) = (30, 1000);
/// How long an upload may take (path/101463).
const UPLOAD_LIFE: Millis = 30 * MINUTE;
/// Bytes of a text (path/101031).
const CONTENT: usize = 20_480;
/// How often an unfinished stream is asked for by URL; not documented.
const REFRESH: Duration = Duration::from_millis(300);
/// How long an answer by URL may take (path/101033).
const ANSWER: Duration = Duration::from_secs(5);

/// A robot.
#[derive(Debug, Default)]
pub(crate) struct SmartRobot {
    pub(crate) secret: String,
    /// Set: members' messages are posted there.
    pub(crate) url: Option<Endpoint>,
    /// Open: they go over it.
    pub(crate) connection: Option<mpsc::UnboundedSender<Value>>,
    told: HashMap<String, Told>,
    streams: HashMap<String, StreamState>,
    responses: HashMap<String, (Told, Millis)>,
    conversations: HashMap<String, (Window, Window)>,
    uploads: HashMap<String, Upload>,
    /// Uploads begun, a minute and an hour.
    upload_windows: Option<(Window, Window)>,
    media: HashMap<String, Millis>,
}

/// What a robot was told, and where an answer to it shows.
#[derive(Clone, Debug)]
struct Told {
    kind: ToldKind,
    chat: String,
    group: bool,
    at: Millis,
    quick_answered: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ToldKind {
    Message,
    /// Nothing may be answered.
    Feedback,
    EnterChat,
    Press {
        task_id: String,
        number: u64,
    },
}

#[derive(Clone, Debug)]
struct StreamState {
    began: Millis,
    number: u64,
    finished: bool,
}

#[derive(Debug)]
struct Upload {
    total: usize,
    chunks: HashMap<u64, Bytes>,
    count: usize,
    md5: String,
    kind: String,
    until: Millis,
}

/// What a member says to a smart robot.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RobotSaid {
    /// The robot.
    pub bot_id: String,
    /// Who.
    pub userid: String,
    /// The group; absent: the single chat.
    #[serde(default)]
    pub chatid: Option<String>,
    /// What.
    pub what: RobotWhat,
}

/// What a member does with a smart robot.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RobotWhat {
    /// Says a text.
    Text(String),
    /// Speaks.
    Voice(String),
    /// Sends a file; it is encrypted and served for five minutes.
    File {
        /// What it is called.
        name: String,
        /// Its text.
        content: String,
    },
    /// Sends a picture; it is encrypted and served for five minutes.
    Image(String),
    /// Sends a video; likewise.
    Video(String),
    /// Sends a text and a picture together.
    Mixed {
        /// The text.
        text: String,
        /// What the picture holds.
        image: String,
    },
    /// Says a text, quoting another.
    Quote {
        /// What is said.
        text: String,
        /// What was said before.
        quoted: String,
    },
    /// Opens the chat.
    EnterChat,
    /// Presses a button of a card that the robot sent.
    Press {
        /// The message that holds the card.
        number: u64,
        /// The key of the button.
        key: String,
        /// What is chosen: question and options.
        #[serde(default)]
        selected: Vec<(String, Vec<String>)>,
    },
    /// Thinks something of an answer: 1 accurate, 2 inaccurate, 3 taken back.
    Feedback {
        /// The id that the answer carried.
        id: String,
        /// What.
        kind: i64,
    },
}

/// What became of what a member told a robot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RobotTold {
    /// The message's id.
    pub msgid: String,
    /// By URL: the answers, decrypted, the first and each refresh.
    pub replies: Vec<Value>,
    /// What went wrong.
    pub error: Option<String>,
}

impl SmartRobot {
    pub(crate) fn new(secret: &str) -> Self {
        Self { secret: secret.to_owned(), ..Self::default() }
    }

    fn admit(&mut self, chat: &str, now: Millis) -> Result<(), Refused> {
        let windows = self.conversations.entry(chat.to_owned());
        let windows = windows.or_insert_with(|| (Window::new(LIMITS.0, MINUTE), Window::new(LIMITS.1, HOUR)));
        if !windows.0.fits(now) || !windows.1.fits(now) {
            return refuse(846_607, "aibot send msg frequency limit exceeded");
        }
        windows.0.count(now);
        windows.1.count(now);
        Ok(())
    }
}

/// Tells a robot something, over its connection or by its URL, and sees an answer by URL to its end.
pub(crate) async fn tell(world: &World, said: &RobotSaid) -> RobotTold {
    let (msgid, req_id) = (random_id(36), random_id(32));
    let mut told = RobotTold { msgid: msgid.clone(), replies: Vec::new(), error: None };
    let ready = {
        let mut state = world.state.lock();
        let now = world.clock.now();
        build(world, &mut state, said, &msgid, &req_id, now)
    };
    let (body, url) = match ready {
        Ok(ready) => ready,
        Err(error) => {
            told.error = Some(error);
            return told;
        }
    };
    if let Some(endpoint) = url {
        if let Err(error) = by_url(world, &endpoint, said, body, &mut told).await {
            told.error = Some(error);
        }
        return told;
    }
    let cmd = if body["msgtype"] == "event" { "aibot_event_callback" } else { "aibot_msg_callback" };
    let frame = json!({ "cmd": cmd, "headers": { "req_id": req_id }, "body": body });
    let state = world.state.lock();
    let connection = state.smart_robots.get(&said.bot_id).and_then(|robot| robot.connection.as_ref());
    if connection.is_none_or(|connection| connection.send(frame).is_err()) {
        told.error = Some("the robot is not connected".to_owned());
    }
    told
}

/// Builds what a robot is told, and notes what may be answered to it.
fn build(
    world: &World,
    state: &mut State,
    said: &RobotSaid,
    msgid: &str,
    req_id: &str,
    now: Millis,
) -> Result<(Value, Option<Endpoint>), String> {
    let card = match &said.what {
        RobotWhat::Press { number, .. } => Some(
            state
                .sent_mut(*number)
                .and_then(|sent| sent.body.get("template_card").cloned())
                .ok_or("there is no such card")?,
        ),
        _ => None,
    };
    let Some(robot) = state.smart_robots.get_mut(&said.bot_id) else { return Err("there is no such robot".to_owned()) };
    let url = robot.url.clone();
    let group = said.chatid.is_some();
    let chat = said.chatid.clone().unwrap_or_else(|| said.userid.clone());
    let mut body = json!({
        "msgid": msgid, "aibotid": said.bot_id, "chattype": if group { "group" } else { "single" },
        "from": { "userid": said.userid },
    });
    if let Some(chatid) = &said.chatid {
        body["chatid"] = chatid.clone().into();
    }
    let mut kind = ToldKind::Message;
    let event = |name: &str, payload: Value| json!({ "eventtype": name, name: payload });
    match &said.what {
        RobotWhat::Text(text) => {
            let content = if group { format!("@{} {text}", said.bot_id) } else { text.clone() };
            (body["msgtype"], body["text"]) = ("text".into(), json!({ "content": content }));
        }
        RobotWhat::Voice(text) => (body["msgtype"], body["voice"]) = ("voice".into(), json!({ "content": text })),
        RobotWhat::File { name, content } => {
            (body["msgtype"], body["file"]) = ("file".into(), served(world, state, url.as_ref(), name, content));
        }
        RobotWhat::Image(content) => {
            (body["msgtype"], body["image"]) =
                ("image".into(), served(world, state, url.as_ref(), "image.jpg", content));
        }
        RobotWhat::Video(content) => {
            (body["msgtype"], body["video"]) =
                ("video".into(), served(world, state, url.as_ref(), "video.mp4", content));
        }
        RobotWhat::Mixed { text, image } => {
            let image = served(world, state, url.as_ref(), "image.jpg", image);
            let items = json!([
                { "msgtype": "text", "text": { "content": text } }, { "msgtype": "image", "image": image },
            ]);
            (body["msgtype"], body["mixed"]) = ("mixed".into(), json!({ "msg_item": items }));
        }
        RobotWhat::Quote { text, quoted } => {
            (body["msgtype"], body["text"]) = ("text".into(), json!({ "content": text }));
            body["quote"] = json!({ "msgtype": "text", "text": { "content": quoted } });
        }
        RobotWhat::EnterChat => {
            kind = ToldKind::EnterChat;
            (body["msgtype"], body["event"]) = ("event".into(), event("enter_chat", json!({})));
        }
        RobotWhat::Press { number, key, selected } => {
            let card = card.unwrap_or_default();
            let press =
                Press { number: *number, userid: said.userid.clone(), key: key.clone(), selected: selected.clone() };
            if !press.fits(&card) {
                return Err("the card has no such button".to_owned());
            }
            let task_id = card["task_id"].as_str().unwrap_or_default().to_owned();
            let mut payload = json!({ "card_type": card["card_type"], "event_key": key, "task_id": task_id });
            if !selected.is_empty() {
                let item = |(question, options): &(String, Vec<String>)| json!({ "question_key": question, "option_ids": { "option_id": options } });
                payload["selected_items"] = json!({ "selected_item": selected.iter().map(item).collect::<Vec<_>>() });
            }
            kind = ToldKind::Press { task_id, number: *number };
            (body["msgtype"], body["event"]) = ("event".into(), event("template_card_event", payload));
        }
        RobotWhat::Feedback { id, kind: opinion } => {
            kind = ToldKind::Feedback;
            let mut payload = json!({ "id": id, "type": opinion });
            if *opinion == 2 {
                (payload["content"], payload["inaccurate_reason_list"]) = ("".into(), json!([2]));
            }
            (body["msgtype"], body["event"]) = ("event".into(), event("feedback_event", payload));
        }
    }
    let Some(robot) = state.smart_robots.get_mut(&said.bot_id) else { return Err("there is no such robot".to_owned()) };
    if body["msgtype"] == "event" {
        body["create_time"] = (now / 1000).into();
    }
    let told = Told { kind, chat, group, at: now, quick_answered: false };
    let answerable = !matches!(said.what, RobotWhat::EnterChat | RobotWhat::Feedback { .. });
    if url.is_some() && answerable {
        let code = random_id(43);
        robot.responses.insert(code.clone(), (told.clone(), now));
        body["response_url"] = format!("{}/cgi-bin/aibot/response?response_code={code}", world.origin()).into();
    }
    robot.told.insert(req_id.to_owned(), told.clone());
    robot.told.insert(msgid.to_owned(), told);
    Ok((body, url))
}

/// Serves a file encrypted: with the callback's key by URL, with one of its own over a connection.
fn served(world: &World, state: &mut State, url: Option<&Endpoint>, name: &str, content: &str) -> Value {
    let own = crypto::random_key();
    let key = url.map_or(&own.0, |endpoint| &endpoint.key);
    let id = random_id(32);
    state.files.insert(id.clone(), Bytes::from(key.encrypt(content.as_bytes().to_vec())));
    state.file_names.insert(id.clone(), name.to_owned());
    state.file_ends.insert(id.clone(), world.clock.now() + FILE_LIFE);
    let mut file = json!({ "url": format!("{}/_files/{id}", world.origin()) });
    if url.is_none() {
        file["aeskey"] = own.1.into();
    }
    file
}

/// Posts, shows the answer, and asks again while its stream is unfinished (path/101031).
async fn by_url(
    world: &World,
    endpoint: &Endpoint,
    said: &RobotSaid,
    body: Value,
    told: &mut RobotTold,
) -> Result<(), String> {
    let Some(first) = post(world, endpoint, &body).await? else { return Ok(()) };
    let began = world.clock.now();
    let limit = world.state.lock().rules.stream_minutes * MINUTE;
    let mut reply = first;
    loop {
        told.replies.push(reply.clone());
        let stream = {
            let mut state = world.state.lock();
            let now = world.clock.now();
            let rules = state.rules.clone();
            let judged = judge(&mut state, &rules, &said.bot_id, &told.msgid, &reply, true, now);
            judged.map_err(|refused| format!("{}: {}", refused.errcode, refused.errmsg))?
        };
        let Some((number, Some((id, false)))) = stream else { break };
        world.announce(number);
        if world.clock.now() - began >= limit {
            return Err("the stream was not finished within six minutes".to_owned());
        }
        tokio::time::sleep(REFRESH).await;
        let mut refresh = body.clone();
        if let Some(fields) = refresh.as_object_mut() {
            fields.retain(|name, _| ["aibotid", "chatid", "chattype", "from"].contains(&name.as_str()));
        }
        refresh["msgid"] = random_id(36).into();
        (refresh["msgtype"], refresh["stream"]) = ("stream".into(), json!({ "id": id }));
        match post(world, endpoint, &refresh).await? {
            Some(next) => reply = next,
            None => return Err("a refresh was answered with nothing".to_owned()),
        }
    }
    Ok(())
}

/// One encrypted exchange; `None` for an empty answer.
async fn post(world: &World, endpoint: &Endpoint, message: &Value) -> Result<Option<Value>, String> {
    let encrypted = crypto::seal(&endpoint.key, "", &message.to_string());
    let query = signed_query(&endpoint.token, world.clock.now() / 1000, &encrypted);
    let nonce = query.iter().find(|(name, _)| *name == "nonce").map(|(_, nonce)| nonce.clone()).unwrap_or_default();
    let body = json!({ "encrypt": encrypted }).to_string();
    let answered = exchange(Method::POST, &endpoint.url, &query, body, "application/json", ANSWER).await?;
    let (status, answer) = answered;
    if status != 200 {
        return Err(format!("HTTP {status}"));
    }
    if answer.trim().is_empty() {
        return Ok(None);
    }
    let answer: Value = serde_json::from_str(&answer).map_err(|_| "the answer is not JSON")?;
    let text = |name: &str| answer[name].as_str().unwrap_or_default();
    if text("nonce") != nonce {
        return Err("the answer's nonce is not the callback's".to_owned());
    }
    // A number in the documents; their own library writes a text.
    let timestamp = answer["timestamp"].as_i64().map_or_else(|| text("timestamp").to_owned(), |at| at.to_string());
    if crypto::signature(&endpoint.token, &timestamp, &nonce, text("encrypt")) != text("msgsignature") {
        return Err("the answer's signature does not fit".to_owned());
    }
    let plain = crypto::open(&endpoint.key, "", text("encrypt")).ok_or("the answer cannot be decrypted")?;
    serde_json::from_str(&plain).map(Some).map_err(|_| "the decrypted answer is not JSON".to_owned())
}

/// A stream that an answer was part of: its id, and whether it is finished.
type Streamed = Option<(String, bool)>;

/// Judges an answer to something a robot was told, and shows it; returns the message, and its stream.
fn judge(
    state: &mut State,
    rules: &Rules,
    bot_id: &str,
    told_id: &str,
    reply: &Value,
    by_url: bool,
    now: Millis,
) -> Result<Option<(u64, Streamed)>, Refused> {
    let Some(robot) = state.smart_robots.get_mut(bot_id) else { return refuse(93_019, "invalid bot id") };
    let Some(told) = robot.told.get_mut(told_id) else { return refuse(846_605, "invalid req_id") };
    if told.kind == ToldKind::Feedback {
        return refuse(846_605, "invalid req_id: nothing is answered to a feedback");
    }
    let quick = told.kind != ToldKind::Message;
    if now - told.at > if quick { QUICK } else { ANSWERABLE } {
        return refuse(846_604, "req_id expired");
    }
    if quick && told.quick_answered {
        return refuse(846_606, "already answered");
    }
    let told = told.clone();
    let reader = Reader::new(reply, rules.warn_wrong_types)?;
    if let ToldKind::Press { task_id, number } = &told.kind {
        if reader.text("response_type")?.unwrap_or_default() != "update_template_card" {
            return refuse(93_050, "invalid response_type");
        }
        let new = reader.object("template_card")?;
        if new.map(|card| card.text("task_id")).transpose()?.flatten().as_ref() != Some(task_id) {
            return refuse(42_014, "invalid task_id");
        }
        if let Some(new) = reader.object("template_card")? {
            card::check_update_of_smart_robot(&new)?;
        }
        answered(state, bot_id, told_id);
        let users = reader.texts("userids")?;
        let users = if users.is_empty() { vec!["*".to_owned()] } else { users };
        let number = *number;
        if let Some(sent) = state.sent_mut(number) {
            sent.updates.extend(users.into_iter().map(|user| (user, reply.clone())));
        }
        return Ok(Some((number, None)));
    }
    let msgtype = reader.text("msgtype")?.unwrap_or_default();
    let allowed: &[&str] = match (&told.kind, by_url) {
        (ToldKind::EnterChat, _) => &["text", "template_card"],
        (_, true) => &["stream", "template_card", "stream_with_template_card"],
        (_, false) if rules.stream_with_card_on_connection => {
            &["stream", "template_card", "stream_with_template_card", "markdown", "file", "image", "voice", "video"]
        }
        (_, false) => &["stream", "template_card", "markdown", "file", "image", "voice", "video"],
    };
    if !allowed.contains(&msgtype.as_str()) {
        return refuse(40_008, "invalid message type");
    }
    check_content(&reader, &msgtype)?;
    if msgtype.starts_with("stream") {
        return stream(state, rules, bot_id, &told, reply, now).map(Some);
    }
    check_media(robot, &reader, &msgtype, now)?;
    robot.admit(&told.chat, now)?;
    answered(state, bot_id, told_id);
    Ok(Some((show(state, bot_id, &told.chat, told.group, &msgtype, reply, now), None)))
}

/// Notes that what may be answered once was: a refused answer does not count.
fn answered(state: &mut State, bot_id: &str, told_id: &str) {
    if let Some(told) = state.smart_robots.get_mut(bot_id).and_then(|robot| robot.told.get_mut(told_id)) {
        told.quick_answered = true;
    }
}

fn check_content(reader: &Reader<'_>, msgtype: &str) -> Result<(), Refused> {
    let content = |name: &str| -> Result<String, Refused> {
        Ok(reader.object(name)?.map(|body| body.text("content")).transpose()?.flatten().unwrap_or_default())
    };
    match msgtype {
        "text" | "markdown" if content(msgtype)?.is_empty() => refuse(44_004, "empty content"),
        "text" | "markdown" if content(msgtype)?.len() > CONTENT => refuse(40_058, "content too long"),
        "stream" | "stream_with_template_card" => {
            let Some(stream) = reader.object("stream")? else { return refuse(40_058, "stream missing") };
            if stream.text("id")?.unwrap_or_default().is_empty() {
                return refuse(40_058, "stream.id missing");
            }
            if stream.text("content")?.unwrap_or_default().len() > CONTENT {
                return refuse(40_058, "stream.content exceed max length 20480");
            }
            let images = stream.objects("msg_item")?;
            if images.len() > 10 || (!images.is_empty() && stream.value("finish") != Some(&Value::Bool(true))) {
                return refuse(40_058, "stream.msg_item: at most 10, and with finish only");
            }
            let feedback = stream.object("feedback")?.map(|feedback| feedback.text("id")).transpose()?.flatten();
            if feedback.is_some_and(|id| id.len() > 256) {
                return refuse(40_058, "stream.feedback.id exceed max length 256");
            }
            Ok(())
        }
        "template_card" => match reader.object("template_card")? {
            Some(new) => card::check_for_smart_robot(&new),
            None => refuse(40_058, "template_card missing"),
        },
        _ => Ok(()),
    }
}

fn check_media(robot: &SmartRobot, reader: &Reader<'_>, msgtype: &str, now: Millis) -> Result<(), Refused> {
    if !["file", "image", "voice", "video"].contains(&msgtype) {
        return Ok(());
    }
    let id = reader.object(msgtype)?.map(|body| body.text("media_id")).transpose()?.flatten().unwrap_or_default();
    if robot.media.get(&id).is_some_and(|until| now < *until) { Ok(()) } else { refuse(40_007, "invalid media_id") }
}

/// Each state of a stream replaces the one before, in one message.
fn stream(
    state: &mut State,
    rules: &Rules,
    bot_id: &str,
    told: &Told,
    reply: &Value,
    now: Millis,
) -> Result<(u64, Streamed), Refused> {
    let named = reply["stream"]["id"].as_str().unwrap_or_default().to_owned();
    // Two conversations may choose the same id.
    let id = format!("{}/{named}", told.chat);
    let finish = reply["stream"]["finish"].as_bool().unwrap_or(false);
    let known = state.smart_robots.get(bot_id).and_then(|robot| robot.streams.get(&id)).cloned();
    let known = match known {
        Some(stream) if stream.finished => return refuse(846_606, "stream is finished"),
        Some(stream) if now - stream.began > rules.stream_minutes * MINUTE => {
            return refuse(846_608, "stream message update expired");
        }
        Some(mut stream) => {
            if let Some(sent) = state.sent_mut(stream.number) {
                // What only the first state may carry stays.
                let feedback = sent.body["stream"]["feedback"].clone();
                sent.body = reply.clone();
                if !feedback.is_null() {
                    sent.body["stream"]["feedback"] = feedback;
                }
            }
            stream.finished = finish;
            stream
        }
        None => {
            if let Some(robot) = state.smart_robots.get_mut(bot_id) {
                robot.admit(&told.chat, now)?;
            }
            let number = show(state, bot_id, &told.chat, told.group, "stream", reply, now);
            StreamState { began: now, number, finished: finish }
        }
    };
    let number = known.number;
    if let Some(robot) = state.smart_robots.get_mut(bot_id) {
        robot.streams.insert(id, known);
    }
    Ok((number, Some((named, finish))))
}

fn show(state: &mut State, bot_id: &str, chat: &str, group: bool, msgtype: &str, body: &Value, now: Millis) -> u64 {
    let target = Target::SmartRobot { bot_id: bot_id.to_owned(), chat: chat.to_owned(), group };
    state.keep(Sent::new(now, target, msgtype, body.clone()))
}

/// POST /cgi-bin/aibot/response: one answer, within an hour (path/101138).
pub(crate) fn respond(world: &World, code: &str, reply: &Value) -> Result<(), Refused> {
    let now = world.clock.now();
    let mut state = world.state.lock();
    let rules = state.rules.clone();
    let owner = state.smart_robots.iter().find(|(_, robot)| robot.responses.contains_key(code));
    let Some(bot_id) = owner.map(|(id, _)| id.clone()) else { return refuse(40_058, "invalid response_code") };
    let Some(robot) = state.smart_robots.get_mut(&bot_id) else { return refuse(40_058, "invalid response_code") };
    let reader = Reader::new(reply, rules.warn_wrong_types)?;
    let msgtype = reader.text("msgtype")?.unwrap_or_default();
    let Some((told, at)) = robot.responses.get(code).cloned() else { return refuse(40_058, "invalid response_code") };
    let fits = msgtype == "markdown" || (msgtype == "template_card" && !told.group);
    if !fits {
        return refuse(40_008, "invalid message type");
    }
    check_content(&reader, &msgtype)?;
    robot.responses.remove(code);
    if now - at > HOUR {
        return refuse(40_058, "response_code expired");
    }
    let number = show(&mut state, &bot_id, &told.chat, told.group, &msgtype, reply, now);
    drop(state);
    world.announce(number);
    Ok(())
}

/// Carries out a command that came over a robot's connection; what it is acknowledged with.
pub(crate) fn command(world: &World, bot_id: &str, cmd: &str, req_id: &str, body: &Value) -> Result<Value, Refused> {
    let now = world.clock.now();
    let mut state = world.state.lock();
    let rules = state.rules.clone();
    match cmd {
        "aibot_respond_msg" | "aibot_respond_welcome_msg" | "aibot_respond_update_msg" => {
            let kind = state.smart_robots.get(bot_id).and_then(|robot| robot.told.get(req_id)).map(|told| &told.kind);
            let fits = match (cmd, kind) {
                (_, None) => true,
                // Tencent's own client greets with a card by it, too.
                ("aibot_respond_msg", Some(kind)) => !matches!(kind, ToldKind::Press { .. }),
                ("aibot_respond_welcome_msg", Some(kind)) => *kind == ToldKind::EnterChat,
                (_, Some(kind)) => matches!(kind, ToldKind::Press { .. }),
            };
            if !fits {
                return refuse(846_605, "invalid req_id for this cmd");
            }
            let judged = judge(&mut state, &rules, bot_id, req_id, body, false, now)?;
            drop(state);
            if let Some((number, _)) = judged {
                world.announce(number);
            }
            Ok(Value::Null)
        }
        "aibot_send_msg" => {
            let Some(robot) = state.smart_robots.get_mut(bot_id) else { return refuse(93_019, "invalid bot id") };
            let reader = Reader::new(body, rules.warn_wrong_types)?;
            let chat = reader.text("chatid")?.unwrap_or_default();
            let group = match reader.int("chat_type")?.unwrap_or(0) {
                1 => Some(false),
                2 => Some(true),
                0 => None,
                _ => return refuse(40_058, "invalid chat_type"),
            };
            // The member must have written to the robot there before.
            let spoken = robot.told.values().find(|told| {
                told.kind == ToldKind::Message && told.chat == chat && group.is_none_or(|group| group == told.group)
            });
            let Some(group) = spoken.map(|told| told.group) else { return refuse(93_006, "invalid chatid") };
            let msgtype = reader.text("msgtype")?.unwrap_or_default();
            if !["markdown", "template_card", "file", "image", "voice", "video"].contains(&msgtype.as_str()) {
                return refuse(40_008, "invalid message type");
            }
            check_content(&reader, &msgtype)?;
            check_media(robot, &reader, &msgtype, now)?;
            robot.admit(&chat, now)?;
            let number = show(&mut state, bot_id, &chat, group, &msgtype, body, now);
            drop(state);
            world.announce(number);
            Ok(Value::Null)
        }
        "aibot_upload_media_init" | "aibot_upload_media_chunk" | "aibot_upload_media_finish" => {
            let Some(robot) = state.smart_robots.get_mut(bot_id) else { return refuse(93_019, "invalid bot id") };
            upload(robot, cmd, body, now)
        }
        _ => refuse(40_058, "unknown cmd"),
    }
}

fn upload(robot: &mut SmartRobot, cmd: &str, body: &Value, now: Millis) -> Result<Value, Refused> {
    const CHUNK: usize = 512 * 1024;
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let number = |name: &str| body[name].as_u64().unwrap_or_default();
    if cmd == "aibot_upload_media_init" {
        let (kind, total, count) = (text("type"), number("total_size"), number("total_chunks"));
        if !["file", "image", "voice", "video"].contains(&kind.as_str()) || text("filename").len() > 256 {
            return refuse(846_697, "invalid file type or name");
        }
        let most = match kind.as_str() {
            "voice" => 2,
            "file" => 20,
            _ => 10,
        };
        if !(5..=most * 1024 * 1024).contains(&total) || !(1..=100).contains(&count) {
            return refuse(40_058, "invalid total_size or total_chunks");
        }
        let windows =
            robot.upload_windows.get_or_insert_with(|| (Window::new(LIMITS.0, MINUTE), Window::new(LIMITS.1, HOUR)));
        if !windows.0.fits(now) || !windows.1.fits(now) {
            return refuse(846_607, "upload frequency limit exceeded");
        }
        windows.0.count(now);
        windows.1.count(now);
        let id = random_id(32);
        let upload = Upload {
            total: usize::try_from(total).unwrap_or(usize::MAX),
            chunks: HashMap::new(),
            count: usize::try_from(count).unwrap_or(usize::MAX),
            md5: text("md5"),
            kind,
            until: now + UPLOAD_LIFE,
        };
        robot.uploads.insert(id.clone(), upload);
        return Ok(json!({ "upload_id": id }));
    }
    let id = text("upload_id");
    let live = robot.uploads.get_mut(&id).filter(|upload| now < upload.until);
    let Some(upload) = live else { return refuse(846_611, "invalid upload_id") };
    if cmd == "aibot_upload_media_chunk" {
        let data = base64::engine::general_purpose::STANDARD.decode(text("base64_data"));
        let Ok(data) = data else { return refuse(846_613, "invalid chunk") };
        if data.is_empty() || data.len() > CHUNK {
            return refuse(846_613, "invalid chunk size");
        }
        // Counted from 0 by Tencent's client, from 1 in the page's sample: they come in any order, and the end tells.
        let index = number("chunk_index");
        if index > upload.count as u64 {
            return refuse(846_612, "invalid chunk_index");
        }
        upload.chunks.insert(index, Bytes::from(data));
        return Ok(Value::Null);
    }
    let mut whole = BytesMut::new();
    let first = u64::from(!upload.chunks.contains_key(&0));
    for index in first..first + upload.count as u64 {
        let Some(chunk) = upload.chunks.get(&index) else { return refuse(846_616, "upload unfinished") };
        whole.extend_from_slice(chunk);
    }
    if whole.len() != upload.total {
        return refuse(846_616, "upload unfinished");
    }
    if !upload.md5.is_empty() && upload.md5 != hex::encode(Md5::digest(&whole)) {
        return refuse(301_019, "md5 mismatch");
    }
    let kind = upload.kind.clone();
    robot.uploads.remove(&id);
    let media_id = random_id(64);
    robot.media.insert(media_id.clone(), now + MEDIA_LIFE);
    Ok(json!({ "type": kind, "media_id": media_id, "created_at": (now / 1000).to_string() }))
}

/// What a connection is told before it ends, because another took its place.
pub(crate) fn disconnected(bot_id: &str, now: Millis) -> Value {
    let mut body = Map::new();
    body.insert("msgid".to_owned(), random_id(36).into());
    body.insert("create_time".to_owned(), (now / 1000).into());
    body.insert("aibotid".to_owned(), bot_id.into());
    body.insert("msgtype".to_owned(), "event".into());
    body.insert("event".to_owned(), json!({ "eventtype": "disconnected_event" }));
    json!({ "cmd": "aibot_event_callback", "headers": { "req_id": random_id(32) }, "body": body })
}

/// Keys of robots, by their ids; the demo company has one.
pub(crate) type SmartRobots = std::collections::BTreeMap<String, SmartRobot>;
