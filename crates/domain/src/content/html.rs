//! WeCom's markdown → HTML for a mail: headings, quotes, lists, tables, bold, code, links. Everything else is words.

use std::fmt::Write as _;

use super::outline::{escape_html, is_web, next_link};

/// Writes a markdown text as HTML.
pub(super) fn of_markdown(markdown: &str) -> String {
    let mut html = String::with_capacity(markdown.len() * 2);
    let mut open: Option<&str> = None;
    let mut in_fence = false;
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            close(&mut html, &mut open);
            html.push_str(if in_fence { "</pre>\n" } else { "<pre>" });
            in_fence = !in_fence;
            continue;
        }
        if in_fence {
            html.push_str(&escape_html(line));
            html.push('\n');
            continue;
        }
        let (block, content) = block_of(line);
        if open != block {
            close(&mut html, &mut open);
            if let Some(tag) = block {
                _ = writeln!(html, "<{tag}>");
                open = Some(tag);
            }
        }
        html.push_str(&content);
    }
    if in_fence {
        html.push_str("</pre>\n");
    }
    close(&mut html, &mut open);
    html
}

fn close(html: &mut String, open: &mut Option<&str>) {
    if let Some(tag) = open.take() {
        _ = writeln!(html, "</{tag}>");
    }
}

/// The element that a line belongs into, and the line itself as HTML.
fn block_of(line: &str) -> (Option<&'static str>, String) {
    let trimmed = line.trim();
    let heading = trimmed.bytes().take_while(|byte| *byte == b'#').count();
    if (1..=6).contains(&heading) && trimmed[heading..].starts_with(' ') {
        return (None, format!("<h{heading}>{}</h{heading}>\n", inline(trimmed[heading..].trim())));
    }
    if trimmed == "---" {
        return (None, "<hr>\n".to_owned());
    }
    if let Some(quoted) = trimmed.strip_prefix('>') {
        return (Some("blockquote"), format!("{}<br>\n", inline(quoted.trim_start_matches('>').trim())));
    }
    if let Some(item) = trimmed.strip_prefix("- ").or_else(|| trimmed.strip_prefix("* ")) {
        return (Some("ul"), format!("<li>{}</li>\n", inline(item)));
    }
    if let Some((number, item)) = trimmed.split_once(". ")
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
    {
        return (Some("ol"), format!("<li>{}</li>\n", inline(item)));
    }
    if trimmed.starts_with('|') && trimmed.len() > 1 {
        if trimmed.bytes().all(|byte| matches!(byte, b'|' | b'-' | b':' | b' ')) {
            return (Some("table"), String::new());
        }
        let cells = trimmed.trim_matches('|').split('|').map(|cell| format!("<td>{}</td>", inline(cell.trim())));
        return (Some("table"), format!("<tr>{}</tr>\n", cells.collect::<String>()));
    }
    (None, if trimmed.is_empty() { String::new() } else { format!("<p>{}</p>\n", inline(trimmed)) })
}

/// Bold, code, colours and links of one line.
fn inline(line: &str) -> String {
    let mut html = String::with_capacity(line.len() * 2);
    let mut rest = line;
    while let Some((before, words, url, after)) = next_link(rest) {
        let is_picture = before.ends_with('!');
        html.push_str(&marks(before.strip_suffix('!').unwrap_or(before)));
        if !is_web(url) {
            html.push_str(&marks(words));
        } else if is_picture {
            let picture =
                format!("<img src=\"{}\" alt=\"{}\" style=\"max-width:100%\">", escape_html(url), escape_html(words));
            html.push_str(&picture);
        } else {
            _ = write!(html, "<a href=\"{}\">{}</a>", escape_html(url), marks(words));
        }
        rest = after;
    }
    html.push_str(&marks(rest));
    html
}

fn marks(words: &str) -> String {
    let mut html = escape_html(words);
    for (mark, colour) in [("info", "#07c160"), ("comment", "#8c8c8c"), ("warning", "#fa5151")] {
        html = html
            .replace(&format!("&lt;font color=&quot;{mark}&quot;&gt;"), &format!("<span style=\"color:{colour}\">"));
    }
    html = html.replace("&lt;/font&gt;", "</span>");
    pairs(&pairs(&html, "**", "b"), "`", "code")
}

/// Turns pairs of a mark into an element; one without its pair stays.
fn pairs(html: &str, mark: &str, tag: &str) -> String {
    let pieces: Vec<&str> = html.split(mark).collect();
    let mut out = String::with_capacity(html.len() + 16);
    for (i, piece) in pieces.iter().enumerate() {
        let last = i + 1 == pieces.len();
        match (i % 2, last) {
            (0, _) => out.push_str(piece),
            (_, false) => _ = write!(out, "<{tag}>{piece}</{tag}>"),
            (_, true) => {
                out.push_str(mark);
                out.push_str(piece);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::of_markdown;

    #[test]
    fn markdown_becomes_html_and_nothing_a_person_typed_becomes_a_tag() {
        for (markdown, html) in [
            ("# 日报\n**好** `x<y`", "<h1>日报</h1>\n<p><b>好</b> <code>x&lt;y</code></p>\n"),
            ("> 一\n> 二\n三", "<blockquote>\n一<br>\n二<br>\n</blockquote>\n<p>三</p>\n"),
            ("1. a\n2. b", "<ol>\n<li>a</li>\n<li>b</li>\n</ol>\n"),
            (
                "| a | b |\n|---|---|\n| 1 | 2 |",
                "<table>\n<tr><td>a</td><td>b</td></tr>\n<tr><td>1</td><td>2</td></tr>\n</table>\n",
            ),
            ("[看](https://x) [坏](javascript:y)", "<p><a href=\"https://x\">看</a> 坏</p>\n"),
            (
                "<font color=\"warning\">急</font><img src=x>",
                "<p><span style=\"color:#fa5151\">急</span>&lt;img src=x&gt;</p>\n",
            ),
            ("```\n<b>\n```", "<pre>&lt;b&gt;\n</pre>\n"),
            ("2 ** 3", "<p>2 ** 3</p>\n"),
        ] {
            assert_eq!(of_markdown(markdown), html);
        }
    }
}
