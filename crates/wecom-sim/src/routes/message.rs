//! POST /cgi-bin/message/send (path/90236) and /cgi-bin/message/recall (path/94867).

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::reader::{self, Reader};
use super::session::Session;
use super::{Answer, Call, app_of, authorise, card, nothing, random_id};
use crate::clock::{DAY, Millis};
use crate::rules::recipients::{Addressed, Resolved};
use crate::rules::{Refused, Rules, app_content, refuse};
use crate::world::{App, MediaOwner, Sent, State, Target, Token, World};

const MAX_DUPLICATE_INTERVAL: i64 = 4 * 3600;
/// Bytes of a text; longer is cut (path/90236).
const TEXT_BYTES: usize = 2048;
const DEFAULT_DUPLICATE_INTERVAL: i64 = 1800;
/// WeCom's day is China's (path/90312).
const SHANGHAI: Millis = 8 * crate::clock::HOUR;

pub(super) fn send(world: &World, call: &Call) -> Result<Answer, Refused> {
    let now = world.clock.now();
    // What needs nobody else is done before the world is held.
    let (mut body, warned) = reader::parse(&call.body, true);
    let msgid = random_id(63);
    let mut state = world.state.lock();
    let token = authorise(&state, call, now)?;
    let app = app_of(&state, &token)?;
    // With GET the body is not seen.
    if call.method != axum::http::Method::POST {
        return refuse(40_058, "invalid Request Parameter");
    }
    if warned && !state.rules.warn_wrong_types {
        body = Value::Null;
    }
    let checked = {
        let request = Reader::new(&body, state.rules.warn_wrong_types)?;
        if warned {
            request.note_warning();
        }
        let checked = check(&request, &state, &token, &app, now).map_err(|refused| request.warning_before(refused))?;
        Checked { warned: request.warned(), ..checked }
    };
    let Checked { msgtype, mut resolved, duplicate_until, calls_back, warned } = checked;
    if msgtype == "text" && state.rules.cut_long_text || msgtype == "markdown" && state.rules.cut_long_markdown {
        cut(&mut body, &msgtype);
    }
    let mut app = app.lock();
    let check = duplicate_until.map(|until| (<[u8; 32]>::from(Sha256::digest(&call.body)), until));
    app.forget_checked(now);
    if check.is_some_and(|(hash, _)| app.checked.get(&hash).is_some_and(|until| *until > now)) {
        let shown = state.rules.fresh_msgid_for_duplicates.then_some(msgid);
        let mut answer = listing(&resolved, warned);
        answer.0.extend(shown.clone().map(|msgid| ("msgid".to_owned(), msgid.into())));
        let agentid = token.agentid.unwrap_or_default();
        let target = Target::App { agentid, users: Vec::new(), dropped: Vec::new() };
        let sent = Sent { msgid: shown, swallowed: true, ..Sent::new(now, target, &msgtype, body) };
        let number = state.keep(sent);
        world.announce(number);
        return Ok(answer);
    }
    let task_id = body.pointer("/template_card/task_id").and_then(Value::as_str).filter(|id| !id.is_empty());
    if task_id.is_some_and(|id| app.task_ids.contains(id)) {
        return refuse(42_014, "invalid task_id");
    }
    let account_limit = state.corps.get(&token.corp).map_or(0, |corp| corp.account_limit);
    admit_today(&mut app, resolved.reached.len(), account_limit * 200, now)?;
    app.task_ids.extend(task_id.map(str::to_owned));
    // Only what was taken can be received again.
    if let Some((hash, until)) = check {
        app.checked.insert(hash, until);
    }
    let reached = std::mem::take(&mut resolved.reached);
    let (users, dropped) = reached.into_iter().partition(|userid| app.admit_to(userid, now));
    let target = Target::App { agentid: token.agentid.unwrap_or_default(), users, dropped };
    drop(app);
    let number = state.keep(Sent { msgid: Some(msgid.clone()), ..Sent::new(now, target, &msgtype, body) });
    let code = calls_back.then(|| card::code_for_sender(&mut state, token.agentid.unwrap_or_default(), number, now));
    drop(state);
    let mut answer = listing(&resolved, warned);
    answer.0.insert("msgid".to_owned(), msgid.into());
    answer.0.extend(code.map(|code| ("response_code".to_owned(), code.into())));
    world.announce(number);
    Ok(answer)
}

/// A request that passed every rule.
struct Checked {
    msgtype: String,
    resolved: Resolved,
    /// Until when an identical request is swallowed, if it asked for the check.
    duplicate_until: Option<Millis>,
    calls_back: bool,
    warned: bool,
}

fn check(
    request: &Reader<'_>,
    state: &State,
    token: &Token,
    app: &Arc<Mutex<App>>,
    now: Millis,
) -> Result<Checked, Refused> {
    let msgtype = request.text("msgtype")?.unwrap_or_default();
    // The table and sample of a mini-program notice have no agentid.
    match request.int("agentid")? {
        None if msgtype == "miniprogram_notice" => {}
        None if request.has("agentid") => return refuse(40_056, "invalid agentid"),
        None => return refuse(41_011, "agentid missing"),
        id if id == token.agentid => {}
        Some(_) => {
            return refuse(301_002, "not allow operate another agent with this accesstoken.");
        }
    }
    let addressed = Addressed::read(request)?;
    if msgtype == "miniprogram_notice" && addressed.everybody() {
        return refuse(40_058, "miniprogram_notice does not support @all");
    }
    let duplicate_until = duplicate_interval(request, &state.rules)?.map(|seconds| now + seconds * 1000);
    let owner = MediaOwner::Corp(token.corp.clone());
    let media = |id: &str, kind: &str| state.usable_media(id, &owner, kind, now);
    let app = app.lock();
    let calls_back = app_content::Context { rules: &state.rules, app: &app, media: &media }.check(request, &msgtype)?;
    let resolved = match state.corps.get(&token.corp) {
        Some(corp) => addressed.resolve(corp, &app)?,
        None => return refuse(40_013, "invalid corpid"),
    };
    Ok(Checked { msgtype, resolved, duplicate_until, calls_back, warned: false })
}

/// Cuts a text as WeCom does: at its limit, without breaking a character.
fn cut(body: &mut Value, msgtype: &str) {
    if let Some(Value::String(content)) = body.get_mut(msgtype).and_then(|object| object.get_mut("content")) {
        content.truncate(content.floor_char_boundary(TEXT_BYTES));
    }
}

/// `invaliduser` is there even when empty, the other lists only when they are not.
fn listing(resolved: &Resolved, warned: bool) -> Answer {
    let mut answer = Answer::ok(Value::Null);
    answer.warn(warned);
    answer.0.insert("invaliduser".to_owned(), resolved.invalid_users.join("|").into());
    for (name, ids) in [
        ("invalidparty", &resolved.invalid_parties),
        ("invalidtag", &resolved.invalid_tags),
        ("unlicenseduser", &resolved.unlicensed),
    ] {
        if !ids.is_empty() {
            answer.0.insert(name.to_owned(), ids.join("|").into());
        }
    }
    answer
}

fn duplicate_interval(request: &Reader<'_>, rules: &Rules) -> Result<Option<i64>, Refused> {
    let enabled = request.int("enable_duplicate_check")?.unwrap_or(0) == 1;
    let interval = request.int("duplicate_check_interval")?.unwrap_or(DEFAULT_DUPLICATE_INTERVAL);
    if interval > MAX_DUPLICATE_INTERVAL && !rules.clamp_duplicate_interval {
        return refuse(40_058, "duplicate_check_interval exceed max 14400. invalid Request Parameter");
    }
    Ok(enabled.then_some(interval.clamp(0, MAX_DUPLICATE_INTERVAL)))
}

/// Counts person-times against the day's quota; over it is 45009 until midnight in Shanghai.
fn admit_today(app: &mut App, people: usize, quota: usize, now: Millis) -> Result<(), Refused> {
    let day = (now + SHANGHAI) / DAY;
    if app.today.0 != day {
        app.today = (day, 0);
    }
    if app.today.1 + people > quota {
        return refuse(45_009, "api freq out of limit");
    }
    app.today.1 += people;
    Ok(())
}

pub(super) fn recall(world: &World, call: &Call) -> Result<Answer, Refused> {
    let now = world.clock.now();
    let mut state = world.state.lock();
    let token = authorise(&state, call, now)?;
    app_of(&state, &token)?;
    if call.method != axum::http::Method::POST {
        return refuse(40_058, "invalid Request Parameter");
    }
    let (body, _) = reader::parse(&call.body, state.rules.warn_wrong_types);
    let msgid = Reader::new(&body, state.rules.warn_wrong_types)?.text("msgid")?.unwrap_or_default();
    let number = state.msgids.get(&msgid).copied();
    let sent = number.and_then(|number| state.sent_mut(number));
    let own = |sent: &&mut Sent| matches!(sent.target, Target::App { agentid, .. } if Some(agentid) == token.agentid);
    // A foreign message and an unknown one are the same to WeCom.
    let Some(sent) = sent.filter(own) else {
        return refuse(40_058, "invalid msgid. invalid Request Parameter");
    };
    if now - sent.at > DAY {
        return refuse(42_052, "msgid expired");
    }
    sent.recalled = true;
    world.announce(sent.number);
    Ok(Answer::ok(nothing()))
}

/// POST /cgi-bin/message/get_statistics (path/92369): person-times of a day, by application.
pub(super) fn get_statistics(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::post(world, call)?;
    let day = match session.request()?.int("time_type")?.unwrap_or(0) {
        0 => (session.now + SHANGHAI) / DAY,
        1 => (session.now + SHANGHAI) / DAY - 1,
        _ => return refuse(40_058, "invalid time_type. invalid Request Parameter"),
    };
    let mut counts = std::collections::BTreeMap::new();
    for sent in session.state.sent.iter().filter(|sent| (sent.at + SHANGHAI) / DAY == day) {
        if let Target::App { agentid, users, .. } = &sent.target {
            *counts.entry(*agentid).or_insert(0) += users.len();
        }
    }
    let name = |agentid: &i64| {
        let app = session.corp().ok()?.apps.get(agentid)?;
        Some(app.lock().name.clone())
    };
    let shown = |(agentid, count): (i64, usize)| json!({ "agentid": agentid, "app_name": name(&agentid).unwrap_or_default(), "count": count });
    Ok(Answer::ok(json!({ "statistics": counts.into_iter().map(shown).collect::<Vec<_>>() })))
}
