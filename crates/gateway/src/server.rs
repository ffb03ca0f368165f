//! The HTTP server: a cap on connections, a time limit on headers, an orderly end.
//!
//! At the cap a new client takes the place of the one that has been idle longest, so that a crowd of idle or slow clients
//! keeps nobody out.

mod places;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use self::places::{Place, Places};

/// The most bytes of a request's head.
const MAX_HEAD: usize = 64 * 1024;
/// How long requests under way may take after the stop began.
const DRAIN: Duration = Duration::from_secs(5);

/// What clients may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) connections: usize,
    pub(crate) header_timeout: Duration,
}

/// Serves until `shutdown`, then lets requests under way end.
pub(crate) async fn run(listener: TcpListener, router: Router, limits: Limits, shutdown: CancellationToken) {
    let places = Arc::new(Places::new(limits.connections));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Without a place to take, every client is busy: this one waits for the first that ends.
                let place = tokio::select! {
                    place = places.take() => place,
                    () = shutdown.cancelled() => break,
                };
                connections.spawn(serve(stream, peer, router.clone(), limits, place, shutdown.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "Could not accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
        tracing::warn!("Requests are still under way: leaving them");
    }
}

async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    limits: Limits,
    place: Place,
    shutdown: CancellationToken,
) {
    let _best_effort = stream.set_nodelay(true);
    let place = Arc::new(place);
    let used = place.clone();
    let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let busy = used.busy();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        let answering = router.clone().oneshot(request);
        async move {
            let answer = answering.await;
            drop(busy);
            answer
        }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.header_timeout).max_buf_size(MAX_HEAD);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        // A client that breaks off is its own business.
        _ended = connection.as_mut() => {}
        () = place.given_up() => {}
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ended = connection.await;
        }
    }
}
