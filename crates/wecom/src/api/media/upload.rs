//! POST /cgi-bin/media/upload: a file, streamed, made by [`crate::Client::upload`].
//! <https://developer.work.weixin.qq.com/document/path/90253>
//!
//! The multipart body is written by hand: WeCom wants the raw UTF-8 file name in `filename="…"`, takes RFC 5987's
//! `filename*=` for no file at all (44001), and wants a `filelength` beside it.

use std::fmt;

use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt as _};
use serde::Deserialize;
use tokio::time::Instant;

use crate::limits::{self, Checker, DOC_MEDIA_UPLOAD, LimitViolation};
use crate::transport::{Outgoing, RequestBody, streamed};
use crate::{Error, ErrorKind, MediaId, Method, Transport};

/// The slowest upload that is waited for, in bytes a second, beyond the client's own timeout.
const SLOWEST: u64 = 256 * 1024;

/// What can be uploaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadKind {
    /// A JPG or PNG up to 10 MB.
    Image,
    /// An AMR clip up to 2 MB and 60 s.
    Voice,
    /// An MP4 up to 10 MB.
    Video,
    /// Any file up to 20 MB.
    File,
}

impl UploadKind {
    /// Returns the `type` of the query.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Voice => "voice",
            Self::Video => "video",
            Self::File => "file",
        }
    }

    /// Returns the endings that a file's name may have; none for any.
    pub fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Image => &["jpg", "jpeg", "png"],
            Self::Voice => &["amr"],
            Self::Video => &["mp4"],
            Self::File => &[],
        }
    }

    /// Returns the documented limit in bytes.
    pub fn max_bytes(self) -> u64 {
        match self {
            Self::Image => limits::UPLOAD_IMAGE_BYTES,
            Self::Voice => limits::UPLOAD_VOICE_BYTES,
            Self::Video => limits::UPLOAD_VIDEO_BYTES,
            Self::File => limits::UPLOAD_FILE_BYTES,
        }
    }
}

/// A file to upload.
pub struct UploadMedia {
    file_name: String,
    length: u64,
    /// Random, so that no file can hold it.
    boundary: String,
    body: RequestBody,
}

impl fmt::Debug for UploadMedia {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadMedia")
            .field("file_name", &self.file_name)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

/// An uploaded file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Uploaded {
    /// Its id, valid for 3 days.
    pub media_id: MediaId,
    /// When, in seconds since the epoch; a string in the documents.
    #[serde(default)]
    pub created_at: serde_json::Value,
}

impl UploadMedia {
    /// Where a company's files are uploaded.
    pub const PATH: &'static str = "/cgi-bin/media/upload";

    /// Takes a file that is in memory. The name is what recipients see.
    pub fn bytes(file_name: impl Into<String>, content: impl Into<Bytes>) -> Self {
        let content = content.into();
        let length = content.len() as u64;
        Self::stream(file_name, length, stream::iter([Ok::<_, std::io::Error>(content)]))
    }

    /// Takes a file as a stream of `length` bytes, held in memory a chunk at a time.
    pub fn stream<E>(
        file_name: impl Into<String>,
        length: u64,
        content: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    ) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
    {
        let file_name = file_name.into();
        let boundary = format!("wecom-{:032x}", rand::random::<u128>());
        let (head, tail) = (head(&boundary, &file_name, length), tail(&boundary));
        let parts = stream::once(async move { Ok(head) })
            .chain(content.map(|chunk| chunk.map_err(Into::into)))
            .chain(stream::once(async { Ok(tail) }));
        Self { file_name, length, boundary, body: streamed(parts) }
    }

    /// Returns how many bytes the file has.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Returns every documented rule that this file breaks: its size, and the ending of its name.
    pub fn check(&self, kind: UploadKind) -> Vec<LimitViolation> {
        let mut c = Checker::new(DOC_MEDIA_UPLOAD);
        if self.length <= limits::UPLOAD_MIN_BYTES {
            c.add("too_few", "media", format!("is {} bytes; it must be more than 5", self.length));
        }
        if self.length > kind.max_bytes() {
            let message = format!("is {} bytes; the limit for {} is {}", self.length, kind.name(), kind.max_bytes());
            c.add("too_long", "media", message);
        }
        let ending = self.file_name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
        let endings = kind.endings();
        if !endings.is_empty() && !endings.contains(&ending.as_str()) {
            let message = format!("`{}` does not end in .{}", self.file_name, endings.join(" or ."));
            c.add("unsupported", "filename", message);
        }
        c.finish()
    }

    pub(crate) async fn post(
        self,
        transport: &Transport,
        path: &'static str,
        query: &[(&str, &str)],
        deadline: Instant,
    ) -> Result<Bytes, Error> {
        if self.file_name.contains(['\r', '\n', '\0']) {
            return Err(Error::new(ErrorKind::Request, path).with_source("the file name has a line break"));
        }
        let length = (head(&self.boundary, &self.file_name, self.length).len() + tail(&self.boundary).len()) as u64
            + self.length;
        let outgoing = Outgoing {
            method: Method::Post,
            path,
            query,
            content_type: &format!("multipart/form-data; boundary={}", self.boundary),
            body: Some(self.body),
            length: Some(length),
            max_answer: limits::MAX_ANSWER,
        };
        let deadline = deadline + std::time::Duration::from_secs(self.length / SLOWEST);
        transport.call(outgoing, deadline).await
    }
}

fn head(boundary: &str, file_name: &str, length: u64) -> Bytes {
    // A quote would end the name early; browsers write %22 (WHATWG, multipart/form-data encoding).
    let name = file_name.replace('"', "%22");
    format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"media\"; filename=\"{name}\"; filelength={length}\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    )
    .into()
}

fn tail(boundary: &str) -> Bytes {
    format!("\r\n--{boundary}--\r\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_raw_utf_8() {
        let head = String::from_utf8(head("b", "生产 \"计划\".txt", 6).to_vec()).unwrap();
        assert!(head.contains("filename=\"生产 %22计划%22.txt\"; filelength=6\r\n"), "{head}");
        assert!(!head.contains("filename*"));
    }

    #[test]
    fn the_official_answer_is_read() {
        let answer = include_str!("../../../../../fixtures/wecom/media/upload.response.json");
        let uploaded: Uploaded = serde_json::from_str(answer).unwrap();
        assert_eq!(uploaded.media_id.as_str(), "1G6nrLmr5EC3MMb_-zK1dDdzmd0p7cNliYu9V5w7o8K0");
    }

    #[test]
    fn sizes_are_those_of_the_official_page() {
        let code = |length, kind| {
            UploadMedia::stream::<std::io::Error>("f.amr", length, stream::empty()).check(kind).first().map(|v| v.code)
        };
        assert_eq!(code(5, UploadKind::File), Some("too_few"));
        assert_eq!(code(6, UploadKind::File), None);
        assert_eq!(code(20 * 1024 * 1024, UploadKind::File), None);
        assert_eq!(code(20 * 1024 * 1024 + 1, UploadKind::File), Some("too_long"));
        assert_eq!(code(2 * 1024 * 1024 + 1, UploadKind::Voice), Some("too_long"));
        assert_eq!((code(6, UploadKind::Voice), code(6, UploadKind::Image)), (None, Some("unsupported")));
    }
}
