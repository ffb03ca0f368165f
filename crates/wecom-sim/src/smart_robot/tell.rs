//! Telling a robot something: what it looks like, and by which way it goes (path/100719, path/101027).

use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};

use super::answer::judge;
use super::{RobotSaid, RobotTold, RobotWhat, Told, ToldKind};
use crate::callback::{Endpoint, exchange, signed_query};
use crate::clock::{MINUTE, Millis};
use crate::crypto;
use crate::event::Press;
use crate::routes::random_id;
use crate::world::{State, World};

/// How long a file that a member sent can be fetched (path/100719).
const FILE_LIFE: Millis = 5 * MINUTE;
/// How often an unfinished stream is asked for by URL; not documented.
const REFRESH: Duration = Duration::from_millis(300);
/// How long an answer by URL may take (path/101033).
const ANSWER: Duration = Duration::from_secs(5);

/// Tells a robot something, over its connection or by its URL, and sees an answer by URL to its end.
pub(crate) async fn tell(world: &World, said: &RobotSaid) -> RobotTold {
    let msgid = said.msgid.clone().unwrap_or_else(|| random_id(36));
    let req_id = random_id(32);
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
    let nobody = || "there is no such robot".to_owned();
    let url = state.smart_robots.get(&said.bot_id).ok_or_else(nobody)?.url.clone();
    let group = said.chatid.is_some();
    let chat = said.chatid.clone().unwrap_or_else(|| said.userid.clone());
    let mut body = json!({
        "msgid": msgid, "aibotid": said.bot_id, "chattype": if group { "group" } else { "single" },
        "from": { "userid": said.userid },
    });
    if let Some(chatid) = &said.chatid {
        body["chatid"] = chatid.clone().into();
    }
    let kind = match message(world, state, said, url.as_ref())? {
        Some((msgtype, content)) => {
            (body["msgtype"], body[msgtype]) = (msgtype.into(), content);
            ToldKind::Message
        }
        None => {
            let (kind, name, payload) = event(state, said)?;
            (body["msgtype"], body["create_time"]) = ("event".into(), (now / 1000).into());
            body["event"] = json!({ "eventtype": name, name: payload });
            kind
        }
    };
    if let RobotWhat::Quote { quoted, .. } = &said.what {
        body["quote"] = json!({ "msgtype": "text", "text": { "content": quoted } });
    }
    let answerable = matches!(kind, ToldKind::Message | ToldKind::Press { .. });
    let told = Told { kind, chat, group, at: now, quick_answered: false };
    let robot = state.smart_robots.get_mut(&said.bot_id).ok_or_else(nobody)?;
    if url.is_some() && answerable {
        let code = random_id(43);
        robot.responses.insert(code.clone(), (told.clone(), now));
        body["response_url"] = format!("{}/cgi-bin/aibot/response?response_code={code}", world.origin()).into();
    }
    robot.told.insert(req_id.to_owned(), told.clone());
    robot.told.insert(msgid.to_owned(), told);
    Ok((body, url))
}

/// A message's type and content; `None` for what is an event (path/100719).
fn message(
    world: &World,
    state: &mut State,
    said: &RobotSaid,
    url: Option<&Endpoint>,
) -> Result<Option<(&'static str, Value)>, String> {
    let group = said.chatid.is_some();
    let message = match &said.what {
        RobotWhat::Text(text) if group => ("text", json!({ "content": format!("@{} {text}", said.bot_id) })),
        RobotWhat::Text(text) | RobotWhat::Quote { text, .. } => ("text", json!({ "content": text })),
        RobotWhat::Mixed { text, image } => {
            let image = served(world, state, url, "image.jpg", image);
            let items = json!([
                { "msgtype": "text", "text": { "content": text } }, { "msgtype": "image", "image": image },
            ]);
            ("mixed", json!({ "msg_item": items }))
        }
        RobotWhat::Press { .. } | RobotWhat::Feedback { .. } => return Ok(None),
        _ if group => return Err("in groups a robot hears texts and mixed messages only".to_owned()),
        RobotWhat::EnterChat => return Ok(None),
        RobotWhat::Voice(text) => ("voice", json!({ "content": text })),
        RobotWhat::File { name, content } => ("file", served(world, state, url, name, content)),
        RobotWhat::Image(content) => ("image", served(world, state, url, "image.jpg", content)),
        RobotWhat::Video(content) => ("video", served(world, state, url, "video.mp4", content)),
    };
    Ok(Some(message))
}

/// An event: what may answer it, its name, and its payload (path/101027).
fn event(state: &mut State, said: &RobotSaid) -> Result<(ToldKind, &'static str, Value), String> {
    match &said.what {
        RobotWhat::Press { number, key, selected } => {
            let card = state.sent_mut(*number).and_then(|sent| sent.body.get("template_card").cloned());
            let card = card.ok_or("there is no such card")?;
            let press =
                Press { number: *number, userid: said.userid.clone(), key: key.clone(), selected: selected.clone() };
            if !press.fits(&card) {
                return Err("the card has no such button".to_owned());
            }
            let task_id = card["task_id"].as_str().unwrap_or_default().to_owned();
            let mut payload = json!({ "card_type": card["card_type"], "event_key": key, "task_id": task_id });
            if !selected.is_empty() {
                let item = |(question, options): &(String, Vec<String>)| {
                    let option_ids = json!({ "option_id": options });
                    json!({ "question_key": question, "option_ids": option_ids })
                };
                payload["selected_items"] = json!({ "selected_item": selected.iter().map(item).collect::<Vec<_>>() });
            }
            Ok((ToldKind::Press { task_id, number: *number }, "template_card_event", payload))
        }
        RobotWhat::Feedback { id, kind } => {
            let mut payload = json!({ "id": id, "type": kind });
            if *kind == 2 {
                (payload["content"], payload["inaccurate_reason_list"]) = ("".into(), json!([2]));
            }
            Ok((ToldKind::Feedback, "feedback_event", payload))
        }
        _ => Ok((ToldKind::EnterChat, "enter_chat", json!({}))),
    }
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
    let mut stream_id: Option<String> = None;
    loop {
        told.replies.push(reply.clone());
        let stream = {
            let mut state = world.state.lock();
            let now = world.clock.now();
            let rules = state.rules.clone();
            let judged = judge(&mut state, &rules, &said.bot_id, &told.msgid, &reply, true, now);
            judged.map_err(|refused| format!("{}: {}", refused.errcode, refused.errmsg))?
        };
        if let Some((number, _)) = &stream {
            world.announce(*number);
        }
        let Some((_, Some((id, false)))) = stream else { break };
        if reply["stream"]["id"]
            .as_str()
            .is_some_and(|first| stream_id.get_or_insert_with(|| first.to_owned()) != first)
        {
            return Err("a refresh was answered with another stream".to_owned());
        }
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
