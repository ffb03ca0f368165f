//! What a message says: the kind, and the object under it as WeCom spells it.
//!
//! The object stays JSON text from the caller to the channel: the channel that sends it owns its fields and limits,
//! and checks them before anything is accepted. Its stored form carries a version, since it outlives this binary.

mod file_link;
mod html;
mod links;
mod outline;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

pub use self::file_link::FileLink;
pub use self::outline::{Link, Outline, Paragraph, fit};

/// The kinds of content, named as WeCom names its message types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContentKind {
    /// Plain text.
    Text,
    /// WeCom's small markdown subset.
    Markdown,
    /// Robots' larger markdown.
    MarkdownV2,
    /// A picture.
    Image,
    /// A voice clip.
    Voice,
    /// A video.
    Video,
    /// A file.
    File,
    /// A card of text with a link.
    TextCard,
    /// Articles that link elsewhere.
    News,
    /// Articles kept by WeCom.
    MpNews,
    /// A mini-program notice.
    MiniprogramNotice,
    /// One of the template cards.
    TemplateCard,
}

impl ContentKind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 12] = [
        Self::Text,
        Self::Markdown,
        Self::MarkdownV2,
        Self::Image,
        Self::Voice,
        Self::Video,
        Self::File,
        Self::TextCard,
        Self::News,
        Self::MpNews,
        Self::MiniprogramNotice,
        Self::TemplateCard,
    ];

    /// Returns the name: the key of the content in a submission.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Markdown => "markdown",
            Self::MarkdownV2 => "markdown_v2",
            Self::Image => "image",
            Self::Voice => "voice",
            Self::Video => "video",
            Self::File => "file",
            Self::TextCard => "textcard",
            Self::News => "news",
            Self::MpNews => "mpnews",
            Self::MiniprogramNotice => "miniprogram_notice",
            Self::TemplateCard => "template_card",
        }
    }

    /// Tells whether the content is one string, which may be given bare.
    pub fn is_plain(self) -> bool {
        matches!(self, Self::Text | Self::Markdown | Self::MarkdownV2)
    }
}

impl fmt::Display for ContentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no kind of content.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a kind of content")]
pub struct UnknownContentKind(String);

impl FromStr for ContentKind {
    type Err = UnknownContentKind;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| UnknownContentKind(text.to_owned()))
    }
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    kind: ContentKind,
    object: Arc<str>,
    /// Where all of it can be had by those whose channel does not carry it.
    link: Option<Arc<FileLink>>,
}

impl Content {
    /// The version of the stored form of a content without a link.
    pub const STORED_VERSION: u8 = 1;
    /// The version of the stored form of one with a link, which stands before the object.
    const STORED_WITH_LINK: u8 = 2;

    /// Takes an object as WeCom spells it, as JSON text.
    pub fn new(kind: ContentKind, object: impl Into<Arc<str>>) -> Self {
        Self { kind, object: object.into(), link: None }
    }

    /// Makes content of one string: text, markdown or `markdown_v2`.
    pub fn plain(kind: ContentKind, content: &str) -> Self {
        Self::new(kind, serde_json::json!({ "content": content }).to_string())
    }

    /// Returns the kind.
    pub fn kind(&self) -> ContentKind {
        self.kind
    }

    /// Returns where all of it can be had by those whose channel does not carry it.
    pub fn link(&self) -> Option<&FileLink> {
        self.link.as_deref()
    }

    /// Says where all of it can be had, or that it can be had nowhere else.
    #[must_use]
    pub fn with_link(self, link: Option<FileLink>) -> Self {
        Self { link: link.map(Arc::new), ..self }
    }

    /// Puts another object in the place of its own.
    fn with_object(&self, object: String) -> Self {
        Self { object: object.into(), ..self.clone() }
    }

    /// Returns the object as JSON text.
    pub fn object(&self) -> &str {
        &self.object
    }

    /// Makes harmless what a stranger may have typed into a plain text: mentions and links in text, the marks of
    /// markdown in markdown, by their full-width forms. Other kinds are left as they are.
    #[must_use]
    pub fn escaped(self) -> Self {
        let Some(content) = self.plain_content() else { return self };
        let safe = match self.kind {
            ContentKind::Text => escape_text(&content),
            _ => escape_markdown(&content),
        };
        // Only `content` is a person's words; a robot's mention lists beside it stay.
        self.with_plain_content(&safe)
    }

    /// Says what WeCom takes and will not show as it was perhaps meant.
    pub fn warnings(&self) -> Vec<&'static str> {
        let looks_like_a_list = |text: &str| {
            text.lines().map(str::trim_start).any(|line| {
                let numbered = line.split_once(". ").is_some_and(|(number, _)| {
                    (1..=3).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
                });
                line.starts_with("- ") || line.starts_with("* ") || line.starts_with('|') || numbered
            })
        };
        if self.kind == ContentKind::Markdown && self.plain_content().is_some_and(|text| looks_like_a_list(&text)) {
            return vec![
                "lists and tables are outside WeCom's markdown and are shown as they are typed; robots take markdown_v2, which has them",
            ];
        }
        Vec::new()
    }

    /// Returns the one string that a plain content is; `None` for other kinds.
    pub fn plain_content(&self) -> Option<String> {
        #[derive(serde::Deserialize)]
        struct Plain {
            content: String,
        }
        if !self.kind.is_plain() {
            return None;
        }
        serde_json::from_str::<Plain>(&self.object).ok().map(|plain| plain.content)
    }

    /// Replaces the one string of a plain content; what stands beside it, such as a robot's mentions, stays.
    #[must_use]
    pub fn with_plain_content(&self, text: &str) -> Self {
        match serde_json::from_str::<serde_json::Map<_, _>>(&self.object) {
            Ok(mut object) => {
                object.insert("content".to_owned(), text.into());
                self.with_object(serde_json::Value::Object(object).to_string())
            }
            Err(_) => self.clone(),
        }
    }

    /// Writes the stored form: version, kind, link if there is one, object.
    pub fn to_stored(&self) -> String {
        match &self.link {
            None => format!("{} {} {}", Self::STORED_VERSION, self.kind, self.object),
            Some(link) => format!("{} {} {} {}", Self::STORED_WITH_LINK, self.kind, link.to_stored(), self.object),
        }
    }

    /// Reads a stored form; `None` if this binary does not know its version or kind.
    pub fn from_stored(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ' ');
        let version: u8 = parts.next()?.parse().ok()?;
        let kind = parts.next()?.parse().ok()?;
        let rest = parts.next()?;
        match version {
            Self::STORED_VERSION => Some(Self::new(kind, rest)),
            Self::STORED_WITH_LINK => {
                let (link, object) = FileLink::from_stored(rest)?;
                Some(Self::new(kind, object).with_link(Some(link)))
            }
            _ => None,
        }
    }
}

/// WeCom's text knows two marks: `<a href…>` and `<@userid>`.
fn escape_text(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (before, mark) = rest.split_at(at);
        safe.push_str(before);
        let dangerous = matches!(mark.as_bytes().get(1), Some(b'a' | b'A' | b'@'));
        safe.push(if dangerous { '＜' } else { '<' });
        rest = &mark[1..];
    }
    safe.push_str(rest);
    safe
}

/// WeCom documents no escape for markdown; full-width forms look alike and mean nothing.
fn escape_markdown(text: &str) -> String {
    let full_width = |c| match c {
        '<' => '＜',
        '>' => '＞',
        '[' => '［',
        ']' => '］',
        '`' => '｀',
        '*' => '＊',
        '#' => '＃',
        '_' => '＿',
        '|' => '｜',
        other => other,
    };
    text.chars().map(full_width).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_form_reads_back() {
        let content = Content::new(ContentKind::TextCard, r#"{"title": "a b"}"#);
        assert_eq!(Content::from_stored(&content.to_stored()).as_ref(), Some(&content));
        let link = FileLink {
            media: crate::MediaId::from_bytes([7; 16]),
            file_name: "计划 \"终\" {1}.pdf".to_owned(),
            size: 26_214_400,
            url: "https://h.example/f/00".to_owned(),
            until: crate::Timestamp::from_millis(1_790_000_000_000),
        };
        let linked = content.with_link(Some(link));
        assert_eq!(Content::from_stored(&linked.to_stored()), Some(linked));
        assert_eq!(Content::from_stored("2 text {} {}"), None);
        assert_eq!(Content::from_stored("2 text {}"), None);
        assert_eq!(Content::from_stored("1 hologram {}"), None);
    }

    #[test]
    fn a_strangers_text_cannot_mention_or_link() {
        for (typed, sent) in [
            ("<@all> hi", "＜@all> hi"),
            ("<a href=\"x\">y</a>", "＜a href=\"x\">y</a>"),
            ("1 < 2 <b>", "1 < 2 <b>"),
            ("尾<", "尾<"),
        ] {
            assert_eq!(Content::plain(ContentKind::Text, typed).escaped(), Content::plain(ContentKind::Text, sent));
        }
    }

    #[test]
    fn a_strangers_markdown_is_only_text() {
        let typed = Content::plain(ContentKind::Markdown, "# [x](http://y) <@all> **b**");
        let sent = Content::plain(ContentKind::Markdown, "＃ ［x］(http://y) ＜@all＞ ＊＊b＊＊");
        assert_eq!(typed.escaped(), sent);
    }

    #[test]
    fn lists_in_plain_markdown_are_warned_of() {
        for (markdown, warned) in [("1. 一\n2. 二", true), ("- a", true), ("| a | b |", true), ("**a** 3.5", false)] {
            assert_eq!(!Content::plain(ContentKind::Markdown, markdown).warnings().is_empty(), warned, "{markdown}");
        }
        assert_eq!(Content::plain(ContentKind::MarkdownV2, "- a").warnings(), [""; 0]);
    }

    #[test]
    fn escaping_leaves_mention_lists_alone() {
        let typed = Content::new(ContentKind::Text, r#"{"content":"<@all>","mentioned_list":["li"]}"#);
        assert_eq!(typed.escaped().object(), r#"{"content":"＜@all>","mentioned_list":["li"]}"#);
    }
}
