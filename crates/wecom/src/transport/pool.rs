//! Connections to one origin: opened when needed, kept for a while, used by one request at a time.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};
use tower_service::Service;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// A request's body: in memory, or a stream.
pub(crate) type RequestBody = Either<Full<Bytes>, UnsyncBoxBody<Bytes, std::io::Error>>;
type Sender = http1::SendRequest<RequestBody>;

/// How long an idle connection is kept: below the keep-alive of common servers, so that it is rarely a dead one.
const IDLE: Duration = Duration::from_secs(20);

/// Where connections lead: straight to the origin, or through a proxy's tunnel.
#[derive(Clone)]
enum Connector {
    Straight(HttpsConnector<HttpConnector>),
    Tunnel(HttpsConnector<Tunnel<HttpConnector>>),
}

pub(super) struct Pool {
    connector: Connector,
    origin: Uri,
    connect_timeout: Duration,
    max_idle: usize,
    idle: Arc<Mutex<Vec<(Sender, Instant)>>>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("idle", &self.idle.lock().len()).finish_non_exhaustive()
    }
}

/// A request was not answered.
pub(super) enum Failed {
    /// It was not sent: nobody can have taken it.
    Unsent(BoxError),
    /// It may have been taken.
    Unanswered(BoxError),
}

/// A connection in use; given back when the answer was read to its end, closed otherwise.
pub(crate) struct InUse {
    sender: Sender,
    max_idle: usize,
    idle: Arc<Mutex<Vec<(Sender, Instant)>>>,
}

impl InUse {
    /// Keeps the connection for the next request.
    pub(crate) fn give_back(self) {
        let mut idle = self.idle.lock();
        if idle.len() < self.max_idle && !self.sender.is_closed() {
            idle.push((self.sender, Instant::now()));
        }
    }
}

impl Pool {
    pub(super) fn new(
        origin: Uri,
        tls: rustls::ClientConfig,
        proxy: Option<Tunnel<HttpConnector>>,
        connect_timeout: Duration,
        max_idle: usize,
    ) -> Self {
        let secured = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        let connector = match proxy {
            None => Connector::Straight(secured.wrap_connector(plain_connector())),
            Some(tunnel) => Connector::Tunnel(secured.wrap_connector(tunnel)),
        };
        Self { connector, origin, connect_timeout, max_idle, idle: Arc::default() }
    }

    /// Sends one request, on an idle connection if there is one that works.
    pub(super) async fn send(&self, request: Request<RequestBody>) -> Result<(Response<Incoming>, InUse), Failed> {
        let mut request = request;
        loop {
            let (mut sender, kept) = match self.take() {
                Some(kept) => (kept, true),
                // On the heap: connecting is rare, and its state is larger than all the rest.
                None => (Box::pin(self.connect()).await.map_err(Failed::Unsent)?, false),
            };
            if kept && sender.ready().await.is_err() {
                continue;
            }
            match sender.try_send_request(request).await {
                Ok(answer) => {
                    let in_use = InUse { sender, max_idle: self.max_idle, idle: self.idle.clone() };
                    return Ok((answer, in_use));
                }
                // The server closed an idle connection at this very moment: another one will do.
                Err(mut error) => match (error.take_message(), kept) {
                    (Some(unsent), true) => request = unsent,
                    (Some(_), false) => return Err(Failed::Unsent(error.into_error().into())),
                    (None, _) => return Err(Failed::Unanswered(error.into_error().into())),
                },
            }
        }
    }

    /// Takes the connection that was used last; those that were idle too long are closed.
    fn take(&self) -> Option<Sender> {
        let mut idle = self.idle.lock();
        while let Some((sender, since)) = idle.pop() {
            if since.elapsed() >= IDLE {
                // Those below it are older still.
                idle.clear();
                return None;
            }
            if !sender.is_closed() {
                return Some(sender);
            }
        }
        None
    }

    async fn connect(&self) -> Result<Sender, BoxError> {
        let connecting = async {
            let stream = match self.connector.clone() {
                Connector::Straight(mut connector) => open(&mut connector, self.origin.clone()).await?,
                Connector::Tunnel(mut connector) => {
                    let stream = open(&mut connector, self.origin.clone()).await?;
                    return handshake(stream).await;
                }
            };
            handshake(stream).await
        };
        timeout(self.connect_timeout, connecting).await.map_err(|_| "connecting took too long")?
    }
}

#[cfg(feature = "smart-robot")]
pub(crate) trait Duplex: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}
#[cfg(feature = "smart-robot")]
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Duplex for T {}

#[cfg(feature = "smart-robot")]
impl Pool {
    /// Opens a connection elsewhere, by the same way: for what is no HTTP. The scheme is http or https.
    pub(super) async fn open_to(&self, origin: Uri) -> Result<Box<dyn Duplex>, BoxError> {
        use hyper_util::rt::TokioIo;

        let opening = async {
            let stream: Box<dyn Duplex> = match self.connector.clone() {
                Connector::Straight(mut connector) => Box::new(TokioIo::new(open(&mut connector, origin).await?)),
                Connector::Tunnel(mut connector) => Box::new(TokioIo::new(open(&mut connector, origin).await?)),
            };
            Ok(stream)
        };
        timeout(self.connect_timeout, opening).await.map_err(|_| "connecting took too long")?
    }
}

async fn open<S>(connector: &mut S, origin: Uri) -> Result<S::Response, BoxError>
where
    S: Service<Uri>,
    S::Error: Into<BoxError>,
{
    poll_fn(|context| connector.poll_ready(context)).await.map_err(Into::into)?;
    connector.call(origin).await.map_err(Into::into)
}

async fn handshake<S>(stream: S) -> Result<Sender, BoxError>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(stream).await?;
    tokio::spawn(async move {
        // Its end shows at the next request.
        let _ended = connection.await;
    });
    Ok(sender)
}

/// Opens TCP connections, whatever the scheme above them.
pub(super) fn plain_connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector
}
