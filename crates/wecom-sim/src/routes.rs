//! The calls, in files named as the SDK names its own; each reads its request by its own hand.

mod agent;
mod media;
mod message;
pub(crate) mod reader;
mod robot;
mod token;

use std::collections::HashMap;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::rules::Refused;
use crate::world::{State, Token, World};

/// A request, read off the wire.
pub(crate) struct Call {
    pub(crate) method: axum::http::Method,
    pub(crate) path: String,
    pub(crate) query: HashMap<String, String>,
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
    pub(crate) from_ip: String,
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
                call.from_ip
            )
        };
        let mut map = Map::new();
        map.insert("errcode".to_owned(), (*errcode).into());
        map.insert("errmsg".to_owned(), errmsg.into());
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
pub(crate) async fn answer(world: &World, call: &Call) -> Option<Result<Answer, Refused>> {
    Some(match call.path.as_str() {
        "/cgi-bin/gettoken" => token::get(world, call),
        "/cgi-bin/message/send" => message::send(world, call),
        "/cgi-bin/message/recall" => message::recall(world, call),
        "/cgi-bin/webhook/send" => robot::send(world, call),
        "/cgi-bin/webhook/upload_media" => media::upload_for_robot(world, call).await,
        "/cgi-bin/media/upload" => media::upload(world, call).await,
        "/cgi-bin/agent/get" => agent::get(world, call),
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
        Some(known) => Ok(known.clone()),
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
fn random_id(length: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = vec![0_u8; length];
    rand::fill(&mut bytes[..]);
    bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 64)])).collect()
}

pub(crate) fn nothing() -> Value {
    json!({})
}
