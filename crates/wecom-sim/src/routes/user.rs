//! Members (path/90194): read within the visible range, written by contact sync only.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use serde_json::{Map, Value, json};

use super::reader::Reader;
use super::session::Session;
use super::{Answer, Call, nothing};
use crate::rules::{Refused, refuse};
use crate::world::{Corp, Member, World};

/// The personal fields that applications are no longer told (path/90196, since 2022-06-20).
const PERSONAL: [&str; 8] = ["mobile", "email", "biz_mail", "gender", "avatar", "qr_code", "address", "thumb_avatar"];
/// Members of one batchdelete (path/90199).
const DELETED_AT_ONCE: usize = 200;
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
    let departments: Vec<u64> = member.parties.iter().copied().filter(|id| visible.contains(id)).collect();
    fields.insert("order".to_owned(), departments.iter().map(|_| 0).collect());
    fields.insert("is_leader_in_dept".to_owned(), departments.iter().map(|_| 0).collect());
    fields.insert("department".to_owned(), departments.into());
    fields.insert("mobile".to_owned(), member.mobile.clone().into());
    fields.insert("email".to_owned(), member.email.clone().into());
    for (name, value) in [("position", ""), ("gender", "0"), ("alias", ""), ("telephone", ""), ("avatar", "")] {
        fields.insert(name.to_owned(), value.into());
    }
    fields.insert("status".to_owned(), member.status.into());
    fields.insert("direct_leader".to_owned(), json!([]));
    fields.insert("main_department".to_owned(), member.parties.first().copied().unwrap_or(1).into());
    fields.insert("extattr".to_owned(), json!({ "attrs": [] }));
    fields.extend(member.profile.clone());
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
        let of_the_company = member.profile.get("biz_mail").and_then(Value::as_str).unwrap_or(&member.email);
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

pub(super) fn create(world: &World, call: &Call) -> Result<Answer, Refused> {
    let mut session = Session::post(world, call)?;
    session.may_write_contacts()?;
    let request = session.request()?;
    let userid = valid_userid(&request)?;
    let (mobile, email) = (request.text("mobile")?.unwrap_or_default(), request.text("email")?.unwrap_or_default());
    if mobile.is_empty() && email.is_empty() {
        return refuse(60_129, "mobile and email both empty");
    }
    let corp = session.corp()?;
    if corp.member(&userid).is_some() {
        return refuse(60_102, "userid existed");
    }
    let mut member = Member::new(&userid);
    change(&mut member, &request, corp)?;
    if member.name.is_empty() {
        return refuse(60_112, "invalid name");
    }
    if member.parties.is_empty() {
        member.parties.push(1);
    }
    session.corp_mut()?.members.insert(userid.to_lowercase(), member);
    Ok(Answer::said("created", nothing()))
}

/// 1 to 64 of letters, digits and `_.@-`, beginning with a letter or digit (path/90195).
fn valid_userid(request: &Reader<'_>) -> Result<String, Refused> {
    let userid = request.text("userid")?.unwrap_or_default();
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '@' | '-');
    let fits = (1..=64).contains(&userid.len())
        && userid.chars().all(legal)
        && userid.starts_with(|c: char| c.is_ascii_alphanumeric());
    if fits { Ok(userid) } else { refuse(40_003, "invalid userid") }
}

/// Takes over the fields that a request names.
fn change(member: &mut Member, request: &Reader<'_>, corp: &Corp) -> Result<(), Refused> {
    if let Some(name) = request.text("name")? {
        if !(1..=64).contains(&name.chars().count()) {
            return refuse(60_112, "invalid name");
        }
        member.name = name;
    }
    let others = || corp.members.values().filter(|other| other.userid != member.userid);
    if let Some(mobile) = request.text("mobile")? {
        if !mobile.bytes().all(|byte| byte.is_ascii_digit() || byte == b'+') || mobile.len() < 5 {
            return refuse(60_103, "invalid mobile");
        }
        if others().any(|other| other.mobile == mobile) {
            return refuse(60_104, "mobile existed");
        }
        member.mobile = mobile;
    }
    if let Some(email) = request.text("email")?.filter(|email| !email.is_empty()) {
        if !(6..=64).contains(&email.len()) || !email.contains('@') {
            return refuse(60_105, "invalid email");
        }
        let others = corp.members.values().filter(|other| other.userid != member.userid);
        if others.into_iter().any(|other| other.email.eq_ignore_ascii_case(&email)) {
            return refuse(60_106, "email existed");
        }
        member.email = email;
    }
    if request.has("department") {
        member.parties = super::ids(request, "department")?;
        if member.parties.len() > 100 {
            return refuse(60_110, "department number exceed");
        }
        if member.parties.iter().any(|party| !corp.parties.contains_key(party)) {
            return refuse(60_123, "invalid party id");
        }
    }
    if request.texts_length("is_leader_in_dept").is_some_and(|length| length != member.parties.len()) {
        return refuse(60_132, "is_leader_in_dept and department must have the same length");
    }
    if request.text("position")?.is_some_and(|position| position.chars().count() > 128) {
        return refuse(301_012, "invalid position");
    }
    if let Some(enable) = request.int("enable")? {
        member.status = if enable == 0 { 2 } else { 1 };
    }
    let kept = [
        "order",
        "position",
        "gender",
        "biz_mail",
        "is_leader_in_dept",
        "direct_leader",
        "telephone",
        "alias",
        "address",
        "main_department",
        "extattr",
        "external_position",
        "external_profile",
        "nickname",
    ];
    for name in kept {
        if let Some(value) = request.value(name) {
            member.profile.insert(name.to_owned(), value.clone());
        }
    }
    Ok(())
}

pub(super) fn update(world: &World, call: &Call) -> Result<Answer, Refused> {
    let mut session = Session::post(world, call)?;
    session.may_write_contacts()?;
    let request = session.request()?;
    let userid = valid_userid(&request)?;
    let corp = session.corp()?;
    let Some(member) = corp.member(&userid) else { return refuse(60_111, "userid not found") };
    let mut member = member.clone();
    change(&mut member, &request, corp)?;
    session.corp_mut()?.members.insert(userid.to_lowercase(), member);
    Ok(Answer::said("updated", nothing()))
}

pub(super) fn delete(world: &World, call: &Call) -> Result<Answer, Refused> {
    let mut session = Session::get(world, call)?;
    session.may_write_contacts()?;
    remove(&mut session, &[call.parameter("userid").to_owned()])
}

pub(super) fn batchdelete(world: &World, call: &Call) -> Result<Answer, Refused> {
    let mut session = Session::post(world, call)?;
    session.may_write_contacts()?;
    let userids = session.request()?.texts("useridlist")?;
    if userids.is_empty() || userids.len() > DELETED_AT_ONCE {
        return refuse(40_032, "invalid userid list size");
    }
    remove(&mut session, &userids)
}

fn remove(session: &mut Session<'_>, userids: &[String]) -> Result<Answer, Refused> {
    let corp = session.corp_mut()?;
    if userids.iter().any(|userid| corp.member(userid).is_none()) {
        return refuse(60_111, "userid not found");
    }
    for userid in userids {
        corp.members.remove(&userid.to_lowercase());
        for tag in corp.tags.values_mut() {
            tag.members.retain(|member| !member.eq_ignore_ascii_case(userid));
        }
    }
    Ok(Answer::said("deleted", nothing()))
}
