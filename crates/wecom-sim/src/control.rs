//! Steering and observing: from Rust through [`Control`], over HTTP under `/_sim/` for everyone else.
//!
//! Answers only requests whose Host is a loopback name, so that no web page elsewhere can reach it through a browser.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, Request, State as Shared};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::callback::{self, CallbackAttempt, Callbacks, Endpoint};
use crate::crypto::Key;
use crate::event::{Event, Press, Said};
use crate::fault::Fault;
use crate::routes::card::code_for_click as card_code;
use crate::routes::oauth;
use crate::rules::{Mode, Rules};
use crate::scenario::Snapshot;
use crate::smart_robot::{self, RobotSaid, RobotTold};
use crate::world::{Corp, Logged, Member, Sent, Target, World};

/// Steers and observes a running simulator.
#[derive(Clone)]
pub struct Control {
    world: Arc<World>,
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").finish_non_exhaustive()
    }
}

/// What happened so far, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Requests of any kind.
    pub requests: u64,
    /// Calls of gettoken.
    pub gettoken: u64,
    /// Messages taken: seen, swallowed or dropped.
    pub taken: u64,
    /// Messages that somebody sees.
    pub seen: u64,
    /// Messages that the duplicate check swallowed.
    pub swallowed: u64,
    /// Members to whom a message was silently dropped, each time counted.
    pub dropped: u64,
    /// Answers with errcode 45009.
    pub throttled: u64,
    /// Connections opened.
    pub connections: u64,
}

impl Control {
    pub(crate) fn new(world: Arc<World>) -> Self {
        Self { world }
    }

    /// Returns every message taken, oldest first.
    pub fn outbox(&self) -> Vec<Sent> {
        self.world.state.lock().sent.iter().cloned().collect()
    }

    /// Returns the one message that was taken.
    ///
    /// # Panics
    /// If none was, or more than one: for tests, with the whole outbox in the text.
    #[track_caller]
    pub fn only_message(&self) -> Sent {
        let outbox = self.outbox();
        match <[Sent; 1]>::try_from(outbox) {
            Ok([sent]) => sent,
            Err(outbox) => panic!("one message was expected, {} were taken: {outbox:#?}", outbox.len()),
        }
    }

    /// Returns the texts and markdowns that a member sees, oldest first: from applications, chats and robots.
    pub fn seen_by(&self, userid: &str) -> Vec<String> {
        let outbox = self.outbox();
        let seen = outbox.iter().filter(|sent| sent.is_seen_by(userid));
        seen.filter_map(|sent| sent.text().map(str::to_owned)).collect()
    }

    /// Checks that a member sees a text that holds `part`.
    ///
    /// # Panics
    /// If the member does not: for tests, with what is seen in the text.
    #[track_caller]
    pub fn assert_seen(&self, userid: &str, part: &str) {
        let seen = self.seen_by(userid);
        assert!(seen.iter().any(|text| text.contains(part)), "{userid} sees no {part:?}, but {seen:#?}");
    }

    /// Returns every request, oldest first.
    pub fn requests(&self) -> Vec<Logged> {
        self.world.state.lock().requests.iter().cloned().collect()
    }

    /// Returns the counts.
    pub fn counts(&self) -> Counts {
        let state = self.world.state.lock();
        let mut counts = Counts {
            requests: state.next_request - 1,
            taken: state.next_sent - 1,
            connections: state.connections,
            ..Counts::default()
        };
        for request in &state.requests {
            counts.gettoken += u64::from(request.path == "/cgi-bin/gettoken");
            counts.throttled += u64::from(request.errcode == Some(45_009));
        }
        for sent in &state.sent {
            counts.seen += u64::from(sent.is_seen());
            counts.swallowed += u64::from(sent.swallowed);
            if let Target::App { dropped, .. } | Target::Chat { dropped, .. } = &sent.target {
                counts.dropped += dropped.len() as u64;
            }
        }
        counts
    }

    /// Makes trouble.
    pub fn fault(&self, fault: Fault) {
        self.world.state.lock().faults.add(fault);
    }

    /// Ends all trouble.
    pub fn clear_faults(&self) {
        self.world.state.lock().faults.clear();
    }

    /// Makes every token of an application (or of all) unknown: 40014.
    pub fn kill_tokens(&self, agentid: Option<i64>) {
        self.world.state.lock().tokens.retain(|_, token| agentid.is_some() && token.agentid != agentid);
    }

    /// Makes every token of an application (or of all) expired: 42001.
    pub fn expire_tokens(&self, agentid: Option<i64>) {
        for token in self.world.state.lock().tokens.values_mut() {
            if agentid.is_none() || token.agentid == agentid {
                token.expires_at = 0;
            }
        }
    }

    /// Moves the simulator's clock ahead.
    pub fn advance(&self, by: Duration) {
        self.world.clock.advance(i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
    }

    /// Changes the rules.
    pub fn set_rules(&self, rules: Rules) {
        self.world.state.lock().rules = rules;
    }

    /// Adds members `prefix1`, `prefix2` … to the demo company's department 2.
    pub fn add_members(&self, prefix: &str, count: usize) {
        for i in 1..=count {
            let userid = format!("{prefix}{i}");
            put_member(&self.world, Member { name: userid.clone(), parties: vec![2], ..Member::new(&userid) });
        }
    }

    /// Says whether a member has a basic API licence.
    pub fn license(&self, userid: &str, licensed: bool) {
        for corp in self.world.state.lock().corps.values_mut() {
            if let Some(member) = corp.members.get_mut(userid) {
                member.unlicensed = !licensed;
            }
        }
    }

    /// Says where an application is called back (`None`: where contact sync is), checked as WeCom checks it on saving.
    ///
    /// # Errors
    /// Why the URL was not taken: it did not answer the echo, as it is, within a second (40057).
    pub async fn set_callback(
        &self,
        agentid: Option<i64>,
        url: &str,
        token: &str,
        aes_key: &str,
    ) -> Result<(), String> {
        let key = Key::parse(aes_key).ok_or("the EncodingAESKey is not 43 letters and digits")?;
        let endpoint = Endpoint { url: url.to_owned(), token: token.to_owned(), key };
        let corp_id = self.corp_of(agentid).ok_or("there is no such application")?;
        callback::verify(&endpoint, &corp_id, self.world.clock.now() / 1000).await?;
        let mut state = self.world.state.lock();
        let corp = state.corps.get_mut(&corp_id);
        match (corp, agentid) {
            (Some(corp), None) => corp.contacts_callback = Some(endpoint),
            (Some(corp), Some(id)) => {
                if let Some(app) = corp.apps.get(&id) {
                    app.lock().callback = Some(endpoint);
                }
            }
            (None, _) => {}
        }
        Ok(())
    }

    /// The company that an application belongs to; for `None` the first.
    fn corp_of(&self, agentid: Option<i64>) -> Option<String> {
        let state = self.world.state.lock();
        let has = |corp: &Corp| agentid.is_none_or(|id| corp.apps.contains_key(&id));
        state.corps.iter().find(|(_, corp)| has(corp)).map(|(id, _)| id.clone())
    }

    /// Has a member write to an application; returns the attempts to call it back, with what was replied.
    pub async fn say(&self, agentid: i64, userid: &str, said: &Said) -> Vec<CallbackAttempt> {
        let Some(corp) = self.corp_of(Some(agentid)) else { return Vec::new() };
        let push = {
            let mut state = self.world.state.lock();
            // As long as real ones: more than a float can hold.
            state.last_written += 1;
            let msg_id = 7_300_000_000_000_000_000 + state.last_written;
            let event = Event::said(userid, said, msg_id);
            Callbacks::ready(&state, &corp, Some(agentid), event, self.world.clock.now())
        };
        match push {
            Some(push) => self.world.callbacks.deliver(push).await,
            None => Vec::new(),
        }
    }

    /// Has a member press a button of a card; returns the attempts to call the application back.
    ///
    /// # Errors
    /// The message has no card with that button, or the member has no copy of it.
    pub async fn press(&self, press: &Press) -> Result<Vec<CallbackAttempt>, String> {
        let push = {
            let mut state = self.world.state.lock();
            let now = self.world.clock.now();
            let sent = state.sent_mut(press.number).cloned().ok_or("there is no such message")?;
            let Target::App { agentid, users, .. } = &sent.target else {
                return Err("only cards of applications call back".to_owned());
            };
            if !users.contains(&press.userid) {
                return Err(format!("{} does not see the message", press.userid));
            }
            let card = sent.body.get("template_card").or_else(|| sent.body.get("taskcard"));
            let card = card.filter(|card| press.fits(card)).ok_or("the card has no such button")?;
            let code = card_code(&mut state, *agentid, press.number, now);
            let event = Event::card(press, card, &code);
            let corp = state.corps.iter().find(|(_, corp)| corp.apps.contains_key(agentid));
            let corp = corp.map(|(id, _)| id.clone()).unwrap_or_default();
            Callbacks::ready(&state, &corp, Some(*agentid), event, now)
        };
        let push = push.ok_or("the application is not called back")?;
        Ok(self.world.callbacks.deliver(push).await)
    }

    /// Tells the contact-sync callback that the address book changed; `elements` are what stands behind `ChangeType`.
    pub async fn change_contact(&self, change_type: &str, elements: &str) -> Vec<CallbackAttempt> {
        let Some(corp) = self.corp_of(None) else { return Vec::new() };
        let now = self.world.clock.now();
        let event = Event::contact(change_type, elements);
        let push = Callbacks::ready(&self.world.state.lock(), &corp, None, event, now);
        match push {
            Some(push) => self.world.callbacks.deliver(push).await,
            None => Vec::new(),
        }
    }

    /// Returns every attempt to call somebody back, oldest first.
    pub fn callbacks(&self) -> Vec<CallbackAttempt> {
        self.world.callbacks.attempts()
    }

    /// Hands out a code as the login page would: for a member, or for anybody else's openid.
    pub fn oauth_code(&self, userid: &str, private: bool) -> String {
        let corp = self.corp_of(None).unwrap_or_default();
        let now = self.world.clock.now();
        oauth::hand_out(&mut self.world.state.lock(), &corp, userid, private, now)
    }

    /// Says which addresses an application trusts (60020); `None`: all.
    pub fn trust_addresses(&self, agentid: i64, addresses: Option<Vec<String>>) {
        for corp in self.world.state.lock().corps.values() {
            if let Some(app) = corp.apps.get(&agentid) {
                app.lock().trusted_addresses.clone_from(&addresses);
            }
        }
    }

    /// Has a member tell a smart robot something: over its connection, or by its URL, whose answer is seen to its end.
    pub async fn tell_robot(&self, said: &RobotSaid) -> RobotTold {
        smart_robot::tell(&self.world, said).await
    }

    /// Gives a smart robot a URL, checked as WeCom checks it on saving; its connection ends.
    ///
    /// # Errors
    /// Why the URL was not taken.
    pub async fn set_robot_url(&self, bot_id: &str, url: &str, token: &str, aes_key: &str) -> Result<(), String> {
        let key = Key::parse(aes_key).ok_or("the EncodingAESKey is not 43 letters and digits")?;
        let endpoint = Endpoint { url: url.to_owned(), token: token.to_owned(), key };
        // A robot's receive id is empty.
        callback::verify(&endpoint, "", self.world.clock.now() / 1000).await?;
        let mut state = self.world.state.lock();
        let robot = state.smart_robots.get_mut(bot_id).ok_or("there is no such robot")?;
        robot.url = Some(endpoint);
        if let Some(connection) = robot.connection.take() {
            // It may have gone already.
            let _gone = connection.send(smart_robot::disconnected(bot_id, self.world.clock.now()));
        }
        Ok(())
    }

    /// Removes a robot from its group, or puts it back.
    pub fn remove_robot(&self, key: &str, removed: bool) {
        if let Some(robot) = self.world.state.lock().robots.get_mut(key) {
            robot.removed = removed;
        }
    }

    /// Enables or disables an application.
    pub fn disable_app(&self, agentid: i64, disabled: bool) {
        for corp in self.world.state.lock().corps.values() {
            if let Some(app) = corp.apps.get(&agentid) {
                app.lock().disabled = disabled;
            }
        }
    }
}

fn put_member(world: &World, member: Member) {
    let mut state = world.state.lock();
    if let Some(corp) = state.corps.values_mut().next() {
        corp.members.insert(member.userid.to_lowercase(), member);
    }
}

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
    let state = control.world.state.lock();
    let after = state.requests.iter().filter(|request| request.number > page.since);
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
}

async fn set_app(
    Shared(control): Shared<Control>,
    axum::extract::Path(agentid): axum::extract::Path<i64>,
    Json(app): Json<AppState>,
) -> StatusCode {
    if let Some(disabled) = app.disabled {
        control.disable_app(agentid, disabled);
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
