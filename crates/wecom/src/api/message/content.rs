//! The bodies of application messages, all but the template cards, with their documented limits.
//! <https://developer.work.weixin.qq.com/document/path/90236>

use serde::{Deserialize, Serialize};

use crate::MediaId;
use crate::api::is_default;
use crate::limits::{self, Checker};

/// Plain text; newlines as `\n`, links as `<a href="…">`. At most 2048 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// The text.
    #[serde(default)]
    pub content: String,
}

/// WeCom's markdown subset: headings, bold, links, inline code, quotes, three colours. At most 2048 bytes.
/// Not shown in the WeChat plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Markdown {
    /// The markdown.
    #[serde(default)]
    pub content: String,
}

macro_rules! media_body {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// The uploaded media, of the matching type.
            #[serde(default)]
            pub media_id: MediaId,
        }
    };
}

media_body!(
    /// A picture, uploaded before.
    Image
);
media_body!(
    /// A voice clip, uploaded before.
    Voice
);
media_body!(
    /// A file, uploaded before.
    File
);

/// A video, uploaded before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Video {
    /// The uploaded video.
    #[serde(default)]
    pub media_id: MediaId,
    /// At most 128 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// At most 512 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A card of text with a link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextCard {
    /// At most 128 characters.
    #[serde(default)]
    pub title: String,
    /// At most 512 characters; takes `<br>` and `<div class="gray|highlight|normal">`.
    #[serde(default)]
    pub description: String,
    /// Where the card leads; at most 2048 bytes.
    #[serde(default)]
    pub url: String,
    /// The button's label, at most 4 characters; default 详情.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub btntxt: Option<String>,
}

/// Articles that link elsewhere, 1 to 8.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct News {
    /// The articles.
    #[serde(default)]
    pub articles: Vec<Article>,
}

/// One article of [`News`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Article {
    /// At most 128 bytes.
    #[serde(default)]
    pub title: String,
    /// At most 512 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where the article leads; this or a mini-program is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// A JPG or PNG; good sizes are 1068×455 and 150×150.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picurl: Option<String>,
    /// A mini-program associated with the application; then `url` is ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appid: Option<String>,
    /// The page in the mini-program, at most 128 bytes; comes with `appid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pagepath: Option<String>,
}

/// Articles kept by WeCom, 1 to 8.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MpNews {
    /// The articles.
    #[serde(default)]
    pub articles: Vec<MpArticle>,
}

/// One article of [`MpNews`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MpArticle {
    /// At most 128 bytes.
    #[serde(default)]
    pub title: String,
    /// The uploaded image at its head.
    #[serde(default)]
    pub thumb_media_id: MediaId,
    /// At most 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Where "read the original" leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_source_url: Option<String>,
    /// HTML, at most 666 K bytes.
    #[serde(default)]
    pub content: String,
    /// At most 512 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// A notice of a mini-program bound to the application (others → 48002). Not shown in the WeChat plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MiniprogramNotice {
    /// The mini-program.
    #[serde(default)]
    pub appid: String,
    /// The page it opens; absent: the card cannot be clicked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// 4 to 12 characters.
    #[serde(default)]
    pub title: String,
    /// 4 to 12 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Enlarges the first item.
    #[serde(default, skip_serializing_if = "is_default")]
    pub emphasis_first_item: bool,
    /// At most 10 items.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub content_item: Vec<NoticeItem>,
}

/// One line of a [`MiniprogramNotice`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoticeItem {
    /// At most 10 characters.
    #[serde(default)]
    pub key: String,
    /// At most 30 characters.
    #[serde(default)]
    pub value: String,
}

impl Text {
    pub(crate) fn check(&self, c: &mut Checker) {
        c.present("text.content", &self.content);
        c.bytes("text.content", &self.content, limits::TEXT_BYTES);
    }
}

impl Markdown {
    pub(crate) fn check(&self, c: &mut Checker) {
        c.present("markdown.content", &self.content);
        c.bytes("markdown.content", &self.content, limits::MARKDOWN_BYTES);
    }
}

impl Video {
    pub(crate) fn check(&self, c: &mut Checker) {
        c.present("video.media_id", self.media_id.as_str());
        c.bytes("video.title", self.title.as_deref().unwrap_or_default(), limits::TITLE_BYTES);
        c.bytes("video.description", self.description.as_deref().unwrap_or_default(), limits::DESCRIPTION_BYTES);
    }
}

impl TextCard {
    pub(crate) fn check(&self, c: &mut Checker) {
        c.present("textcard.title", &self.title);
        c.chars("textcard.title", &self.title, limits::TEXTCARD_TITLE_CHARS);
        c.present("textcard.description", &self.description);
        c.chars("textcard.description", &self.description, limits::TEXTCARD_DESCRIPTION_CHARS);
        c.present("textcard.url", &self.url);
        c.url("textcard.url", &self.url);
        c.chars("textcard.btntxt", self.btntxt.as_deref().unwrap_or_default(), limits::TEXTCARD_BUTTON_CHARS);
    }
}

impl News {
    /// Articles of an application may lead to a mini-program; a robot's need a URL.
    pub(crate) fn check(&self, c: &mut Checker, miniprogram_allowed: bool) {
        c.count("news.articles", self.articles.len(), 1..=limits::ARTICLES);
        for (i, article) in self.articles.iter().enumerate() {
            let field = |name: &str| format!("news.articles[{i}].{name}");
            c.present(&field("title"), &article.title);
            c.bytes(&field("title"), &article.title, limits::TITLE_BYTES);
            c.bytes(
                &field("description"),
                article.description.as_deref().unwrap_or_default(),
                limits::DESCRIPTION_BYTES,
            );
            c.url(&field("url"), article.url.as_deref().unwrap_or_default());
            c.url(&field("picurl"), article.picurl.as_deref().unwrap_or_default());
            c.bytes(&field("pagepath"), article.pagepath.as_deref().unwrap_or_default(), limits::PAGEPATH_BYTES);
            let has_url = article.url.as_ref().is_some_and(|url| !url.is_empty());
            match (&article.appid, &article.pagepath) {
                (Some(_), None) => c.add("missing", field("pagepath"), "is missing: appid and pagepath come together"),
                (None, Some(_)) => c.add("missing", field("appid"), "is missing: appid and pagepath come together"),
                (Some(_), Some(_)) if !miniprogram_allowed => {
                    c.add("unsupported", field("appid"), "is not taken here: a robot's article leads to a URL");
                }
                (None, None) if !has_url => c.add("missing", field("url"), "is missing or empty"),
                (Some(_), Some(_)) | (None, None) => {}
            }
        }
    }
}

impl MpNews {
    pub(crate) fn check(&self, c: &mut Checker) {
        c.count("mpnews.articles", self.articles.len(), 1..=limits::ARTICLES);
        for (i, article) in self.articles.iter().enumerate() {
            let field = |name: &str| format!("mpnews.articles[{i}].{name}");
            c.present(&field("title"), &article.title);
            c.bytes(&field("title"), &article.title, limits::TITLE_BYTES);
            c.present(&field("thumb_media_id"), article.thumb_media_id.as_str());
            c.bytes(&field("author"), article.author.as_deref().unwrap_or_default(), limits::AUTHOR_BYTES);
            c.present(&field("content"), &article.content);
            c.bytes(&field("content"), &article.content, limits::ARTICLE_CONTENT_BYTES);
            c.bytes(&field("digest"), article.digest.as_deref().unwrap_or_default(), limits::DESCRIPTION_BYTES);
        }
    }
}

impl MiniprogramNotice {
    pub(crate) fn check(&self, c: &mut Checker) {
        let short = |c: &mut Checker, field: &str, value: &str| {
            let (chars, allowed) = (value.chars().count(), limits::NOTICE_TITLE_CHARS);
            if !allowed.contains(&chars) {
                let message =
                    format!("is {chars} characters long; {} to {} are allowed", allowed.start(), allowed.end());
                c.add(if chars == 0 { "missing" } else { "invalid" }, field, message);
            }
        };
        c.present("miniprogram_notice.appid", &self.appid);
        c.bytes("miniprogram_notice.page", self.page.as_deref().unwrap_or_default(), limits::NOTICE_PAGE_BYTES);
        short(c, "miniprogram_notice.title", &self.title);
        if let Some(description) = &self.description {
            short(c, "miniprogram_notice.description", description);
        }
        c.count("miniprogram_notice.content_item", self.content_item.len(), 0..=limits::NOTICE_ITEMS);
        for (i, item) in self.content_item.iter().enumerate() {
            let field = |name: &str| format!("miniprogram_notice.content_item[{i}].{name}");
            c.chars(&field("key"), &item.key, limits::NOTICE_KEY_CHARS);
            c.chars(&field("value"), &item.value, limits::NOTICE_VALUE_CHARS);
        }
    }
}
