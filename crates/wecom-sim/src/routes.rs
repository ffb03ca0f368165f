//! The calls, in files named as the SDK names its own; each reads its request by its own hand.

mod agent;
mod appchat;
pub(crate) mod card;
mod department;
mod jobs;
mod media;
mod message;
mod network;
pub(crate) mod oauth;
pub(crate) mod reader;
mod robot;
mod session;
mod table;
mod tag;
mod token;
mod user;

use std::collections::HashMap;
use std::net::IpAddr;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::rules::Refused;
use crate::smart_robot;
use crate::world::{State, Token, World};

/// A request, read off the wire.
pub(crate) struct Call {
    pub(crate) method: axum::http::Method,
    pub(crate) path: String,
    pub(crate) query: HashMap<String, String>,
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
    pub(crate) from_ip: Option<IpAddr>,
    /// The `Range` header.
    pub(crate) range: Option<String>,
}

impl Call {
    /// Where it comes from, as text.
    pub(crate) fn address(&self) -> String {
        self.from_ip.map(|address| address.to_string()).unwrap_or_default()
    }

    /// A parameter of the query; an absent one is empty.
    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.query.get(name).map(String::as_str).unwrap_or_default()
    }
}

/// What a call is answered with.
pub(crate) enum Reply {
    Json(Answer),
    File(File),
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self::Json(answer)
    }
}

/// A file that was asked for.
pub(crate) struct File {
    pub(crate) content: Bytes,
    pub(crate) content_type: &'static str,
    pub(crate) file_name: String,
}

/// An answer's JSON, errcode and errmsg included.
pub(crate) struct Answer(pub(crate) Map<String, Value>);

impl Answer {
    pub(crate) fn ok(fields: Value) -> Self {
        let mut map = Map::new();
        map.insert("errcode".to_owned(), 0.into());
        map.insert("errmsg".to_owned(), "ok".into());
        if let Value::Object(fields) = fields {
            map.extend(fields);
        }
        Self(map)
    }

    /// A success that WeCom words otherwise: `created`, `updated`, `deleted`.
    pub(crate) fn said(errmsg: &str, fields: Value) -> Self {
        let mut answer = Self::ok(fields);
        answer.0.insert("errmsg".to_owned(), errmsg.into());
        answer
    }

    /// The shape of a failure: text, hint, caller's address, a link (path/92520).
    pub(crate) fn refused(refused: &Refused, call: &Call, now: i64) -> Self {
        let Refused { errcode, errmsg } = refused;
        // Some interfaces answer this one bare.
        let bare = *errcode == 40_014 && call.path == "/cgi-bin/message/send";
        let errmsg = if bare {
            errmsg.clone()
        } else {
            let digits: u64 = rand::random_range(100_000_000_000_000..1_000_000_000_000_000);
            format!(
                "{errmsg}, hint: [{}{digits}], from ip: {}, more info at https://open.work.weixin.qq.com/devtool/query?e={errcode}",
                now / 1000,
                call.address()
            )
        };
        let mut map = Map::new();
        map.insert("errcode".to_owned(), (*errcode).into());
        map.insert("errmsg".to_owned(), errmsg.into());
        // Some interfaces repeat the shape of a success, with nothing in it.
        if call.path.ends_with("ip") {
            map.insert("ip_list".to_owned(), json!([]));
        }
        Self(map)
    }

    pub(crate) fn errcode(&self) -> i64 {
        self.0.get("errcode").and_then(Value::as_i64).unwrap_or(0)
    }

    fn warn(&mut self, warned: bool) {
        if warned && let Some(Value::String(errmsg)) = self.0.get_mut("errmsg") {
            errmsg.push_str(". Warning: wrong json format. ");
        }
    }
}

/// Answers a call; `None` for a path that does not exist.
pub(crate) async fn answer(world: &World, call: &Call) -> Option<Result<Reply, Refused>> {
    let path = call.path.strip_prefix("/cgi-bin/")?;
    let answered = match path {
        "gettoken" => token::get(world, call),
        "message/send" => message::send(world, call),
        "message/recall" => message::recall(world, call),
        "message/get_statistics" => message::get_statistics(world, call),
        "message/update_template_card" => card::update(world, call),
        "message/update_taskcard" => card::update_taskcard(world, call),
        "webhook/send" => robot::send(world, call),
        "webhook/upload_media" => media::upload_for_robot(world, call).await,
        "media/upload" => media::upload(world, call).await,
        "media/uploadimg" => jobs::uploadimg(world, call).await,
        "media/get" | "media/get/jssdk" => return Some(media::get(world, call).map(Reply::File)),
        "get_api_domain_ip" => network::api_domain_ip(world, call),
        "getcallbackip" => network::callback_ip(world, call),
        "get_jsapi_ticket" => network::jsapi_ticket(world, call),
        "ticket/get" => network::agent_ticket(world, call),
        "aibot/response" => aibot_response(world, call),
        _ => of_people(path).or_else(|| of_application(path)).or_else(|| of_jobs(path))?(world, call),
    };
    Some(answered.map(Reply::Json))
}

/// The answer to a smart robot's `response_url`: no token, a code that is good once.
fn aibot_response(world: &World, call: &Call) -> Result<Answer, Refused> {
    let (body, _) = reader::parse(&call.body, true);
    smart_robot::respond(world, call.parameter("response_code"), &body)?;
    Ok(Answer::ok(nothing()))
}

/// A call that is plain JSON.
type Route = fn(&World, &Call) -> Result<Answer, Refused>;

/// Members, departments and tags.
fn of_people(path: &str) -> Option<Route> {
    Some(match path {
        "user/get" => user::get,
        "user/simplelist" => user::simplelist,
        "user/list" => user::list,
        "user/list_id" => user::list_id,
        "user/getuserid" => user::getuserid,
        "user/get_userid_by_email" => user::get_userid_by_email,
        "user/convert_to_openid" => user::convert_to_openid,
        "user/convert_to_userid" => user::convert_to_userid,
        "user/authsucc" => user::authsucc,
        "user/get_active_stat" => user::get_active_stat,
        "user/create" => user::create,
        "user/update" => user::update,
        "user/delete" => user::delete,
        "user/batchdelete" => user::batchdelete,
        "user/getuserinfo" => oauth::getuserinfo,
        "user/getuserdetail" => oauth::getuserdetail,
        "user/tfa_succ" => oauth::tfa_succ,
        "auth/getuserinfo" => oauth::getuserinfo,
        "auth/getuserdetail" => oauth::getuserdetail,
        "auth/get_tfa_info" => oauth::get_tfa_info,
        "department/create" => department::create,
        "department/update" => department::update,
        "department/delete" => department::delete,
        "department/list" => department::list,
        "department/simplelist" => department::simplelist,
        "department/get" => department::get,
        "tag/create" => tag::create,
        "tag/update" => tag::update,
        "tag/delete" => tag::delete,
        "tag/get" => tag::get,
        "tag/addtagusers" => tag::addtagusers,
        "tag/deltagusers" => tag::deltagusers,
        "tag/list" => tag::list,
        "corp/get_join_qrcode" => user::get_join_qrcode,
        _ => return None,
    })
}

/// What an application owns.
fn of_application(path: &str) -> Option<Route> {
    Some(match path {
        "appchat/create" => appchat::create,
        "appchat/update" => appchat::update,
        "appchat/get" => appchat::get,
        "appchat/send" => appchat::send,
        "agent/get" => agent::get,
        "agent/list" => agent::list,
        "agent/set" => agent::set,
        "agent/set_workbench_template" => agent::set_workbench_template,
        "agent/get_workbench_template" => agent::get_workbench_template,
        "agent/set_workbench_data" => agent::set_workbench_data,
        "agent/batch_set_workbench_data" => agent::batch_set_workbench_data,
        "menu/create" => agent::create_menu,
        "menu/get" => agent::get_menu,
        "menu/delete" => agent::delete_menu,
        _ => return None,
    })
}

/// What takes its time.
fn of_jobs(path: &str) -> Option<Route> {
    Some(match path {
        "batch/invite" => jobs::invite,
        "batch/syncuser" | "batch/replaceuser" | "batch/replaceparty" => jobs::import,
        "batch/getresult" => jobs::import_result,
        "batch/openuserid_to_userid" => jobs::openuserid_to_userid,
        "export/simple_user" | "export/user" | "export/department" | "export/taguser" => jobs::export,
        "export/get_result" => jobs::export_result,
        "media/upload_by_url" => jobs::upload_by_url,
        "media/get_upload_by_url_result" => jobs::upload_by_url_result,
        _ => return None,
    })
}

/// Checks the token before anything else: missing (41001), then unknown (40014) or expired (42001).
fn authorise(state: &State, call: &Call, now: i64) -> Result<Token, Refused> {
    let token = call.query.get("access_token").map(String::as_str).unwrap_or_default();
    if token.is_empty() {
        return crate::rules::refuse(41_001, "access_token missing");
    }
    match state.tokens.get(token) {
        None => crate::rules::refuse(40_014, "invalid access_token"),
        Some(known) if known.expires_at <= now => crate::rules::refuse(42_001, "access_token expired"),
        Some(known) => {
            check_address(state, &known.corp, known.agentid, call)?;
            Ok(known.clone())
        }
    }
}

/// Refuses an address that the application does not trust (60020).
fn check_address(state: &State, corp: &str, agentid: Option<i64>, call: &Call) -> Result<(), Refused> {
    let app = agentid.and_then(|id| state.corps.get(corp)?.apps.get(&id));
    let trusts = |list: &Vec<String>| list.contains(&call.address());
    match app {
        Some(app) if !app.lock().trusted_addresses.as_ref().is_none_or(trusts) => {
            crate::rules::refuse(60_020, "not allow to access from your ip")
        }
        _ => Ok(()),
    }
}

/// A list of numbers; texts of digits are taken for theirs.
fn ids(request: &reader::Reader<'_>, name: &str) -> Result<Vec<u64>, Refused> {
    let id = |value: &Value| value.as_u64().or_else(|| value.as_str()?.trim().parse().ok());
    match request.value(name) {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => Ok(items.iter().filter_map(id).collect()),
        Some(one) => Ok(id(one).into_iter().collect()),
    }
}

/// The application that a token belongs to; the contact-sync secret's token is for no application (48002).
fn app_of(state: &State, token: &Token) -> Result<std::sync::Arc<parking_lot::Mutex<crate::world::App>>, Refused> {
    let Some(agentid) = token.agentid else { return crate::rules::refuse(48_002, "api forbidden") };
    let app = state.corps.get(&token.corp).and_then(|corp| corp.apps.get(&agentid));
    match app {
        Some(app) if app.lock().disabled => crate::rules::refuse(50_003, "app disabled"),
        Some(app) => Ok(app.clone()),
        None => crate::rules::refuse(40_056, "invalid agentid"),
    }
}

/// A msgid: letters, digits, `_` and `-`, as long as real ones.
pub(crate) fn random_id(length: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = vec![0_u8; length];
    rand::fill(&mut bytes[..]);
    bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 64)])).collect()
}

pub(crate) fn nothing() -> Value {
    json!({})
}
