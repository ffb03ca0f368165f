//! `/callback/{name}`: what WeCom calls back with, answered in time and kept before it is.
//!
//! The URL is verified by GET; messages and events come by POST. What fits a key is translated into words of our own, a rule
//! may answer it, and both are on disk before WeCom hears 200; what follows is acted on afterwards by
//! `pipeline::Feedback`. A repeat is answered as the first was. Whoever cannot be understood hears 403 and no reason; the
//! reason is in the log and among the attempts that an operator watches. A smart robot with a long connection is told over
//! that: kept, answered and told on likewise (`long_connection`).

mod attempts;
mod book;
mod line;
mod long_connection;
mod reply;
mod translate;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use domain::{Heard, rule_for};
use pipeline::TemplateBook;
use pipeline::ports::HeardAnswer;
use wecom::callback::{Query, Refusal};

pub use self::attempts::{Attempts, CallbackTry};
pub use self::book::{CallbackBook, CallbackConfig, CallbackKind, KeyPair, LiveKeys, RobotLogin};
pub use self::line::ConnectionState;
pub use self::long_connection::{ConnectionConfig, LongConnections};
use self::translate::Opened;
use crate::http::{Api, ApiError, read_body, request_address};

/// The largest body: WeCom's XML has 64 KiB at most, a robot's JSON may quote long messages.
const LARGEST: usize = 1024 * 1024;

pub(crate) fn router() -> Router<Arc<Api>> {
    // WeCom posts to the URL as it was typed into its console: with a slash at its end, perhaps.
    Router::new()
        .route("/callback/{name}", get(verify).post(receive))
        .route("/callback/{name}/", get(verify).post(receive))
}

/// The echo as it is: no quotes, no line break, within a second.
async fn verify(State(api): State<Arc<Api>>, Path(name): Path<String>, request: Request) -> Response {
    let address = request_address(&api, &request);
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let keys = api.callbacks.keys(&name, api.clock.now());
    let verified = keys.iter().map(|keys| keys.verify(&query)).reduce(Result::or);
    let verified = verified.unwrap_or(Err(Refusal::Key));
    api.callbacks.attempts().note(
        &name,
        address,
        "verify",
        verified.as_ref().map(|_| ()).map_err(|refusal| *refusal),
        api.clock.now(),
    );
    match verified {
        Ok(echo) => ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], echo).into_response(),
        Err(_) => refused(),
    }
}

async fn receive(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let address = request_address(&api, &request);
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let body: Body = request.into_body();
    let body = read_body(&State(api.clone()), body, LARGEST).await?;
    let now = api.clock.now();
    let opened = open(&api, &name, &query, &body);
    let kind = opened.as_ref().map_or("post", |(opened, _)| opened.kind());
    api.callbacks.attempts().note(&name, address, kind, opened.as_ref().map(|_| ()).map_err(|refusal| *refusal), now);
    let Ok((opened, keys)) = opened else { return Ok(refused()) };
    let (Some(config), false) = (api.callbacks.config(&name), opened.is_refresh()) else {
        return Ok(keys.seal(&query, &opened, None).into_response());
    };
    let heard = opened.heard(&name, config.app.as_deref(), now);
    let reply = reply_to(&config, &heard, &api.templates);
    // Not acknowledged before it is on disk: WeCom would not tell it again.
    let reply = match api.ledger.hear(heard, reply.clone()).await? {
        HeardAnswer::New => reply,
        HeardAnswer::Repeat(answered) => answered,
    };
    api.callbacks.heard.notify_one();
    Ok(keys.seal(&query, &opened, reply.as_ref()).into_response())
}

/// Opens what was posted by whichever of the keys fits.
fn open(api: &Api, name: &str, query: &Query, body: &[u8]) -> Result<(Opened, LiveKeys), Refusal> {
    let mut refusal = Refusal::Key;
    for keys in api.callbacks.keys(name, api.clock.now()) {
        match keys.open(query, body) {
            Ok(opened) => return Ok((opened, keys)),
            Err(refused) => refusal = refused,
        }
    }
    Err(refusal)
}

/// What a rule answers. A template that cannot be rendered answers nothing: the rest goes on.
fn reply_to(config: &CallbackConfig, heard: &Heard, templates: &TemplateBook) -> Option<domain::Content> {
    let rule = rule_for(&config.feedback.rules, heard)?;
    reply::of(rule, heard, templates).unwrap_or_else(|violation| {
        tracing::warn!(
            callback = heard.callback,
            "A reply could not be made: `{}` {}",
            violation.field,
            violation.message
        );
        None
    })
}

fn refused() -> Response {
    (StatusCode::FORBIDDEN, "refused\n").into_response()
}

/// How long keys that were replaced are still accepted.
pub const OLD_KEYS_FOR: Duration = Duration::from_secs(24 * 3600);
