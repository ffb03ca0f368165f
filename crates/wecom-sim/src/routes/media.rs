//! POST /cgi-bin/media/upload (path/90253) and `/cgi-bin/webhook/upload_media` (path/99110).

use serde_json::json;

use super::{Answer, Call, File, authorise, random_id};
use crate::multipart::{Part, first_file};
use crate::rules::{Refused, Rules, refuse};
use crate::world::{MEDIA_LIFE, Media, MediaOwner, World};

const MEGABYTE: usize = 1024 * 1024;

pub(super) async fn upload(world: &World, call: &Call) -> Result<Answer, Refused> {
    let owner = {
        let state = world.state.lock();
        let token = authorise(&state, call, world.clock.now())?;
        if call.method != axum::http::Method::POST {
            return refuse(44_001, "empty media data");
        }
        MediaOwner::Corp(token.corp)
    };
    let kind = call.query.get("type").map(String::as_str).unwrap_or_default();
    if !matches!(kind, "image" | "voice" | "video" | "file") {
        return refuse(40_004, "invalid media type");
    }
    keep(world, call, kind, owner).await
}

pub(super) async fn upload_for_robot(world: &World, call: &Call) -> Result<Answer, Refused> {
    // An empty file is reported before a bad key.
    let part = first_file(&call.content_type, call.body.clone()).await;
    if part.is_none_or(|part| part.content.is_empty()) {
        return refuse(44_001, "empty media data");
    }
    let key = call.query.get("key").cloned().unwrap_or_default();
    if world.state.lock().robots.get(&key).is_none_or(|robot| robot.removed) {
        return refuse(40_058, "invalid param 'key'");
    }
    let kind = call.query.get("type").map(String::as_str).unwrap_or_default();
    if !matches!(kind, "voice" | "file") {
        return refuse(40_005, "invalid type parameter");
    }
    keep(world, call, kind, MediaOwner::Robot(key)).await
}

async fn keep(world: &World, call: &Call, kind: &str, owner: MediaOwner) -> Result<Answer, Refused> {
    let Some(part) = first_file(&call.content_type, call.body.clone()).await else {
        return refuse(44_001, "empty media data");
    };
    let now = world.clock.now();
    let mut state = world.state.lock();
    let robot = matches!(owner, MediaOwner::Robot(_));
    check(&part, kind, robot, &state.rules)?;
    let media_id = random_id(44);
    let media =
        Media { kind: kind.to_owned(), file_name: part.file_name, uploaded_at: now, owner, content: part.content };
    state.media.insert(media_id.clone(), media);
    Ok(Answer::ok(json!({ "type": kind, "media_id": media_id, "created_at": (now / 1000).to_string() })))
}

fn check(part: &Part, kind: &str, robot: bool, rules: &Rules) -> Result<(), Refused> {
    let (most, too_large) = match kind {
        "voice" if robot => (2 * MEGABYTE, 40_006),
        _ if robot => (20 * MEGABYTE, 40_006),
        "image" => (10 * MEGABYTE, 40_009),
        "voice" => (2 * MEGABYTE, 45_001),
        "video" => (10 * MEGABYTE, 40_011),
        _ => (20 * MEGABYTE, 45_001),
    };
    let content = &part.content;
    match content.len() {
        0 => return refuse(44_001, "empty media data"),
        1..=5 => return refuse(40_006, "invalid media size"),
        size if size > most => return refuse(too_large, "media size out of limit"),
        _ => {}
    }
    if !rules.check_file_formats {
        return Ok(());
    }
    match kind {
        "image" if !(content.starts_with(b"\xff\xd8\xff") || content.starts_with(b"\x89PNG\r\n")) => {
            refuse(40_123, "invalid image")
        }
        "voice" if !content.starts_with(b"#!AMR") => refuse(301_017, "voice file is not AMR"),
        _ => Ok(()),
    }
}

/// GET /cgi-bin/media/get (path/90254) and /cgi-bin/media/get/jssdk (path/90255): any application of the company may.
pub(super) fn get(world: &World, call: &Call) -> Result<File, Refused> {
    let now = world.clock.now();
    let state = world.state.lock();
    let token = authorise(&state, call, now)?;
    let id = call.parameter("media_id");
    if id.is_empty() {
        return refuse(41_006, "media_id missing");
    }
    let owner = MediaOwner::Corp(token.corp);
    let media = state.media.get(id).filter(|media| media.owner == owner && now < media.uploaded_at + MEDIA_LIFE);
    let Some(media) = media else { return refuse(40_007, "invalid media_id") };
    let content_type = match media.kind.trim_end_matches(" by url") {
        "image" => "image/jpeg",
        "voice" if call.path.ends_with("/jssdk") => "voice/speex",
        "voice" => "audio/amr",
        "video" => "video/mp4",
        _ => "application/octet-stream",
    };
    let asked = call.range.as_deref().and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let part = asked.map(|(first, last)| {
        let first = first.parse().unwrap_or(0);
        last.parse().unwrap_or(media.content.len()).saturating_sub(first)
    });
    if part.unwrap_or(media.content.len()) > 20 * MEGABYTE {
        return refuse(830_002, "file too large, use Range");
    }
    Ok(File { content: media.content.clone(), content_type, file_name: media.file_name.clone() })
}
