//! GET /cgi-bin/media/get and /cgi-bin/media/get/jssdk: a file, streamed, made by [`crate::Client::download`].
//! <https://developer.work.weixin.qq.com/document/path/90254>
//!
//! A failure is HTTP 200 with JSON, as everywhere; a file is told by its `Content-Disposition`, because a file may be
//! JSON, too.

use std::future::poll_fn;
use std::pin::Pin;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::HeaderMap;
use hyper::body::Body as _;
use hyper::header::{self, HeaderValue};
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout, timeout_at};

use crate::client::envelope_of;
use crate::transport::{Fetched, Incoming, Outgoing};
use crate::{Error, ErrorKind, MediaId, Method, Transport};

/// Asks for an uploaded file, or a part of it. Files over 20 MB must be asked for in parts of at most 20 MB (830002).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetMedia {
    media_id: MediaId,
    high_definition_voice: bool,
    range: Option<(u64, Option<u64>)>,
}

/// What was downloaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Download {
    /// Bytes that were written.
    pub length: u64,
    /// Bytes of the whole file, where WeCom told.
    pub total: Option<u64>,
    /// What the file is called.
    pub file_name: Option<String>,
    /// What WeCom takes it for.
    pub content_type: Option<String>,
}

impl GetMedia {
    /// Asks for the whole file.
    pub fn new(media_id: impl Into<MediaId>) -> Self {
        Self { media_id: media_id.into(), high_definition_voice: false, range: None }
    }

    /// Asks for a voice clip as recorded by a page: 16 kHz speex (path/90255).
    pub fn voice(media_id: impl Into<MediaId>) -> Self {
        Self { high_definition_voice: true, ..Self::new(media_id) }
    }

    /// Asks for the bytes from `first` to `last`, both included; `None`: to the end.
    #[must_use]
    pub fn range(mut self, first: u64, last: Option<u64>) -> Self {
        self.range = Some((first, last));
        self
    }

    /// The path.
    pub(crate) fn path(&self) -> &'static str {
        if self.high_definition_voice { "/cgi-bin/media/get/jssdk" } else { "/cgi-bin/media/get" }
    }

    /// Asks, and writes the file as it comes. Nothing is written if WeCom refuses.
    pub(crate) async fn fetch(
        &self,
        transport: &Transport,
        token: &str,
        into: &mut (impl AsyncWrite + Unpin + Send),
        deadline: Instant,
    ) -> Result<Download, Error> {
        let path = self.path();
        let outgoing = Outgoing {
            method: Method::Get,
            path,
            query: &[("access_token", token), ("media_id", self.media_id.as_str())],
            content_type: "",
            body: None,
            length: None,
            max_answer: crate::limits::MAX_ANSWER,
        };
        let range = self.range.map(|(first, last)| {
            let last = last.map(|last| last.to_string()).unwrap_or_default();
            format!("bytes={first}-{last}")
        });
        let fetched = timeout_at(deadline, transport.fetch(outgoing, range.as_deref())).await;
        let fetched = fetched.map_err(|_| Error::new(ErrorKind::NoAnswer, path))??;
        if !fetched.headers.contains_key(header::CONTENT_DISPOSITION) {
            let answer = fetched.collect(path, crate::limits::MAX_ANSWER, deadline).await?;
            return Err(refused(path, answer));
        }
        let download = Download {
            length: 0,
            total: total(&fetched.headers),
            file_name: fetched.headers.get(header::CONTENT_DISPOSITION).and_then(file_name),
            content_type: text(fetched.headers.get(header::CONTENT_TYPE)),
        };
        write(path, fetched, transport, into, download).await
    }
}

/// A file's answer without a file: an errcode, or nothing of WeCom's.
fn refused(path: &'static str, answer: Incoming) -> Error {
    let status = answer.status;
    match envelope_of(path, answer) {
        Err(error) => error,
        Ok(_) => Error::new(ErrorKind::NotJson { status, body: "neither a file nor an errcode".to_owned() }, path),
    }
}

async fn write(
    path: &'static str,
    fetched: Fetched,
    transport: &Transport,
    into: &mut (impl AsyncWrite + Unpin + Send),
    mut download: Download,
) -> Result<Download, Error> {
    let broken =
        |cause: Box<dyn std::error::Error + Send + Sync>| Error::new(ErrorKind::NoAnswer, path).with_source(cause);
    let Fetched { mut body, connection, .. } = fetched;
    let expected = body.size_hint().exact();
    loop {
        // However long the file is, it must keep coming.
        let frame = timeout(transport.patience(), body.frame()).await;
        let frame = frame.map_err(|_| Error::new(ErrorKind::NoAnswer, path))?;
        let Some(frame) = frame else { break };
        let Ok(chunk): Result<Bytes, _> = frame.map_err(|e| broken(e.into()))?.into_data() else { continue };
        into.write_all(&chunk).await.map_err(|e| Error::new(ErrorKind::Request, path).with_source(e))?;
        download.length += chunk.len() as u64;
    }
    poll_fn(|context| Pin::new(&mut *into).poll_flush(context))
        .await
        .map_err(|e| Error::new(ErrorKind::Request, path).with_source(e))?;
    if expected.is_some_and(|expected| expected != download.length) {
        return Err(broken("the file ended early".into()));
    }
    connection.give_back();
    download.total = download.total.or(Some(download.length));
    Ok(download)
}

fn text(value: Option<&HeaderValue>) -> Option<String> {
    value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// `Content-Range: bytes 0-1023/2048`.
fn total(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_RANGE)?.to_str().ok()?.rsplit('/').next()?.parse().ok()
}

/// Reads `filename*=utf-8''…` (RFC 5987) and `filename="…"`, which WeCom fills with raw UTF-8.
pub(crate) fn file_name(disposition: &HeaderValue) -> Option<String> {
    let disposition = String::from_utf8_lossy(disposition.as_bytes()).into_owned();
    let extended = disposition.split("filename*=").nth(1).and_then(|value| {
        let encoded = value.split(';').next()?.trim().rsplit('\'').next()?;
        percent_decode_str(encoded.trim_matches('"')).decode_utf8().ok().map(|name| name.into_owned())
    });
    let plain = disposition.split("filename=").nth(1).and_then(|value| match value.trim_start().strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => value.split(';').next().map(str::trim),
    });
    extended.or_else(|| plain.map(str::to_owned)).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_read_in_both_forms() {
        for (disposition, name) in [
            ("attachment; filename=\"MEDIA_ID.jpg\"", Some("MEDIA_ID.jpg")),
            ("attachment; filename=\"生产计划.xlsx\"", Some("生产计划.xlsx")),
            ("attachment; filename*=utf-8''%E7%94%9F%E4%BA%A7.xlsx; filename=\"x.xlsx\"", Some("生产.xlsx")),
            ("attachment; filename=plain.txt; size=1", Some("plain.txt")),
            ("attachment", None),
        ] {
            let value = HeaderValue::from_bytes(disposition.as_bytes()).unwrap();
            assert_eq!(file_name(&value).as_deref(), name, "{disposition}");
        }
    }

    #[test]
    fn the_size_of_the_whole_is_read_from_a_part() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_RANGE, HeaderValue::from_static("bytes 0-1023/2048"));
        assert_eq!(total(&headers), Some(2048));
        headers.insert(header::CONTENT_RANGE, HeaderValue::from_static("bytes 0-1023/*"));
        assert_eq!(total(&headers), None);
    }
}
