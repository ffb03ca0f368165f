//! Jobs that take their time: imports (path/90979), exports (path/94850), uploads by URL (path/96219). The simulator does
//! them at once; what asks for the result finds it done.

use bytes::Bytes;
use md5::{Digest as _, Md5};
use serde_json::{Value, json};

use super::reader::Reader;
use super::session::Session;
use super::{Answer, Call, random_id, table, user};
use crate::callback::Endpoint;
use crate::clock::{DAY, HOUR, Millis};
use crate::crypto::Key;
use crate::event::Event;
use crate::quota::Window;
use crate::rules::{Refused, refuse};
use crate::world::{Job, Media, MediaOwner, Member, Party, World};

/// How long the files of an export can be fetched (path/94854), and an upload by URL asked about (path/96219).
const FILE_LIFE: Millis = 2 * HOUR;
const UPLOAD_LIFE: Millis = HOUR;
/// Members and departments of one invitation (path/90975).
const INVITED: (usize, usize) = (1000, 100);
/// Encrypted ids of one call (path/101521).
const CONVERTED: usize = 1000;

fn keep(session: &mut Session<'_>, kind: &str, result: Value) -> Answer {
    let jobid = random_id(32);
    let begun = session.now;
    let (agentid, corp) = (session.token.agentid, session.token.corp.clone());
    let job = Job { kind: kind.to_owned(), agentid, corp, begun, result };
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
    let request = session.request()?;
    let media_id = request.text("media_id")?.unwrap_or_default();
    let callback = match request.object("callback")? {
        None => None,
        Some(callback) => {
            let text = |name| Ok::<_, Refused>(callback.text(name)?.unwrap_or_default());
            let Some(key) = Key::parse(&text("encodingaeskey")?) else {
                return refuse(40_058, "invalid encodingaeskey. invalid Request Parameter");
            };
            Some(Endpoint { url: text("url")?, token: text("token")?, key })
        }
    };
    let owner = MediaOwner::Corp(session.token.corp.clone());
    if !session.state.usable_media(&media_id, &owner, "file", session.now) {
        return refuse(40_007, "invalid media_id");
    }
    let table = session.state.media.get(&media_id).map(|media| media.content.clone()).unwrap_or_default();
    let rows = table::rows(&String::from_utf8_lossy(&table));
    let corp = session.corp_mut()?;
    let (kind, result) = match call.path.as_str() {
        "/cgi-bin/batch/replaceparty" => ("replace_party", table::replace_parties(corp, &rows)),
        "/cgi-bin/batch/replaceuser" => ("replace_user", table::import_users(corp, &rows, true)?),
        _ => ("sync_user", table::import_users(corp, &rows, false)?),
    };
    let total = result.len();
    let result = json!({ "status": 3, "type": kind, "total": total, "percentage": 100, "result": result });
    let answer = keep(&mut session, kind, result);
    finished(world, &session, kind, &answer, callback);
    Ok(answer)
}

/// Tells that a job has ended: where the request said, or else the application, or contact sync.
fn finished(world: &World, session: &Session<'_>, kind: &str, answer: &Answer, own: Option<Endpoint>) {
    let jobid = answer.0.get("jobid").and_then(Value::as_str).unwrap_or_default();
    let (event, corp) = (Event::job(kind, jobid), &session.token.corp);
    match own {
        Some(endpoint) => world.callbacks.push_to(&session.state, corp, endpoint, event, session.now),
        None => world.callbacks.push(&session.state, corp, session.token.agentid, event, session.now),
    }
}

pub(super) fn import_result(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::get(world, call)?;
    let job = job(&session, call.parameter("jobid"), &["sync_user", "replace_user", "replace_party"])?;
    Ok(Answer::ok(job.result.clone()))
}

pub(super) fn export(world: &World, call: &Call) -> Result<Answer, Refused> {
    let mut session = Session::post(world, call)?;
    // Tags are not among what is kept from a new address (path/96079).
    if !call.path.ends_with("taguser") {
        session.may_read_contacts()?;
    }
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
            (
                "export_department",
                json!({ "department": corp.parties.iter().filter(|(id, _)| visible.contains(id)).map(shown).collect::<Vec<_>>() }),
            )
        }
        _ => ("export_taguser", tag_users(&session, &request)?),
    };
    let file = Bytes::from(key.encrypt(content.to_string().into_bytes()));
    let entry = json!({ "size": file.len(), "md5": hex::encode(Md5::digest(&file)) });
    let id = random_id(32);
    let ends = session.now + FILE_LIFE;
    session.state.files.insert(id.clone(), file);
    session.state.file_ends.insert(id.clone(), ends);
    let mut entry = entry;
    entry["url"] = format!("{}/_files/{id}", world.origin()).into();
    let answer = keep(&mut session, kind, json!({ "status": 2, "data_list": [entry] }));
    finished(world, &session, kind, &answer, None);
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
    let job = job(&session, &jobid, &["upload_by_url"])?;
    if session.now - job.begun > UPLOAD_LIFE {
        return refuse(40_058, "invalid jobid. invalid Request Parameter");
    }
    Ok(Answer::ok(job.result.clone()))
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
    let now = world.clock.now();
    let mut state = world.state.lock();
    let corp = super::authorise(&state, call, now)?.corp;
    if let Some(corp) = state.corps.get_mut(&corp) {
        let windows = corp.pictures.get_or_insert_with(|| (Window::new(1000, DAY), Window::new(3000, 30 * DAY)));
        if !windows.0.admit_or_block(now) || !windows.1.admit_or_block(now) {
            return refuse(45_009, "api freq out of limit");
        }
    }
    state.files.insert(id.clone(), part.content);
    drop(state);
    Ok(Answer::ok(json!({ "url": format!("{}/_files/{id}", world.origin()) })))
}
