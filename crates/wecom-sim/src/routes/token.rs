//! GET /cgi-bin/gettoken (path/91039): one token per secret, the same until it expires.

use serde_json::json;

use super::{Answer, Call, random_id};
use crate::clock::HOUR;
use crate::quota::Window;
use crate::rules::{Refused, refuse};
use crate::world::{State, Token, World};

pub(super) fn get(world: &World, call: &Call) -> Result<Answer, Refused> {
    let now = world.clock.now();
    let parameter = |name: &str| call.query.get(name).filter(|value| !value.is_empty());
    // A missing secret is reported before a missing or wrong corp id.
    let Some(secret) = parameter("corpsecret") else { return refuse(41_004, "corpsecret missing") };
    let Some(corp_id) = parameter("corpid") else { return refuse(41_002, "corpid missing") };
    let mut state = world.state.lock();
    let allowed = state.rules.wrong_secrets_block_after;
    let wrong = state.wrong_secrets.entry(call.address()).or_insert_with(|| Window::new(allowed, HOUR));
    wrong.set_limit(allowed);
    if wrong.is_blocked(now) {
        return refuse(45_009, "api freq out of limit");
    }
    if !state.corps.contains_key(corp_id) {
        return refuse(40_013, "invalid corpid");
    }
    if !state.admit_base(corp_id, &call.path, now) {
        return refuse(45_009, "api freq out of limit");
    }
    if state.rules.gettoken_checks_address
        && let Ok(Some(Some(agentid))) = owner_of(&state, corp_id, secret)
    {
        super::check_address(&state, corp_id, Some(agentid), call)?;
    }
    let Some(agentid) = owner_of(&state, corp_id, secret)? else {
        if let Some(wrong) = state.wrong_secrets.get_mut(&call.address()) {
            wrong.count_or_block(now);
        }
        return refuse(40_001, "invalid credential");
    };
    let live = state.tokens.iter().find(|(_, t)| t.corp == *corp_id && t.agentid == agentid && t.expires_at > now);
    let (token, expires_at) = match live {
        Some((token, known)) => (token.clone(), known.expires_at),
        None => {
            let token = random_id(214);
            let expires_at = now + state.rules.token_seconds * 1000;
            state.tokens.insert(token.clone(), Token { corp: corp_id.clone(), agentid, expires_at });
            (token, expires_at)
        }
    };
    let life =
        if state.rules.remaining_expires_in { (expires_at - now + 999) / 1000 } else { state.rules.token_seconds };
    Ok(Answer::ok(json!({ "access_token": token, "expires_in": life })))
}

/// Whose secret it is: an application's, the contact-sync one's (`Some(None)`), or nobody's (`None`).
fn owner_of(state: &State, corp_id: &str, secret: &str) -> Result<Option<Option<i64>>, Refused> {
    let Some(corp) = state.corps.get(corp_id) else { return refuse(40_013, "invalid corpid") };
    if corp.contacts_secret == *secret {
        return Ok(Some(None));
    }
    match corp.apps.iter().find(|(_, app)| app.lock().secret == *secret) {
        Some((_, app)) if app.lock().disabled => refuse(50_003, "app disabled"),
        Some((agentid, _)) => Ok(Some(Some(*agentid))),
        None => Ok(None),
    }
}
