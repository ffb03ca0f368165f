//! Files: kept and answered at once, uploaded to WeCom when a message with them goes out.

use std::sync::Arc;

use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use domain::{Grant, Lane, MediaId};

use super::{Answer, FrontCall, message};
use crate::files::leaving;
use crate::http::Api;

/// Kinds of files, and how many bytes they may have (path/90253).
const KINDS: [(&str, usize); 4] =
    [("image", 10 * 1024 * 1024), ("voice", 2 * 1024 * 1024), ("video", 10 * 1024 * 1024), ("file", 20 * 1024 * 1024)];
/// Files must have more bytes than this.
const LEAST: usize = 5;

/// `media/upload` and `webhook/upload_media`.
pub(super) async fn upload(api: &Arc<Api>, call: &FrontCall, grant: &Arc<Grant>) -> Result<Response, Answer> {
    let kind = call.parameter("type");
    let known = KINDS.iter().find(|(name, _)| *name == kind);
    let (_, most) =
        known.ok_or_else(|| Answer::refuse(40_004, "invalid media type").hint(format!("type is `{kind}`")))?;
    let no_file =
        || Answer::refuse(41_005, "media data missing").hint("send multipart/form-data with a file named `media`");
    let boundary = multer::parse_boundary(&call.content_type).map_err(|_| no_file())?;
    let body = futures::stream::iter([Ok::<_, std::io::Error>(call.body.clone())]);
    let mut form = multer::Multipart::new(body, boundary);
    while let Some(part) = form.next_field().await.map_err(|_| no_file())? {
        // Some clients leave the name of the file out, and some name the field otherwise.
        let named = part.file_name().map(str::to_owned);
        if named.is_none() && part.name() != Some("media") {
            continue;
        }
        let content = part.bytes().await.map_err(|_| no_file())?;
        if content.len() <= LEAST {
            return Err(Answer::refuse(40_006, "invalid media size").hint("a file has more than 5 bytes"));
        }
        if content.len() > *most {
            return Err(Answer::refuse(45_001, "media size out of limit").hint(format!("`{kind}` takes {most} bytes")));
        }
        let now = api.clock.now();
        let name = named.unwrap_or_else(|| "file".to_owned());
        let kept = api.intake.keep(grant, name, content, now).await;
        let id = kept.map_err(|_| Answer::busy("system busy"))?.id;
        let created_at = (now.as_millis() / 1000).to_string();
        return Ok(Answer::ok()
            .with("type", kind)
            .with("media_id", id.to_string())
            .with("created_at", created_at)
            .into_response());
    }
    Err(no_file())
}

/// `media/get`: one of ours, or one of WeCom's where the key may pass such calls on.
pub(super) async fn get(api: &Arc<Api>, call: &FrontCall, grant: &Arc<Grant>) -> Result<Response, Answer> {
    let given = call.parameter("media_id");
    let unknown = || Answer::refuse(40_007, "invalid media_id");
    let busy = |_| Answer::busy("system busy");
    let (name, content) = if let Ok(id) = given.parse::<MediaId>() {
        let record = api.ledger.media(id, Some(&grant.caller)).await.map_err(busy)?.ok_or_else(unknown)?;
        let reader = api.ledger.read_media(id).await.map_err(busy)?.ok_or_else(unknown)?;
        (record.file_name, leaving(reader))
    } else {
        super::forward::may_forward(grant, call)?;
        let app = message::app_of(api, grant, &serde_json::Map::new())?;
        let channel = api.front.channels.get(&Lane::new("wecom_app", &app)).ok_or_else(unknown)?;
        let (name, content) = channel.download(given).await.map_err(|error| Answer::refuse(40_007, error))?;
        (name, content.into())
    };
    let name: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", name.replace('+', "%20"))),
    ];
    Ok((headers, content).into_response())
}
