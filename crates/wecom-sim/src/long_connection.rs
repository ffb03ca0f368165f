//! The WebSocket of smart robots (path/101463): subscribes, acknowledges, hands callbacks over. One connection a robot.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::fault::Trouble;
use crate::rules::Refused;
use crate::smart_robot::{command, disconnected};
use crate::world::{Logged, World};

/// The path under which commands are logged, and met by faults.
const PATH: &str = "/aibot";

/// Serves a connection to its end.
pub(crate) async fn serve(world: Arc<World>, socket: WebSocket) {
    let (mut out, mut incoming) = socket.split();
    let (told, mut to_tell) = mpsc::unbounded_channel::<Value>();
    let mut bot_id: Option<String> = None;
    loop {
        let answer = tokio::select! {
            frame = to_tell.recv() => match frame {
                Some(frame) => Some(frame),
                None => break,
            },
            message = incoming.next() => {
                let text = match message {
                    Some(Ok(Message::Text(text))) => text,
                    Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => continue,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                };
                match answer(&world, &mut bot_id, &told, &text).await {
                    Answered::With(answer) => Some(answer),
                    Answered::Never => None,
                    Answered::Broken => break,
                }
            }
        };
        let Some(answer) = answer else { continue };
        let last = answer["body"]["event"]["eventtype"] == "disconnected_event";
        if out.send(Message::Text(answer.to_string().into())).await.is_err() || last {
            break;
        }
    }
    if let Some(bot_id) = bot_id {
        leave(&world, &bot_id, &told);
    }
    // A client that has gone does not mind.
    let _closed = tokio::time::timeout(Duration::from_secs(1), out.close()).await;
}

/// Forgets a connection, unless another has taken its place.
fn leave(world: &World, bot_id: &str, own: &mpsc::UnboundedSender<Value>) {
    if let Some(robot) = world.state.lock().smart_robots.get_mut(bot_id)
        && robot.connection.as_ref().is_some_and(|connection| connection.same_channel(own))
    {
        robot.connection = None;
    }
}

/// What becomes of a frame.
enum Answered {
    With(Value),
    Never,
    /// The connection breaks.
    Broken,
}

/// Acknowledges a frame, unless trouble keeps it from being answered.
async fn answer(
    world: &Arc<World>,
    bot_id: &mut Option<String>,
    told: &mpsc::UnboundedSender<Value>,
    text: &str,
) -> Answered {
    let frame: Value = serde_json::from_str(text).unwrap_or_default();
    let cmd = frame["cmd"].as_str().unwrap_or_default().to_owned();
    let req_id = frame["headers"]["req_id"].as_str().unwrap_or_default().to_owned();
    let trouble = world.state.lock().faults.meet(&format!("{PATH}/{cmd}"), bot_id.as_deref(), None);
    let result = match &trouble {
        Some(Trouble::Errcode { errcode, errmsg }) => {
            Err(Refused { errcode: *errcode, errmsg: errmsg.clone().unwrap_or_else(|| "scripted".to_owned()) })
        }
        Some(trouble) if !trouble.is_taken() => Ok(Value::Null),
        _ => carry_out(world, bot_id, told, &cmd, &req_id, &frame["body"]),
    };
    let (errcode, errmsg, body) = match result {
        Ok(body) => (0, "ok".to_owned(), body),
        Err(refused) => (refused.errcode, refused.errmsg, Value::Null),
    };
    log(world, &cmd, errcode, bot_id.as_deref(), text);
    match trouble {
        None | Some(Trouble::Errcode { .. }) => {}
        Some(Trouble::Delay { ms }) => tokio::time::sleep(Duration::from_millis(ms)).await,
        Some(Trouble::Hang | Trouble::Stall) => return Answered::Never,
        Some(_) => return Answered::Broken,
    }
    let mut acknowledgement = json!({ "headers": { "req_id": req_id }, "errcode": errcode, "errmsg": errmsg });
    if !body.is_null() {
        acknowledgement["body"] = body;
    }
    Answered::With(acknowledgement)
}

fn carry_out(
    world: &World,
    bot_id: &mut Option<String>,
    told: &mpsc::UnboundedSender<Value>,
    cmd: &str,
    req_id: &str,
    body: &Value,
) -> Result<Value, Refused> {
    match (cmd, bot_id.as_deref()) {
        ("aibot_subscribe", _) => subscribe(world, body, bot_id, told),
        (_, None) => crate::rules::refuse(846_609, "not subscribed"),
        ("ping", Some(_)) => Ok(Value::Null),
        (cmd, Some(bot_id)) => command(world, bot_id, cmd, req_id, body),
    }
}

fn subscribe(
    world: &World,
    body: &Value,
    bot_id: &mut Option<String>,
    told: &mpsc::UnboundedSender<Value>,
) -> Result<Value, Refused> {
    let id = body["bot_id"].as_str().unwrap_or_default();
    let now = world.clock.now();
    let mut state = world.state.lock();
    let Some(robot) = state.smart_robots.get_mut(id) else {
        return crate::rules::refuse(93_019, "invalid bot id");
    };
    if body["secret"].as_str() != Some(&robot.secret) {
        return crate::rules::refuse(853_000, "invalid secret");
    }
    if robot.url.is_some() {
        return crate::rules::refuse(846_601, "not in long connection mode");
    }
    let old = robot.connection.replace(told.clone());
    if let Some(old) = old.filter(|old| !old.same_channel(told)) {
        // It may have gone already.
        let _gone = old.send(disconnected(id, now));
    }
    *bot_id = Some(id.to_owned());
    Ok(Value::Null)
}

fn log(world: &World, cmd: &str, errcode: i64, bot_id: Option<&str>, body: &str) {
    let secret_free = if cmd == "aibot_subscribe" { String::new() } else { body.to_owned() };
    let logged = Logged {
        number: 0,
        at: world.clock.now(),
        method: "WS".to_owned(),
        path: format!("{PATH}/{cmd}"),
        key: bot_id.map(str::to_owned),
        errcode: Some(errcode),
        body: secret_free,
    };
    world.requests.lock().add(logged);
}
