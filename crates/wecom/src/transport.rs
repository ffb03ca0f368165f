//! HTTP to one origin: connections, proxy, timeouts, bounded answers. Knows nothing about tokens or message types.

mod pool;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http_body_util::{BodyExt as _, Either, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::Frame;
use hyper::header::{self, HeaderValue};
use hyper::{HeaderMap, Request, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::time::{Instant, timeout_at};
use url::Url;

pub(crate) use self::pool::BoxError;
#[cfg(feature = "smart-robot")]
pub(crate) use self::pool::Duplex;
use self::pool::{Failed, InUse, Pool, plain_connector};

pub(crate) use self::pool::RequestBody;

use crate::{Error, ErrorKind, Exchange, Method, Observer};

/// The official host (path/90664).
pub const OFFICIAL_ORIGIN: &str = "https://qyapi.weixin.qq.com";

/// A connection pool to one origin, shared by any number of clients. Cheap to clone.
#[derive(Clone)]
pub struct Transport {
    inner: Arc<Inner>,
}

struct Inner {
    pool: Pool,
    origin: Url,
    /// The `Host` header.
    host: HeaderValue,
    /// The path of the base URL, before every other.
    prefix: String,
    timeout: Duration,
    observer: Option<Arc<dyn Observer>>,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("origin", &self.inner.origin.as_str()).finish_non_exhaustive()
    }
}

/// The base URL cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidOrigin {
    /// It is no URL.
    #[error("`{0}` is not a URL such as {OFFICIAL_ORIGIN}")]
    NotAUrl(String),
    /// It has parts that a base URL must not have.
    #[error("`{0}` must be scheme, host and perhaps a path: no user, password, query or fragment")]
    ExtraParts(String),
    /// It would send secrets in the clear over a network.
    #[error("`{0}` is not https; plain http is for loopback addresses, or must be allowed explicitly")]
    PlainHttp(String),
    /// The HTTP client could not be made.
    #[error("the HTTP client could not be made")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Settings of a [`Transport`].
#[derive(Clone)]
pub struct TransportBuilder {
    origin: String,
    allow_http: bool,
    proxy: Option<String>,
    timeout: Duration,
    connect_timeout: Duration,
    connections: usize,
    observer: Option<Arc<dyn Observer>>,
}

impl fmt::Debug for TransportBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A proxy's URL may hold a password.
        f.debug_struct("TransportBuilder").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl Default for TransportBuilder {
    fn default() -> Self {
        Self {
            origin: OFFICIAL_ORIGIN.to_owned(),
            allow_http: false,
            proxy: None,
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(4),
            connections: 64,
            observer: None,
        }
    }
}

impl TransportBuilder {
    /// Sets the base URL; default: the official host.
    #[must_use]
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = origin.into();
        self
    }

    /// Allows plain http to hosts other than loopback; default: not.
    #[must_use]
    pub fn allow_http(mut self, allow: bool) -> Self {
        self.allow_http = allow;
        self
    }

    /// Sends everything through an HTTP proxy; default: none, whatever the environment says.
    #[must_use]
    pub fn proxy(mut self, proxy: impl Into<String>) -> Self {
        self.proxy = Some(proxy.into());
        self
    }

    /// Sets the one deadline over connecting, headers and body; default 10 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the part of the deadline that connecting may take; default 4 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets how many idle connections are kept; default 64.
    #[must_use]
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// Has every exchange watched, for metrics; default: none.
    #[must_use]
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Makes the transport.
    ///
    /// # Errors
    /// [`InvalidOrigin`] if the base URL or the proxy cannot be used.
    pub fn build(self) -> Result<Transport, InvalidOrigin> {
        let origin = check_origin(&self.origin, self.allow_http)?;
        let unusable = |e: BoxError| InvalidOrigin::Client(e);
        let uri: Uri = origin.as_str().parse().map_err(|_| InvalidOrigin::NotAUrl(origin.to_string()))?;
        let host = uri.authority().map(|authority| HeaderValue::from_str(authority.as_str()));
        let host = host.transpose().map_err(|e| unusable(e.into()))?.unwrap_or(HeaderValue::from_static(""));
        let tls = tls_config().map_err(|e| unusable(e.into()))?;
        let proxy = self.proxy.as_deref().map(tunnel).transpose()?;
        let pool = Pool::new(uri, tls, proxy, self.connect_timeout, self.connections);
        let prefix = origin.path().trim_end_matches('/').to_owned();
        let (timeout, observer) = (self.timeout, self.observer);
        Ok(Transport { inner: Arc::new(Inner { pool, origin, host, prefix, timeout, observer }) })
    }
}

/// Reads a proxy's URL; its errors do not repeat it, because it may hold a password.
fn tunnel(proxy: &str) -> Result<Tunnel<HttpConnector>, InvalidOrigin> {
    let unusable = || InvalidOrigin::Client("the proxy is not of the form http://host:port".into());
    let url = Url::parse(proxy).map_err(|_| unusable())?;
    let host = url.host_str().filter(|_| url.scheme() == "http").ok_or_else(unusable)?;
    let port = url.port_or_known_default().unwrap_or(80);
    let tunnel = Tunnel::new(format!("http://{host}:{port}").parse().map_err(|_| unusable())?, plain_connector());
    if url.username().is_empty() {
        return Ok(tunnel);
    }
    let decoded = |part: &str| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
    let login = format!("{}:{}", decoded(url.username()), decoded(url.password().unwrap_or_default()));
    let login = base64::engine::general_purpose::STANDARD.encode(login);
    let login = HeaderValue::from_str(&format!("Basic {login}")).map_err(|_| unusable())?;
    Ok(tunnel.with_auth(login))
}

fn check_origin(text: &str, allow_http: bool) -> Result<Url, InvalidOrigin> {
    // A pasted webhook URL holds a key, another may hold a password: errors repeat scheme and host only.
    let shown = || text.rsplit('@').next().unwrap_or_default().split(['?', '#']).next().unwrap_or_default().to_owned();
    let url = Url::parse(text).map_err(|_| InvalidOrigin::NotAUrl(shown()))?;
    if url.cannot_be_a_base() || url.host().is_none() {
        return Err(InvalidOrigin::NotAUrl(shown()));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(InvalidOrigin::ExtraParts(shown()));
    }
    let loopback = match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if loopback || allow_http => Ok(url),
        _ => Err(InvalidOrigin::PlainHttp(shown())),
    }
}

/// Our own TLS settings, so that no process-wide default of rustls is needed or touched.
pub(crate) fn tls_config() -> Result<rustls::ClientConfig, rustls::Error> {
    let builder = || {
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
    };
    let config = match builder()?.with_platform_verifier() {
        Ok(verified) => verified.with_no_client_auth(),
        Err(error) => {
            tracing::warn!(%error, "No certificate authorities found on this machine: every https call will fail. Install ca-certificates.");
            builder()?.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()
        }
    };
    Ok(config)
}

/// A request as the transport sends it.
pub(crate) struct Outgoing<'a> {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) query: &'a [(&'a str, &'a str)],
    pub(crate) content_type: &'a str,
    pub(crate) body: Option<RequestBody>,
    pub(crate) length: Option<u64>,
    pub(crate) max_answer: usize,
}

/// An answer within its limit.
pub(crate) struct Incoming {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

/// An answer whose body is still to be read.
pub(crate) struct Fetched {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: hyper::body::Incoming,
    /// Given back once the body was read to its end.
    pub(crate) connection: InUse,
}

impl Fetched {
    /// Reads the body into memory.
    pub(crate) async fn collect(self, path: &'static str, limit: usize, deadline: Instant) -> Result<Incoming, Error> {
        let collected = timeout_at(deadline, self.collect_unbounded(path, limit)).await;
        collected.unwrap_or_else(|_| Err(Error::new(ErrorKind::NoAnswer, path)))
    }

    async fn collect_unbounded(self, path: &'static str, limit: usize) -> Result<Incoming, Error> {
        match Limited::new(self.body, limit).collect().await {
            Ok(body) => {
                self.connection.give_back();
                Ok(Incoming { status: self.status, body: body.to_bytes() })
            }
            Err(e) if e.is::<LengthLimitError>() => Err(Error::new(ErrorKind::AnswerTooLarge { limit }, path)),
            Err(e) => Err(Error::new(ErrorKind::NoAnswer, path).with_source(e)),
        }
    }
}

/// Makes a body of what is in memory.
pub(crate) fn whole(body: Bytes) -> RequestBody {
    Either::Left(Full::new(body))
}

/// Makes a body of a stream.
pub(crate) fn streamed<E: Into<BoxError> + 'static>(
    parts: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
) -> RequestBody {
    Either::Right(
        StreamBody::new(parts.map(|part| part.map(Frame::data).map_err(std::io::Error::other))).boxed_unsync(),
    )
}

impl Transport {
    /// Starts from the official host and the default timeouts.
    pub fn builder() -> TransportBuilder {
        TransportBuilder::default()
    }

    /// Returns the base URL.
    pub fn origin(&self) -> &Url {
        &self.inner.origin
    }

    /// Returns the deadline of a call that starts now.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.inner.timeout
    }

    /// Makes an exchange, opens its envelope, and tells who watches.
    pub(crate) async fn call(&self, request: Outgoing<'_>, deadline: Instant) -> Result<Bytes, Error> {
        let (path, began) = (request.path, Instant::now());
        let result = self.exchange(request, deadline).await.and_then(|answer| crate::client::envelope_of(path, answer));
        if tracing::enabled!(tracing::Level::TRACE) {
            let errcode = result.as_ref().err().and_then(Error::errcode).map(|code| code.0);
            tracing::trace!(path, took = ?began.elapsed(), failed = result.is_err(), errcode, "Exchanged with WeCom");
        }
        if let Some(observer) = &self.inner.observer {
            let answered_bytes = result.as_ref().map_or(0, Bytes::len);
            observer.exchanged(&Exchange { path, took: began.elapsed(), answered_bytes, error: result.as_ref().err() });
        }
        result
    }

    async fn exchange(&self, request: Outgoing<'_>, deadline: Instant) -> Result<Incoming, Error> {
        let path = request.path;
        if Instant::now() >= deadline {
            // The time was used up before anything was sent.
            return Err(Error::new(ErrorKind::Connect, path));
        }
        match timeout_at(deadline, self.exchange_unbounded(request)).await {
            Ok(result) => result,
            Err(_) => Err(Error::new(ErrorKind::NoAnswer, path)),
        }
    }

    async fn exchange_unbounded(&self, outgoing: Outgoing<'_>) -> Result<Incoming, Error> {
        let (path, max_answer) = (outgoing.path, outgoing.max_answer);
        self.fetch(outgoing, None).await?.collect_unbounded(path, max_answer).await
    }

    /// Opens a connection elsewhere, through the same proxy and with the same timeout.
    #[cfg(feature = "smart-robot")]
    pub(crate) async fn open_to(&self, origin: Uri) -> Result<Box<dyn Duplex>, BoxError> {
        self.inner.pool.open_to(origin).await
    }

    /// How long something may take to come that is waited for again and again.
    pub(crate) fn patience(&self) -> Duration {
        self.inner.timeout
    }

    /// Sends a request, perhaps for a range of bytes, and returns what is answered before its body is read.
    pub(crate) async fn fetch(&self, outgoing: Outgoing<'_>, range: Option<&str>) -> Result<Fetched, Error> {
        let path = outgoing.path;
        let unwritable = |e: BoxError| Error::new(ErrorKind::Request, path).with_source(e);
        let mut request = self.request(outgoing).map_err(|e| unwritable(e.into()))?;
        if let Some(range) = range {
            let range = HeaderValue::from_str(range).map_err(|e| unwritable(e.into()))?;
            request.headers_mut().insert(header::RANGE, range);
        }
        let (answer, connection) = self.inner.pool.send(request).await.map_err(|failed| match failed {
            Failed::Unsent(e) => Error::new(ErrorKind::Connect, path).with_source(e),
            Failed::Unanswered(e) => Error::new(ErrorKind::NoAnswer, path).with_source(e),
        })?;
        let (head, body) = answer.into_parts();
        Ok(Fetched { status: head.status.as_u16(), headers: head.headers, body, connection })
    }

    fn request(&self, outgoing: Outgoing<'_>) -> Result<Request<RequestBody>, hyper::http::Error> {
        let mut request = Request::builder().uri(self.target(outgoing.path, outgoing.query));
        request = request.header(header::HOST, self.inner.host.clone());
        request = request.header(header::ACCEPT, HeaderValue::from_static("*/*"));
        request = request.method(match outgoing.method {
            Method::Get => hyper::Method::GET,
            Method::Post => hyper::Method::POST,
        });
        if outgoing.body.is_some() {
            request = request.header(header::CONTENT_TYPE, outgoing.content_type);
        }
        if let Some(length) = outgoing.length {
            request = request.header(header::CONTENT_LENGTH, length);
        }
        request.body(outgoing.body.unwrap_or_else(|| Either::Left(Full::default())))
    }

    /// The request's target. It carries the credential: no error keeps it.
    fn target(&self, path: &str, query: &[(&str, &str)]) -> String {
        let mut target = String::with_capacity(512);
        target.push_str(&self.inner.prefix);
        target.push_str(path);
        if query.is_empty() {
            return target;
        }
        target.push('?');
        let start = target.len();
        url::form_urlencoded::Serializer::for_suffix(target, start).extend_pairs(query).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_safe_base_urls_are_taken() {
        for good in [
            OFFICIAL_ORIGIN,
            "http://127.0.0.1:6880",
            "http://localhost:1/",
            "http://[::1]:80",
            "https://proxy.example/wecom/",
        ] {
            assert!(check_origin(good, false).is_ok(), "{good}");
        }
        for bad in [
            "",
            "qyapi.weixin.qq.com",
            "http://qyapi.weixin.qq.com",
            "https://a@b.example",
            "https://h/?x=1",
            "https://h/#f",
            "file:///etc/passwd",
        ] {
            assert!(check_origin(bad, false).is_err(), "{bad}");
        }
        assert!(check_origin("http://wecom.internal", true).is_ok());
    }

    #[test]
    fn a_path_prefix_of_the_base_url_is_kept() {
        let transport = Transport::builder().origin("http://127.0.0.1:1/stand-in/").build().unwrap();
        let target = transport.target("/cgi-bin/gettoken", &[("corpid", "ww 1&2")]);
        assert_eq!(target, "/stand-in/cgi-bin/gettoken?corpid=ww+1%262");
    }
}
