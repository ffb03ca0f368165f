//! Members (path/90194): read within the visible range, written by contact sync only.

mod write;

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use serde_json::{Map, Value, json};

use super::session::Session;
use super::{Answer, Call, nothing};
use crate::rules::{Refused, refuse};
use crate::world::{Member, World};

pub(super) use write::{batchdelete, create, delete, is_userid, update};

/// The personal fields that applications are no longer told (path/90196, since 2022-06-20).
const PERSONAL: [&str; 8] = ["mobile", "email", "biz_mail", "gender", "avatar", "qr_code", "address", "thumb_avatar"];
/// Rows of one page of `list_id` (path/96067).
const PAGE: usize = 10_000;

pub(super) fn get(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::get(world, call)?;
    session.may_read_contacts()?;
    let member = session.seen_member(call.parameter("userid"))?;
    Ok(Answer::ok(shown(
        member,
        &session.visible()?,
        session.token.agentid.is_some() && session.state.rules.hide_personal_fields,
    )))
}

/// A member as WeCom shows it.
pub(super) fn shown(member: &Member, visible: &BTreeSet<u64>, hides_personal: bool) -> Value {
    let mut fields = Map::new();
    fields.insert("userid".to_owned(), member.userid.clone().into());
    fields.insert("name".to_owned(), member.name.clone().into());
    // Aligned with the departments that are shown.
    let aligned = |name: &str| -> Value {
        let list = member.profile.get(name).and_then(Value::as_array);
        let of = |at: usize| list.and_then(|list| list.get(at)).and_then(Value::as_u64).unwrap_or(0);
        let shown = member.parties.iter().enumerate().filter(|(_, id)| visible.contains(id));
        shown.map(|(at, _)| of(at)).collect()
    };
    let departments: Vec<u64> = member.parties.iter().copied().filter(|id| visible.contains(id)).collect();
    let main = member.profile.get("main_department").and_then(Value::as_u64);
    let main = main.filter(|id| member.parties.contains(id)).or(member.parties.first().copied()).unwrap_or(1);
    fields.insert("mobile".to_owned(), member.mobile.clone().into());
    fields.insert("email".to_owned(), member.email.clone().into());
    for (name, value) in [("position", ""), ("gender", "0"), ("alias", ""), ("telephone", ""), ("avatar", "")] {
        fields.insert(name.to_owned(), value.into());
    }
    fields.insert("status".to_owned(), member.status.into());
    fields.insert("direct_leader".to_owned(), json!([]));
    fields.insert("extattr".to_owned(), json!({ "attrs": [] }));
    fields.extend(member.profile.clone());
    fields.insert("order".to_owned(), aligned("order"));
    fields.insert("is_leader_in_dept".to_owned(), aligned("is_leader_in_dept"));
    fields.insert("department".to_owned(), departments.into());
    fields.insert("main_department".to_owned(), main.into());
    if hides_personal {
        fields.retain(|name, _| !PERSONAL.contains(&name.as_str()));
    }
    fields.into()
}

/// The members of the department that is asked for, seen by the caller.
fn listed<'s>(session: &'s Session<'_>, call: &Call) -> Result<Vec<&'s Member>, Refused> {
    session.may_read_contacts()?;
    let Ok(department) = call.parameter("department_id").parse::<u64>() else {
        return refuse(60_123, "invalid party id");
    };
    let corp = session.corp()?;
    if !corp.parties.contains_key(&department) {
        return refuse(60_003, "department not found");
    }
    if !session.visible()?.contains(&department) {
        return refuse(60_011, "no privilege to access/modify contact/party/agent");
    }
    // `fetch_child` left the documents; clients send it all the same.
    let inside = if call.parameter("fetch_child") == "1" { corp.below(department) } else { vec![department] };
    Ok(corp.members.values().filter(|member| member.parties.iter().any(|party| inside.contains(party))).collect())
}

pub(super) fn simplelist(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::get(world, call)?;
    let members = listed(&session, call)?;
    let short = |m: &&Member| json!({ "userid": m.userid, "name": m.name, "department": m.parties });
    Ok(Answer::ok(json!({ "userlist": members.iter().map(short).collect::<Vec<_>>() })))
}

pub(super) fn list(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::get(world, call)?;
    let visible = session.visible()?;
    let hides = session.token.agentid.is_some() && session.state.rules.hide_personal_fields;
    let members = listed(&session, call)?;
    let members: Vec<_> = members.into_iter().map(|member| shown(member, &visible, hides)).collect();
    Ok(Answer::ok(json!({ "userlist": members })))
}

pub(super) fn list_id(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::post(world, call)?;
    session.may_write_contacts()?;
    let request = session.request()?;
    let limit = request.int("limit")?.unwrap_or(10_000);
    let Some(limit) = usize::try_from(limit).ok().filter(|limit| (1..=PAGE).contains(limit)) else {
        return refuse(40_058, "limit out of range. invalid Request Parameter");
    };
    let cursor = request.text("cursor")?.unwrap_or_default();
    let Ok(start) = (if cursor.is_empty() { Ok(0) } else { cursor.trim_start_matches("row").parse::<usize>() }) else {
        return refuse(40_058, "invalid cursor. invalid Request Parameter");
    };
    let rows =
        session.corp()?.members.values().flat_map(|member| {
            member.parties.iter().map(|party| json!({ "userid": member.userid, "department": party }))
        });
    let page: Vec<Value> = rows.clone().skip(start).take(limit).collect();
    let more = rows.count() > start + page.len();
    let next = if more { format!("row{}", start + page.len()) } else { String::new() };
    Ok(Answer::ok(json!({ "next_cursor": next, "dept_user": page })))
}

fn found(session: &Session<'_>, matches: impl Fn(&Member) -> bool) -> Result<Answer, Refused> {
    let visible = session.visible()?;
    let sees = |member: &&Member| member.parties.iter().any(|party| visible.contains(party));
    match session.corp()?.members.values().filter(sees).find(|member| matches(member)) {
        Some(member) => Ok(Answer::ok(json!({ "userid": member.userid }))),
        None => refuse(46_004, "user not exist"),
    }
}

pub(super) fn getuserid(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::post(world, call)?;
    let mobile = session.request()?.text("mobile")?.unwrap_or_default();
    if !(5..=32).contains(&mobile.len()) {
        return refuse(40_058, "mobile exceed size. invalid Request Parameter");
    }
    found(&session, |member| member.mobile == mobile)
}

pub(super) fn get_userid_by_email(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::post(world, call)?;
    let request = session.request()?;
    let email = request.text("email")?.unwrap_or_default().to_lowercase();
    if email.is_empty() {
        return refuse(40_058, "email missing. invalid Request Parameter");
    }
    let personal = request.int("email_type")?.unwrap_or(1) == 2;
    found(&session, |member| {
        let of_the_company = member.profile.get("biz_mail").and_then(Value::as_str).unwrap_or_default();
        email == if personal { member.email.to_lowercase() } else { of_the_company.to_lowercase() }
    })
}

/// What stands for a member outside the company: the same for the same member, and no way back but by asking.
fn openid(corp: &str, userid: &str) -> String {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one((corp, userid));
    format!("oSim{hash:016x}{:08x}", hash as u32)
}

pub(super) fn convert_to_openid(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::post(world, call)?;
    let userid = session.request()?.text("userid")?.unwrap_or_default();
    let member = session.seen_member(&userid)?;
    Ok(Answer::ok(json!({ "openid": openid(&session.token.corp, &member.userid) })))
}

pub(super) fn convert_to_userid(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::post(world, call)?;
    let wanted = session.request()?.text("openid")?.unwrap_or_default();
    let corp = &session.token.corp;
    match session.corp()?.members.values().find(|member| openid(corp, &member.userid) == wanted) {
        Some(member) => Ok(Answer::ok(json!({ "userid": member.userid }))),
        None => refuse(40_073, "invalid openid"),
    }
}

pub(super) fn authsucc(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::get(world, call)?;
    session.seen_member(call.parameter("userid"))?;
    Ok(Answer::ok(nothing()))
}

pub(super) fn get_active_stat(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::post(world, call)?;
    if session.request()?.text("date")?.unwrap_or_default().len() != "2020-03-27".len() {
        return refuse(40_058, "invalid date. invalid Request Parameter");
    }
    Ok(Answer::ok(json!({ "active_cnt": session.corp()?.members.values().filter(|m| m.status == 1).count() })))
}

pub(super) fn get_join_qrcode(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::get(world, call)?;
    let size = call.parameter("size_type");
    if !size.is_empty() && !matches!(size, "1" | "2" | "3" | "4") {
        return refuse(40_058, "invalid size_type. invalid Request Parameter");
    }
    let corp = &session.token.corp;
    Ok(Answer::ok(
        json!({ "join_qrcode": format!("https://work.weixin.qq.com/wework_admin/genqrcode?action=join&vcode={corp}") }),
    ))
}
