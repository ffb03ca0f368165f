//! The phone page: chats as members and groups see them, live.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::State as Shared;
use axum::http::header;
use axum::middleware;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use futures::stream::{self, Stream};
use tokio::sync::broadcast::error::RecvError;

use crate::control::loopback_only;
use crate::world::World;

pub(crate) fn router(world: Arc<World>) -> Router {
    Router::new()
        .route("/", get(async || page(include_str!("../assets/phone.html"))))
        .route("/_sim/phone.js", get(async || asset("text/javascript", include_str!("../assets/phone.js"))))
        .route("/_sim/phone.css", get(async || asset("text/css", include_str!("../assets/phone.css"))))
        .route("/_sim/events", get(events))
        .layer(middleware::from_fn(loopback_only))
        .with_state(world)
}

fn page(html: &'static str) -> impl IntoResponse {
    // No inline script or style: what a message holds can never run.
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src https: http: data:; frame-ancestors 'none'";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(html))
}

fn asset(content_type: &'static str, content: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, content_type)], content)
}

/// Server-sent events: the number of each message that is new or has changed, and the message.
async fn events(Shared(world): Shared<Arc<World>>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let receiver = world.events.subscribe();
    let events = stream::unfold((world, receiver), |(world, mut receiver)| async move {
        loop {
            match receiver.recv().await {
                Ok(number) => {
                    let sent = world.state.lock().sent_mut(number).cloned();
                    let Some(event) = sent.and_then(|sent| Event::default().json_data(sent).ok()) else {
                        continue;
                    };
                    return Some((Ok(event), (world, receiver)));
                }
                // A page that cannot keep up loads everything anew.
                Err(RecvError::Lagged(_)) => {
                    return Some((Ok(Event::default().event("reload").data("")), (world, receiver)));
                }
                Err(RecvError::Closed) => return None,
            }
        }
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}
