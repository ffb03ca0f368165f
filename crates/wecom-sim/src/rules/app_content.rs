//! The eleven message types of an application: what each needs, and its limits (path/90236).

use crate::routes::reader::Reader;
use crate::rules::{Refused, Rules, card, refuse};
use crate::world::App;

const TEXT: usize = 2048;
const URL: usize = 2048;
const ARTICLES: usize = 8;
const AUTHOR: usize = 64;
const MPNEWS_CONTENT: usize = 666 * 1024;

/// What a check needs to know.
pub(crate) struct Context<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) app: &'a App,
    pub(crate) media: &'a dyn Fn(&str, &str) -> bool,
}

impl Context<'_> {
    /// Checks the body under the key `msgtype`. Tells whether the message can call back.
    pub(crate) fn check(&self, request: &Reader<'_>, msgtype: &str) -> Result<bool, Refused> {
        let known = [
            "text",
            "image",
            "voice",
            "video",
            "file",
            "textcard",
            "news",
            "mpnews",
            "markdown",
            "miniprogram_notice",
            "template_card",
            "taskcard",
        ];
        if !known.contains(&msgtype) {
            return refuse(40_008, "invalid message type");
        }
        let safe = request.int("safe")?.unwrap_or(0);
        if !(0..=2).contains(&safe) || (safe == 2 && msgtype != "mpnews" && !self.rules.warn_wrong_types) {
            return refuse(40_058, "safe illegal. invalid Request Parameter");
        }
        if safe == 1 && msgtype == "news" {
            return refuse(40_074, "news can not be confidential, use mpnews");
        }
        let Some(body) = request.object(msgtype)? else {
            return match msgtype {
                "text" | "markdown" => refuse(44_004, "empty content"),
                _ => refuse(40_063, format!("{msgtype} is empty")),
            };
        };
        let mut calls_back = false;
        match msgtype {
            "text" => self.text(&body, self.rules.cut_long_text)?,
            "markdown" => self.text(&body, self.rules.cut_long_markdown)?,
            "image" | "voice" | "file" => self.media(&body, msgtype)?,
            "video" => self.media(&body, "video")?,
            "textcard" => textcard(&body)?,
            "news" => news(&body)?,
            "mpnews" => self.mpnews(&body)?,
            "miniprogram_notice" => notice(&body)?,
            "taskcard" => {
                taskcard(&body, self.app)?;
                calls_back = true;
            }
            _ => {
                let media = |id: &str| (self.media)(id, "file");
                calls_back = card::check_for_app(&body, self.app, &media)?;
            }
        }
        Ok(calls_back)
    }

    fn text(&self, body: &Reader<'_>, cut: bool) -> Result<(), Refused> {
        let content = body.text("content")?.unwrap_or_default();
        if content.is_empty() {
            return refuse(44_004, "empty content");
        }
        if content.len() > TEXT && !cut {
            return refuse(45_002, "content size out of limit");
        }
        Ok(())
    }

    fn media(&self, body: &Reader<'_>, kind: &str) -> Result<(), Refused> {
        let id = body.text("media_id")?.unwrap_or_default();
        if id.is_empty() {
            return refuse(41_006, "media_id missing");
        }
        if (self.media)(&id, kind) { Ok(()) } else { refuse(40_007, "invalid media_id") }
    }

    fn mpnews(&self, body: &Reader<'_>) -> Result<(), Refused> {
        for article in articles(body)? {
            if article.text("title")?.unwrap_or_default().is_empty() {
                return refuse(41_016, "title missing");
            }
            let thumb = article.text("thumb_media_id")?.unwrap_or_default();
            if thumb.is_empty() {
                return refuse(41_006, "media_id missing");
            }
            if !(self.media)(&thumb, "image") {
                return refuse(40_007, "invalid media_id");
            }
            if article.text("author")?.unwrap_or_default().len() > AUTHOR {
                return refuse(45_032, "author size out of limit");
            }
            let content = article.text("content")?.unwrap_or_default();
            if content.is_empty() {
                return refuse(44_004, "empty content");
            }
            if content.len() > MPNEWS_CONTENT {
                return refuse(45_002, "content size out of limit");
            }
        }
        Ok(())
    }
}

fn articles<'a>(body: &Reader<'a>) -> Result<Vec<Reader<'a>>, Refused> {
    let articles = body.objects("articles")?;
    match articles.len() {
        1..=ARTICLES => Ok(articles),
        0 => refuse(40_063, "articles is empty"),
        _ => refuse(45_008, "article count out of limit"),
    }
}

/// A URL of a message: at most 2048 bytes (40039's text says 1024), with a scheme.
fn url(body: &Reader<'_>, name: &str) -> Result<bool, Refused> {
    let url = body.text(name)?.unwrap_or_default();
    if url.is_empty() {
        return Ok(false);
    }
    if url.len() > URL {
        return refuse(40_039, "invalid url size");
    }
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return refuse(40_094, "invalid url");
    }
    Ok(true)
}

fn textcard(body: &Reader<'_>) -> Result<(), Refused> {
    if body.text("title")?.unwrap_or_default().is_empty() {
        return refuse(41_016, "title missing");
    }
    if body.text("description")?.unwrap_or_default().is_empty() {
        return refuse(41_033, "description missing");
    }
    if url(body, "url")? { Ok(()) } else { refuse(41_010, "url missing") }
}

fn news(body: &Reader<'_>) -> Result<(), Refused> {
    for article in articles(body)? {
        if article.text("title")?.unwrap_or_default().is_empty() {
            return refuse(41_016, "title missing");
        }
        let appid = article.text("appid")?.unwrap_or_default();
        let pagepath = article.text("pagepath")?.unwrap_or_default();
        if appid.is_empty() != pagepath.is_empty() {
            return refuse(40_058, "appid and pagepath must come together. invalid Request Parameter");
        }
        if pagepath.len() > 128 {
            return refuse(40_058, "pagepath exceed max length 128. invalid Request Parameter");
        }
        // With a mini-program the url is ignored.
        if appid.is_empty() && !url(&article, "url")? {
            return refuse(41_010, "url missing");
        }
        if article.text("picurl")?.unwrap_or_default().len() > URL {
            return refuse(40_039, "invalid picurl size");
        }
    }
    Ok(())
}

/// The forerunner of template cards, which left the page; its buttons call back (path/90236, older copies).
fn taskcard(body: &Reader<'_>, app: &App) -> Result<(), Refused> {
    if body.text("title")?.unwrap_or_default().is_empty() {
        return refuse(41_016, "title missing");
    }
    let task_id = body.text("task_id")?.unwrap_or_default();
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '@');
    if !(1..=128).contains(&task_id.len()) || !task_id.chars().all(legal) {
        return refuse(42_014, "invalid task_id");
    }
    let buttons = body.objects("btn")?;
    if !(1..=2).contains(&buttons.len()) {
        return refuse(42_018, "invalid btn");
    }
    for button in buttons {
        if button.text("key")?.unwrap_or_default().is_empty() {
            return refuse(42_019, "btn.key missing");
        }
        if button.text("name")?.unwrap_or_default().is_empty() {
            return refuse(42_020, "btn.name missing");
        }
    }
    if app.callback.is_none() { refuse(43_012, "app must configure a callback url") } else { Ok(()) }
}

fn notice(body: &Reader<'_>) -> Result<(), Refused> {
    if body.text("appid")?.unwrap_or_default().is_empty() {
        return refuse(90_200, "miniprogram appid missing");
    }
    let title = body.text("title")?.unwrap_or_default().chars().count();
    let description = body.text("description")?.map(|text| text.chars().count()).filter(|length| *length > 0);
    if !(4..=12).contains(&title) || description.is_some_and(|length| !(4..=12).contains(&length)) {
        return refuse(40_058, "title or description has a wrong length. invalid Request Parameter");
    }
    if body.text("page")?.unwrap_or_default().len() > 1024 {
        return refuse(90_204, "invalid miniprogram page");
    }
    let items = body.objects("content_item")?;
    if items.len() > 10 {
        return refuse(90_201, "content_item count out of limit");
    }
    for item in items {
        if item.text("key")?.unwrap_or_default().chars().count() > 10 {
            return refuse(90_202, "content_item key out of limit");
        }
        if item.text("value")?.unwrap_or_default().chars().count() > 30 {
            return refuse(90_203, "content_item value out of limit");
        }
    }
    Ok(())
}
