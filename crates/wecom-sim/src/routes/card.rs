//! POST /cgi-bin/message/update_template_card (path/94888) and `update_taskcard` (path/91579): a card that was sent
//! is replaced, by a code that is good once.

use serde_json::{Value, json};

use super::reader::Reader;
use super::session::Session;
use super::{Answer, Call, random_id};
use crate::clock::{HOUR, Millis};
use crate::rules::{Refused, card, refuse};
use crate::world::{MediaOwner, State, Target, World};

/// How long a code from sending is good; one from an event may be told to live shorter (path/94888, path/90240).
const SENT_CODE_LIFE: Millis = 72 * HOUR;

/// A code by which a card may be updated.
#[derive(Clone, Debug)]
pub(crate) struct ResponseCode {
    pub(crate) agentid: i64,
    /// The message that holds the card.
    pub(crate) number: u64,
    pub(crate) until: Millis,
}

/// Makes a code for a card that was just sent.
pub(crate) fn code_for_sender(state: &mut State, agentid: i64, number: u64, now: Millis) -> String {
    make(state, ResponseCode { agentid, number, until: now + SENT_CODE_LIFE })
}

/// Makes a code for a member's click.
pub(crate) fn code_for_click(state: &mut State, agentid: i64, number: u64, now: Millis) -> String {
    let hours = state.rules.event_code_hours;
    make(state, ResponseCode { agentid, number, until: now + hours * HOUR })
}

fn make(state: &mut State, code: ResponseCode) -> String {
    let text = random_id(43);
    state.response_codes.insert(text.clone(), code);
    text
}

pub(super) fn update(world: &World, call: &Call) -> Result<Answer, Refused> {
    let mut session = Session::post(world, call)?;
    let request = session.request()?;
    let (agentid, _) = session.own_app(request.int("agentid")?)?;
    let text = request.text("response_code")?.unwrap_or_default();
    let now = session.now;
    let Some(code) = session.state.response_codes.get(&text).filter(|code| code.until > now).cloned() else {
        return refuse(60_140, "invalid response_code");
    };
    if code.agentid != agentid {
        return refuse(42_015, "the card was sent by another agent");
    }
    let button = request.object("button")?;
    let new_card = request.object("template_card")?;
    match (&button, &new_card) {
        (Some(button), None) if button.text("replace_name")?.unwrap_or_default().is_empty() => {
            return refuse(42_020, "button.replace_name missing");
        }
        (Some(_), None) => {}
        (None, Some(new_card)) => {
            let owner = MediaOwner::Corp(session.token.corp.clone());
            let media = |id: &str| session.state.usable_media(id, &owner, "file", now);
            card::check_replacement(new_card, &media)?;
        }
        _ => return refuse(40_058, "button or template_card missing. invalid Request Parameter"),
    }
    let kind = session.state.sent.iter().find(|sent| sent.number == code.number);
    let kind = kind.and_then(|sent| sent.body.pointer("/template_card/card_type")).and_then(Value::as_str);
    // Cards without buttons have none to disable (path/94888).
    if button.is_some() && matches!(kind, Some("text_notice" | "news_notice")) {
        return refuse(42_017, "the card has no button");
    }
    let had = recipients(&session, code.number);
    let (wanted, invalid) = wanted(&session, &request, &had)?;
    if wanted.is_empty() {
        return refuse(82_102, "nobody of these has the card");
    }
    let update = session.body().clone();
    session.state.response_codes.remove(&text);
    apply(world, &mut session, code.number, &wanted, &update);
    Ok(Answer::ok(json!({ "invaliduser": invalid })))
}

fn recipients(session: &Session<'_>, number: u64) -> Vec<String> {
    let sent = session.state.sent.iter().find(|sent| sent.number == number);
    match sent.map(|sent| &sent.target) {
        Some(Target::App { users, .. }) => users.clone(),
        _ => Vec::new(),
    }
}

/// Whose copies are meant, and who is named in vain.
fn wanted(session: &Session<'_>, request: &Reader<'_>, had: &[String]) -> Result<(Vec<String>, Vec<String>), Refused> {
    if request.int("atall")? == Some(1) {
        return Ok((had.to_vec(), Vec::new()));
    }
    let (users, parties, tags) =
        (request.texts("userids")?, super::ids(request, "partyids")?, super::ids(request, "tagids")?);
    if users.len() > 1000 || parties.len() > 100 || tags.len() > 100 {
        return refuse(40_032, "invalid userid list size");
    }
    if users.is_empty() && parties.is_empty() && tags.is_empty() {
        return refuse(82_101, "update target empty");
    }
    let corp = session.corp()?;
    let (mut wanted, mut invalid) = (Vec::new(), Vec::new());
    for user in users {
        match had.iter().find(|had| had.eq_ignore_ascii_case(&user)) {
            Some(had) => wanted.push(had.clone()),
            None => invalid.push(user.to_lowercase()),
        }
    }
    let of_parties = parties.into_iter().flat_map(|party| corp.members_of(party));
    let of_tags = tags.into_iter().filter_map(|tag| corp.tags.get(&tag)).flat_map(|tag| {
        tag.members.iter().cloned().chain(tag.parties.iter().flat_map(|party| corp.members_of(*party)))
    });
    for user in of_parties.chain(of_tags) {
        if had.contains(&user) && !wanted.contains(&user) {
            wanted.push(user);
        }
    }
    Ok((wanted, invalid))
}

/// Notes the update on the message, for each member whose copy changed.
fn apply(world: &World, session: &mut Session<'_>, number: u64, users: &[String], update: &Value) {
    if let Some(sent) = session.state.sent_mut(number) {
        for user in users {
            sent.updates.insert(user.clone(), update.clone());
        }
        world.announce(number);
    }
}

pub(super) fn update_taskcard(world: &World, call: &Call) -> Result<Answer, Refused> {
    let mut session = Session::post(world, call)?;
    let request = session.request()?;
    let (agentid, _) = session.own_app(request.int("agentid")?)?;
    let task_id = request.text("task_id")?.unwrap_or_default();
    let named = request.text("clicked_key")?.or(request.text("replace_name")?).unwrap_or_default();
    if named.is_empty() {
        return refuse(42_019, "clicked_key missing");
    }
    let is_it = |body: &Value| {
        ["/taskcard/task_id", "/template_card/task_id"]
            .iter()
            .any(|at| body.pointer(at).and_then(Value::as_str) == Some(&task_id))
    };
    let sender = |target: &Target| match target {
        Target::App { agentid, .. } => Some(*agentid),
        _ => None,
    };
    let all: Vec<_> = session.state.sent.iter().filter(|sent| is_it(&sent.body)).collect();
    let own = all.iter().find(|sent| sender(&sent.target) == Some(agentid));
    let Some((number, Target::App { users, .. })) = own.map(|sent| (sent.number, sent.target.clone())) else {
        return if all.is_empty() {
            refuse(42_016, "task_id not found")
        } else {
            refuse(42_015, "the card was sent by another agent")
        };
    };
    let (wanted, invalid): (Vec<String>, Vec<String>) =
        request.texts("userids")?.into_iter().partition(|user| users.contains(user));
    let update = session.body().clone();
    apply(world, &mut session, number, &wanted, &update);
    Ok(Answer::ok(json!({ "invaliduser": invalid })))
}
