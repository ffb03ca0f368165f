//! A business system that is posted to: it answers as it is told, and keeps what it took. Knows nothing about signatures.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpListener;

/// What a receiver does.
#[derive(Clone, Debug)]
pub struct Manner {
    /// The status that it answers.
    pub status: u16,
    /// How long it takes.
    pub delay: Duration,
    /// Where it says that the event should be taken instead.
    pub location: String,
}

impl Manner {
    /// Answers a status at once.
    pub fn status(status: u16) -> Self {
        Self { status, delay: Duration::ZERO, location: String::new() }
    }
}

/// A running receiver, ended when dropped.
#[derive(Debug)]
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<State>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    manner: Mutex<Manner>,
    taken: Mutex<Vec<Value>>,
    tries: Mutex<u64>,
}

impl Receiver {
    /// Starts on a free port; takes what it is posted.
    ///
    /// # Errors
    /// If no port can be had.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            manner: Mutex::new(Manner::status(200)),
            taken: Mutex::default(),
            tries: Mutex::default(),
        });
        let shared = state.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = shared.clone();
                let service = service_fn(move |request| answer(request, state.clone()));
                tokio::spawn(async move {
                    // A client that breaks off is its own business.
                    let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Ok(Self { address, state, task })
    }

    /// Answers so from now on.
    pub fn behave(&self, manner: Manner) {
        *self.state.manner.lock() = manner;
    }

    /// What it answered 200 to, in order.
    pub fn taken(&self) -> Vec<Value> {
        self.state.taken.lock().clone()
    }

    /// How often it was asked, whatever it answered.
    pub fn tries(&self) -> u64 {
        *self.state.tries.lock()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(request: Request<Incoming>, state: Arc<State>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    *state.tries.lock() += 1;
    let manner = state.manner.lock().clone();
    tokio::time::sleep(manner.delay).await;
    if manner.status == 200 {
        state.taken.lock().push(serde_json::from_slice(&body).unwrap_or_default());
    }
    let answer = Response::builder().status(manner.status).header(header::LOCATION, manner.location);
    Ok(answer.body(Full::default()).unwrap_or_default())
}
