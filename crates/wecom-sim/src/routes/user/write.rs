//! Members are created, changed and removed, by contact sync only (path/90195, path/90197, path/90198, path/90199).

use serde_json::{Value, json};

use crate::event::Event;
use crate::routes::reader::Reader;
use crate::routes::session::Session;
use crate::routes::{Answer, Call, ids, nothing};
use crate::rules::{Refused, refuse};
use crate::world::{Corp, Member, World};
use crate::xml::cdata;

/// Members of one batchdelete (path/90199).
const DELETED_AT_ONCE: usize = 200;

/// Tells whether it is 1 to 64 of letters, digits and `_.@-`, beginning with a letter or digit (path/90195).
pub(in crate::routes) fn is_userid(userid: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '@' | '-');
    (1..=64).contains(&userid.len())
        && userid.chars().all(legal)
        && userid.starts_with(|c: char| c.is_ascii_alphanumeric())
}

fn valid_userid(request: &Reader<'_>) -> Result<String, Refused> {
    let userid = request.text("userid")?.unwrap_or_default();
    if is_userid(&userid) { Ok(userid) } else { refuse(40_003, "invalid userid") }
}

pub(in crate::routes) fn create(world: &World, call: &Call) -> Result<Answer, Refused> {
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
    let unknown = change(&mut member, &request, corp, session.state.rules.unknown_departments_wait)?;
    if member.name.is_empty() {
        return refuse(60_112, "invalid name");
    }
    if member.parties.is_empty() {
        member.parties.push(1);
    }
    let parties = joined(&member.parties);
    session.corp_mut()?.members.insert(userid.to_lowercase(), member);
    tell(world, &session, "create_user", &(cdata("UserID", &userid) + &cdata("Department", &parties)));
    Ok(Answer::said("created", created_departments(&unknown)))
}

fn joined(ids: &[u64]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// What is answered of departments that are not there: the member waits in one that the console shows (path/90195).
fn created_departments(unknown: &[u64]) -> Value {
    if unknown.is_empty() {
        return nothing();
    }
    let info = |id: &u64| json!({ "name": "待设置部门", "id": id });
    json!({ "created_department_list": { "department_info": unknown.iter().map(info).collect::<Vec<_>>() } })
}

/// Takes over the fields that a request names; returns departments that are not there, where those are let pass.
fn change(member: &mut Member, request: &Reader<'_>, corp: &Corp, unknown_wait: bool) -> Result<Vec<u64>, Refused> {
    if let Some(name) = request.text("name")? {
        if !(1..=64).contains(&name.chars().count()) {
            return refuse(60_112, "invalid name");
        }
        member.name = name;
    }
    reachable(member, request, corp)?;
    let unknown = departments(member, request, corp, unknown_wait)?;
    let longest =
        [("position", 128, 301_012), ("alias", 64, 40_058), ("address", 128, 40_058), ("telephone", 32, 40_058)];
    for (name, most, errcode) in longest {
        if let Some(text) = request.text(name)? {
            let digits = name != "telephone" || text.chars().all(|c| c.is_ascii_digit() || c == '-');
            if text.chars().count() > most || !digits {
                return refuse(errcode, format!("{name} illegal. invalid Request Parameter"));
            }
            member.profile.insert(name.to_owned(), text.into());
        }
    }
    if let Some(gender) = request.text("gender")? {
        if !matches!(gender.as_str(), "0" | "1" | "2") {
            return refuse(40_058, "gender illegal. invalid Request Parameter");
        }
        // A text, however it was written.
        member.profile.insert("gender".to_owned(), gender.into());
    }
    if let Some(enable) = request.int("enable")? {
        member.status = if enable == 0 { 2 } else { 1 };
    }
    let kept = ["biz_mail", "direct_leader", "extattr", "external_position", "external_profile", "nickname"];
    for name in kept {
        if let Some(value) = request.value(name) {
            member.profile.insert(name.to_owned(), value.clone());
        }
    }
    Ok(unknown)
}

/// Mobile and mailbox: unique, and empty for none.
fn reachable(member: &mut Member, request: &Reader<'_>, corp: &Corp) -> Result<(), Refused> {
    let others: Vec<&Member> = corp.members.values().filter(|other| other.userid != member.userid).collect();
    if let Some(mobile) = request.text("mobile")? {
        let legal = mobile.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-'));
        if !mobile.is_empty() && (!legal || mobile.len() < 5) {
            return refuse(60_103, "invalid mobile");
        }
        if !mobile.is_empty() && others.iter().any(|other| other.mobile == mobile) {
            return refuse(60_104, "mobile existed");
        }
        member.mobile = mobile;
    }
    if let Some(email) = request.text("email")? {
        if !email.is_empty() && (!(6..=64).contains(&email.len()) || !email.contains('@')) {
            return refuse(60_105, "invalid email");
        }
        if !email.is_empty() && others.iter().any(|other| other.email.eq_ignore_ascii_case(&email)) {
            return refuse(60_106, "email existed");
        }
        member.email = email;
    }
    Ok(())
}

/// Departments, and the lists that are aligned with them.
fn departments(
    member: &mut Member,
    request: &Reader<'_>,
    corp: &Corp,
    unknown_wait: bool,
) -> Result<Vec<u64>, Refused> {
    let mut unknown = Vec::new();
    if request.has("department") {
        let asked = ids(request, "department")?;
        if asked.len() > 100 {
            return refuse(60_110, "department number exceed");
        }
        let known: Vec<u64>;
        (known, unknown) = asked.into_iter().partition(|party| corp.parties.contains_key(party));
        if !unknown.is_empty() && !unknown_wait {
            return refuse(60_123, "invalid party id");
        }
        member.parties = if known.is_empty() { vec![1] } else { known };
        // Those of the departments before are not theirs.
        for name in ["order", "is_leader_in_dept", "main_department"] {
            member.profile.shift_remove(name);
        }
    }
    for name in ["order", "is_leader_in_dept"] {
        if request.has(name) {
            let list = ids(request, name)?;
            if unknown.is_empty() && list.len() != member.parties.len() {
                return refuse(60_132, format!("{name} and department must have the same length"));
            }
            member.profile.insert(name.to_owned(), list.into());
        }
    }
    if let Some(main) = request.int("main_department")?.and_then(|id| u64::try_from(id).ok()) {
        if unknown.is_empty() && !member.parties.contains(&main) {
            return refuse(60_123, "main_department is not in department");
        }
        member.profile.insert("main_department".to_owned(), main.into());
    }
    Ok(unknown)
}

pub(in crate::routes) fn update(world: &World, call: &Call) -> Result<Answer, Refused> {
    let mut session = Session::post(world, call)?;
    session.may_write_contacts()?;
    let request = session.request()?;
    let userid = valid_userid(&request)?;
    let corp = session.corp()?;
    let Some(member) = corp.member(&userid) else { return refuse(60_111, "userid not found") };
    if request.text("new_userid")?.is_some_and(|new| !new.is_empty() && new != userid) {
        // Only ids that WeCom made up may change, and here it makes up none.
        return refuse(301_036, "userid can not be changed");
    }
    let mut member = member.clone();
    let before = member.parties.clone();
    let unknown = change(&mut member, &request, corp, session.state.rules.unknown_departments_wait)?;
    let parties = member.parties.clone();
    session.corp_mut()?.members.insert(userid.to_lowercase(), member);
    // The trimmed form: only departments are told (path/90970).
    if parties != before {
        tell(world, &session, "update_user", &(cdata("UserID", &userid) + &cdata("Department", &joined(&parties))));
    }
    Ok(Answer::said("updated", created_departments(&unknown)))
}

pub(in crate::routes) fn delete(world: &World, call: &Call) -> Result<Answer, Refused> {
    let mut session = Session::get(world, call)?;
    session.may_write_contacts()?;
    remove(world, &mut session, &[call.parameter("userid").to_owned()])
}

pub(in crate::routes) fn batchdelete(world: &World, call: &Call) -> Result<Answer, Refused> {
    let mut session = Session::post(world, call)?;
    session.may_write_contacts()?;
    let userids = session.request()?.texts("useridlist")?;
    if userids.is_empty() || userids.len() > DELETED_AT_ONCE {
        return refuse(40_032, "invalid userid list size");
    }
    remove(world, &mut session, &userids)
}

fn remove(world: &World, session: &mut Session<'_>, userids: &[String]) -> Result<Answer, Refused> {
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
    for userid in userids {
        tell(world, session, "delete_user", &cdata("UserID", userid));
    }
    Ok(Answer::said("deleted", nothing()))
}

/// Tells applications that asked for it; contact sync is not told what it did itself (path/90967).
fn tell(world: &World, session: &Session<'_>, change: &str, elements: &str) {
    let Ok(corp) = session.corp() else { return };
    let told: Vec<i64> = corp.apps.iter().filter(|(_, app)| app.lock().contact_events).map(|(id, _)| *id).collect();
    for agentid in told {
        let event = Event::contact(change, elements);
        world.callbacks.push(&session.state, &session.token.corp, Some(agentid), event, session.now);
    }
}
