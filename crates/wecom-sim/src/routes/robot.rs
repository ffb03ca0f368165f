//! POST /cgi-bin/webhook/send (path/99110): a robot's message to its group.

use super::reader::{self, Reader};
use super::{Answer, Call, nothing};
use crate::rules::{Refused, refuse, robot_content};
use crate::world::{MediaOwner, Sent, Target, World};

pub(super) fn send(world: &World, call: &Call) -> Result<Answer, Refused> {
    let now = world.clock.now();
    let mut state = world.state.lock();
    let key = call.query.get("key").cloned().unwrap_or_default();
    let group = match state.robots.get(&key) {
        Some(robot) if !robot.removed => robot.group.clone(),
        _ => return refuse(93_000, "invalid webhook url"),
    };
    if call.method != axum::http::Method::POST || call.body.is_empty() {
        return refuse(93_017, "request content empty");
    }
    let (body, off) = reader::parse(&call.body, state.rules.warn_wrong_types);
    let request = Reader::new(&body, state.rules.warn_wrong_types)?;
    if off {
        request.note_warning();
    }
    let msgtype = request.text("msgtype")?.unwrap_or_default();
    let owner = MediaOwner::Robot(key.clone());
    let media = |id: &str, kind: &str| state.usable_media(id, &owner, kind, now);
    let checked = robot_content::check(&request, &msgtype, &state.rules, &media);
    checked.map_err(|refused| request.warning_before(refused))?;
    let warned = request.warned();
    drop(request);
    // What is refused for its content costs no slot: the page limits messages, not calls.
    if let Some(robot) = state.robots.get_mut(&key)
        && !robot.window.admit_or_block(now)
    {
        return refuse(45_009, "api freq out of limit");
    }
    let target = Target::Robot { key, group };
    let number = state.keep(Sent::new(now, target, &msgtype, body));
    world.announce(number);
    let mut answer = Answer::ok(nothing());
    answer.warn(warned);
    Ok(answer)
}
