//! Fetches from and posts to URLs that are not WeCom's: a caller's file, an operator's webhook.
//!
//! Each address is checked before it is connected to, and the connection goes to the address that was checked. No
//! redirect is followed. Knows nothing about tokens.

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::CONTENT_DISPOSITION;
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;
use tower_service::Service;
use url::{Host, Url};

use crate::transport::tls_config;

/// Which addresses a URL may lead to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Public addresses, over https.
    #[default]
    Public,
    /// Those and loopback, over http, too: for tests against the simulator.
    PublicAndLoopback,
    /// What an operator wrote into a configuration: private networks, over http, too; never where clouds keep the secrets
    /// of their machines.
    Operator,
}

/// What a server answered, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

/// A file that was fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchedFile {
    /// Its bytes.
    pub content: Bytes,
    /// What it is called, where the server told.
    pub file_name: Option<String>,
}

/// A file that was not fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The URL is none, or not https, or has a user or password.
    #[error("`{0}` is not an https URL without user and password")]
    Url(String),
    /// The URL leads to an address that may not be reached.
    #[error("`{0}` leads to an address that is not public")]
    Forbidden(String),
    /// The server answered otherwise than with a file; redirects are not followed.
    #[error("the server answered HTTP {0}")]
    Status(u16),
    /// The file is larger than was allowed.
    #[error("the file is larger than {0} bytes")]
    TooLarge(usize),
    /// No answer, or not all of it, in time.
    #[error("no whole answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The connection could not be made, or broke.
    #[error("the file could not be fetched")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl FetchError {
    /// Tells whether the same URL may be fetched later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::TimedOut(_) | Self::Failed(_) => true,
            Self::Status(status) => *status >= 500 || *status == 429,
            Self::Url(_) | Self::Forbidden(_) | Self::TooLarge(_) => false,
        }
    }
}

/// Fetches a file of at most `limit` bytes.
///
/// # Errors
/// [`FetchError`]; nothing is connected to for [`FetchError::Url`] and [`FetchError::Forbidden`].
pub async fn fetch(url: &str, reach: Reach, limit: usize, patience: Duration) -> Result<FetchedFile, FetchError> {
    let uri = checked(url, reach)?;
    let fetched = timeout(patience, fetch_unbounded(uri, reach, limit)).await;
    fetched.map_err(|_| FetchError::TimedOut(patience))?
}

async fn fetch_unbounded(uri: Uri, reach: Reach, limit: usize) -> Result<FetchedFile, FetchError> {
    let request = Request::get(uri).body(Full::default()).map_err(|error| failed(error.into()))?;
    let answer = client(reach)?.request(request).await.map_err(|error| failed(error.into()))?;
    if answer.status() != StatusCode::OK {
        return Err(FetchError::Status(answer.status().as_u16()));
    }
    let file_name = answer.headers().get(CONTENT_DISPOSITION).and_then(crate::api::media::file_name);
    Ok(FetchedFile { content: read(answer.into_body(), limit).await?, file_name })
}

type HttpClient = Client<HttpsConnector<HttpConnector<CheckedResolver>>, Full<Bytes>>;

fn client(reach: Reach) -> Result<HttpClient, FetchError> {
    let mut http = HttpConnector::new_with_resolver(CheckedResolver { reach });
    http.enforce_http(false);
    let tls = tls_config().map_err(|error| failed(error.into()))?;
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(http);
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

async fn read(body: Incoming, limit: usize) -> Result<Bytes, FetchError> {
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(FetchError::TooLarge(limit)),
        Err(error) => Err(failed(error)),
    }
}

fn failed(error: Box<dyn std::error::Error + Send + Sync>) -> FetchError {
    match refusal_in(&*error) {
        Some(name) => FetchError::Forbidden(name),
        None => FetchError::Failed(error),
    }
}

/// Posts to URLs, again and again over the same connections. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Poster {
    client: HttpClient,
    reach: Reach,
}

impl Poster {
    /// Makes one that reaches these addresses.
    ///
    /// # Errors
    /// [`FetchError::Failed`] if there is no TLS.
    pub fn new(reach: Reach) -> Result<Self, FetchError> {
        Ok(Self { client: client(reach)?, reach })
    }

    /// Posts a body of JSON; reads at most `limit` bytes of the answer.
    ///
    /// # Errors
    /// [`FetchError`], never [`FetchError::Status`]: a status is an answer.
    pub async fn post(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
        body: Bytes,
        (limit, patience): (usize, Duration),
    ) -> Result<Answer, FetchError> {
        let mut request = Request::post(checked(url, self.reach)?).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(body)).map_err(|error| failed(error.into()))?;
        let posting = async {
            let answer = self.client.request(request).await.map_err(|error| failed(error.into()))?;
            let status = answer.status().as_u16();
            Ok(Answer { status, body: read(answer.into_body(), limit).await? })
        };
        timeout(patience, posting).await.map_err(|_| FetchError::TimedOut(patience))?
    }
}

/// Tells whether a URL may be reached, as far as the URL itself shows it; nothing is looked up.
///
/// # Errors
/// [`FetchError::Url`] and [`FetchError::Forbidden`], as of fetching and posting.
pub fn check(url: &str, reach: Reach) -> Result<(), FetchError> {
    checked(url, reach).map(drop)
}

/// Checks what can be seen in the URL itself: scheme, user, and an address in place of a name.
fn checked(url: &str, reach: Reach) -> Result<Uri, FetchError> {
    // The query may hold a signature: errors do not repeat it.
    let shown = || url.rsplit('@').next().unwrap_or_default().split(['?', '#']).next().unwrap_or_default().to_owned();
    let parsed = Url::parse(url).map_err(|_| FetchError::Url(shown()))?;
    let scheme_fits = parsed.scheme() == "https" || (reach != Reach::Public && parsed.scheme() == "http");
    if !scheme_fits || !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(FetchError::Url(shown()));
    }
    // Octal, hexadecimal and shortened addresses were read as what they mean.
    let address = match parsed.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        Some(Host::Domain(_)) => None,
        None => return Err(FetchError::Url(shown())),
    };
    if address.is_some_and(|address| !may_reach(address, reach)) {
        return Err(FetchError::Forbidden(shown()));
    }
    parsed.as_str().parse().map_err(|_| FetchError::Url(shown()))
}

fn may_reach(address: IpAddr, reach: Reach) -> bool {
    let address = address.to_canonical();
    match reach {
        Reach::Public => is_public(address),
        Reach::PublicAndLoopback => is_public(address) || address.is_loopback(),
        Reach::Operator => is_public(address) || is_of_an_operator(address),
    }
}

/// Private and loopback addresses, but for those at which clouds answer for the machine itself.
fn is_of_an_operator(address: IpAddr) -> bool {
    const METADATA_V4: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);
    const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    match address {
        IpAddr::V4(address) => {
            let shared = address.octets()[0] == 100 && address.octets()[1] & 0xc0 == 64;
            (address.is_private() || address.is_loopback() || shared) && address != METADATA_V4
        }
        IpAddr::V6(address) => {
            let unique_local = address.segments()[0] & 0xfe00 == 0xfc00;
            (unique_local || address.is_loopback()) && address != METADATA_V6
        }
    }
}

/// Tells whether an address is one of the public internet's.
///
/// None is that is private, local, shared, reserved, multicast or for documentation (RFC 6890), or that hides such a one
/// inside (RFC 6052, RFC 3056, RFC 4380).
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        // Shared between a carrier's customers (RFC 6598); Alibaba's metadata address lies there, too.
        || (a == 100 && (64..128).contains(&b))
        // Protocol assignments, the old 6to4 relays, and benchmarks.
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19));
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    let inside = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match parts {
        // NAT64: as public as the address inside.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => inside(high, low),
        // 6to4 likewise.
        [0x2002, high, low, ..] => inside(high, low),
        // Teredo, documentation, discard.
        [0x2001, 0 | 0xdb8, ..] | [0x100 | 0x3fff, ..] => false,
        // What is assigned: 2000::/3.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

/// Resolves names to the addresses that may be reached, and no others: those are what is connected to.
#[derive(Clone, Copy, Debug)]
struct CheckedResolver {
    reach: Reach,
}

/// A name leads to nothing that may be reached.
#[derive(Debug)]
struct NothingReachable(String);

impl fmt::Display for NothingReachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` has no public address", self.0)
    }
}

impl std::error::Error for NothingReachable {}

/// Finds the refusal behind an error, and for which name.
fn refusal_in(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let refused = error
            .downcast_ref::<NothingReachable>()
            .or_else(|| error.downcast_ref::<std::io::Error>()?.get_ref()?.downcast_ref::<NothingReachable>());
        if let Some(NothingReachable(name)) = refused {
            return Some(name.clone());
        }
        cause = error.source();
    }
    None
}

impl Service<Name> for CheckedResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = std::io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let reach = self.reach;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let reachable = only_reachable(found, reach);
            if reachable.is_empty() {
                return Err(std::io::Error::other(NothingReachable(name.as_str().to_owned())));
            }
            Ok(reachable.into_iter())
        })
    }
}

/// Keeps the addresses that may be reached; if one of them may not, a name is up to something, and none may.
fn only_reachable(found: impl Iterator<Item = SocketAddr>, reach: Reach) -> Vec<SocketAddr> {
    let found: Vec<SocketAddr> = found.collect();
    if found.iter().all(|address| may_reach(address.ip(), reach)) { found } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule S5: what a URL from outside must never reach, and what it may.
    const FORBIDDEN: [&str; 50] = [
        "https://127.0.0.1/x",
        "https://127.1/x",
        "https://2130706433/x",
        "https://0x7f000001/x",
        "https://0177.0.0.1/x",
        "https://017700000001/x",
        "https://127.0.0.1.:443/x",
        "https://127.255.255.254/",
        "https://0.0.0.0/",
        "https://0/",
        "https://0.1.2.3/",
        "https://10.0.0.1/",
        "https://10.255.255.255/",
        "https://0xa000001/",
        "https://172.16.0.1/",
        "https://172.31.255.255/",
        "https://192.168.0.1/",
        "https://192.168.255.255/",
        "https://169.254.169.254/latest/meta-data/",
        "https://2852039166/",
        "https://0xa9fea9fe/",
        "https://100.100.100.200/latest/meta-data/",
        "https://100.64.0.1/",
        "https://192.0.0.192/",
        "https://192.88.99.1/",
        "https://192.0.2.1/",
        "https://198.18.0.1/",
        "https://198.51.100.1/",
        "https://203.0.113.1/",
        "https://224.0.0.1/",
        "https://240.0.0.1/",
        "https://255.255.255.255/",
        "https://[::1]/",
        "https://[::]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://[::127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://[64:ff9b:1::1]/",
        "https://[2002:7f00:1::1]/",
        "https://[2002:a9fe:a9fe::]/",
        "https://[2001::1]/",
        "https://[2001:db8::1]/",
        "https://[100::1]/",
        "https://[fc00::1]/",
        "https://[fd00:ec2::254]/",
        "https://[fe80::1]/",
        "https://[ff02::1]/",
    ];

    #[tokio::test]
    async fn no_url_from_outside_reaches_what_is_not_public() {
        for url in FORBIDDEN {
            let refused = fetch(url, Reach::Public, 10, Duration::from_secs(1)).await.unwrap_err();
            assert!(matches!(refused, FetchError::Forbidden(_)), "{url}: {refused:?}");
        }
        for url in [
            "http://example.com/",
            "https://user@example.com/",
            "https://user:pw@127.0.0.1/",
            "https://",
            "ftp://example.com/",
            "file:///etc/passwd",
            "gopher://127.0.0.1/",
            "javascript:alert(1)",
            "",
        ] {
            let refused = fetch(url, Reach::Public, 10, Duration::from_secs(1)).await.unwrap_err();
            assert!(matches!(refused, FetchError::Url(_)), "{url}: {refused:?}");
        }
        for url in
            ["https://182.254.11.176/", "https://[2400:3200::1]/", "https://[64:ff9b::b6fe:bb0]/", "https://a.example/"]
        {
            assert!(checked(url, Reach::Public).is_ok(), "{url}");
        }
    }

    #[test]
    fn an_operator_reaches_private_networks_and_no_metadata() {
        for url in ["http://10.0.0.1/hook", "http://127.0.0.1:9/", "https://[fd12::1]/", "http://100.64.0.1/"] {
            assert!(checked(url, Reach::Operator).is_ok(), "{url}");
        }
        for url in [
            "http://169.254.169.254/latest/meta-data/",
            "http://[::ffff:169.254.169.254]/",
            "http://[64:ff9b::a9fe:a9fe]/",
            "http://2852039166/",
            "http://100.100.100.200/",
            "http://[fd00:ec2::254]/",
            "http://[fe80::1]/",
            "http://0.0.0.0/",
            "http://user@10.0.0.1/",
            "ftp://10.0.0.1/",
        ] {
            assert!(checked(url, Reach::Operator).is_err(), "{url}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_refused_where_it_is_connected_to() {
        let refused = fetch("https://localhost/x", Reach::Public, 10, Duration::from_secs(5)).await.unwrap_err();
        assert!(matches!(&refused, FetchError::Forbidden(name) if name == "localhost"), "{refused:?}");
        // A name that answers with both hides the one behind the other.
        let both = ["182.254.11.176:0", "10.0.0.1:0"].map(|address| address.parse().unwrap());
        assert!(only_reachable(both.into_iter(), Reach::Public).is_empty());
    }

    #[tokio::test]
    async fn no_redirect_is_followed_and_no_more_is_read_than_allowed() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            for answer in [
                "HTTP/1.1 302 Found\r\nlocation: https://169.254.169.254/\r\ncontent-length: 0\r\n\r\n",
                "HTTP/1.1 200 OK\r\ncontent-length: 20\r\ncontent-disposition: attachment; filename=\"a.txt\"\r\n\r\n01234567890123456789",
                "HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n01234567890123456789",
            ] {
                let (mut connection, _) = listener.accept().await.unwrap();
                let mut request = [0; 1024];
                let _read = tokio::io::AsyncReadExt::read(&mut connection, &mut request).await.unwrap();
                tokio::io::AsyncWriteExt::write_all(&mut connection, answer.as_bytes()).await.unwrap();
            }
        });
        let ask = |limit| fetch_from(address, limit);
        assert!(matches!(ask(100).await, Err(FetchError::Status(302))));
        let file = ask(100).await.unwrap();
        assert_eq!((file.content.len(), file.file_name.as_deref()), (20, Some("a.txt")));
        assert!(matches!(ask(19).await, Err(FetchError::TooLarge(19))));
    }

    async fn fetch_from(address: SocketAddr, limit: usize) -> Result<FetchedFile, FetchError> {
        let url = format!("http://{address}/file");
        fetch(&url, Reach::PublicAndLoopback, limit, Duration::from_secs(5)).await
    }
}
