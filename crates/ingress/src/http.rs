//! The HTTP API: `/v1`, health, metrics and its own description.

mod address;
mod auth;
mod error;
mod observe;
mod openapi;
mod v1;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::callback::{self, CallbackBook};
use crate::click;
use crate::file_link;
use crate::front::{self, FrontConfig, FrontTokens};
use crate::hooks::{self, Hooks};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Router};
use futures::FutureExt as _;
use pipeline::ports::{Clock, Ledger};
use pipeline::signature::Nonces;
use pipeline::{Broadcaster, DirectoryKeeper, DispatcherHandle, Heartbeats, Intake, Recaller, Scheduler, TemplateBook};

pub use auth::{KeyRing, KeyRingError, NewKey, hash_of, new_key};
pub use error::{ApiError, RequestId};
pub use openapi::description;
pub(crate) use v1::read_body;

/// The largest body of one submission, in bytes.
pub const MAX_BODY: usize = 1024 * 1024;
/// The largest batch, in bytes.
pub const MAX_BATCH: usize = 64 * 1024 * 1024;
/// The largest upload that is read whole, in bytes: a file of 20 MiB and what surrounds it.
pub const MAX_UPLOAD: usize = 20 * 1024 * 1024 + 64 * 1024;

/// Whatever is below this needs a key.
const KEYED: &str = "/v1/";

/// What the API stands on.
pub struct Api {
    /// The only door in.
    pub intake: Arc<Intake>,
    /// For reading and changing what was accepted.
    pub ledger: Arc<dyn Ledger>,
    /// For recalling.
    pub recaller: Recaller,
    /// Heartbeats of others.
    pub heartbeats: Heartbeats,
    /// Who is who.
    pub directory: DirectoryKeeper,
    /// The templates.
    pub templates: TemplateBook,
    /// Keeps schedules.
    pub scheduler: Scheduler,
    /// Keeps broadcasts.
    pub broadcaster: Broadcaster,
    /// For saying that something is due again.
    pub dispatcher: DispatcherHandle,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who may call.
    pub keys: Arc<KeyRing>,
    /// What monitoring, CI and code systems post to.
    pub hooks: Hooks,
    /// What WeCom calls back.
    pub callbacks: Arc<CallbackBook>,
    /// Reads links that are counted; without it there are none.
    pub links: Option<pipeline::Links>,
    /// Reads links to files; without it there are none.
    pub file_links: Option<pipeline::FileLinks>,
    /// What the drop-in front knows, and the tokens that it handed out.
    pub front: FrontConfig,
    /// See [`Api::front`].
    pub front_tokens: FrontTokens,
    /// Files by which WeCom sees whose a domain is: name and content.
    pub verify_files: BTreeMap<String, String>,
    /// Renders the metrics.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// What is wrong with the database, once it was found.
    pub damage: Arc<OnceLock<String>>,
    /// Whether the gateway is being stopped.
    pub stopping: Arc<dyn Fn() -> bool + Send + Sync>,
    /// The nonces of signed requests.
    pub nonces: Nonces,
    /// Settings.
    pub config: HttpConfig,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Settings of the HTTP API.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Whether metrics and description are open to requests from this machine without a key.
    pub metrics_open: bool,
    /// Whether only loopback Host headers are answered, so that no web page elsewhere reaches a demo through a browser.
    pub loopback_hosts_only: bool,
    /// Proxies whose word is taken for where a request comes from.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// Whether signatures that do not cover the request are taken.
    pub simple_signatures: bool,
    /// How long a request's body may take to arrive.
    pub body_timeout: Duration,
    /// The largest file that is taken, in bytes.
    pub largest_file: u64,
    /// How long a delivery that is retried by hand has before it is given up.
    pub retry_deadline: Duration,
}

/// Reads one submission, as `POST /v1/messages` does.
///
/// # Errors
/// [`ApiError`] names the field, the value and the mend.
pub fn parse_submission(body: &[u8]) -> Result<domain::Submission, ApiError> {
    v1::parse_submission(body)
}

/// Reads a file as a list of a broadcast, and as people of the directory.
#[cfg(fuzzing)]
pub(crate) fn read_tables(bytes: &[u8]) {
    v1::read_tables(bytes);
}

/// Builds the router; requests need a [`SocketAddr`] extension with their peer's address.
pub fn router(api: Api) -> Router {
    let api = Arc::new(api);
    let described = openapi::router().merge(observe::described());
    let described = described.layer(middleware::from_fn_with_state(api.clone(), auth::require_key_or_this_machine));
    Router::new()
        .merge(v1::router())
        .merge(described)
        .merge(observe::open())
        .merge(hooks::router())
        .merge(callback::router())
        .merge(front::router())
        .merge(click::router())
        .merge(file_link::router())
        .route("/{file}", axum::routing::get(verify_file))
        .fallback(async || {
            ApiError::not_found("there is nothing at this path").with_hint("the API is described at /docs")
        })
        .method_not_allowed_fallback(async || {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path does not take this method")
                .with_hint("the API is described at /docs")
        })
        // One layer for all that every request passes: each further one costs every message.
        .layer(middleware::from_fn_with_state(api.clone(), receive))
        .with_state(api)
}

/// Names the request, lets it in if it may come in, and answers for a panic; answers and logs carry the name.
async fn receive(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let id = RequestId::fresh();
    let answering = AssertUnwindSafe(admit(&api, request, next)).catch_unwind().await;
    let response = match answering {
        Ok(Ok(response)) => response,
        Ok(Err(refused)) => refused.into_response(),
        // The panic has been logged.
        Err(_panic) => ApiError::internal().into_response(),
    };
    let mut response = error::with_request_id(response, &id).await;
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert("x-request-id", value);
    }
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn admit(api: &Arc<Api>, mut request: Request, next: Next) -> Result<Response, ApiError> {
    if api.config.loopback_hosts_only && !names_loopback(&request) {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "forbidden_host",
            "only loopback Host headers are answered here",
        ));
    }
    if request.uri().path().starts_with(KEYED) {
        let grant = if auth::is_signed(&request) {
            let (read, grant) = auth::read_signed(api, request).await?;
            request = read;
            grant
        } else {
            auth::grant_of(api, &request)?
        };
        request.extensions_mut().insert(grant);
    }
    Ok(next.run(request).await)
}

fn names_loopback(request: &Request) -> bool {
    let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    matches!(name, "127.0.0.1" | "localhost" | "::1")
}

/// `WW_verify_….txt`: how WeCom sees whose a domain is.
async fn verify_file(
    State(api): State<Arc<Api>>,
    axum::extract::Path(file): axum::extract::Path<String>,
) -> Result<Response, ApiError> {
    let content = api.verify_files.get(&file).cloned();
    let content = content.ok_or_else(|| {
        ApiError::not_found("there is nothing at this path").with_hint("the API is described at /docs")
    })?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], content).into_response())
}

/// Finds the address that a request comes from, past trusted proxies.
pub(crate) fn request_address(api: &Api, request: &Request) -> Option<std::net::IpAddr> {
    address::of(request, &api.config.trusted_proxies)
}

fn comes_from_this_machine(request: &Request) -> bool {
    let peer = request.extensions().get::<SocketAddr>();
    peer.is_some_and(|peer| peer.ip().is_loopback()) && names_loopback(request)
}

type Caller = Extension<Arc<domain::Grant>>;
