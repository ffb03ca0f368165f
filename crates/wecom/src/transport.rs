//! HTTP to one origin: connections, proxy, timeouts, bounded answers. Knows nothing about tokens or message types.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::{Error, ErrorKind, Method};

/// The official host (path/90664).
pub const OFFICIAL_ORIGIN: &str = "https://qyapi.weixin.qq.com";

/// A connection pool to one origin, shared by any number of clients. Cheap to clone.
#[derive(Clone)]
pub struct Transport {
    inner: Arc<Inner>,
}

struct Inner {
    http: reqwest::Client,
    origin: Url,
    timeout: Duration,
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

    /// Makes the transport.
    ///
    /// # Errors
    /// [`InvalidOrigin`] if the base URL or the proxy cannot be used.
    pub fn build(self) -> Result<Transport, InvalidOrigin> {
        let origin = check_origin(&self.origin, self.allow_http)?;
        let client = |e: Box<dyn std::error::Error + Send + Sync>| InvalidOrigin::Client(e);
        let mut http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls_config().map_err(|e| client(e.into()))?)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(self.connect_timeout)
            // Below the keep-alive of common servers, so that a pooled connection is rarely a dead one.
            .pool_idle_timeout(Duration::from_secs(20))
            .pool_max_idle_per_host(self.connections)
            .tcp_nodelay(true)
            .http1_only()
            .no_proxy();
        if let Some(proxy) = &self.proxy {
            let proxy = reqwest::Proxy::all(proxy).map_err(|e| client(e.without_url().into()))?;
            http = http.proxy(proxy);
        }
        let http = http.build().map_err(|e| client(e.into()))?;
        Ok(Transport { inner: Arc::new(Inner { http, origin, timeout: self.timeout }) })
    }
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
fn tls_config() -> Result<rustls::ClientConfig, rustls::Error> {
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
    pub(crate) body: Option<reqwest::Body>,
    pub(crate) length: Option<u64>,
    pub(crate) max_answer: usize,
}

/// An answer within its limit.
pub(crate) struct Incoming {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
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

    pub(crate) async fn exchange(&self, request: Outgoing<'_>, deadline: Instant) -> Result<Incoming, Error> {
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

    async fn exchange_unbounded(&self, request: Outgoing<'_>) -> Result<Incoming, Error> {
        let path = request.path;
        // The URL carries the credential: no error keeps it.
        let failed = |error: reqwest::Error| {
            let kind = if error.is_connect() {
                ErrorKind::Connect
            } else if error.is_builder() {
                ErrorKind::Request
            } else {
                ErrorKind::NoAnswer
            };
            Error::new(kind, path).with_source(error.without_url())
        };
        let url = self.url(path, request.query);
        let mut builder = match request.method {
            Method::Get => self.inner.http.get(url),
            Method::Post => self.inner.http.post(url),
        };
        if let Some(body) = request.body {
            builder = builder.header("content-type", request.content_type).body(body);
        }
        if let Some(length) = request.length {
            builder = builder.header("content-length", length);
        }
        let mut answer = builder.send().await.map_err(failed)?;
        let status = answer.status().as_u16();
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > request.max_answer {
                return Err(Error::new(ErrorKind::AnswerTooLarge { limit: request.max_answer }, path));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Incoming { status, body: body.freeze() })
    }

    fn url(&self, path: &str, query: &[(&str, &str)]) -> Url {
        let mut url = self.inner.origin.clone();
        let prefix = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{prefix}{path}"));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
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
        let url = transport.url("/cgi-bin/gettoken", &[("corpid", "ww 1&2")]);
        assert_eq!(url.as_str(), "http://127.0.0.1:1/stand-in/cgi-bin/gettoken?corpid=ww+1%262");
    }
}
