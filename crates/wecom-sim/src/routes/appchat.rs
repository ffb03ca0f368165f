//! Group chats that an application owns (path/90244): create, update, get, send.

use serde_json::{Value, json};

use super::reader::Reader;
use super::session::Session;
use super::{Answer, Call, nothing, random_id};
use crate::clock::{DAY, HOUR, MINUTE};
use crate::quota::{Window, admit_both};
use crate::rules::{Refused, app_content, refuse};
use crate::world::{Chat, Corp, MediaOwner, Sent, Target, World};

/// Members of a chat (path/90245).
const MEMBERS: std::ops::RangeInclusive<usize> = 2..=2000;
/// Chats a company may create in a day (path/90312).
const CREATED_A_DAY: usize = 1000;
/// Changes of chats a company may make in an hour (path/90312).
const CHANGED_AN_HOUR: usize = 1000;
/// Messages an application may send one member in chats, a minute and a day (path/90312).
const MEMBER_LIMITS: (usize, usize) = (200, 10_000);
/// Bytes of a text or markdown (path/90248).
const TEXT: usize = 2048;

/// Opens a call of an application that sees the whole company.
fn root_app<'w>(world: &'w World, call: &Call, post: bool) -> Result<Session<'w>, Refused> {
    let session = if post { Session::post(world, call)? } else { Session::get(world, call)? };
    let app = session.app()?;
    if app.lock().visible_parties.contains(&1) {
        return Ok(session);
    }
    refuse(60_011, "no privilege to access/modify contact/party/agent")
}

/// Members that exist, spelt as they are.
fn members(corp: &Corp, userids: &[String]) -> Result<Vec<String>, Refused> {
    let mut found = Vec::new();
    for userid in userids {
        let Some(member) = corp.member(userid) else { return refuse(86_216, "illegal chat member id") };
        if !found.contains(&member.userid) {
            found.push(member.userid.clone());
        }
    }
    Ok(found)
}

pub(super) fn create(world: &World, call: &Call) -> Result<Answer, Refused> {
    let mut session = root_app(world, call, true)?;
    let request = session.request()?;
    let userlist = members(session.corp()?, &request.texts("userlist")?)?;
    if !MEMBERS.contains(&userlist.len()) {
        return refuse(86_006, "invalid chat member list size");
    }
    let owner = match request.text("owner")?.filter(|owner| !owner.is_empty()) {
        None => userlist[0].clone(),
        Some(owner) => match userlist.iter().find(|member| member.eq_ignore_ascii_case(&owner)) {
            Some(owner) => owner.clone(),
            None => return refuse(86_207, "owner is not in the member list"),
        },
    };
    let chatid = request.text("chatid")?.unwrap_or_default();
    if chatid.len() > 32 {
        return refuse(86_205, "chatid too long");
    }
    if !chatid.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return refuse(86_001, "invalid chatid");
    }
    let name: String = request.text("name")?.unwrap_or_default().chars().take(50).collect();
    let (now, agentid) = (session.now, session.token.agentid.unwrap_or_default());
    let corp = session.corp_mut()?;
    let chatid = if chatid.is_empty() { random_id(24).replace(['-', '_'], "a") } else { chatid };
    if corp.chats.contains_key(&chatid) {
        return refuse(86_215, "chatid existed");
    }
    let created = corp.chats_created.get_or_insert_with(|| Window::new(CREATED_A_DAY, DAY));
    if !created.admit_or_block(now) {
        return refuse(45_009, "api freq out of limit");
    }
    corp.chats.insert(chatid.clone(), Chat { name, owner, members: userlist, agentid });
    Ok(Answer::ok(json!({ "chatid": chatid })))
}

/// A chat of the calling application.
fn own<'s>(session: &'s Session<'_>, chatid: &str) -> Result<&'s Chat, Refused> {
    if chatid.is_empty() {
        return refuse(86_201, "chatid missing");
    }
    match session.corp()?.chats.get(chatid) {
        None => refuse(86_003, "chat not exist"),
        Some(chat) if Some(chat.agentid) == session.token.agentid => Ok(chat),
        Some(_) => refuse(86_008, "you has no privilege to access this chat, which is created by other agent."),
    }
}

pub(super) fn get(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = root_app(world, call, false)?;
    let chatid = call.parameter("chatid");
    let chat = own(&session, chatid)?;
    Ok(Answer::ok(json!({ "chat_info": {
        "chatid": chatid, "name": chat.name, "owner": chat.owner, "userlist": chat.members, "chat_type": 0,
    } })))
}

pub(super) fn update(world: &World, call: &Call) -> Result<Answer, Refused> {
    let mut session = root_app(world, call, true)?;
    let request = session.request()?;
    let chatid = request.text("chatid")?.unwrap_or_default();
    let mut chat = own(&session, &chatid)?.clone();
    if let Some(name) = request.text("name")? {
        chat.name = name.chars().take(50).collect();
    }
    let leaving = request.texts("del_user_list")?;
    if leaving.iter().any(|userid| !chat.members.iter().any(|member| member.eq_ignore_ascii_case(userid))) {
        return refuse(86_216, "illegal chat member id");
    }
    chat.members.retain(|member| !leaving.iter().any(|userid| member.eq_ignore_ascii_case(userid)));
    for userid in members(session.corp()?, &request.texts("add_user_list")?)? {
        if !chat.members.contains(&userid) {
            chat.members.push(userid);
        }
    }
    if let Some(owner) = request.text("owner")?.filter(|owner| !owner.is_empty()) {
        match chat.members.iter().find(|member| member.eq_ignore_ascii_case(&owner)) {
            Some(owner) => chat.owner = owner.clone(),
            None => return refuse(86_207, "owner is not in the member list"),
        }
    }
    if !chat.members.contains(&chat.owner) {
        return refuse(86_005, "the owner leaves: a new owner is needed");
    }
    if !MEMBERS.contains(&chat.members.len()) {
        return refuse(86_006, "invalid chat member list size");
    }
    let now = session.now;
    let corp = session.corp_mut()?;
    let changed = corp.chats_changed.get_or_insert_with(|| Window::new(CHANGED_AN_HOUR, HOUR));
    if !changed.admit_or_block(now) {
        return refuse(45_009, "api freq out of limit");
    }
    corp.chats.insert(chatid, chat);
    Ok(Answer::ok(nothing()))
}

pub(super) fn send(world: &World, call: &Call) -> Result<Answer, Refused> {
    let mut session = root_app(world, call, true)?;
    let request = session.request()?;
    let chatid = request.text("chatid")?.unwrap_or_default();
    let chat = own(&session, &chatid)?.clone();
    let msgtype = request.text("msgtype")?.unwrap_or_default();
    check(&session, &request, &msgtype)?;
    let warned = request.warned();
    let mut body = session.body().clone();
    let cut = if msgtype == "markdown" { session.state.rules.cut_long_markdown } else { true };
    if let Some(Value::String(content)) = body.pointer_mut(&format!("/{msgtype}/content")).filter(|_| cut) {
        content.truncate(content.floor_char_boundary(TEXT));
    }
    let (now, agentid) = (session.now, chat.agentid);
    let app = session.app()?;
    let mut app = app.lock();
    // An excess is dropped without a word (path/90312).
    let (users, dropped) = chat.members.iter().cloned().partition(|userid| {
        let windows = app
            .to_chat_member
            .entry(userid.clone())
            .or_insert_with(|| (Window::new(MEMBER_LIMITS.0, MINUTE), Window::new(MEMBER_LIMITS.1, DAY)));
        admit_both(windows, now)
    });
    drop(app);
    let target = Target::Chat { agentid, chatid, name: chat.name, users, dropped };
    let number = session.state.keep(Sent::new(now, target, &msgtype, body));
    world.announce(number);
    let mut answer = Answer::ok(nothing());
    answer.warn(warned);
    Ok(answer)
}

fn check(session: &Session<'_>, request: &Reader<'_>, msgtype: &str) -> Result<(), Refused> {
    let known = ["text", "image", "voice", "video", "file", "textcard", "news", "mpnews", "markdown"];
    if !known.contains(&msgtype) {
        return refuse(40_008, "invalid message type");
    }
    if msgtype == "voice" && request.int("safe")?.unwrap_or(0) != 0 {
        return refuse(40_058, "safe is not taken for voice. invalid Request Parameter");
    }
    if msgtype == "news" {
        let articles = request.object("news")?.map(|news| news.objects("articles")).transpose()?.unwrap_or_default();
        if articles.iter().any(|article| !article.has("url")) {
            return refuse(41_010, "url missing");
        }
    }
    let owner = MediaOwner::Corp(session.token.corp.clone());
    let media = |id: &str, kind: &str| session.state.usable_media(id, &owner, kind, session.now);
    let app = session.app()?;
    let app = app.lock();
    app_content::Context { rules: &session.state.rules, app: &app, media: &media }.check(request, msgtype).map(drop)
}
