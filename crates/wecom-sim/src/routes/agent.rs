//! An application about itself: settings (path/90226), menu (path/90230), workbench (path/92535).

use serde_json::{Map, Value, json};

use super::reader::Reader;
use super::session::Session;
use super::{Answer, Call, nothing};
use crate::rules::{Refused, refuse};
use crate::world::{MediaOwner, World};

/// Fields that `agent/set` changes and `agent/get` shows (path/90228).
const TEXTS: [&str; 4] = ["name", "description", "redirect_domain", "home_url"];
const FLAGS: [&str; 2] = ["report_location_flag", "isreportenter"];
/// How an application may show on the workbench (path/92535).
const WORKBENCH: [&str; 5] = ["normal", "keydata", "image", "list", "webview"];

pub(super) fn get(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::get(world, call)?;
    let (id, app) = session.own_app(call.parameter("agentid").parse().ok())?;
    let app = app.lock();
    let mut fields = json!({
        "agentid": id,
        "name": app.name,
        "square_logo_url": "",
        "description": "",
        "allow_userinfos": { "user": [] },
        "allow_partys": { "partyid": app.visible_parties },
        "allow_tags": { "tagid": [] },
        "close": i32::from(app.disabled),
        "redirect_domain": "",
        "report_location_flag": 0,
        "isreportenter": 0,
        "home_url": ""
    });
    for (name, value) in &app.settings {
        fields[name] = value.clone();
    }
    Ok(Answer::ok(fields))
}

pub(super) fn list(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::get(world, call)?;
    let app = session.app()?;
    let name = app.lock().name.clone();
    let own = json!({ "agentid": session.token.agentid, "name": name, "square_logo_url": "" });
    Ok(Answer::ok(json!({ "agentlist": [own] })))
}

pub(super) fn set(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::post(world, call)?;
    let request = session.request()?;
    let (_, app) = session.own_app(request.int("agentid")?)?;
    if request.text("name")?.is_some_and(|name| !(1..=32).contains(&name.chars().count())) {
        return refuse(45_022, "name size out of limit");
    }
    if request.text("description")?.is_some_and(|text| !(4..=120).contains(&text.chars().count())) {
        return refuse(45_004, "description size out of limit");
    }
    let owner = MediaOwner::Corp(session.token.corp.clone());
    let logo = request.text("logo_mediaid")?.filter(|id| !id.is_empty());
    if logo.is_some_and(|id| !session.state.usable_media(&id, &owner, "image", session.now)) {
        return refuse(40_007, "invalid media_id");
    }
    let mut app = app.lock();
    for name in TEXTS {
        if let Some(value) = request.text(name)? {
            app.settings.insert(name.to_owned(), value.into());
        }
    }
    for name in FLAGS {
        match request.int(name)? {
            None => {}
            Some(flag @ (0 | 1)) => app.settings.extend([(name.to_owned(), flag.into())]),
            Some(_) => return refuse(40_059, "invalid report_location flag"),
        }
    }
    if let Some(name) = request.text("name")? {
        app.name = name;
    }
    Ok(Answer::ok(nothing()))
}

pub(super) fn create_menu(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::post(world, call)?;
    let (_, app) = session.own_app(call.parameter("agentid").parse().ok())?;
    let buttons = session.request()?.objects("button")?;
    if !(1..=3).contains(&buttons.len()) {
        return refuse(40_016, "invalid button size");
    }
    for button in &buttons {
        let below = button.objects("sub_button")?;
        if below.is_empty() {
            menu_button(button, 16)?;
            continue;
        }
        if below.len() > 5 {
            return refuse(40_023, "invalid sub button size");
        }
        name_fits(button, 16, 40_018)?;
        for button in below {
            if !button.objects("sub_button")?.is_empty() {
                return refuse(40_022, "invalid sub button level");
            }
            menu_button(&button, 40)?;
        }
    }
    app.lock().menu = session.body().get("button").cloned();
    Ok(Answer::ok(nothing()))
}

fn name_fits(button: &Reader<'_>, most: usize, errcode: i64) -> Result<(), Refused> {
    let length = button.text("name")?.unwrap_or_default().len();
    if (1..=most).contains(&length) { Ok(()) } else { refuse(errcode, "invalid button name size") }
}

/// What a button's fields are refused with: its type, name, key and URL, on the first level and below it (path/90231).
const TOP: [i64; 4] = [40_017, 40_018, 40_019, 40_020];
const SUB: [i64; 4] = [40_024, 40_025, 40_026, 40_027];

fn menu_button(button: &Reader<'_>, name_bytes: usize) -> Result<(), Refused> {
    let [kind, name, key, url] = if name_bytes == 16 { TOP } else { SUB };
    name_fits(button, name_bytes, name)?;
    let filled = |name: &str| Ok::<_, Refused>(!button.text(name)?.unwrap_or_default().is_empty());
    match button.text("type")?.unwrap_or_default().as_str() {
        "view" => match button.text("url")?.unwrap_or_default().len() {
            1..=1024 => Ok(()),
            _ => refuse(url, "invalid button url size"),
        },
        "view_miniprogram" if filled("pagepath")? && filled("appid")? => Ok(()),
        "view_miniprogram" => refuse(40_058, "pagepath or appid missing. invalid Request Parameter"),
        "click" | "scancode_push" | "scancode_waitmsg" | "pic_sysphoto" | "pic_photo_or_album" | "pic_weixin"
        | "location_select" => match button.text("key")?.unwrap_or_default().len() {
            1..=128 => Ok(()),
            _ => refuse(key, "invalid button key size"),
        },
        _ => refuse(kind, "invalid button type"),
    }
}

pub(super) fn get_menu(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::get(world, call)?;
    let (_, app) = session.own_app(call.parameter("agentid").parse().ok())?;
    match &app.lock().menu {
        Some(buttons) => Ok(Answer::ok(json!({ "button": buttons }))),
        None => refuse(46_003, "menu not exist"),
    }
}

pub(super) fn delete_menu(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::get(world, call)?;
    let (_, app) = session.own_app(call.parameter("agentid").parse().ok())?;
    app.lock().menu = None;
    Ok(Answer::ok(nothing()))
}

/// What a request says of the workbench: its type, and under that name its content.
fn workbench_data(request: &Reader<'_>) -> Result<Map<String, Value>, Refused> {
    let kind = request.text("type")?.unwrap_or_default();
    if !WORKBENCH.contains(&kind.as_str()) {
        return refuse(40_058, "type illegal. invalid Request Parameter");
    }
    let mut data = Map::new();
    match request.value(&kind) {
        Some(content) => data.extend([(kind.clone(), content.clone())]),
        None if kind == "normal" => {}
        None => return refuse(40_058, format!("{kind} missing. invalid Request Parameter")),
    }
    data.insert("type".to_owned(), kind.into());
    Ok(data)
}

pub(super) fn set_workbench_template(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::post(world, call)?;
    let request = session.request()?;
    let (_, app) = session.own_app(request.int("agentid")?)?;
    let mut template = workbench_data(&request)?;
    let replaces = request.value("replace_user_data").and_then(Value::as_bool).unwrap_or(false);
    template.insert("replace_user_data".to_owned(), replaces.into());
    let mut app = app.lock();
    if replaces {
        app.workbench_of.clear();
    }
    app.workbench = Some(template);
    Ok(Answer::ok(nothing()))
}

pub(super) fn get_workbench_template(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::post(world, call)?;
    let (_, app) = session.own_app(session.request()?.int("agentid")?)?;
    let template = app.lock().workbench.clone();
    Ok(Answer::ok(template.map_or_else(|| json!({ "type": "normal" }), Value::Object)))
}

pub(super) fn set_workbench_data(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::post(world, call)?;
    let request = session.request()?;
    let (_, app) = session.own_app(request.int("agentid")?)?;
    let userid = session.seen_member(&request.text("userid")?.unwrap_or_default())?.userid.clone();
    let data = workbench_data(&request)?;
    app.lock().workbench_of.insert(userid, data);
    Ok(Answer::ok(nothing()))
}

pub(super) fn batch_set_workbench_data(world: &World, call: &Call) -> Result<Answer, Refused> {
    let session = Session::post(world, call)?;
    let request = session.request()?;
    let (_, app) = session.own_app(request.int("agentid")?)?;
    let Some(data) = request.object("data")? else {
        return refuse(40_058, "data missing. invalid Request Parameter");
    };
    let data = workbench_data(&data)?;
    for userid in request.texts("userid_list")? {
        let userid = session.seen_member(&userid)?.userid.clone();
        app.lock().workbench_of.insert(userid, data.clone());
    }
    Ok(Answer::ok(nothing()))
}
