//! WeCom's official limits as named constants, each with its page, and what a violation of one looks like.

use std::time::Duration;

/// The page of application messages.
pub const DOC_MESSAGE_SEND: &str = "https://developer.work.weixin.qq.com/document/path/90236";
/// The page of group robots (消息推送, formerly 群机器人).
pub const DOC_ROBOT: &str = "https://developer.work.weixin.qq.com/document/path/99110";
/// The page of uploads.
pub const DOC_MEDIA_UPLOAD: &str = "https://developer.work.weixin.qq.com/document/path/90253";
/// The page of frequency limits.
pub const DOC_FREQUENCY: &str = "https://developer.work.weixin.qq.com/document/path/90312";

/// Members a call (path/90236; more → 40032).
pub const USERS_PER_CALL: usize = 1000;
/// Departments a call (path/90236; more → 82002).
pub const PARTIES_PER_CALL: usize = 100;
/// Tags a call (path/90236; more → 82003).
pub const TAGS_PER_CALL: usize = 100;
/// Bytes of a text (path/90236; longer is cut by WeCom).
pub const TEXT_BYTES: usize = 2048;
/// Bytes of an application's markdown (path/90236).
pub const MARKDOWN_BYTES: usize = 2048;
/// Bytes of a robot's text (path/99110; longer → 40058).
pub const ROBOT_TEXT_BYTES: usize = 2048;
/// Bytes of a robot's markdown, either version (path/99110; longer → 40058).
pub const ROBOT_MARKDOWN_BYTES: usize = 4096;
/// Characters of a text card's title (path/90236; longer is cut).
pub const TEXTCARD_TITLE_CHARS: usize = 128;
/// Characters of a text card's description (path/90236; longer is cut).
pub const TEXTCARD_DESCRIPTION_CHARS: usize = 512;
/// Characters of a text card's button (path/90236; longer is cut).
pub const TEXTCARD_BUTTON_CHARS: usize = 4;
/// Bytes of a title of a video or an article (path/90236; longer is cut).
pub const TITLE_BYTES: usize = 128;
/// Bytes of a description of a video or an article (path/90236; longer is cut).
pub const DESCRIPTION_BYTES: usize = 512;
/// Bytes of a URL (path/90236; the text of 40039 says 1024).
pub const URL_BYTES: usize = 2048;
/// Bytes of a mini-program page in an article (path/90236).
pub const PAGEPATH_BYTES: usize = 128;
/// Articles a message (path/90236; more → 45008).
pub const ARTICLES: usize = 8;
/// Bytes of an article's author (path/90236; longer → 45032).
pub const AUTHOR_BYTES: usize = 64;
/// Bytes of an article's HTML (path/90236; longer → 45002).
pub const ARTICLE_CONTENT_BYTES: usize = 666 * 1024;
/// Bytes of a mini-program notice's page (path/90236).
pub const NOTICE_PAGE_BYTES: usize = 1024;
/// Characters of a mini-program notice's title and description (path/90236).
pub const NOTICE_TITLE_CHARS: std::ops::RangeInclusive<usize> = 4..=12;
/// Items of a mini-program notice (path/90236; more → 90201).
pub const NOTICE_ITEMS: usize = 10;
/// Characters of an item's key (path/90236; longer → 90202).
pub const NOTICE_KEY_CHARS: usize = 10;
/// Characters of an item's value (path/90236; longer → 90203).
pub const NOTICE_VALUE_CHARS: usize = 30;
/// Bytes of a card's `task_id` (path/90236; longer → 42014).
pub const TASK_ID_BYTES: usize = 128;
/// Bytes of the keys of buttons, questions and menus of a card (path/90236).
pub const CARD_KEY_BYTES: usize = 1024;
/// Bytes of the id of an option of a card (path/90236).
pub const OPTION_ID_BYTES: usize = 128;
/// Seconds of the longest interval of the duplicate check (path/90236).
pub const DUPLICATE_CHECK_MAX_SECONDS: u32 = 4 * 3600;
/// How long after sending a message can be recalled (path/94867).
pub const RECALL_WINDOW: Duration = Duration::from_secs(24 * 3600);
/// Every upload must be larger than this many bytes (path/90253).
pub const UPLOAD_MIN_BYTES: u64 = 5;
/// Bytes of an uploaded image (path/90253).
pub const UPLOAD_IMAGE_BYTES: u64 = 10 * 1024 * 1024;
/// Bytes of an uploaded voice clip (path/90253; AMR, 60 s).
pub const UPLOAD_VOICE_BYTES: u64 = 2 * 1024 * 1024;
/// Bytes of an uploaded video (path/90253; MP4).
pub const UPLOAD_VIDEO_BYTES: u64 = 10 * 1024 * 1024;
/// Bytes of an uploaded file (path/90253).
pub const UPLOAD_FILE_BYTES: u64 = 20 * 1024 * 1024;
/// Bytes of a robot's image before base64 (path/99110).
pub const ROBOT_IMAGE_BYTES: usize = 2 * 1024 * 1024;
/// A robot's messages a minute (path/99110; more → 45009).
pub const ROBOT_PER_MINUTE: u32 = 20;
/// How long a per-minute limit blocks (path/90312).
pub const MINUTE_BLOCK: Duration = Duration::from_secs(60);
/// Bytes of an answer that are read, unless an endpoint says more. Ours, not WeCom's.
pub const MAX_ANSWER: usize = 512 * 1024;
/// Bytes of an answer that lists people or departments. Ours, not WeCom's.
pub const MAX_LIST: usize = 32 * 1024 * 1024;
/// How long before its end a token is replaced. Ours, not WeCom's.
pub const EARLY_REFRESH: Duration = Duration::from_secs(300);
/// How long no token is fetched after WeCom refused the credential; it blocks an address for an hour that insists
/// (path/90313, 45009). Ours, not WeCom's.
pub const REFRESH_HOLD: Duration = Duration::from_secs(60);
/// Tokens fetched a minute at most, by one client. Ours, not WeCom's.
pub const REFRESHES_PER_MINUTE: usize = 10;

/// One documented rule that a request breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitViolation {
    /// `missing`, `too_long`, `too_many`, `too_few`, `invalid` or `unsupported`.
    pub code: &'static str,
    /// The path of the field inside the request, such as `template_card.jump_list[0].title`.
    pub field: String,
    /// What is wrong, as the end of a sentence that begins with the field.
    pub message: String,
    /// The official page.
    pub doc: &'static str,
}

/// Collects violations under a path.
pub(crate) struct Checker {
    doc: &'static str,
    found: Vec<LimitViolation>,
}

impl Checker {
    pub(crate) fn new(doc: &'static str) -> Self {
        Self { doc, found: Vec::new() }
    }

    pub(crate) fn finish(self) -> Vec<LimitViolation> {
        self.found
    }

    pub(crate) fn add(&mut self, code: &'static str, field: impl Into<String>, message: impl Into<String>) {
        self.found.push(LimitViolation { code, field: field.into(), message: message.into(), doc: self.doc });
    }

    pub(crate) fn present(&mut self, field: &str, value: &str) {
        if value.trim().is_empty() {
            self.add("missing", field, "is missing or empty");
        }
    }

    pub(crate) fn bytes(&mut self, field: &str, value: &str, limit: usize) {
        if value.len() > limit {
            self.add("too_long", field, format!("is {} bytes long; the limit is {limit} bytes of UTF-8", value.len()));
        }
    }

    pub(crate) fn chars(&mut self, field: &str, value: &str, limit: usize) {
        let chars = value.chars().count();
        if chars > limit {
            self.add("too_long", field, format!("is {chars} characters long; the limit is {limit}"));
        }
    }

    pub(crate) fn count(&mut self, field: &str, count: usize, allowed: std::ops::RangeInclusive<usize>) {
        let (least, most) = (allowed.start(), allowed.end());
        if count > *most {
            self.add("too_many", field, format!("has {count} entries; the limit is {most}"));
        } else if count < *least {
            self.add("too_few", field, format!("has {count} entries; at least {least} are needed"));
        }
    }

    pub(crate) fn url(&mut self, field: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        self.bytes(field, value, URL_BYTES);
        if !(value.starts_with("http://") || value.starts_with("https://")) {
            self.add("invalid", field, format!("`{value}` does not begin with http:// or https://"));
        }
    }
}
