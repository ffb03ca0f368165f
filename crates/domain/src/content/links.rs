//! The links of a content: found where WeCom shows them, and replaced.
//!
//! Knows nothing about where they lead afterwards.

use serde_json::Value;

use super::{Content, ContentKind};

/// Keys of cards and articles whose value is opened when somebody clicks (path/90236).
const URL: &str = "url";
/// The parts of a card whose links are opened: the others are pictures.
const CLICKED: [&str; 8] = [
    "card_action",
    "jump_list",
    "horizontal_content_list",
    "quote_area",
    "image_text_area",
    "articles",
    "button_list",
    "source",
];

impl Content {
    /// Replaces every link that can be clicked; `replace` is given each target, in the order of reading.
    #[must_use]
    pub fn with_links(&self, mut replace: impl FnMut(&str) -> String) -> Self {
        if self.kind.is_plain() {
            let Some(text) = self.plain_content() else { return self.clone() };
            let text = match self.kind {
                ContentKind::Text => in_text(&text, &mut replace),
                _ => in_markdown(&text, &mut replace),
            };
            return self.with_plain_content(&text);
        }
        let Ok(mut object) = serde_json::from_str::<Value>(&self.object) else { return self.clone() };
        match self.kind {
            ContentKind::TextCard => {
                replace_url(&mut object, &mut replace);
                if let Some(text) = object.get("description").and_then(Value::as_str) {
                    object["description"] = in_text(text, &mut replace).into();
                }
            }
            ContentKind::News | ContentKind::TemplateCard => {
                for part in CLICKED {
                    match object.get_mut(part) {
                        Some(Value::Array(items)) => {
                            items.iter_mut().for_each(|item| replace_url(item, &mut replace));
                        }
                        Some(item) => replace_url(item, &mut replace),
                        None => {}
                    }
                }
            }
            _ => return self.clone(),
        }
        self.with_object(object.to_string())
    }
}

fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

fn replace_url(item: &mut Value, replace: &mut impl FnMut(&str) -> String) {
    if let Some(url) = item.get(URL).and_then(Value::as_str).filter(|url| is_web(url)) {
        item[URL] = replace(url).into();
    }
}

/// `[words](target)`; the target ends at the first `)`, as WeCom reads it.
fn in_markdown(text: &str, replace: &mut impl FnMut(&str) -> String) -> String {
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("](") {
        let (before, from) = rest.split_at(at + 2);
        made.push_str(before);
        let end = from.find([')', '\n', ' ']).unwrap_or(from.len());
        let (target, after) = from.split_at(end);
        // A picture is loaded, not clicked.
        let words = before[..before.len() - 2].rfind('[').unwrap_or(0);
        let is_picture = before[..words].ends_with('!');
        if is_web(target) && after.starts_with(')') && !is_picture {
            made.push_str(&replace(target));
        } else {
            made.push_str(target);
        }
        rest = after;
    }
    made.push_str(rest);
    made
}

/// `<a href="target">`.
fn in_text(text: &str, replace: &mut impl FnMut(&str) -> String) -> String {
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("href=") {
        let (before, from) = rest.split_at(at + "href=".len());
        made.push_str(before);
        let quote = from.chars().next().filter(|first| matches!(first, '"' | '\''));
        let Some(quote) = quote else {
            rest = from;
            continue;
        };
        let inside = &from[1..];
        let end = inside.find(quote).unwrap_or(inside.len());
        let (target, after) = inside.split_at(end);
        made.push(quote);
        made.push_str(&if is_web(target) { replace(target) } else { target.to_owned() });
        rest = after;
    }
    made.push_str(rest);
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn replaced(content: &Content) -> (String, Vec<String>) {
        let mut found = Vec::new();
        let made = content.with_links(|url| {
            found.push(url.to_owned());
            format!("R{}", found.len())
        });
        (made.plain_content().unwrap_or_else(|| made.object().to_owned()), found)
    }

    #[test]
    fn every_link_that_can_be_clicked_is_replaced() {
        for (kind, text, made) in [
            (ContentKind::Markdown, "a [b](https://x/?q=1) c [d](http://y) ", "a [b](R1) c [d](R2) "),
            (ContentKind::Markdown, "[m](mailto:li@x) [broken](https://x", "[m](mailto:li@x) [broken](https://x"),
            (ContentKind::MarkdownV2, "![p](https://pic) [w](https://w)", "![p](https://pic) [w](R1)"),
            (
                ContentKind::Text,
                "see <a href=\"https://x\">x</a> <a href='http://y'>",
                "see <a href=\"R1\">x</a> <a href='R2'>",
            ),
            (ContentKind::Text, "https://plain is not clicked", "https://plain is not clicked"),
        ] {
            assert_eq!(replaced(&Content::plain(kind, text)).0, made);
        }
        let card = json!({
            "card_action": { "type": 1, "url": "https://a" },
            "jump_list": [{ "url": "https://b" }, { "type": 2, "appid": "x" }],
            "card_image": { "url": "https://picture" },
            "source": { "icon_url": "https://icon" },
        });
        let (made, found) = replaced(&Content::new(ContentKind::TemplateCard, card.to_string()));
        assert_eq!(found, ["https://a", "https://b"]);
        assert!(made.contains("https://picture") && made.contains("https://icon"), "{made}");
    }

    proptest! {
        #[test]
        fn nothing_else_is_touched(text in "[\\PC\\n]{0,200}") {
            for kind in [ContentKind::Text, ContentKind::Markdown] {
                let content = Content::plain(kind, &text);
                let same = content.with_links(str::to_owned);
                prop_assert_eq!(same.plain_content(), content.plain_content());
            }
        }
    }
}
