//! Finds the file in a multipart body as WeCom was seen to: whatever the part is called, with a raw UTF-8 file name.
//! A part whose name is only given as RFC 5987's `filename*=` is no file (path/90253, bug reports of several SDKs).

use bytes::Bytes;
use futures::stream;

pub(crate) struct Part {
    pub(crate) file_name: String,
    pub(crate) content: Bytes,
}

pub(crate) async fn first_file(content_type: &str, body: Bytes) -> Option<Part> {
    let boundary = multer::parse_boundary(content_type).ok()?;
    let body = stream::iter([Ok::<_, std::convert::Infallible>(body)]);
    let mut parts = multer::Multipart::new(body, boundary);
    while let Ok(Some(part)) = parts.next_field().await {
        let disposition = part.headers().get("content-disposition").map(|value| value.as_bytes().to_vec());
        let Some(file_name) = disposition.as_deref().and_then(plain_file_name) else { continue };
        let content = part.bytes().await.ok()?;
        return Some(Part { file_name, content });
    }
    None
}

/// Reads `filename="…"` or `filename=…`, never `filename*=…`.
fn plain_file_name(disposition: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(disposition);
    let value = text.split("filename=").nth(1)?;
    let name = match value.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => value.split(';').next()?.trim(),
    };
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_file_name_makes_a_file() {
        for (disposition, name) in [
            ("form-data; name=\"media\";filename=\"wework.txt\"; filelength=6", Some("wework.txt")),
            ("form-data; name=\"media\"; filename=\"生产计划.txt\"", Some("生产计划.txt")),
            ("form-data; filename=plain.txt; filelength=6", Some("plain.txt")),
            ("form-data; name=\"media\"; filename*=utf-8''%E4%B8%AD.txt", None),
            ("form-data; name=\"media\"", None),
        ] {
            assert_eq!(plain_file_name(disposition.as_bytes()).as_deref(), name, "{disposition}");
        }
    }
}
