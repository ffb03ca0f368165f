//! What stands in the place of what a channel does not carry: how it begins or what it is called, how large it is, and
//! where it is to be had.
//!
//! Knows nothing about who makes the link, or when it is one.

use domain::{Content, ContentKind, FileLink, Timestamp};
use serde_json::Value;
use wecom::split;

/// How much of a text is shown, in bytes.
const OPENING: usize = 600;
/// WeCom's readers are eight hours ahead of UTC.
const SHANGHAI: std::time::Duration = std::time::Duration::from_secs(8 * 3600);

/// Words the notice of a content for a channel that takes these kinds.
pub(crate) fn of(content: &Content, link: &FileLink, kinds: &[ContentKind]) -> Content {
    match domain::fit(content, kinds).filter(|_| content.kind().is_plain()) {
        Some(fitted) => of_text(&fitted, link),
        None => of_file(content, link, kinds),
    }
}

fn of_text(fitted: &Content, link: &FileLink) -> Content {
    let text = fitted.plain_content().unwrap_or_default();
    let (size, until) = (size(link.size), moment(link.until));
    let shown = if fitted.kind() == ContentKind::Text {
        let opening = split::text(&text, OPENING).first().copied().unwrap_or_default();
        format!("{opening}……\n\n全文（{size}）：{}\n链接有效期至 {until}", link.url)
    } else {
        let opening = split::markdown(&text, OPENING).first().copied().unwrap_or_default();
        format!("{opening}……\n\n[查看全文（{size}）]({})\n链接有效期至 {until}", link.url)
    };
    // What stands beside the words, such as whom they call by name, stays.
    fitted.with_plain_content(&shown).with_link(None)
}

fn of_file(content: &Content, link: &FileLink, kinds: &[ContentKind]) -> Content {
    let kind = if kinds.contains(&ContentKind::Text) { ContentKind::Text } else { ContentKind::Markdown };
    // A stranger may have named the file.
    let harmless = |words: &str| Content::plain(kind, words).escaped().plain_content().unwrap_or_default();
    let what = match content.kind() {
        ContentKind::Image => "图片",
        ContentKind::Voice => "语音",
        ContentKind::Video => "视频",
        _ => "文件",
    };
    let mut lines = words_beside(content);
    let (name, size) = (harmless(&link.file_name), size(link.size));
    lines.push(format!("{name}（{size}）"));
    lines.push(match kind {
        ContentKind::Text => format!("{what}较大，请从链接下载：{}", link.url),
        _ => format!("{what}较大：[下载]({})", link.url),
    });
    lines.push(format!("链接有效期至 {}", moment(link.until)));
    Content::plain(kind, &lines.join("\n"))
}

/// What a video is said to be.
fn words_beside(content: &Content) -> Vec<String> {
    let object: Value = serde_json::from_str(content.object()).unwrap_or_default();
    let words = ["title", "description"].into_iter().filter_map(|name| object.get(name)?.as_str());
    words.filter(|words| !words.is_empty()).map(str::to_owned).collect()
}

/// How large something is, as people say it.
fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..1024 => return format!("{bytes} B"),
        1024..0x10_0000 => (1024.0, "KB"),
        0x10_0000..0x4000_0000 => (1_048_576.0, "MB"),
        _ => (1_073_741_824.0, "GB"),
    };
    format!("{:.1} {name}", bytes as f64 / unit)
}

/// A moment, as readers in China say it.
fn moment(time: Timestamp) -> String {
    let there = (time + SHANGHAI).to_string();
    match (there.get(..10), there.get(11..16)) {
        (Some(day), Some(minute)) => format!("{day} {minute}（北京时间）"),
        _ => there,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::MediaId;

    fn link(file_name: &str, size: u64) -> FileLink {
        FileLink {
            media: MediaId::from_bytes([7; 16]),
            file_name: file_name.to_owned(),
            size,
            url: "https://h.example/f/00".to_owned(),
            until: Timestamp::from_millis(1_790_000_000_000),
        }
    }

    #[test]
    fn a_file_is_named_with_its_size_and_where_it_is() {
        let video = Content::new(ContentKind::Video, r#"{"media_id":"med_1","title":"培训","description":"第一课"}"#);
        let file = Content::new(ContentKind::File, r#"{"media_id":"med_1"}"#);
        for (content, name, kinds, expected) in [
            (
                &file,
                "计划.pdf",
                &[ContentKind::Text, ContentKind::Markdown][..],
                "计划.pdf（25.0 MB）\n文件较大，请从链接下载：https://h.example/f/00\n链接有效期至 2026-09-21 22:13（北京时间）",
            ),
            (
                &video,
                "a_b[1](http:x).mp4",
                &[ContentKind::Markdown],
                "培训\n第一课\na＿b［1］(http:x).mp4（25.0 MB）\n视频较大：[下载](https://h.example/f/00)\n链接有效期至 2026-09-21 22:13（北京时间）",
            ),
        ] {
            let notice = of(content, &link(name, 25 * 1024 * 1024), kinds);
            assert_eq!(notice.plain_content().as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_text_is_shown_as_it_begins_and_calls_whom_it_called() {
        let text = format!(r#"{{"content":"{}","mentioned_list":["lisi"]}}"#, "字".repeat(1000));
        let notice = of(&Content::new(ContentKind::Text, text), &link("message.txt", 3000), &[ContentKind::Text]);
        assert!(notice.object().contains("lisi"));
        let said = notice.plain_content().unwrap();
        assert!(said.starts_with("字字") && said.contains("……\n\n全文（2.9 KB）：https://h.example/f/00\n"), "{said}");
        assert!(said.len() < OPENING + 200, "{said}");
        let markdown = Content::plain(ContentKind::MarkdownV2, &"**粗** [a](https://a)\n".repeat(100));
        let said = of(&markdown, &link("message.md", 3000), &[ContentKind::Text]).plain_content().unwrap();
        assert!(said.contains("全文（2.9 KB）：https://h.example/f/00"), "{said}");
    }

    #[test]
    fn sizes_are_said_in_the_unit_that_fits() {
        for (bytes, expected) in [(6, "6 B"), (1024, "1.0 KB"), (26_214_400, "25.0 MB"), (5_368_709_120, "5.0 GB")] {
            assert_eq!(size(bytes), expected);
        }
    }
}
