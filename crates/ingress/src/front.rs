//! `/cgi-bin/*`: the drop-in front. It answers as qyapi does, so that a client which only changes its base URL is queued,
//! paced, retried and recorded.
//!
//! What sends is made durable first; then the answer waits a moment for the outcome and repeats it, or says that it was
//! taken. Every id that is handed out is ours. Credentials are keys of the kind `front`: they are good for nothing else,
//! and nothing else is good here. Other calls are passed on where the key lists them, and answer -1 while WeCom is away.
//! Query strings hold credentials here, by WeCom's design: none is logged.

mod answer;
mod forward;
mod media;
mod message;
mod outcome;
mod overlooked;
mod token;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use bytes::Bytes;
use domain::Grant;
use pipeline::ports::Channels;

pub(crate) use self::answer::Answer;
pub use self::token::FrontTokens;
use crate::http::{Api, MAX_BODY, MAX_UPLOAD, read_body, request_address};

/// The largest body of a robot's message: a picture of 2 MiB stands in it as base64.
const MAX_ROBOT_BODY: usize = 3 * 1024 * 1024;

/// What the front knows of the configuration.
#[derive(Clone, Debug, Default)]
pub struct FrontConfig {
    /// How long an answer waits for the outcome.
    pub wait: Duration,
    /// Applications by name: company and agent id.
    pub apps: BTreeMap<String, (String, i64)>,
    /// The application that is meant when a body names none.
    pub default_app: Option<String>,
    /// Group chats by id: their configured names.
    pub chats: BTreeMap<String, String>,
    /// Robots by name.
    pub robots: Vec<String>,
    /// Ways out, for calls that are passed on.
    pub channels: Channels,
}

/// A call, taken apart.
pub(crate) struct FrontCall {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
    pub(crate) address: Option<IpAddr>,
}

impl FrontCall {
    /// A parameter of the query.
    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.query.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

pub(crate) fn router() -> Router<Arc<Api>> {
    Router::new().route("/cgi-bin/{*path}", any(answer))
}

async fn answer(State(api): State<Arc<Api>>, request: Request) -> Response {
    let address = request_address(&api, &request);
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let limit = match path.as_str() {
        "/cgi-bin/webhook/send" => MAX_ROBOT_BODY,
        "/cgi-bin/media/upload" | "/cgi-bin/webhook/upload_media" => MAX_UPLOAD,
        _ => MAX_BODY,
    };
    let Ok(body) = read_body(&State(api.clone()), body, limit).await else {
        return Answer::refuse(45_002, "the body is too large, or did not arrive").into_response();
    };
    let query = parts.uri.query().unwrap_or_default().as_bytes();
    let call = FrontCall {
        method: parts.method.as_str().to_owned(),
        path,
        query: url::form_urlencoded::parse(query).into_owned().collect(),
        content_type: parts
            .headers
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned(),
        body,
        address,
    };
    match act(&api, &call).await {
        Ok(response) => response,
        Err(refused) => refused.from(address).into_response(),
    }
}

async fn act(api: &Arc<Api>, call: &FrontCall) -> Result<Response, Answer> {
    match (call.method.as_str(), call.path.as_str()) {
        ("GET" | "POST", "/cgi-bin/gettoken") => token::give(api, call).await,
        ("POST", "/cgi-bin/webhook/send") => {
            let grant = robots_grant(api, call)?;
            message::by_robot(api, call, &grant).await
        }
        ("POST", "/cgi-bin/webhook/upload_media") => {
            let grant = robots_grant(api, call)?;
            media::upload(api, call, &grant).await
        }
        _ => {
            let grant = token::grant_of(api, call)?;
            by_app(api, call, &grant).await
        }
    }
}

async fn by_app(api: &Arc<Api>, call: &FrontCall, grant: &Arc<Grant>) -> Result<Response, Answer> {
    match (call.method.as_str(), call.path.as_str()) {
        ("POST", "/cgi-bin/message/send") => message::by_app(api, call, grant).await,
        ("POST", "/cgi-bin/appchat/send") => message::to_chat(api, call, grant).await,
        ("POST", "/cgi-bin/message/recall") => message::recall(api, call, grant).await,
        ("POST", "/cgi-bin/message/update_template_card") => message::update_card(api, call, grant).await,
        ("POST", "/cgi-bin/media/upload") => media::upload(api, call, grant).await,
        ("GET", "/cgi-bin/media/get") => media::get(api, call, grant).await,
        _ => forward::forward(api, call, grant).await,
    }
}

/// What the key in a robot's URL allows.
fn robots_grant(api: &Arc<Api>, call: &FrontCall) -> Result<Arc<Grant>, Answer> {
    let key = call.parameter("key");
    let grant = if key.is_empty() { None } else { api.keys.front(key) };
    let grant = grant.ok_or_else(|| {
        Answer::refuse(93_000, "invalid webhook url")
            .hint("the key is none of this gateway's; make one by `hongyan key create --kind front`")
    })?;
    token::may_come(&grant, call)?;
    Ok(grant)
}
