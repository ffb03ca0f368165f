//! Files that a robot uploads over its connection, in chunks (path/101463).

use std::collections::HashMap;

use base64::Engine as _;
use bytes::{Bytes, BytesMut};
use md5::{Digest as _, Md5};
use serde_json::{Value, json};

use super::{LIMITS, SmartRobot, Upload};
use crate::clock::{HOUR, MINUTE, Millis};
use crate::quota::{Window, admit_both};
use crate::routes::random_id;
use crate::rules::{Refused, refuse};
use crate::world::MEDIA_LIFE;

/// How long an upload may take (path/101463).
const UPLOAD_LIFE: Millis = 30 * MINUTE;

/// Begins, goes on with, or ends an upload; returns what it is acknowledged with.
pub(super) fn upload(robot: &mut SmartRobot, cmd: &str, body: &Value, now: Millis) -> Result<Value, Refused> {
    const CHUNK: usize = 512 * 1024;
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let number = |name: &str| body[name].as_u64().unwrap_or_default();
    if cmd == "aibot_upload_media_init" {
        let (kind, total, count) = (text("type"), number("total_size"), number("total_chunks"));
        if !["file", "image", "voice", "video"].contains(&kind.as_str()) || text("filename").len() > 256 {
            return refuse(846_697, "invalid file type or name");
        }
        let most = match kind.as_str() {
            "voice" => 2,
            "file" => 20,
            _ => 10,
        };
        if !(5..=most * 1024 * 1024).contains(&total) || !(1..=100).contains(&count) {
            return refuse(40_058, "invalid total_size or total_chunks");
        }
        let windows =
            robot.upload_windows.get_or_insert_with(|| (Window::new(LIMITS.0, MINUTE), Window::new(LIMITS.1, HOUR)));
        if !admit_both(windows, now) {
            return refuse(846_607, "upload frequency limit exceeded");
        }
        let id = random_id(32);
        let upload = Upload {
            total: usize::try_from(total).unwrap_or(usize::MAX),
            chunks: HashMap::new(),
            count: usize::try_from(count).unwrap_or(usize::MAX),
            md5: text("md5"),
            kind,
            until: now + UPLOAD_LIFE,
        };
        robot.uploads.insert(id.clone(), upload);
        return Ok(json!({ "upload_id": id }));
    }
    let id = text("upload_id");
    let live = robot.uploads.get_mut(&id).filter(|upload| now < upload.until);
    let Some(upload) = live else { return refuse(846_611, "invalid upload_id") };
    if cmd == "aibot_upload_media_chunk" {
        let data = base64::engine::general_purpose::STANDARD.decode(text("base64_data"));
        let Ok(data) = data else { return refuse(846_613, "invalid chunk") };
        if data.is_empty() || data.len() > CHUNK {
            return refuse(846_613, "invalid chunk size");
        }
        // Counted from 0 by Tencent's client, from 1 in the page's sample: they come in any order, and the end tells.
        let index = number("chunk_index");
        if index > upload.count as u64 {
            return refuse(846_612, "invalid chunk_index");
        }
        upload.chunks.insert(index, Bytes::from(data));
        return Ok(Value::Null);
    }
    let mut whole = BytesMut::new();
    let first = u64::from(!upload.chunks.contains_key(&0));
    for index in first..first + upload.count as u64 {
        let Some(chunk) = upload.chunks.get(&index) else { return refuse(846_616, "upload unfinished") };
        whole.extend_from_slice(chunk);
    }
    if whole.len() != upload.total {
        return refuse(846_616, "upload unfinished");
    }
    if !upload.md5.is_empty() && upload.md5 != hex::encode(Md5::digest(&whole)) {
        return refuse(301_019, "md5 mismatch");
    }
    let kind = upload.kind.clone();
    robot.uploads.remove(&id);
    let media_id = random_id(64);
    robot.media.insert(media_id.clone(), now + MEDIA_LIFE);
    Ok(json!({ "type": kind, "media_id": media_id, "created_at": (now / 1000).to_string() }))
}
