//! A bare upstream: answers every call with the bytes WeCom would, and notes when each message arrived.
//!
//! It checks nothing: it is the floor's other end, and the stopwatch of the latency rounds. What is delivered is judged
//! at the simulator, never here.

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpListener;

const TOKEN: &str = r#"{"errcode":0,"errmsg":"ok","access_token":"bare-token","expires_in":7200}"#;
const SENT: &str = r#"{"errcode":0,"errmsg":"ok","invaliduser":"","msgid":"bare0123456789bare0123456789bare0123456789bare0123456789bare012"}"#;

/// What stands before the number of a message in its text.
pub const MARK: &str = "message ";

/// A running upstream, ended when dropped.
#[derive(Debug)]
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    arrivals: Arc<Mutex<HashMap<u64, Instant>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Upstream {
    /// Starts on a free port; each call of `send` is answered after `delay`.
    ///
    /// # Errors
    /// If no port can be had.
    pub async fn start(delay: Duration) -> anyhow::Result<Self> {
        Self::start_with(delay, None).await
    }

    /// Starts on a free port; calls of `send` whose body holds `mark` are never answered.
    ///
    /// # Errors
    /// If no port can be had.
    pub async fn hanging_for(mark: &str) -> anyhow::Result<Self> {
        Self::start_with(Duration::ZERO, Some(mark.into())).await
    }

    /// Starts on a free port; nothing is noted.
    ///
    /// # Errors
    /// If no port can be had.
    pub async fn bare() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _best_effort = stream.set_nodelay(true);
                let service = service_fn(async |request: Request<Incoming>| {
                    let _read = request.into_body().collect().await;
                    Ok::<_, Infallible>(json(SENT))
                });
                tokio::spawn(async move {
                    let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Ok(Self { address, arrivals: Arc::default(), task })
    }

    async fn start_with(delay: Duration, hangs: Option<Arc<str>>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let arrivals: Arc<Mutex<HashMap<u64, Instant>>> = Arc::default();
        let task = tokio::spawn(accept(listener, arrivals.clone(), delay, hangs));
        Ok(Self { address, arrivals, task })
    }

    /// Returns when each message first arrived, by its number.
    pub fn arrivals(&self) -> HashMap<u64, Instant> {
        self.arrivals.lock().clone()
    }

    /// Returns how many messages arrived.
    pub fn count(&self) -> usize {
        self.arrivals.lock().len()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(
    listener: TcpListener,
    arrivals: Arc<Mutex<HashMap<u64, Instant>>>,
    delay: Duration,
    hangs: Option<Arc<str>>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let _best_effort = stream.set_nodelay(true);
        let (arrivals, hangs) = (arrivals.clone(), hangs.clone());
        let service = service_fn(move |request| answer(request, arrivals.clone(), delay, hangs.clone()));
        tokio::spawn(async move {
            // A client that breaks off is its own business.
            let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    arrivals: Arc<Mutex<HashMap<u64, Instant>>>,
    delay: Duration,
    hangs: Option<Arc<str>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let sends = request.uri().path().ends_with("/send");
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    if sends {
        if let Some(number) = number_in(&body) {
            arrivals.lock().entry(number).or_insert_with(Instant::now);
        }
        if hangs.is_some_and(|mark| body.windows(mark.len()).any(|window| window == mark.as_bytes())) {
            std::future::pending::<()>().await;
        }
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }
    Ok(json(if sends { SENT } else { TOKEN }))
}

fn json(body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    let json = hyper::header::HeaderValue::from_static("application/json; charset=UTF-8");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
    response
}

/// Finds the number behind the mark, wherever it stands.
pub fn number_in(body: &[u8]) -> Option<u64> {
    let mark = MARK.as_bytes();
    let at = body.windows(mark.len()).position(|window| window == mark)? + mark.len();
    let digits = body[at..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.map(|byte| u64::from(byte - b'0')).reduce(|number, digit| number * 10 + digit)
}

/// Finds every number that stands behind a mark, each once: a digest holds many, a mail holds one in each of its parts.
pub fn numbers_in(body: &[u8]) -> BTreeSet<u64> {
    let marks = body.windows(MARK.len()).enumerate().filter(|(_, window)| *window == MARK.as_bytes());
    marks.filter_map(|(at, _)| number_in(&body[at..])).collect()
}
