//! The HTTP API: `/v1`, health, metrics and its own description.

mod auth;
mod error;
mod observe;
mod openapi;
mod v1;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::{Extension, Router};
use pipeline::ports::{Clock, Ledger};
use pipeline::{DispatcherHandle, Intake, Recaller};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;

pub use auth::{KeyRing, KeyRingError, NewKey, hash_of, new_key};
pub use error::{ApiError, RequestId};
pub use openapi::description;

/// The largest body of one submission, in bytes.
pub const MAX_BODY: usize = 1024 * 1024;
/// The largest batch, in bytes.
pub const MAX_BATCH: usize = 64 * 1024 * 1024;

/// What the API stands on.
#[derive(Clone)]
pub struct Api {
    /// The only door in.
    pub intake: Arc<Intake>,
    /// For reading and changing what was accepted.
    pub ledger: Arc<dyn Ledger>,
    /// For recalling.
    pub recaller: Recaller,
    /// For saying that something is due again.
    pub dispatcher: DispatcherHandle,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who may call.
    pub keys: Arc<KeyRing>,
    /// Renders the metrics.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Whether the gateway is being stopped.
    pub stopping: Arc<dyn Fn() -> bool + Send + Sync>,
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
    /// How long a request's body may take to arrive.
    pub body_timeout: Duration,
    /// How long a delivery that is retried by hand has before it is given up.
    pub retry_deadline: Duration,
}

/// Builds the router; requests need a [`SocketAddr`] extension with their peer's address.
pub fn router(api: Api) -> Router {
    let keyed = OpenApiRouter::new().merge(v1::router()).split_for_parts().0;
    let keyed = keyed.layer(middleware::from_fn_with_state(api.clone(), auth::require_key));
    let described = openapi::router().merge(observe::described());
    let described = described.layer(middleware::from_fn_with_state(api.clone(), auth::require_key_or_this_machine));
    Router::new()
        .merge(keyed)
        .merge(described)
        .merge(observe::open())
        .fallback(async || {
            ApiError::not_found("there is nothing at this path").with_hint("the API is described at /docs")
        })
        .method_not_allowed_fallback(async || {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path does not take this method")
                .with_hint("the API is described at /docs")
        })
        .layer(middleware::from_fn_with_state(api.clone(), guard_host))
        .layer(CatchPanicLayer::custom(|_panic| axum::response::IntoResponse::into_response(ApiError::internal())))
        .layer(middleware::from_fn(name_request))
        .with_state(api)
}

/// Gives every request an id, which answers and logs carry.
async fn name_request(mut request: Request, next: Next) -> Response {
    let id = RequestId::fresh();
    request.extensions_mut().insert(id.clone());
    let mut response = error::with_request_id(next.run(request).await, &id).await;
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert("x-request-id", value);
    }
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn guard_host(
    axum::extract::State(api): axum::extract::State<Api>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if api.config.loopback_hosts_only && !names_loopback(&request) {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "forbidden_host",
            "only loopback Host headers are answered here",
        ));
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

fn comes_from_this_machine(request: &Request) -> bool {
    let peer = request.extensions().get::<SocketAddr>();
    peer.is_some_and(|peer| peer.ip().is_loopback()) && names_loopback(request)
}

type Caller = Extension<Arc<domain::Grant>>;
