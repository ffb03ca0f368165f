//! What a message says: from the arguments, a file, or a pipe.

use std::io::IsTerminal as _;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};

use super::{SendArguments, read_text};

/// The keys under which a submission carries content.
const CONTENT: &[&str] = &[
    "text",
    "markdown",
    "markdown_v2",
    "image",
    "voice",
    "video",
    "file",
    "textcard",
    "news",
    "mpnews",
    "miniprogram_notice",
    "template_card",
];

pub(super) fn add_to(submission: &mut Map<String, Value>, arguments: &SendArguments) -> anyhow::Result<()> {
    let mut put = |name: &str, value: Value| submission.insert(name.to_owned(), value);
    if let Some(template) = &arguments.template {
        put("template", json!(template));
        put("variables", Value::Object(arguments.variables.read()?));
        if let Some(version) = arguments.template_version {
            put("template_version", json!(version));
        }
    } else if let Some(text) = &arguments.text {
        put("text", json!(text));
    } else if let Some(markdown) = &arguments.markdown {
        put("markdown", json!(markdown));
    } else if let Some(path) = &arguments.markdown_file {
        put("markdown", json!(read_text(path)?));
    } else if let Some(path) = &arguments.markdown_v2_file {
        put("markdown_v2", json!(read_text(path)?));
    } else if let Some(path) = &arguments.card {
        let card: Value =
            serde_json::from_str(&read_text(path)?).with_context(|| format!("{} is not JSON", path.display()))?;
        let (name, value) = card_content(card).with_context(|| {
            format!("{} holds no card; a whole submission with `to` is sent by --batch", path.display())
        })?;
        put(&name, value);
    } else if std::io::stdin().is_terminal() {
        bail!(
            "no content: give --text, --markdown, --markdown-file, --markdown-v2-file, --card or --template, or pipe a text in"
        );
    } else {
        let text = std::io::read_to_string(std::io::stdin()).context("could not read standard input")?;
        put("text", json!(text.trim_end_matches('\n')));
    }
    Ok(())
}

/// A bare template card, the object around it, or a whole request of `message/send` as pasted from an article.
fn card_content(card: Value) -> Option<(String, Value)> {
    if card.get("card_type").is_some() {
        return Some(("template_card".to_owned(), card));
    }
    // Recipients come from the arguments; a whole submission would bring its own.
    if card.get("to").is_some() {
        return None;
    }
    let name = CONTENT.iter().find(|name| card.get(**name).is_some())?;
    Some(((*name).to_owned(), card[*name].clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_found_bare_wrapped_or_in_a_pasted_request() {
        let card = json!({"card_type": "text_notice"});
        for given in [
            card.clone(),
            json!({"template_card": card}),
            json!({"touser": "a", "msgtype": "template_card", "template_card": card}),
        ] {
            assert_eq!(card_content(given), Some(("template_card".to_owned(), card.clone())));
        }
        assert_eq!(card_content(json!({"touser": "a"})), None);
    }
}
