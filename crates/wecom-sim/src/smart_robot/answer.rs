//! What a robot answers or writes, judged and shown (path/101031, path/101138, path/101463).

use serde_json::Value;

use super::upload::upload;
use super::{SmartRobot, StreamState, Told, ToldKind};
use crate::clock::{DAY, HOUR, MINUTE, Millis, SECOND};
use crate::routes::reader::Reader;
use crate::rules::{Refused, Rules, card, refuse};
use crate::world::{Sent, State, Target, World};

/// How long an answer to a press or to entering a chat may take (path/101463).
const QUICK: Millis = 5 * SECOND;
/// How long a message may be answered (path/101463).
const ANSWERABLE: Millis = DAY;
/// Bytes of a text (path/101031).
const CONTENT: usize = 20_480;

/// A stream that an answer was part of: its id, and whether it is finished.
pub(super) type Streamed = Option<(String, bool)>;

/// Judges an answer to something a robot was told, and shows it; returns the message, and its stream.
pub(super) fn judge(
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
            if msgtype == "stream_with_template_card"
                && let Some(card) = reader.object("template_card")?
            {
                card::check_for_smart_robot(&card)?;
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
                let (feedback, card) = (sent.body["stream"]["feedback"].clone(), sent.body["template_card"].clone());
                sent.body = reply.clone();
                if !feedback.is_null() {
                    sent.body["stream"]["feedback"] = feedback;
                }
                if !card.is_null() {
                    sent.body["template_card"] = card;
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
