//! Files that messages carry: `med_…` in a content → what the file is called where the message goes.
//!
//! A file is uploaded once for each company or robot and each kind, and again only when its life there is over. Knows
//! nothing about how files are kept or uploaded.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{Attempt, Content, ContentKind, FailureClass, MediaId, Reason, Violation};
use parking_lot::Mutex;
use serde_json::Value;

use crate::api_calls::ApiCalls;
use crate::ports::{ApiCall, Channel, Clock, Ledger, LedgerError, MediaKind, MediaRecord, Upload, UploadAnswer};

/// How long an uploaded file is used: WeCom keeps it for three days (path/90253), less what a queue may take.
const LIFE: Duration = Duration::from_secs(3 * 24 * 3600 - 3600);
/// The largest file that is fetched for a message: WeCom takes none larger (path/90253).
pub(crate) const LARGEST_FILE: usize = 20 * 1024 * 1024;
/// The prefix of our own ids; WeCom's never begin so.
const OWN: &str = "med_";

/// Fetches files that submissions name by URL.
#[async_trait]
pub trait Fetch: Send + Sync {
    /// Returns what a file is called, and its bytes, at most `limit`.
    ///
    /// # Errors
    /// Why not, for the caller.
    async fn fetch(&self, url: &str, limit: usize) -> Result<(String, Bytes), String>;
}

/// Whether a content may name files of ours.
pub(crate) fn names_own(content: &Content) -> bool {
    content.object().contains("\"med_")
}

/// The kind and the URL of a content whose file is named by URL: `"media_id": {"url": "https://…"}`.
pub(crate) fn named_by_url(content: &Content) -> Option<(ContentKind, String)> {
    let object: Value = serde_json::from_str(content.object()).ok()?;
    let url = object.get("media_id")?.get("url")?.as_str()?;
    Some((content.kind(), url.to_owned()))
}

/// Names a file of ours in place of its URL.
pub(crate) fn with_id(content: &Content, id: MediaId) -> Content {
    let Ok(mut object) = serde_json::from_str::<Value>(content.object()) else { return content.clone() };
    object["media_id"] = Value::from(id.to_string());
    Content::new(content.kind(), object.to_string())
}

/// Every id of ours that a content names, with its field.
pub(crate) fn own_ids(content: &Content) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if let Ok(object) = serde_json::from_str::<Value>(content.object()) {
        collect(&object, content.kind().name(), &mut found);
    }
    found
}

fn collect(value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let path = format!("{path}.{key}");
                match value.as_str() {
                    Some(id) if key.ends_with("media_id") && id.starts_with(OWN) => found.push((path, id.to_owned())),
                    _ => collect(value, &path, found),
                }
            }
        }
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                collect(item, &format!("{path}[{i}]"), found);
            }
        }
        _ => {}
    }
}

/// Whether a content is one file, and perhaps its title.
pub(crate) fn is_file(kind: ContentKind) -> bool {
    matches!(kind, ContentKind::Image | ContentKind::Voice | ContentKind::Video | ContentKind::File)
}

/// Refuses a file that is larger than WeCom takes of its kind (path/90253), or too small. One that is `linked` where it is
/// too large may have any size.
pub(crate) fn check_size(kind: ContentKind, record: &MediaRecord, linked: bool) -> Result<(), Violation> {
    const MIB: u64 = 1024 * 1024;
    let most = match kind_of(kind) {
        MediaKind::Image | MediaKind::Video => 10 * MIB,
        MediaKind::Voice => 2 * MIB,
        MediaKind::File => 20 * MIB,
    };
    if record.size <= 5 || (record.size > most && !linked) {
        let message = format!("is a file of {} bytes; WeCom takes 6 to {most} as {kind}", record.size);
        let violation = Violation::new("too_long", format!("{kind}.media_id"), message);
        return Err(violation
            .with_hint(
                "send a smaller file, or `\"overflow\": \"link\"`: then a link to it goes out; WeCom's larger asynchronous uploads are not taken by messages",
            )
            .with_doc("https://developer.work.weixin.qq.com/document/path/90253"));
    }
    Ok(())
}

fn kind_of(content: ContentKind) -> MediaKind {
    match content {
        ContentKind::Image | ContentKind::MpNews => MediaKind::Image,
        ContentKind::Voice => MediaKind::Voice,
        ContentKind::Video => MediaKind::Video,
        _ => MediaKind::File,
    }
}

/// Held by the one that uploads a file.
type Turn = tokio::sync::Mutex<()>;
/// Of each file to each place.
type Turns = HashMap<(String, MediaId), Weak<Turn>>;

/// Puts what files are called upstream in place of our ids. One upload at a time of each file to each place, so that
/// none goes up twice.
#[derive(Clone)]
pub(crate) struct Uploader {
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    api_calls: ApiCalls,
    turns: Arc<Mutex<Turns>>,
}

impl Uploader {
    pub(crate) fn new(ledger: Arc<dyn Ledger>, clock: Arc<dyn Clock>, api_calls: ApiCalls) -> Self {
        Self { ledger, clock, api_calls, turns: Arc::default() }
    }

    /// Whose turn it is to upload a file to a place.
    fn turn(&self, scope: &str, media: MediaId) -> Arc<Turn> {
        let mut turns = self.turns.lock();
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = turns.entry((scope.to_owned(), media)).or_default();
        turn.upgrade().unwrap_or_else(|| {
            let new = Arc::default();
            *turn = Arc::downgrade(&new);
            new
        })
    }

    /// Makes a content that the channel can send.
    ///
    /// # Errors
    /// What the attempt met: the file is gone, or could not be uploaded.
    pub(crate) async fn resolve(&self, channel: &dyn Channel, content: &Content) -> Result<Content, Attempt> {
        let Some(scope) = channel.media_scope() else { return Ok(content.clone()) };
        let kind = kind_of(content.kind());
        let scope = format!("{scope}/{}", kind.name());
        let mut object = content.object().to_owned();
        for (_, id) in own_ids(content) {
            let media: MediaId = id.parse().map_err(|_| gone(&id))?;
            let turn = self.turn(&scope, media);
            let _turn = turn.lock().await;
            match self.upload(channel, &scope, kind, media).await? {
                Named::Id(known) => object = object.replace(&format!("\"{id}\""), &Value::from(known).to_string()),
                // The file itself stands in the content.
                Named::Whole(whole) => object = whole,
            }
        }
        Ok(Content::new(content.kind(), object))
    }

    async fn upload(
        &self,
        channel: &dyn Channel,
        scope: &str,
        kind: MediaKind,
        media: MediaId,
    ) -> Result<Named, Attempt> {
        let now = self.clock.now();
        if let Some(known) = self.ledger.upload(scope, media, now - LIFE).await.map_err(|error| away(&error))? {
            return Ok(Named::Id(known.media_id));
        }
        let record = self.ledger.media(media, None).await.map_err(|error| away(&error))?;
        let content = self.ledger.media_content(media).await.map_err(|error| away(&error))?;
        let (Some(record), Some(content)) = (record, content) else { return Err(gone(&media.to_string())) };
        let upload = channel.upload(kind, &record.file_name, content);
        match self.api_calls.make(channel.api(ApiCall::Upload(kind)), upload).await? {
            UploadAnswer::Uploaded(media_id) => {
                let upload = Upload { scope: scope.to_owned(), media, media_id: media_id.clone(), at: now };
                self.ledger.note_upload(upload).await.map_err(|error| away(&error))?;
                Ok(Named::Id(media_id))
            }
            UploadAnswer::Inline(whole) => Ok(Named::Whole(whole)),
            UploadAnswer::Failed(attempt) => Err(attempt),
        }
    }

    /// Forgets what the files of a content are called: they are gone there. `false` if it names none of ours.
    pub(crate) async fn forget(&self, channel: &dyn Channel, content: &Content) -> Result<bool, LedgerError> {
        let Some(scope) = channel.media_scope() else { return Ok(false) };
        let scope = format!("{scope}/{}", kind_of(content.kind()).name());
        let ids = own_ids(content);
        for (_, id) in &ids {
            if let Ok(media) = id.parse() {
                self.ledger.forget_upload(&scope, media).await?;
            }
        }
        Ok(!ids.is_empty())
    }
}

enum Named {
    Id(String),
    Whole(String),
}

fn gone(id: &str) -> Attempt {
    let reason = Reason::new("media_gone", format!("the file `{id}` is no longer kept"));
    let reason = reason.with_hint("hand the file in again, and send the message anew");
    Attempt::Refused { class: FailureClass::Rejected, reason }
}

fn away(error: &LedgerError) -> Attempt {
    let reason = Reason::new("not_available", error.to_string());
    Attempt::Deferred { class: FailureClass::Internal, reason, retry_after: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_wherever_a_content_names_them() {
        let news = Content::new(
            ContentKind::MpNews,
            r#"{"articles":[{"title":"med_x","thumb_media_id":"med_1"},{"thumb_media_id":"3a8asd892"}]}"#,
        );
        assert_eq!(own_ids(&news), [("mpnews.articles[0].thumb_media_id".to_owned(), "med_1".to_owned())]);
        let by_url = Content::new(ContentKind::File, r#"{"media_id":{"url":"https://x/a.pdf"}}"#);
        assert_eq!(named_by_url(&by_url), Some((ContentKind::File, "https://x/a.pdf".to_owned())));
    }
}
