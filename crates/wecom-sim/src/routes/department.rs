//! Departments (path/90204): read within the visible range, written by contact sync only.

use serde_json::{Value, json};

use super::session::Session;
use super::{Answer, Call, nothing};
use crate::rules::{Refused, refuse};
use crate::world::{Corp, Party, World};

const ROOT: u64 = 1;
/// Levels of departments (path/90205).
const DEPTH: usize = 15;
/// Characters that a name must not have (path/90205).
const FORBIDDEN: [char; 9] = ['\\', ':', '*', '?', '"', '<', '>', '|', '｜'];

fn shown(id: u64, party: &Party) -> Value {
    json!({
        "id": id, "name": party.name, "name_en": party.name_en, "department_leader": party.leaders,
        "parentid": party.parent.unwrap_or(0), "order": party.order,
    })
}

/// The departments at and below the one that is asked for, as far as the caller sees them.
fn listed<'s>(session: &'s Session<'_>, call: &Call) -> Result<Vec<(u64, &'s Party)>, Refused> {
    let corp = session.corp()?;
    let visible = session.visible()?;
    let asked = call.parameter("id");
    let wanted: Vec<u64> = if asked.is_empty() {
        visible.iter().copied().collect()
    } else {
        let Ok(id) = asked.parse() else { return refuse(60_123, "invalid party id") };
        if !corp.parties.contains_key(&id) {
            return refuse(60_003, "department not found");
        }
        if !visible.contains(&id) {
            return refuse(60_011, "no privilege to access/modify contact/party/agent");
        }
        corp.below(id)
    };
    Ok(wanted.into_iter().filter_map(|id| Some((id, corp.parties.get(&id)?))).collect())
}

pub(super) fn list(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::get(world, call)?;
    session.may_read_contacts()?;
    let parties: Vec<_> = listed(&session, call)?.into_iter().map(|(id, party)| shown(id, party)).collect();
    Ok(Answer::ok(json!({ "department": parties })))
}

pub(super) fn simplelist(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::get(world, call)?;
    let short =
        |(id, party): (u64, &Party)| json!({ "id": id, "parentid": party.parent.unwrap_or(0), "order": party.order });
    let parties: Vec<_> = listed(&session, call)?.into_iter().map(short).collect();
    Ok(Answer::ok(json!({ "department_id": parties })))
}

pub(super) fn get(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::get(world, call)?;
    session.may_read_contacts()?;
    if call.parameter("id").is_empty() {
        return refuse(60_123, "invalid party id");
    }
    match listed(&session, call)?.first() {
        Some((id, party)) => Ok(Answer::ok(json!({ "department": shown(*id, party) }))),
        None => refuse(60_003, "department not found"),
    }
}

/// How many departments lie above, the parent included.
fn depth(corp: &Corp, parent: Option<u64>) -> usize {
    let above = std::iter::successors(parent, |id| corp.parties.get(id).and_then(|party| party.parent));
    above.take(DEPTH + 1).count()
}

/// A name that may be given to a department below `parent`.
fn valid_name(corp: &Corp, name: &str, parent: Option<u64>, own: Option<u64>) -> Result<(), Refused> {
    if !(1..=64).contains(&name.chars().count()) {
        return refuse(60_001, "department length invalid");
    }
    if name.contains(FORBIDDEN) {
        return refuse(60_009, "department name contains invalid character");
    }
    let sibling = |(id, party): (&u64, &Party)| Some(*id) != own && party.parent == parent && party.name == name;
    if corp.parties.iter().any(sibling) { refuse(60_008, "department existed") } else { Ok(()) }
}

pub(super) fn create(world: &World, call: &Call) -> Result<Answer, Refused> {
    let mut session = Session::post(world, call)?;
    session.may_write_contacts()?;
    let request = session.request()?;
    let corp = session.corp()?;
    let parent = request.int("parentid")?.and_then(|id| u64::try_from(id).ok()).unwrap_or_default();
    if !corp.parties.contains_key(&parent) {
        return refuse(60_004, "parent department not found");
    }
    let name = request.text("name")?.unwrap_or_default();
    valid_name(corp, &name, Some(parent), None)?;
    if depth(corp, Some(parent)) >= DEPTH {
        return refuse(60_010, "department is too deep");
    }
    let id = match request.int("id")?.map(u64::try_from) {
        None => corp.parties.keys().max().copied().unwrap_or(ROOT) + 1,
        Some(Ok(id)) if id > ROOT && id <= u64::from(u32::MAX) => id,
        Some(_) => return refuse(60_123, "invalid party id"),
    };
    if corp.parties.contains_key(&id) {
        return refuse(60_008, "department existed");
    }
    let order = request.int("order")?.and_then(|order| u64::try_from(order).ok()).unwrap_or(0);
    let party = Party {
        name,
        name_en: request.text("name_en")?.unwrap_or_default(),
        parent: Some(parent),
        order,
        leaders: Vec::new(),
    };
    session.corp_mut()?.parties.insert(id, party);
    Ok(Answer::said("created", json!({ "id": id })))
}

pub(super) fn update(world: &World, call: &Call) -> Result<Answer, Refused> {
    let mut session = Session::post(world, call)?;
    session.may_write_contacts()?;
    let request = session.request()?;
    let corp = session.corp()?;
    let id = request.int("id")?.and_then(|id| u64::try_from(id).ok()).unwrap_or_default();
    let Some(party) = corp.parties.get(&id) else { return refuse(60_003, "department not found") };
    let mut party = party.clone();
    if let Some(parent) = request.int("parentid")?.and_then(|id| u64::try_from(id).ok()) {
        if !corp.parties.contains_key(&parent) {
            return refuse(60_004, "parent department not found");
        }
        if corp.below(id).contains(&parent) {
            return refuse(60_010, "department parent is itself or below it");
        }
        party.parent = Some(parent);
    }
    if let Some(name) = request.text("name")? {
        party.name = name;
    }
    valid_name(corp, &party.name, party.parent, Some(id))?;
    if depth(corp, party.parent) >= DEPTH {
        return refuse(60_010, "department is too deep");
    }
    if let Some(name) = request.text("name_en")? {
        party.name_en = name;
    }
    if let Some(order) = request.int("order")?.and_then(|order| u64::try_from(order).ok()) {
        party.order = order;
    }
    session.corp_mut()?.parties.insert(id, party);
    Ok(Answer::said("updated", nothing()))
}

pub(super) fn delete(world: &World, call: &Call) -> Result<Answer, Refused> {
    let mut session = Session::get(world, call)?;
    session.may_write_contacts()?;
    let corp = session.corp_mut()?;
    let id = call.parameter("id").parse().unwrap_or_default();
    if !corp.parties.contains_key(&id) {
        return refuse(60_003, "department not found");
    }
    if id == ROOT {
        return refuse(60_007, "department is root");
    }
    if corp.parties.values().any(|party| party.parent == Some(id)) {
        return refuse(60_006, "department contains sub-department");
    }
    if corp.members.values().any(|member| member.parties.contains(&id)) {
        return refuse(60_005, "department contains user");
    }
    corp.parties.remove(&id);
    Ok(Answer::said("deleted", nothing()))
}
