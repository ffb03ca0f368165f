//! WeCom's own addresses (path/92520, path/92521), and the tickets for signing pages (path/90506).

use serde_json::json;

use super::session::Session;
use super::{Answer, Call, random_id};
use crate::clock::HOUR;
use crate::quota::Window;
use crate::rules::{Refused, refuse};
use crate::world::World;

/// Tickets of a company and of an application in an hour (path/90312).
const TICKETS: (usize, usize) = (400, 100);
/// Seconds that a ticket lives (path/90506).
const TICKET_LIFE: i64 = 7200;

pub(super) fn api_domain_ip(world: &World, call: &Call) -> Result<Answer, Refused> {
    Session::get(world, call)?;
    Ok(Answer::ok(json!({ "ip_list": ["127.0.0.1", "182.254.11.176", "101.226.103.*"] })))
}

pub(super) fn callback_ip(world: &World, call: &Call) -> Result<Answer, Refused> {
    Session::get(world, call)?;
    Ok(Answer::ok(json!({ "ip_list": ["127.0.0.1", "101.226.103.*", "101.226.62.*"] })))
}

pub(super) fn jsapi_ticket(world: &World, call: &Call) -> Result<Answer, Refused> {
    ticket(world, call, "jsapi", TICKETS.0)
}

pub(super) fn agent_ticket(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::get(world, call)?;
    session.app()?;
    if call.parameter("type") != "agent_config" {
        return refuse(40_058, "invalid type. invalid Request Parameter");
    }
    drop(session);
    ticket(world, call, "agent_config", TICKETS.1)
}

/// The same ticket until it ends.
fn ticket(world: &World, call: &Call, kind: &str, an_hour: usize) -> Result<Answer, Refused> {
    let mut session = Session::get(world, call)?;
    let now = session.now;
    // One of the company, or one of the application.
    let owner = if kind == "jsapi" { None } else { session.token.agentid };
    let caller = session.token.agentid;
    let corp = session.corp_mut()?;
    // Those of the company count for the application that asks, too.
    let of_caller = corp.tickets_of_caller.entry((caller, owner)).or_insert_with(|| Window::new(TICKETS.1, HOUR));
    if !of_caller.admit_or_block(now) {
        return refuse(45_009, "api freq out of limit");
    }
    let calls = corp.tickets_asked.entry(owner).or_insert_with(|| Window::new(an_hour, HOUR));
    if !calls.admit_or_block(now) {
        return refuse(45_009, "api freq out of limit");
    }
    let live = corp.tickets.get(&owner).filter(|(_, until)| *until > now).cloned();
    let (ticket, until) = live.unwrap_or_else(|| (random_id(86), now + TICKET_LIFE * 1000));
    corp.tickets.insert(owner, (ticket.clone(), until));
    Ok(Answer::ok(json!({ "ticket": ticket, "expires_in": (until - now + 999) / 1000 })))
}
