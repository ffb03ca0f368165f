//! What a content says, whatever carries it: the way from a card to markdown, to text, to a mail.
//!
//! One submission serves a whole chain of channels: what a channel cannot show as it is, it shows as the best rendering
//! that the content allows. Knows nothing about limits.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Content, ContentKind};

/// What a content says: a title, paragraphs, where to click.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// The headline.
    pub title: Option<String>,
    /// The paragraphs, top to bottom.
    pub body: Vec<Paragraph>,
    /// Where to click: what it says and where it leads.
    pub links: Vec<Link>,
}

/// One paragraph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Paragraph {
    /// Words as they are.
    Text(String),
    /// WeCom's markdown, of either version.
    Markdown(String),
    /// A name and what stands beside it.
    Pair(String, String),
    /// A picture, by URL.
    Picture(String),
}

/// Where to click.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What it says.
    pub label: String,
    /// Where it leads.
    pub url: String,
}

/// What a link says that says nothing itself: WeCom's own word (path/90236, btntxt).
const DETAILS: &str = "详情";
/// The longest title that is taken from a first line.
const TITLE_CHARS: usize = 64;

impl Outline {
    /// Reads what a content says; `None` for one that is not words: pictures, voice, files.
    pub fn of(content: &Content) -> Option<Self> {
        let object: Value = serde_json::from_str(content.object()).ok()?;
        let plain = |wrap: fn(String) -> Paragraph| {
            let body = vec![wrap(object.get("content")?.as_str()?.to_owned())];
            Some(Self { body, ..Self::default() })
        };
        match content.kind() {
            ContentKind::Text => plain(Paragraph::Text),
            ContentKind::Markdown | ContentKind::MarkdownV2 => plain(Paragraph::Markdown),
            ContentKind::TextCard => Some(text_card(&object)),
            ContentKind::News => Some(articles(&object, "url")),
            ContentKind::MpNews => Some(articles(&object, "content_source_url")),
            ContentKind::MiniprogramNotice => Some(notice(&object)),
            ContentKind::TemplateCard => Some(template_card(&object)),
            ContentKind::Image | ContentKind::Voice | ContentKind::Video | ContentKind::File => None,
        }
    }

    /// Returns what stands above a mail: the title, or the first line.
    pub fn subject(&self) -> String {
        let first = || {
            let text = self.to_text();
            text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
        };
        let title = self.title.clone().unwrap_or_else(first).replace(['\r', '\n'], " ");
        let clipped: String = title.chars().take(TITLE_CHARS).collect();
        if clipped.len() < title.len() { format!("{clipped}…") } else { clipped }
    }

    /// Writes it as plain text.
    pub fn to_text(&self) -> String {
        let mut lines: Vec<String> = self.title.iter().cloned().collect();
        lines.extend(self.body.iter().map(|paragraph| match paragraph {
            Paragraph::Text(text) => text.clone(),
            Paragraph::Markdown(markdown) => plain_markdown(markdown),
            Paragraph::Pair(name, value) => format!("{name}：{value}"),
            Paragraph::Picture(url) => url.clone(),
        }));
        lines.extend(self.links.iter().map(|link| format!("{}：{}", link.label, link.url)));
        lines.join("\n")
    }

    /// Writes it in the markdown that applications take (path/90236): no tables, lists, pictures.
    pub fn to_markdown(&self) -> String {
        let mut lines: Vec<String> = self.title.iter().map(|title| format!("**{}**", one_line(title))).collect();
        lines.extend(self.body.iter().map(|paragraph| match paragraph {
            Paragraph::Text(text) => text.clone(),
            Paragraph::Markdown(markdown) => small_markdown(markdown),
            Paragraph::Pair(name, value) => format!("> {}：{}", one_line(name), one_line(value)),
            Paragraph::Picture(url) => format!("[图片]({url})"),
        }));
        lines.extend(self.links.iter().map(|link| format!("[{}]({})", one_line(&link.label), link.url)));
        lines.join("\n")
    }

    /// Writes it as the body of a mail in HTML; everything a person may have typed is escaped.
    pub fn to_html(&self) -> String {
        let mut html = String::new();
        if let Some(title) = &self.title {
            _ = writeln!(html, "<h2>{}</h2>", escape_html(title));
        }
        for paragraph in &self.body {
            match paragraph {
                Paragraph::Text(text) => _ = writeln!(html, "<p>{}</p>", html_lines(&linked(text))),
                Paragraph::Markdown(markdown) => html.push_str(&super::html::of_markdown(markdown)),
                Paragraph::Pair(name, value) => {
                    _ = writeln!(html, "<p><b>{}</b>：{}</p>", escape_html(name), escape_html(value));
                }
                Paragraph::Picture(url) if is_web(url) => {
                    _ = writeln!(html, "<p><img src=\"{}\" alt=\"\" style=\"max-width:100%\"></p>", escape_html(url));
                }
                Paragraph::Picture(_) => {}
            }
        }
        for Link { label, url } in self.links.iter().filter(|link| is_web(&link.url)) {
            _ = writeln!(html, "<p><a href=\"{}\">{}</a></p>", escape_html(url), escape_html(label));
        }
        html
    }
}

/// Makes the best of a content for a channel that takes these kinds: itself, else markdown, else text.
pub fn fit(content: &Content, takes: &[ContentKind]) -> Option<Content> {
    if takes.contains(&content.kind()) {
        return Some(content.clone());
    }
    let outline = Outline::of(content)?;
    // Plain words have nothing to gain from markdown, and their marks would be taken for its.
    let in_markdown = takes.contains(&ContentKind::Markdown) && content.kind() != ContentKind::Text;
    Some(if in_markdown {
        Content::plain(ContentKind::Markdown, &outline.to_markdown())
    } else if takes.contains(&ContentKind::Text) {
        Content::plain(ContentKind::Text, &outline.to_text())
    } else {
        return None;
    })
}

fn text<'a>(object: &'a Value, path: &str) -> Option<&'a str> {
    object.pointer(path)?.as_str().filter(|text| !text.is_empty())
}

fn list<'a>(object: &'a Value, path: &str) -> impl Iterator<Item = &'a Value> {
    object.pointer(path).and_then(Value::as_array).into_iter().flatten()
}

fn link(object: &Value, label: Option<&str>) -> Option<Link> {
    let url = text(object, "/url")?;
    Some(Link { label: label.unwrap_or(DETAILS).to_owned(), url: url.to_owned() })
}

fn text_card(card: &Value) -> Outline {
    Outline {
        title: text(card, "/title").map(str::to_owned),
        body: text(card, "/description").map(|words| Paragraph::Text(without_tags(words))).into_iter().collect(),
        links: link(card, text(card, "/btntxt")).into_iter().collect(),
    }
}

fn articles(news: &Value, url: &str) -> Outline {
    let mut outline = Outline::default();
    for article in list(news, "/articles") {
        let title = text(article, "/title");
        match (&outline.title, title) {
            (None, Some(title)) => outline.title = Some(title.to_owned()),
            (Some(_), Some(title)) => outline.body.push(Paragraph::Text(title.to_owned())),
            (_, None) => {}
        }
        let words = text(article, "/description").or_else(|| text(article, "/digest"));
        outline.body.extend(words.map(|words| Paragraph::Text(words.to_owned())));
        outline.body.extend(text(article, "/picurl").map(|picture| Paragraph::Picture(picture.to_owned())));
        if let Some(url) = text(article, &format!("/{url}")) {
            outline.links.push(Link { label: title.unwrap_or(DETAILS).to_owned(), url: url.to_owned() });
        }
    }
    outline
}

fn notice(notice: &Value) -> Outline {
    let pair = |item: &Value| Some(Paragraph::Pair(text(item, "/key")?.to_owned(), text(item, "/value")?.to_owned()));
    let words = text(notice, "/description").map(|words| Paragraph::Text(words.to_owned()));
    Outline {
        title: text(notice, "/title").map(str::to_owned),
        body: words.into_iter().chain(list(notice, "/content_item").filter_map(pair)).collect(),
        links: Vec::new(),
    }
}

fn template_card(card: &Value) -> Outline {
    let mut body = Vec::new();
    let mut say = |path: &str| body.extend(text(card, path).map(|words| Paragraph::Text(words.to_owned())));
    say("/main_title/desc");
    let emphasis = [text(card, "/emphasis_content/title"), text(card, "/emphasis_content/desc")];
    if emphasis.iter().any(Option::is_some) {
        body.push(Paragraph::Text(emphasis.into_iter().flatten().collect::<Vec<_>>().join(" ")));
    }
    let mut say = |path: &str| body.extend(text(card, path).map(|words| Paragraph::Text(words.to_owned())));
    [
        "/sub_title_text",
        "/quote_area/title",
        "/quote_area/quote_text",
        "/image_text_area/title",
        "/image_text_area/desc",
    ]
    .into_iter()
    .for_each(&mut say);
    for item in list(card, "/vertical_content_list") {
        let words = [text(item, "/title"), text(item, "/desc")];
        body.push(Paragraph::Text(words.into_iter().flatten().collect::<Vec<_>>().join("：")));
    }
    for item in list(card, "/horizontal_content_list") {
        let value = text(item, "/value").or_else(|| text(item, "/url")).unwrap_or_default();
        body.extend(text(item, "/keyname").map(|name| Paragraph::Pair(name.to_owned(), value.to_owned())));
    }
    for path in ["/card_image/url", "/image_text_area/image_url"] {
        body.extend(text(card, path).map(|url| Paragraph::Picture(url.to_owned())));
    }
    let mut links: Vec<Link> = card.get("card_action").and_then(|action| link(action, None)).into_iter().collect();
    links.extend(list(card, "/jump_list").filter_map(|jump| link(jump, text(jump, "/title"))));
    links.extend(list(card, "/horizontal_content_list").filter_map(|item| link(item, text(item, "/keyname"))));
    links.extend(list(card, "/button_list").filter_map(|button| link(button, text(button, "/text"))));
    let title = text(card, "/main_title/title").or_else(|| text(card, "/source/desc"));
    Outline { title: title.map(str::to_owned), body, links }
}

/// Takes WeCom's few tags out of a text card's description.
fn without_tags(words: &str) -> String {
    let lined = words.replace("<br>", "\n").replace("<br/>", "\n").replace("</div>", "\n");
    let mut plain = String::with_capacity(lined.len());
    let mut rest = lined.as_str();
    while let Some(at) = rest.find('<') {
        plain.push_str(&rest[..at]);
        match rest[at..].find('>') {
            Some(end) if rest[at..].starts_with("<div") => rest = &rest[at + end + 1..],
            _ => {
                plain.push('<');
                rest = &rest[at + 1..];
            }
        }
    }
    plain.push_str(rest);
    plain.trim_end().to_owned()
}

fn one_line(words: &str) -> String {
    words.replace(['\r', '\n'], " ")
}

/// Takes out of markdown what applications' markdown does not know: pictures become links, fences and rules go.
fn small_markdown(markdown: &str) -> String {
    let kept = markdown.lines().filter(|line| !is_fence(line) && line.trim() != "---" && !is_table_rule(line));
    let lines: Vec<String> = kept.map(|line| line.replace("![](", "[图片](").replace("![", "[")).collect();
    lines.join("\n")
}

/// Takes the marks out of markdown.
fn plain_markdown(markdown: &str) -> String {
    let kept = markdown.lines().filter(|line| !is_fence(line) && line.trim() != "---" && !is_table_rule(line));
    let lines: Vec<String> = kept
        .map(|line| {
            let words = line.trim_start_matches('#').trim_start_matches('>').trim_start();
            let words = without_font(&words.replace("**", "").replace('`', ""));
            plain_links(&words.replace("![", "["))
        })
        .collect();
    lines.join("\n")
}

fn is_fence(line: &str) -> bool {
    line.trim_start().starts_with("```")
}

fn is_table_rule(line: &str) -> bool {
    let line = line.trim();
    line.contains("---") && line.starts_with('|') && line.bytes().all(|byte| matches!(byte, b'|' | b'-' | b':' | b' '))
}

fn without_font(line: &str) -> String {
    let mut plain = line.replace("</font>", "");
    while let Some(start) = plain.find("<font ")
        && let Some(length) = plain[start..].find('>')
    {
        plain.replace_range(start..=start + length, "");
    }
    plain
}

/// `[words](url)` becomes `words（url）`.
fn plain_links(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, words, url, after)) = next_link(rest) {
        plain.push_str(before);
        plain.push_str(words);
        plain.push('（');
        plain.push_str(url);
        plain.push('）');
        rest = after;
    }
    plain.push_str(rest);
    plain
}

/// Finds the first `[words](url)`: what is before it, its two parts, what is after it.
pub(super) fn next_link(line: &str) -> Option<(&str, &str, &str, &str)> {
    let middle = line.find("](")?;
    let start = line[..middle].rfind('[')?;
    let length = line[middle + 2..].find(')')?;
    let end = middle + 2 + length;
    Some((&line[..start], &line[start + 1..middle], &line[middle + 2..end], &line[end + 1..]))
}

/// Whether a URL leads to the web: nothing else is ever made clickable in a mail.
pub(super) fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

pub(super) fn escape_html(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn html_lines(html: &str) -> String {
    html.replace('\n', "<br>\n")
}

/// WeCom's text knows links, `<a href="…">words</a>`; everything else in it is words.
fn linked(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, url, words, after)) = next_anchor(rest) {
        html.push_str(&escape_html(before));
        if is_web(url) {
            _ = write!(html, "<a href=\"{}\">{}</a>", escape_html(url), escape_html(words));
        } else {
            html.push_str(&escape_html(words));
        }
        rest = after;
    }
    html.push_str(&escape_html(rest));
    html
}

fn next_anchor(text: &str) -> Option<(&str, &str, &str, &str)> {
    let start = text.find("<a href=\"")?;
    let url = &text[start + 9..];
    let url_end = url.find('"')?;
    let words = &url[url_end..];
    let words_start = words.find('>')? + 1;
    let words_end = words.find("</a>")?;
    let shown = words.get(words_start..words_end)?;
    Some((&text[..start], &url[..url_end], shown, &words[words_end + 4..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn card() -> Content {
        let card = json!({
            "card_type": "text_notice",
            "main_title": { "title": "生产计划变更", "desc": "DFB-2000内胆" },
            "emphasis_content": { "title": "7月19日", "desc": "完成" },
            "horizontal_content_list": [{ "keyname": "负责人", "value": "张三" }],
            "jump_list": [{ "type": 1, "title": "看板", "url": "https://example.com/board" }],
            "card_action": { "type": 1, "url": "https://example.com/plan" },
        });
        Content::new(ContentKind::TemplateCard, card.to_string())
    }

    #[test]
    fn a_card_becomes_markdown_for_whoever_has_no_cards() {
        let fitted = fit(&card(), &[ContentKind::Text, ContentKind::Markdown]).unwrap();
        let said: Value = serde_json::from_str(fitted.object()).unwrap();
        assert_eq!(fitted.kind(), ContentKind::Markdown);
        assert_eq!(
            said["content"],
            "**生产计划变更**\nDFB-2000内胆\n7月19日 完成\n> 负责人：张三\n[详情](https://example.com/plan)\n[看板](https://example.com/board)"
        );
    }

    #[test]
    fn a_card_becomes_text_and_a_mail() {
        let outline = Outline::of(&card()).unwrap();
        assert_eq!(outline.subject(), "生产计划变更");
        assert!(
            outline
                .to_text()
                .ends_with("负责人：张三\n详情：https://example.com/plan\n看板：https://example.com/board")
        );
        assert!(outline.to_html().contains("<a href=\"https://example.com/board\">看板</a>"));
    }

    #[test]
    fn what_a_channel_takes_stays_as_it_is_and_pictures_are_no_words() {
        assert_eq!(fit(&card(), &[ContentKind::TemplateCard]), Some(card()));
        let image = Content::new(ContentKind::Image, r#"{"media_id":"m"}"#);
        assert_eq!(fit(&image, &[ContentKind::Text]), None);
    }

    #[test]
    fn markdown_loses_what_the_next_channel_cannot_show() {
        let rich = Content::plain(
            ContentKind::MarkdownV2,
            "# 日报\n| a | b |\n| --- | --- |\n| **1** | ![](https://x/p.png) |\n---\n[看](https://x)",
        );
        let small = fit(&rich, &[ContentKind::Markdown]).unwrap();
        assert_eq!(
            small,
            Content::plain(
                ContentKind::Markdown,
                "# 日报\n| a | b |\n| **1** | [图片](https://x/p.png) |\n[看](https://x)"
            )
        );
        let coloured =
            Content::plain(ContentKind::Markdown, "## 告警\n> <font color=\"warning\">磁盘满</font> [看](https://x)");
        assert_eq!(Outline::of(&coloured).unwrap().to_text(), "告警\n磁盘满 看（https://x）");
    }

    #[test]
    fn a_text_cards_tags_are_not_words() {
        let card =
            json!({ "title": "领奖", "description": "<div class=\"gray\">7月19日</div><br>1 < 2", "url": "https://x" });
        let outline = Outline::of(&Content::new(ContentKind::TextCard, card.to_string())).unwrap();
        assert_eq!(outline.to_text(), "领奖\n7月19日\n\n1 < 2\n详情：https://x");
    }

    #[test]
    fn a_mail_escapes_what_a_stranger_typed() {
        let typed = Content::plain(
            ContentKind::Text,
            "<script>x</script> <a href=\"javascript:x\">y</a> <a href=\"https://x\">z</a>",
        );
        let html = Outline::of(&typed).unwrap().to_html();
        assert_eq!(html, "<p>&lt;script&gt;x&lt;/script&gt; y <a href=\"https://x\">z</a></p>\n");
    }
}
