//! The same over HTTP, under `/_sim/`: for everyone who does not write Rust.
//!
//! Answers only requests whose Host is a loopback name, so that no web page elsewhere can reach it through a browser.

use std::sync::Arc;

use axum::extract::{Query, Request, State as Shared};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Control, Counts, put_member};
use crate::callback::CallbackAttempt;
use crate::event::{Press, Said};
use crate::fault::Fault;
use crate::rules::{Mode, Rules};
use crate::scenario::Snapshot;
use crate::smart_robot::{RobotSaid, RobotTold};
use crate::world::{Logged, Sent, World};

pub(crate) fn router(world: Arc<World>) -> Router {
    Router::new()
        .route("/_sim/outbox", get(outbox))
        .route("/_sim/requests", get(requests))
        .route("/_sim/counts", get(counts))
        .route("/_sim/world", get(show_world))
        .route("/_sim/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/_sim/tokens/kill", post(kill_tokens))
        .route("/_sim/clock", get(clock).post(advance))
        .route("/_sim/state", get(state).put(set_state))
        .route("/_sim/rules", get(rules).put(set_rules))
        .route("/_sim/members/{userid}", put(set_member))
        .route("/_sim/robots/{key}", put(set_robot))
        .route("/_sim/apps/{agentid}", put(set_app))
        .route("/_sim/apps/{agentid}/callback", put(set_callback))
        .route("/_sim/contacts/callback", put(set_contacts_callback))
        .route("/_sim/contacts/change", post(change_contact))
        .route("/_sim/callbacks", get(callbacks))
        .route("/_sim/say", post(say))
        .route("/_sim/press", post(press))
        .route("/_sim/oauth", post(oauth_code))
        .route("/_sim/smart-robots/tell", post(tell_robot))
        .route("/_sim/smart-robots/{bot_id}/callback", put(set_robot_url))
        .layer(middleware::from_fn(json_unless_said))
        .layer(middleware::from_fn(loopback_only))
        .with_state(Control::new(world))
}

/// Takes a body without a Content-Type, or with curl's, for JSON.
async fn json_unless_said(mut request: Request, next: Next) -> Response {
    let json = axum::http::HeaderValue::from_static("application/json");
    if request.method() != axum::http::Method::GET {
        request.headers_mut().insert(axum::http::header::CONTENT_TYPE, json);
    }
    next.run(request).await
}

/// Refuses Host headers that are not loopback names: a page elsewhere cannot rebind its name to us.
pub(crate) async fn loopback_only(request: Request, next: Next) -> Response {
    let host = request.headers().get("host").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, port)| if port.contains(']') { host } else { name });
    if matches!(name, "127.0.0.1" | "localhost" | "[::1]") {
        return next.run(request).await;
    }
    (StatusCode::FORBIDDEN, "the simulator's control answers loopback Host headers only\n").into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Since {
    #[serde(default)]
    since: u64,
    limit: Option<usize>,
}

async fn outbox(Shared(control): Shared<Control>, Query(page): Query<Since>) -> Json<Vec<Sent>> {
    let state = control.world.state.lock();
    let after = state.sent.iter().filter(|sent| sent.number > page.since);
    Json(after.take(page.limit.unwrap_or(usize::MAX)).cloned().collect())
}

async fn requests(Shared(control): Shared<Control>, Query(page): Query<Since>) -> Json<Vec<Logged>> {
    let requests = control.world.requests.lock();
    let after = requests.iter().filter(|request| request.number > page.since);
    Json(after.take(page.limit.unwrap_or(usize::MAX)).cloned().collect())
}

async fn counts(Shared(control): Shared<Control>) -> Json<Counts> {
    Json(control.counts())
}

async fn show_world(Shared(control): Shared<Control>) -> Json<Value> {
    let state = control.world.state.lock();
    let corps: Vec<Value> = state
        .corps
        .iter()
        .map(|(id, corp)| {
            let apps: Vec<_> =
                corp.apps.iter().map(|(id, app)| json!({ "agentid": id, "name": app.lock().name })).collect();
            json!({
                "corpid": id,
                "apps": apps,
                "members": corp.members.values().collect::<Vec<_>>(),
                "parties": corp.parties,
                "tags": corp.tags,
            })
        })
        .collect();
    let robots: Vec<_> = state
        .robots
        .iter()
        .map(|(key, robot)| json!({ "key": key, "group": robot.group, "removed": robot.removed }))
        .collect();
    let media: Vec<_> =
        state.media.iter().map(|(id, m)| json!({ "media_id": id, "type": m.kind, "file_name": m.file_name })).collect();
    Json(json!({ "corps": corps, "robots": robots, "media": media }))
}

async fn faults(Shared(control): Shared<Control>) -> Json<Vec<Fault>> {
    Json(control.world.state.lock().faults.list().to_vec())
}

async fn add_fault(Shared(control): Shared<Control>, Json(fault): Json<Fault>) -> StatusCode {
    control.fault(fault);
    StatusCode::NO_CONTENT
}

async fn clear_faults(Shared(control): Shared<Control>) -> StatusCode {
    control.clear_faults();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Kill {
    agentid: Option<i64>,
    /// Expired (42001) rather than unknown (40014).
    expired: bool,
}

async fn kill_tokens(Shared(control): Shared<Control>, body: axum::body::Bytes) -> StatusCode {
    let kill = if body.is_empty() {
        Kill::default()
    } else {
        match serde_json::from_slice(&body) {
            Ok(kill) => kill,
            Err(_) => return StatusCode::BAD_REQUEST,
        }
    };
    if kill.expired {
        control.expire_tokens(kill.agentid);
    } else {
        control.kill_tokens(kill.agentid);
    }
    StatusCode::NO_CONTENT
}

async fn clock(Shared(control): Shared<Control>) -> Json<Value> {
    Json(json!({ "now": control.world.clock.now() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    seconds: i64,
}

async fn advance(Shared(control): Shared<Control>, Json(advance): Json<Advance>) -> Json<Value> {
    control.world.clock.advance(advance.seconds.saturating_mul(1000));
    Json(json!({ "now": control.world.clock.now() }))
}

async fn state(Shared(control): Shared<Control>) -> Json<Snapshot> {
    Json(Snapshot::of(&control.world))
}

async fn set_state(Shared(control): Shared<Control>, Json(snapshot): Json<Snapshot>) -> Response {
    match snapshot.restore(&control.world) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(reason) => (StatusCode::BAD_REQUEST, Json(json!({ "reason": reason }))).into_response(),
    }
}

async fn rules(Shared(control): Shared<Control>) -> Json<Rules> {
    Json(control.world.state.lock().rules.clone())
}

/// Either a mode by name or the switches one by one.
#[derive(Deserialize)]
#[serde(untagged)]
enum NewRules {
    Mode { mode: Mode },
    Rules(Rules),
}

async fn set_rules(Shared(control): Shared<Control>, Json(rules): Json<NewRules>) -> Json<Rules> {
    let rules = match rules {
        NewRules::Mode { mode } => Rules::of(mode),
        NewRules::Rules(rules) => rules,
    };
    control.set_rules(rules.clone());
    Json(rules)
}

async fn set_member(
    Shared(control): Shared<Control>,
    axum::extract::Path(userid): axum::extract::Path<String>,
    Json(mut member): Json<Value>,
) -> Result<StatusCode, (StatusCode, String)> {
    member["userid"] = userid.into();
    let member = serde_json::from_value(member).map_err(|error| (StatusCode::BAD_REQUEST, format!("{error}\n")))?;
    put_member(&control.world, member);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RobotState {
    removed: bool,
}

async fn set_robot(
    Shared(control): Shared<Control>,
    axum::extract::Path(key): axum::extract::Path<String>,
    Json(robot): Json<RobotState>,
) -> StatusCode {
    control.remove_robot(&key, robot.removed);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AppState {
    disabled: Option<bool>,
    /// Addresses that may call; an empty list: none; `["*"]`: all.
    trusted_addresses: Option<Vec<String>>,
    /// Whether it is told of changes of the address book.
    contact_events: Option<bool>,
}

async fn set_app(
    Shared(control): Shared<Control>,
    axum::extract::Path(agentid): axum::extract::Path<i64>,
    Json(app): Json<AppState>,
) -> StatusCode {
    if let Some(disabled) = app.disabled {
        control.disable_app(agentid, disabled);
    }
    if let Some(told) = app.contact_events {
        control.tell_of_contacts(agentid, told);
    }
    if let Some(addresses) = app.trusted_addresses {
        let all = addresses.iter().any(|address| address == "*");
        control.trust_addresses(agentid, Some(addresses).filter(|_| !all));
    }
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallbackSettings {
    url: String,
    token: String,
    aes_key: String,
}

/// As WeCom's console: the URL is verified before it is taken.
async fn save_callback(control: &Control, agentid: Option<i64>, new: &CallbackSettings) -> Response {
    match control.set_callback(agentid, &new.url, &new.token, &new.aes_key).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(reason) => (StatusCode::BAD_REQUEST, Json(json!({ "errcode": 40_057, "reason": reason }))).into_response(),
    }
}

async fn set_callback(
    Shared(control): Shared<Control>,
    axum::extract::Path(agentid): axum::extract::Path<i64>,
    Json(new): Json<CallbackSettings>,
) -> Response {
    save_callback(&control, Some(agentid), &new).await
}

async fn set_contacts_callback(Shared(control): Shared<Control>, Json(new): Json<CallbackSettings>) -> Response {
    save_callback(&control, None, &new).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    change_type: String,
    #[serde(default)]
    elements: String,
}

async fn change_contact(Shared(control): Shared<Control>, Json(change): Json<Change>) -> Json<Vec<CallbackAttempt>> {
    Json(control.change_contact(&change.change_type, &change.elements).await)
}

async fn callbacks(Shared(control): Shared<Control>) -> Json<Vec<CallbackAttempt>> {
    Json(control.callbacks())
}

#[derive(Deserialize)]
struct Says {
    agentid: i64,
    userid: String,
    #[serde(flatten)]
    said: Said,
}

async fn say(Shared(control): Shared<Control>, Json(says): Json<Says>) -> Json<Vec<CallbackAttempt>> {
    Json(control.say(says.agentid, &says.userid, &says.said).await)
}

async fn press(Shared(control): Shared<Control>, Json(press): Json<Press>) -> Response {
    match control.press(&press).await {
        Ok(attempts) => Json(attempts).into_response(),
        Err(reason) => (StatusCode::BAD_REQUEST, Json(json!({ "reason": reason }))).into_response(),
    }
}

async fn tell_robot(Shared(control): Shared<Control>, Json(said): Json<RobotSaid>) -> Json<RobotTold> {
    Json(control.tell_robot(&said).await)
}

async fn set_robot_url(
    Shared(control): Shared<Control>,
    axum::extract::Path(bot_id): axum::extract::Path<String>,
    Json(new): Json<CallbackSettings>,
) -> Response {
    match control.set_robot_url(&bot_id, &new.url, &new.token, &new.aes_key).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(reason) => (StatusCode::BAD_REQUEST, Json(json!({ "errcode": 40_057, "reason": reason }))).into_response(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    userid: String,
    #[serde(default)]
    private: bool,
}

async fn oauth_code(Shared(control): Shared<Control>, Json(login): Json<Login>) -> Json<Value> {
    Json(json!({ "code": control.oauth_code(&login.userid, login.private) }))
}
