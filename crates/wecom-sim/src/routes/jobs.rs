//! Jobs that take their time: imports (path/90979), exports (path/94850), uploads by URL (path/96219). The simulator does
//! them at once; what asks for the result finds it done.

use bytes::Bytes;
use md5::{Digest as _, Md5};
use serde_json::{Value, json};

use super::reader::Reader;
use super::session::Session;
use super::{Answer, Call, random_id, user};
use crate::crypto::Key;
use crate::event::Event;
use crate::rules::{Refused, refuse};
use crate::world::{Job, Media, MediaOwner, Member, Party, World};

/// Members and departments of one invitation (path/90975).
const INVITED: (usize, usize) = (1000, 100);
/// Encrypted ids of one call (path/101521).
const CONVERTED: usize = 1000;

fn keep(session: &mut Session<'_>, kind: &str, result: Value) -> Answer {
    let jobid = random_id(32);
    let job = Job { kind: kind.to_owned(), agentid: session.token.agentid, corp: session.token.corp.clone(), result };
    session.state.jobs.insert(jobid.clone(), job);
    Answer::ok(json!({ "jobid": jobid }))
}

fn job<'s>(session: &'s Session<'_>, jobid: &str, kinds: &[&str]) -> Result<&'s Job, Refused> {
    let mine = |job: &&Job| job.corp == session.token.corp && job.agentid == session.token.agentid;
    match session.state.jobs.get(jobid).filter(mine).filter(|job| kinds.contains(&job.kind.as_str())) {
        Some(job) => Ok(job),
        None => refuse(40_058, "invalid jobid. invalid Request Parameter"),
    }
}

pub(super) fn invite(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::post(world, call)?;
    let request = session.request()?;
    let corp = session.corp()?;
    let users = request.texts("user")?;
    let (parties, tags) = (super::ids(&request, "party")?, super::ids(&request, "tag")?);
    if users.is_empty() && parties.is_empty() && tags.is_empty() {
        return refuse(81_012, "user & party & tag all empty");
    }
    if users.len() > INVITED.0 || parties.len() > INVITED.1 || tags.len() > INVITED.1 {
        return refuse(40_058, "too many. invalid Request Parameter");
    }
    let invalid_users: Vec<_> = users.into_iter().filter(|user| corp.member(user).is_none()).collect();
    let invalid_parties: Vec<_> = parties.into_iter().filter(|party| !corp.parties.contains_key(party)).collect();
    let invalid_tags: Vec<_> = tags.into_iter().filter(|tag| !corp.tags.contains_key(tag)).collect();
    Ok(Answer::ok(json!({ "invaliduser": invalid_users, "invalidparty": invalid_parties, "invalidtag": invalid_tags })))
}

pub(super) fn openuserid_to_userid(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::post(world, call)?;
    let ids = session.request()?.texts("open_userid_list")?;
    if ids.is_empty() || ids.len() > CONVERTED {
        return refuse(40_058, "open_userid_list has a wrong length. invalid Request Parameter");
    }
    let corp = session.corp()?;
    let (mut found, mut invalid) = (Vec::new(), Vec::new());
    for id in ids {
        match id.strip_prefix("wo").and_then(|userid| corp.member(userid)) {
            Some(member) => found.push(json!({ "open_userid": id, "userid": member.userid })),
            None => invalid.push(id),
        }
    }
    Ok(Answer::ok(json!({ "userid_list": found, "invalid_open_userid_list": invalid })))
}

pub(super) fn import(world: &World, call: &Call) -> Result<Answer, Refused> {
    let mut session = Session::post(world, call)?;
    session.may_write_contacts()?;
    let media_id = session.request()?.text("media_id")?.unwrap_or_default();
    let owner = MediaOwner::Corp(session.token.corp.clone());
    if !session.state.usable_media(&media_id, &owner, "file", session.now) {
        return refuse(40_007, "invalid media_id");
    }
    let table = session.state.media.get(&media_id).map(|media| media.content.clone()).unwrap_or_default();
    let table = String::from_utf8_lossy(&table).trim_start_matches('\u{feff}').to_owned();
    let rows: Vec<Vec<String>> = table
        .lines()
        .skip(1)
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.split(',').map(|cell| cell.trim().trim_matches('"').to_owned()).collect())
        .collect();
    let (kind, result) = match call.path.as_str() {
        "/cgi-bin/batch/replaceparty" => ("replace_party", import_parties(&mut session, &rows)?),
        "/cgi-bin/batch/replaceuser" => ("replace_user", import_users(&mut session, &rows, true)?),
        _ => ("sync_user", import_users(&mut session, &rows, false)?),
    };
    let total = result.len();
    let result = json!({ "status": 3, "type": kind, "total": total, "percentage": 100, "result": result });
    let answer = keep(&mut session, kind, result);
    finished(world, &session, kind, &answer);
    Ok(answer)
}

/// Tells the contact-sync callback that a job has ended.
fn finished(world: &World, session: &Session<'_>, kind: &str, answer: &Answer) {
    let jobid = answer.0.get("jobid").and_then(Value::as_str).unwrap_or_default();
    world.callbacks.push(
        &session.state,
        &session.token.corp,
        session.token.agentid,
        Event::job(kind, jobid),
        session.now,
    );
}

/// Columns: name, userid, mobile, mailbox, departments joined by `;`, … (path/90980).
fn import_users(session: &mut Session<'_>, rows: &[Vec<String>], replaces: bool) -> Result<Vec<Value>, Refused> {
    let corp = session.corp_mut()?;
    let mut result = Vec::new();
    let mut named = Vec::new();
    for row in rows {
        let cell = |at: usize| row.get(at).cloned().unwrap_or_default();
        let userid = cell(1);
        if userid.is_empty() || cell(0).is_empty() {
            result.push(json!({ "userid": userid, "errcode": 40_003, "errmsg": "invalid userid" }));
            continue;
        }
        let parties: Vec<u64> = cell(4).split(';').filter_map(|id| id.trim().parse().ok()).collect();
        if parties.iter().any(|party| !corp.parties.contains_key(party)) {
            result.push(json!({ "userid": userid, "errcode": 60_003, "errmsg": "department not found" }));
            continue;
        }
        let mut member = corp.member(&userid).cloned().unwrap_or_else(|| Member::new(&userid));
        (member.name, member.mobile, member.email) = (cell(0), cell(2), cell(3));
        member.parties = if parties.is_empty() { vec![1] } else { parties };
        corp.members.insert(userid.to_lowercase(), member);
        named.push(userid.to_lowercase());
        result.push(json!({ "userid": userid, "errcode": 0, "errmsg": "ok" }));
    }
    if replaces {
        let gone = corp.members.keys().filter(|userid| !named.contains(userid)).count();
        // A table that would remove most of the company is refused (path/90981).
        let share = gone * 100 / corp.members.len().max(1);
        if (gone > 50 && share > 20) || (gone <= 50 && share > 80) {
            return refuse(45_026, "too many users would be deleted");
        }
        corp.members.retain(|userid, _| named.contains(userid));
    }
    Ok(result)
}

/// Columns: name, id, parent's id, order (path/90982).
fn import_parties(session: &mut Session<'_>, rows: &[Vec<String>]) -> Result<Vec<Value>, Refused> {
    let corp = session.corp_mut()?;
    let mut result = Vec::new();
    for row in rows {
        let number = |at: usize| row.get(at).and_then(|cell| cell.parse::<u64>().ok());
        let (Some(name), Some(id)) = (row.first(), number(1)) else { continue };
        let party = Party {
            name: name.clone(),
            parent: number(2).filter(|parent| *parent > 0),
            order: number(3).unwrap_or(0),
            ..Party::default()
        };
        let action = match corp.parties.get(&id) {
            None => 1,
            Some(old) => {
                2 * i32::from(old.name != party.name)
                    + 4 * i32::from(old.parent != party.parent)
                    + 8 * i32::from(old.order != party.order)
            }
        };
        corp.parties.insert(id, party);
        result.push(json!({ "action": action, "partyid": id, "errcode": 0, "errmsg": "ok" }));
    }
    Ok(result)
}

pub(super) fn import_result(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::get(world, call)?;
    let job = job(&session, call.parameter("jobid"), &["sync_user", "replace_user", "replace_party"])?;
    Ok(Answer::ok(job.result.clone()))
}

pub(super) fn export(world: &World, call: &Call) -> Result<Answer, Refused> {
    let mut session = Session::post(world, call)?;
    session.may_read_contacts()?;
    let request = session.request()?;
    let Some(key) = Key::parse(&request.text("encoding_aeskey")?.unwrap_or_default()) else {
        return refuse(40_058, "invalid encoding_aeskey. invalid Request Parameter");
    };
    if request.int("block_size")?.is_some_and(|size| !(10_000..=1_000_000).contains(&size)) {
        return refuse(40_058, "block_size out of range. invalid Request Parameter");
    }
    let visible = session.visible()?;
    let corp = session.corp()?;
    let members = || corp.members.values().filter(|m| m.parties.iter().any(|party| visible.contains(party)));
    let (kind, content) = match call.path.as_str() {
        "/cgi-bin/export/simple_user" => {
            let short = |m: &Member| json!({ "userid": m.userid, "name": m.name, "department": m.parties });
            ("export_simple_user", json!({ "userlist": members().map(short).collect::<Vec<_>>() }))
        }
        "/cgi-bin/export/user" => {
            let hides = session.token.agentid.is_some() && session.state.rules.hide_personal_fields;
            let whole = members().map(|member| user::shown(member, &visible, hides));
            ("export_user", json!({ "userlist": whole.collect::<Vec<_>>() }))
        }
        "/cgi-bin/export/department" => {
            let shown = |(id, party): (&u64, &Party)| json!({ "id": id, "name": party.name, "parentid": party.parent.unwrap_or(0), "order": party.order });
            ("export_department", json!({ "department": corp.parties.iter().map(shown).collect::<Vec<_>>() }))
        }
        _ => ("export_taguser", tag_users(&session, &request)?),
    };
    let file = Bytes::from(key.encrypt(content.to_string().into_bytes()));
    let entry = json!({ "size": file.len(), "md5": hex::encode(Md5::digest(&file)) });
    let id = random_id(32);
    session.state.files.insert(id.clone(), file);
    let mut entry = entry;
    entry["url"] = format!("{}/_files/{id}", world.origin()).into();
    let answer = keep(&mut session, kind, json!({ "status": 2, "data_list": [entry] }));
    finished(world, &session, kind, &answer);
    Ok(answer)
}

fn tag_users(session: &Session<'_>, request: &Reader<'_>) -> Result<Value, Refused> {
    let id = request.int("tagid")?.and_then(|id| u64::try_from(id).ok()).unwrap_or_default();
    let corp = session.corp()?;
    let Some(tag) = corp.tags.get(&id) else { return refuse(40_068, "invalid tagid") };
    let users = tag.members.iter().filter_map(|userid| corp.member(userid));
    let users: Vec<_> = users.map(|member| json!({ "userid": member.userid, "name": member.name })).collect();
    Ok(json!({ "tagname": tag.name, "userlist": users, "partylist": tag.parties }))
}

pub(super) fn export_result(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::get(world, call)?;
    let kinds = ["export_simple_user", "export_user", "export_department", "export_taguser"];
    Ok(Answer::ok(job(&session, call.parameter("jobid"), &kinds)?.result.clone()))
}

pub(super) fn upload_by_url(world: &World, call: &Call) -> Result<Answer, Refused> {
    let mut session = Session::post(world, call)?;
    let request = session.request()?;
    if request.int("scene")? != Some(1) {
        return refuse(40_058, "scene illegal. invalid Request Parameter");
    }
    let kind = request.text("type")?.unwrap_or_default();
    if !matches!(kind.as_str(), "video" | "file") {
        return refuse(40_005, "invalid type parameter");
    }
    let (file_name, url) = (request.text("filename")?.unwrap_or_default(), request.text("url")?.unwrap_or_default());
    let md5 = request.text("md5")?.unwrap_or_default();
    if file_name.is_empty() || file_name.len() > 128 || url.len() > 1024 || md5.len() > 32 || md5.is_empty() {
        return refuse(40_058, "filename, url or md5 missing or too long. invalid Request Parameter");
    }
    // Nothing is fetched: a URL that looks like one is taken for a good one.
    let result = if url.starts_with("http://") || url.starts_with("https://") {
        let media_id = format!("3*1*{}", random_id(40));
        let media = Media {
            kind: format!("{kind} by url"),
            file_name,
            uploaded_at: session.now,
            owner: MediaOwner::Corp(session.token.corp.clone()),
            content: Bytes::from(format!("what {url} holds")),
        };
        session.state.media.insert(media_id.clone(), media);
        let created_at = (session.now / 1000).to_string();
        json!({ "status": 2, "detail": { "errcode": 0, "errmsg": "ok", "media_id": media_id, "created_at": created_at } })
    } else {
        json!({ "status": 3, "detail": { "errcode": 830_001, "errmsg": "invalid url", "media_id": "", "created_at": "" } })
    };
    let answer = keep(&mut session, "upload_by_url", result);
    let jobid = answer.0.get("jobid").and_then(Value::as_str).unwrap_or_default();
    world.callbacks.push(&session.state, &session.token.corp, session.token.agentid, Event::upload(jobid), session.now);
    Ok(answer)
}

pub(super) fn upload_by_url_result(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::post(world, call)?;
    let jobid = session.request()?.text("jobid")?.unwrap_or_default();
    Ok(Answer::ok(job(&session, &jobid, &["upload_by_url"])?.result.clone()))
}

/// A picture with a URL that lasts; held by the simulator like any other file.
pub(super) async fn uploadimg(world: &World, call: &Call) -> Result<Answer, Refused> {
    const MOST: usize = 2 * 1024 * 1024;
    super::authorise(&world.state.lock(), call, world.clock.now())?;
    let part = crate::multipart::first_file(&call.content_type, call.body.clone()).await;
    let Some(part) = part.filter(|part| !part.content.is_empty()) else {
        return refuse(44_001, "empty media data");
    };
    if !(6..=MOST).contains(&part.content.len()) {
        return refuse(40_009, "invalid image size");
    }
    let id = random_id(32);
    world.state.lock().files.insert(id.clone(), part.content);
    Ok(Answer::ok(json!({ "url": format!("{}/_files/{id}", world.origin()) })))
}
