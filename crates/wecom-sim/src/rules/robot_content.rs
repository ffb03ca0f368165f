//! The eight message types of a robot: what each needs, and its limits (path/99110). Over a limit is refused, not cut.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest as _, Md5};

use crate::routes::reader::Reader;
use crate::rules::{Refused, Rules, card, refuse};

const MARKDOWN: usize = 4096;
const IMAGE: usize = 2 * 1024 * 1024;

pub(crate) fn check(
    request: &Reader<'_>,
    msgtype: &str,
    rules: &Rules,
    media: &dyn Fn(&str, &str) -> bool,
) -> Result<(), Refused> {
    let known = ["text", "markdown", "markdown_v2", "image", "news", "file", "voice", "template_card"];
    if !known.contains(&msgtype) {
        return refuse(40_008, "invalid message type");
    }
    let Some(body) = request.object(msgtype)? else {
        return if msgtype == "text" {
            refuse(44_004, "empty content")
        } else {
            refuse(93_017, "request content empty")
        };
    };
    match msgtype {
        "text" => {
            content(&body, msgtype, rules.robot_text_bytes)?;
            body.texts("mentioned_list")?;
            body.texts("mentioned_mobile_list")?;
        }
        "markdown" | "markdown_v2" => content(&body, msgtype, MARKDOWN)?,
        "image" => image(&body)?,
        "news" => news(&body)?,
        "file" | "voice" => {
            let id = body.text("media_id")?.unwrap_or_default();
            if id.is_empty() {
                return refuse(41_006, "media_id missing");
            }
            if !media(&id, msgtype) {
                return refuse(40_007, "invalid media_id");
            }
        }
        _ => card::check_for_robot(&body, &|id| media(id, "file"))?,
    }
    Ok(())
}

fn content(body: &Reader<'_>, msgtype: &str, limit: usize) -> Result<(), Refused> {
    let content = body.text("content")?.unwrap_or_default();
    if content.is_empty() {
        return refuse(44_004, "empty content");
    }
    if content.len() > limit {
        return refuse(40_058, format!("{msgtype}.content exceed max length {limit}. invalid Request Parameter"));
    }
    Ok(())
}

fn image(body: &Reader<'_>) -> Result<(), Refused> {
    let Ok(file) = BASE64_STANDARD.decode(body.text("base64")?.unwrap_or_default().replace(['\n', '\r'], "")) else {
        return refuse(40_058, "image.base64 is invalid. invalid Request Parameter");
    };
    if file.is_empty() {
        return refuse(93_017, "request content empty");
    }
    if file.len() > IMAGE {
        return refuse(93_018, "image size out of limit");
    }
    let md5 = body.text("md5")?.unwrap_or_default();
    if !md5.eq_ignore_ascii_case(&hex::encode(Md5::digest(&file))) {
        return refuse(301_019, "image md5 mismatch");
    }
    Ok(())
}

fn news(body: &Reader<'_>) -> Result<(), Refused> {
    let articles = body.objects("articles")?;
    match articles.len() {
        0 => return refuse(93_017, "request content empty"),
        1..=8 => {}
        _ => return refuse(45_008, "article count out of limit"),
    }
    for article in articles {
        if article.text("title")?.unwrap_or_default().is_empty() {
            return refuse(41_016, "title missing");
        }
        if article.text("url")?.unwrap_or_default().is_empty() {
            return refuse(41_010, "url missing");
        }
    }
    Ok(())
}
