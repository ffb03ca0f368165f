//! Content → what one channel can carry: the best rendering of it, in as many parts as it takes, or a notice of where it is
//! to be had.

use std::borrow::Cow;

use domain::{Content, ContentKind, Options, Overflow, Violation};
use wecom::{limits, split};

use crate::content::unsupported;
use crate::notice;

/// What a channel carries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Carries {
    /// The kinds, as they are.
    pub(crate) kinds: &'static [ContentKind],
    /// How long the plain ones may be, in bytes.
    pub(crate) longest: fn(ContentKind) -> Option<usize>,
    /// How large the files may be that are sent as a kind, in bytes.
    pub(crate) largest: fn(ContentKind) -> Option<u64>,
    /// What the channel is called in a refusal, such as `a robot`.
    pub(crate) name: &'static str,
}

/// Room for the number of a part: a line feed and `(9999/9999)`.
const COUNTER_BYTES: usize = 12;
/// What stands at the end of a text that was cut.
const CUT: &str = "…（已截断）";

impl Carries {
    /// Makes the best of a content. What had to be rendered anew is cut where it is too long: it is a makeshift anyway.
    pub(crate) fn fit<'a>(&self, content: &'a Content) -> Result<Cow<'a, Content>, Vec<Violation>> {
        if self.kinds.contains(&content.kind()) {
            return Ok(Cow::Borrowed(content));
        }
        let Some(fitted) = domain::fit(content, self.kinds) else {
            let kinds: Vec<_> = self.kinds.iter().map(|kind| kind.name()).collect();
            let hint = format!("{} takes {}", self.name, kinds.join(", "));
            return unsupported(content.kind(), self.name, &hint);
        };
        Ok(Cow::Owned(self.cut(&fitted)))
    }

    /// Divides or cuts a content as its options say; most are one part.
    pub(crate) fn parts(&self, content: &Content, options: &Options) -> Result<Vec<Content>, Vec<Violation>> {
        if let (Overflow::Link, Some(link)) = (options.overflow, content.link())
            && self.exceeds(content, Some(link.size).filter(|_| is_file(content.kind())))
        {
            return Ok(vec![notice::of(content, link, self.kinds)]);
        }
        let fitted = self.fit(content)?.into_owned();
        Ok(match options.overflow {
            Overflow::Split => self.split(&fitted),
            Overflow::Truncate => vec![self.cut(&fitted)],
            // What was to become a file became one when it was accepted.
            Overflow::Reject | Overflow::File | Overflow::Link => vec![fitted],
        })
    }

    /// Tells whether a text is too long for one message here, or a file of so many bytes too large.
    pub(crate) fn exceeds(&self, content: &Content, file_size: Option<u64>) -> bool {
        match file_size {
            Some(size) => {
                let is_carried = self.kinds.contains(&content.kind());
                !is_carried || (self.largest)(content.kind()).is_some_and(|largest| size > largest)
            }
            None if content.kind().is_plain() => domain::fit(content, self.kinds).is_some_and(|fitted| {
                let limit = (self.longest)(fitted.kind());
                limit.zip(fitted.plain_content()).is_some_and(|(limit, text)| text.len() > limit)
            }),
            None => false,
        }
    }

    fn split(&self, content: &Content) -> Vec<Content> {
        let (Some(limit), Some(text)) = ((self.longest)(content.kind()), content.plain_content()) else {
            return vec![content.clone()];
        };
        if text.len() <= limit {
            return vec![content.clone()];
        }
        let room = limit - COUNTER_BYTES;
        let parts = match content.kind() {
            ContentKind::Text => split::text(&text, room),
            _ => split::markdown(&text, room),
        };
        let all = parts.len();
        let numbered = parts.iter().enumerate().map(|(i, part)| format!("{part}\n({}/{all})", i + 1));
        numbered.map(|part| content.with_plain_content(&part)).collect()
    }

    fn cut(&self, content: &Content) -> Content {
        let (Some(limit), Some(text)) = ((self.longest)(content.kind()), content.plain_content()) else {
            return content.clone();
        };
        if text.len() <= limit {
            return content.clone();
        }
        let room = limit - CUT.len();
        let parts = match content.kind() {
            ContentKind::Text => split::text(&text, room),
            _ => split::markdown(&text, room),
        };
        let first = parts.first().copied().unwrap_or_default();
        content.with_plain_content(&format!("{first}{CUT}"))
    }
}

/// Whether a content is one file, and perhaps its title.
pub(crate) fn is_file(kind: ContentKind) -> bool {
    matches!(kind, ContentKind::Image | ContentKind::Voice | ContentKind::Video | ContentKind::File)
}

/// How large a file may be that is uploaded to WeCom (path/90253).
pub(crate) fn largest_upload(kind: ContentKind) -> Option<u64> {
    match kind {
        ContentKind::Image => Some(limits::UPLOAD_IMAGE_BYTES),
        ContentKind::Voice => Some(limits::UPLOAD_VOICE_BYTES),
        ContentKind::Video => Some(limits::UPLOAD_VIDEO_BYTES),
        ContentKind::File => Some(limits::UPLOAD_FILE_BYTES),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{FileLink, MediaId, Timestamp};

    const CARRIES: Carries = Carries {
        kinds: &[ContentKind::Text, ContentKind::Markdown, ContentKind::Image, ContentKind::File],
        longest: |kind| kind.is_plain().then_some(2048),
        largest: largest_upload,
        name: "a channel",
    };

    fn linked(content: Content, size: u64) -> Content {
        let url = "https://h.example/f/00".to_owned();
        let (media, until) = (MediaId::from_bytes([7; 16]), Timestamp::from_millis(1_790_000_000_000));
        content.with_link(Some(FileLink { media, file_name: "计划.pdf".to_owned(), size, url, until }))
    }

    #[test]
    fn only_what_is_too_much_here_goes_out_as_a_link() {
        const MIB: u64 = 1024 * 1024;
        let file = |kind| Content::new(kind, r#"{"media_id":"med_1"}"#);
        let text = |kind, bytes: usize| Content::plain(kind, &"x".repeat(bytes));
        for (content, size, as_link) in [
            (text(ContentKind::Text, 2048), 2048, false),
            (text(ContentKind::Text, 2049), 2049, true),
            (text(ContentKind::Markdown, 2049), 2049, true),
            (text(ContentKind::MarkdownV2, 2049), 2049, true),
            (file(ContentKind::Image), 10 * MIB, false),
            (file(ContentKind::Image), 10 * MIB + 1, true),
            (file(ContentKind::File), 20 * MIB, false),
            (file(ContentKind::File), 20 * MIB + 1, true),
            // This channel has no videos.
            (file(ContentKind::Video), 6, true),
        ] {
            let what = format!("{} of {size}", content.kind());
            let content = linked(content, size);
            let parts = CARRIES.parts(&content, &options(Overflow::Link)).unwrap();
            let said = parts[0].plain_content().unwrap_or_default();
            assert_eq!(parts.len() == 1 && said.contains("https://h.example/f/00"), as_link, "{what}: {said}");
            assert!(said.len() <= 2048, "{what}: {said}");
            assert_eq!(CARRIES.exceeds(&content, Some(size).filter(|_| is_file(content.kind()))), as_link, "{what}");
        }
    }

    fn options(overflow: Overflow) -> Options {
        Options { overflow, ..Options::default() }
    }

    /// What people write that must not be broken: every length of it, each part within its limit, joined the same text.
    #[test]
    fn every_length_splits_into_numbered_parts_that_join_to_the_same_text() {
        let pieces = [
            "生产计划已更新。",
            "👩‍👩‍👧‍👦🏳️‍🌈",
            "e\u{301}o\u{308}",
            "[详情](https://example.com/very/long/path?with=query)",
            "`code`",
            "plain words ",
            "\n\n",
        ];
        for kind in [ContentKind::Text, ContentKind::Markdown] {
            let mut text = String::new();
            let mut next = 0;
            while text.len() < 9000 {
                text.push_str(pieces[next % pieces.len()]);
                next += 1 + usize::from(text.len().is_multiple_of(7));
                let parts = CARRIES.parts(&Content::plain(kind, &text), &options(Overflow::Split)).unwrap();
                let mut joined = String::new();
                for (i, part) in parts.iter().enumerate() {
                    let said = part.plain_content().unwrap();
                    assert!(said.len() <= 2048, "{} bytes", said.len());
                    let counter = format!("\n({}/{})", i + 1, parts.len());
                    let body = if parts.len() == 1 { said.as_str() } else { said.strip_suffix(&counter).unwrap() };
                    assert_eq!(body.matches('[').count(), body.matches("query)").count(), "a link is broken: {body}");
                    joined.push_str(body);
                }
                assert_eq!(joined, text);
            }
        }
    }

    #[test]
    fn what_is_cut_says_so_and_fits() {
        let long = Content::plain(ContentKind::Text, &"字".repeat(1000));
        let parts = CARRIES.parts(&long, &options(Overflow::Truncate)).unwrap();
        let said = parts[0].plain_content().unwrap();
        assert!(parts.len() == 1 && said.len() <= 2048 && said.ends_with(CUT));
        assert_eq!(CARRIES.parts(&long, &options(Overflow::Reject)).unwrap(), [long]);
    }

    #[test]
    fn a_card_is_never_too_long_for_a_channel_without_cards() {
        let card = Content::new(
            ContentKind::TextCard,
            format!(r#"{{"title":"t","description":"{}","url":"https://x"}}"#, "字".repeat(900)),
        );
        let fitted = CARRIES.fit(&card).unwrap();
        assert!(fitted.plain_content().unwrap().len() <= 2048);
        let voice = Content::new(ContentKind::Voice, r#"{"media_id":"m"}"#);
        assert_eq!(CARRIES.fit(&voice).unwrap_err()[0].code, "unsupported");
    }
}
