//! Files on their way in and out: part by part, so that little of any is in memory, and none is ever shown as a page.

use std::time::Duration;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use pipeline::ports::{MediaReader, MediaRecord};
use pipeline::telemetry::{Happening as _, LedgerFailed};
use tokio::time::Instant;

use crate::http::MAX_UPLOAD;

/// Why a body did not arrive whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    /// There is too much of it.
    #[error("the body is too large")]
    TooLarge,
    /// It ended before its end.
    #[error("the body broke off")]
    BrokeOff,
    /// It took too long.
    #[error("the body took too long to arrive")]
    TooSlow,
}

/// A body of at most `limit` bytes, as it comes. So much as is taken elsewhere must come in each `timeout`.
pub(crate) fn arriving(
    body: Body,
    limit: u64,
    timeout: Duration,
) -> impl Stream<Item = Result<Bytes, Trouble>> + Send + 'static {
    let started = Instant::now();
    let begin = (body.into_data_stream(), 0_u64);
    stream::try_unfold(begin, move |(mut parts, mut received)| async move {
        let due = u32::try_from(received / MAX_UPLOAD as u64).unwrap_or(u32::MAX).saturating_add(1);
        let next = tokio::time::timeout_at(started + timeout.saturating_mul(due), parts.next()).await;
        let Some(part) = next.map_err(|_| Trouble::TooSlow)? else { return Ok(None) };
        let part = part.map_err(|_| Trouble::BrokeOff)?;
        received += part.len() as u64;
        if received > limit { Err(Trouble::TooLarge) } else { Ok(Some((part, (parts, received)))) }
    })
}

/// A file to be kept by whoever asked for it.
pub(crate) fn download(record: &MediaRecord, content_type: &'static str, reader: Box<dyn MediaReader>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type.to_owned()),
        (header::CONTENT_LENGTH, record.size.to_string()),
        (header::CONTENT_DISPOSITION, attachment(&record.file_name)),
    ];
    (headers, leaving(reader)).into_response()
}

/// A file as it is read.
pub(crate) fn leaving(reader: Box<dyn MediaReader>) -> Body {
    let parts = stream::try_unfold(reader, async |mut reader| match reader.next().await {
        Ok(part) => Ok(part.map(|part| (part, reader))),
        Err(error) => {
            // Whoever reads it sees that it breaks off.
            LedgerFailed { error: &error }.emit();
            Err(error)
        }
    });
    Body::from_stream(parts)
}

/// RFC 6266: the name as it is for those who read UTF-8, and something like it for the others.
fn attachment(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '_' };
    let like_it: String = name.chars().map(plain).collect();
    let encoded: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    format!("attachment; filename=\"{like_it}\"; filename*=UTF-8''{}", encoded.replace('+', "%20").replace('*', "%2A"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_breaks_out_of_no_header() {
        for (name, expected) in [
            ("plan.pdf", "attachment; filename=\"plan.pdf\"; filename*=UTF-8''plan.pdf"),
            ("计 划*.pdf", "attachment; filename=\"____.pdf\"; filename*=UTF-8''%E8%AE%A1%20%E5%88%92%2A.pdf"),
            ("a\"; x=\r\n\"b", "attachment; filename=\"a___x____b\"; filename*=UTF-8''a%22%3B%20x%3D%0D%0A%22b"),
        ] {
            assert_eq!(attachment(name), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_taken_as_it_comes_within_its_limits() {
        let taken = |parts: Vec<(u64, usize)>, limit: u64| async move {
            let coming = stream::iter(parts).then(|(wait, bytes)| async move {
                tokio::time::sleep(Duration::from_secs(wait)).await;
                Ok::<_, std::io::Error>(Bytes::from(vec![0; bytes]))
            });
            let mut arriving = Box::pin(arriving(Body::from_stream(coming), limit, Duration::from_secs(30)));
            let mut received = 0;
            while let Some(part) = arriving.next().await {
                received += part?.len();
            }
            Ok::<_, Trouble>(received)
        };
        assert_eq!(taken(vec![(1, 10), (1, 10)], 20).await, Ok(20));
        assert_eq!(taken(vec![(1, 10), (1, 11)], 20).await, Err(Trouble::TooLarge));
        assert_eq!(taken(vec![(20, 10), (20, 10)], 20).await, Err(Trouble::TooSlow));
        // As much as an ordinary upload in the time of one, and there is time for more.
        assert_eq!(taken(vec![(20, MAX_UPLOAD), (20, 10)], u64::MAX).await, Ok(MAX_UPLOAD + 10));
    }
}
