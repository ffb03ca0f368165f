//! The smallest HTTP client: one connection, one request at a time. Knows nothing about retries or pools.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper::{HeaderMap, Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Sends one request over a connection of its own, and reads while it still writes.
///
/// What is too large is answered before its end. Returns the answer, and how long after its body was in, or was refused,
/// the answer was there.
///
/// # Errors
/// If there was no answer.
pub async fn exchange(
    address: SocketAddr,
    (method, path, content_type): (&str, &str, &str),
    authorization: &str,
    body: Bytes,
) -> anyhow::Result<(Answer, Duration)> {
    let (mut read, mut write) = TcpStream::connect(address).await.context("connect")?.into_split();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: {authorization}\r\ncontent-type: {content_type}\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let writing = tokio::spawn(async move {
        // Whoever refuses a body need not take all of it.
        let _refused = async { write.write_all(head.as_bytes()).await.and(write.write_all(&body).await) }.await;
        (write, Instant::now())
    });
    let mut answer = Vec::new();
    // It may be cut off after the answer, with the rest of the body unread.
    let _cut_off = read.read_to_end(&mut answer).await;
    let answered = Instant::now();
    let (_write, written) = writing.await?;
    Ok((parse(&answer)?, answered.saturating_duration_since(written)))
}

fn parse(bytes: &[u8]) -> anyhow::Result<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").context("there was no answer")?;
    let head = std::str::from_utf8(&bytes[..end])?;
    let status = head.split(' ').nth(1).context("a status")?.parse()?;
    Ok(Answer { status, headers: HeaderMap::new(), body: Bytes::copy_from_slice(&bytes[end + 4..]) })
}

/// One connection, kept open; opened again after it broke.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    key: Option<String>,
    open: Option<http1::SendRequest<Full<Bytes>>>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// Reads the body as JSON; null if it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Connection {
    /// Names where to connect, and the bearer key to show.
    pub fn new(address: SocketAddr, key: Option<&str>) -> Self {
        Self { address, key: key.map(|key| format!("Bearer {key}")), open: None }
    }

    /// Makes one request.
    ///
    /// # Errors
    /// If it could not be made or was not answered; the next request connects anew.
    pub async fn request(&mut self, method: Method, path: &str, body: impl Into<Bytes>) -> anyhow::Result<Answer> {
        self.request_with(method, path, body, &[]).await
    }

    /// Makes one request with headers of its own.
    ///
    /// # Errors
    /// If it could not be made or was not answered; the next request connects anew.
    pub async fn request_with(
        &mut self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<Answer> {
        let mut open = match self.open.take() {
            Some(open) if !open.is_closed() => open,
            _ => self.connect().await?,
        };
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, "127.0.0.1");
        request = request.header(header::CONTENT_TYPE, "application/json");
        if let Some(key) = &self.key {
            request = request.header(header::AUTHORIZATION, key);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        open.ready().await.context("connection")?;
        let answer = open.send_request(request.body(Full::new(body.into()))?).await.context("request")?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.context("answer")?.to_bytes();
        self.open = Some(open);
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    async fn connect(&self) -> anyhow::Result<http1::SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(self.address).await.context("connect")?;
        stream.set_nodelay(true)?;
        let (open, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            // Its end shows at the next request.
            let _ended = connection.await;
        });
        Ok(open)
    }
}
