//! Tags (path/90209): seen by all, changed by whoever made them.

use serde_json::json;

use super::reader::Reader;
use super::session::Session;
use super::{Answer, Call, ids, nothing};
use crate::rules::{Refused, refuse};
use crate::world::{Corp, Tag, World};

/// Members and departments of one call (path/90214).
const USERS: usize = 1000;
const PARTIES: usize = 100;

pub(super) fn list(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::get(world, call)?;
    let tags: Vec<_> =
        session.corp()?.tags.iter().map(|(id, tag)| json!({ "tagid": id, "tagname": tag.name })).collect();
    Ok(Answer::ok(json!({ "taglist": tags })))
}

pub(super) fn get(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::get(world, call)?;
    let corp = session.corp()?;
    let Some(tag) = call.parameter("tagid").parse().ok().and_then(|id: u64| corp.tags.get(&id)) else {
        return refuse(40_068, "invalid tagid");
    };
    let visible = session.visible()?;
    let members = tag.members.iter().filter_map(|userid| corp.member(userid));
    let members = members.filter(|member| member.parties.iter().any(|party| visible.contains(party)));
    let users: Vec<_> = members.map(|member| json!({ "userid": member.userid, "name": member.name })).collect();
    Ok(Answer::ok(json!({ "tagname": tag.name, "userlist": users, "partylist": tag.parties })))
}

fn valid_name(corp: &Corp, name: &str, own: Option<u64>) -> Result<(), Refused> {
    if !(1..=32).contains(&name.chars().count()) {
        return refuse(40_072, "invalid tag name size");
    }
    let taken = corp.tags.iter().any(|(id, tag)| Some(*id) != own && tag.name == name);
    if taken { refuse(40_071, "invalid tag name, already existed") } else { Ok(()) }
}

pub(super) fn create(world: &World, call: &Call) -> Result<Answer, Refused> {
    let mut session = Session::post(world, call)?;
    let request = session.request()?;
    let corp = session.corp()?;
    let name = request.text("tagname")?.unwrap_or_default();
    valid_name(corp, &name, None)?;
    let id = match request.int("tagid")?.map(u64::try_from) {
        None => corp.tags.keys().max().copied().unwrap_or(0) + 1,
        Some(Ok(id)) if !corp.tags.contains_key(&id) => id,
        Some(_) => return refuse(40_068, "invalid tagid"),
    };
    let tag = Tag { name, owner: session.token.agentid, ..Tag::default() };
    session.corp_mut()?.tags.insert(id, tag);
    Ok(Answer::said("created", json!({ "tagid": id })))
}

/// A tag that the caller may change: its maker, or contact sync where nobody made it.
fn own<'s>(session: &'s mut Session<'_>, id: u64) -> Result<&'s mut Tag, Refused> {
    let caller = session.token.agentid;
    match session.corp_mut()?.tags.get_mut(&id) {
        None => refuse(40_068, "invalid tagid"),
        Some(tag) if tag.owner == caller => Ok(tag),
        Some(_) => refuse(81_011, "no privilege to access/modify tag"),
    }
}

fn tagid(request: &Reader<'_>) -> Result<u64, Refused> {
    Ok(request.int("tagid")?.and_then(|id| u64::try_from(id).ok()).unwrap_or_default())
}

pub(super) fn update(world: &World, call: &Call) -> Result<Answer, Refused> {
    let mut session = Session::post(world, call)?;
    let request = session.request()?;
    let (id, name) = (tagid(&request)?, request.text("tagname")?.unwrap_or_default());
    valid_name(session.corp()?, &name, Some(id))?;
    own(&mut session, id)?.name = name;
    Ok(Answer::said("updated", nothing()))
}

pub(super) fn delete(world: &World, call: &Call) -> Result<Answer, Refused> {
    let mut session = Session::get(world, call)?;
    let id = call.parameter("tagid").parse().unwrap_or_default();
    own(&mut session, id)?;
    session.corp_mut()?.tags.remove(&id);
    Ok(Answer::said("deleted", nothing()))
}

pub(super) fn addtagusers(world: &World, call: &Call) -> Result<Answer, Refused> {
    change(world, call, "ok", 40_070, |tag, users, parties| {
        for user in users {
            if !tag.members.contains(&user) {
                tag.members.push(user);
            }
        }
        for party in parties {
            if !tag.parties.contains(&party) {
                tag.parties.push(party);
            }
        }
    })
}

pub(super) fn deltagusers(world: &World, call: &Call) -> Result<Answer, Refused> {
    change(world, call, "deleted", 40_031, |tag, users, parties| {
        tag.members.retain(|member| !users.contains(member));
        tag.parties.retain(|party| !parties.contains(party));
    })
}

/// Partly invalid lists are errcode 0 and named; wholly invalid ones are refused (path/90214).
fn change(
    world: &World,
    call: &Call,
    errmsg: &str,
    all_invalid: i64,
    apply: impl FnOnce(&mut Tag, Vec<String>, Vec<u64>),
) -> Result<Answer, Refused> {
    let mut session = Session::post(world, call)?;
    let request = session.request()?;
    let (id, users, parties) = (tagid(&request)?, request.texts("userlist")?, ids(&request, "partylist")?);
    if users.is_empty() && parties.is_empty() {
        return refuse(40_031, "invalid userlist");
    }
    if users.len() > USERS || parties.len() > PARTIES {
        return refuse(81_014, "too many users or parties");
    }
    own(&mut session, id)?;
    let corp = session.corp()?;
    let known = users.iter().partition::<Vec<_>, _>(|user| corp.member(user).is_some());
    let known_users: Vec<String> =
        known.0.iter().filter_map(|user| corp.member(user)).map(|member| member.userid.clone()).collect();
    let unknown_users: Vec<String> = known.1.into_iter().cloned().collect();
    let (known_parties, unknown_parties): (Vec<u64>, Vec<u64>) =
        parties.iter().partition(|party| corp.parties.contains_key(party));
    if known_users.is_empty() && known_parties.is_empty() {
        return refuse(all_invalid, "all list invalid");
    }
    apply(own(&mut session, id)?, known_users, known_parties);
    let mut answer = Answer::said(errmsg, nothing());
    if !unknown_users.is_empty() {
        answer.0.insert("invalidlist".to_owned(), unknown_users.join("|").into());
    }
    if !unknown_parties.is_empty() {
        answer.0.insert("invalidparty".to_owned(), unknown_parties.into());
    }
    Ok(answer)
}
