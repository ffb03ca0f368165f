//! Who is in front of a page (path/91020): a redirect that logs a member in, and the calls that say who it was.

use serde_json::{Map, Value, json};

use super::session::Session;
use super::{Answer, Call, nothing, random_id};
use crate::clock::{MINUTE, Millis};
use crate::rules::{Refused, refuse};
use crate::world::{State, World};

/// How long a code is good, and a ticket (path/91023).
const CODE_LIFE: Millis = 5 * MINUTE;
const TICKET_LIFE: Millis = 30 * MINUTE;

/// A code that was handed out.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    corp: String,
    userid: String,
    private: bool,
    until: Millis,
}

/// Hands out a code, as the page behind the redirect would.
pub(crate) fn hand_out(state: &mut State, corp: &str, userid: &str, private: bool, now: Millis) -> String {
    let code = random_id(43);
    let given = Code { corp: corp.to_owned(), userid: userid.to_owned(), private, until: now + CODE_LIFE };
    state.codes.insert(code.clone(), given);
    code
}

/// Takes a code of the calling company; it is good once.
fn redeem(session: &mut Session<'_>, code: &str) -> Result<Code, Refused> {
    let (now, corp) = (session.now, session.token.corp.clone());
    let good = |known: &&Code| known.until > now && known.corp == corp;
    // Tickets and second codes are kept beside, under names that no code has.
    if code.contains(':') || session.state.codes.get(code).filter(good).is_none() {
        return refuse(40_029, "invalid code");
    }
    session.state.codes.remove(code).map_or_else(|| refuse(40_029, "invalid code"), Ok)
}

pub(super) fn getuserinfo(world: &World, call: &Call) -> Result<Answer, Refused> {
    let mut session = Session::get(world, call)?;
    let code = redeem(&mut session, call.parameter("code"))?;
    let legacy = call.path == "/cgi-bin/user/getuserinfo";
    let mut fields = Map::new();
    let member = session.corp()?.member(&code.userid).map(|member| (member.userid.clone(), member.parties.clone()));
    let Some((userid, parties)) = member else {
        fields.insert(if legacy { "OpenId" } else { "openid" }.to_owned(), code.userid.into());
        return Ok(Answer::ok(fields.into()));
    };
    fields.insert(if legacy { "UserId" } else { "userid" }.to_owned(), userid.into());
    if legacy {
        fields.insert("DeviceId".to_owned(), "".into());
    }
    let visible = session.visible()?;
    if code.private && parties.iter().any(|party| visible.contains(party)) {
        let ticket = random_id(64);
        fields.insert("user_ticket".to_owned(), ticket.clone().into());
        let until = session.now + TICKET_LIFE;
        session.state.codes.insert(format!("ticket:{ticket}"), Code { until, ..code });
    }
    Ok(Answer::ok(fields.into()))
}

pub(super) fn getuserdetail(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::post(world, call)?;
    let ticket = session.request()?.text("user_ticket")?.unwrap_or_default();
    let Some(known) = session.state.codes.get(&format!("ticket:{ticket}")) else {
        return refuse(84_015, "invalid user_ticket");
    };
    if known.corp != session.token.corp {
        return refuse(84_015, "invalid user_ticket");
    }
    if known.until <= session.now {
        return refuse(84_014, "user_ticket expired");
    }
    let Some(member) = session.corp()?.member(&known.userid) else { return refuse(60_111, "userid not found") };
    let profile = |name: &str| member.profile.get(name).and_then(Value::as_str).unwrap_or_default();
    Ok(Answer::ok(json!({
        "userid": member.userid, "gender": if profile("gender").is_empty() { "0" } else { profile("gender") }, "avatar": profile("avatar"), "qr_code": "",
        "mobile": member.mobile, "email": member.email, "biz_mail": profile("biz_mail"), "address": profile("address"),
    })))
}

pub(super) fn get_tfa_info(world: &World, call: &Call) -> Result<Answer, Refused> {
    let mut session = Session::post(world, call)?;
    let code = session.request()?.text("code")?.unwrap_or_default();
    let code = redeem(&mut session, &code)?;
    let (tfa_code, until) = (random_id(43), session.now + CODE_LIFE);
    let userid = code.userid.clone();
    session.state.codes.insert(format!("tfa:{tfa_code}"), Code { until, ..code });
    Ok(Answer::ok(json!({ "userid": userid, "tfa_code": tfa_code })))
}

pub(super) fn tfa_succ(world: &World, call: &Call) -> Result<Answer, Refused> {
    let mut session = Session::post(world, call)?;
    let request = session.request()?;
    let (userid, code) = (request.text("userid")?.unwrap_or_default(), request.text("tfa_code")?.unwrap_or_default());
    let now = session.now;
    match session.state.codes.remove(&format!("tfa:{code}")) {
        Some(code) if code.userid == userid && code.until > now => Ok(Answer::ok(nothing())),
        _ => refuse(40_029, "invalid code"),
    }
}
