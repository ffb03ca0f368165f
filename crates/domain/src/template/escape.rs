//! Values where they land: in a JSON string, in WeCom's markdown, in a text.

use minijinja::{AutoEscape, Environment, Error, Output, State, Value};

use super::Makes;

/// What WeCom's markdown takes as marks has no documented escape: the full-width forms look alike and mark nothing.
const MARKS: [(char, char); 10] = [
    ('<', '＜'),
    ('>', '＞'),
    ('[', '［'),
    (']', '］'),
    ('`', '｀'),
    ('*', '＊'),
    ('#', '＃'),
    ('_', '＿'),
    ('|', '｜'),
    ('\\', '＼'),
];

/// Writes a value, escaped for what the template makes, unless it is marked as safe.
pub(super) fn write(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value, lands: Makes) -> Result<(), Error> {
    match state.auto_escape() {
        AutoEscape::Custom(_) => {}
        AutoEscape::None => return write!(out, "{value}").map_err(Error::from),
        _ => return minijinja::escape_formatter(out, state, value),
    }
    if value.is_safe() {
        return write!(out, "{value}").map_err(Error::from);
    }
    let text = value.to_string();
    let escaped = match lands {
        Makes::Message => json(&text),
        Makes::Markdown | Makes::MarkdownV2 => markdown(&text),
        Makes::Text => plain(&text),
    };
    out.write_str(&escaped).map_err(Error::from)
}

/// Adds what escapes by hand: `{{ name | markdown }}` inside a JSON template.
pub(super) fn add_filters(environment: &mut Environment<'static>) {
    environment.add_filter("markdown", |value: String| markdown(&value));
    environment.add_filter("plain", |value: String| plain(&value));
    environment.add_filter("url", |value: String| Value::from_safe_string(url(&value)));
}

/// What stands between the quotes of a JSON string.
fn json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// Makes a text harmless inside WeCom's markdown: what would mark something becomes its full-width form.
pub fn markdown(text: &str) -> String {
    text.chars().map(|char| MARKS.iter().find(|(mark, _)| *mark == char).map_or(char, |(_, wide)| *wide)).collect()
}

/// A web address as a link's target: what would end the target is encoded, and what is no web address is nothing.
fn url(text: &str) -> String {
    let trimmed = text.trim();
    let is_web = ["https://", "http://"]
        .iter()
        .any(|scheme| trimmed.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    if !is_web {
        return String::new();
    }
    let mut target = String::with_capacity(trimmed.len());
    for char in trimmed.chars() {
        match char {
            '(' | ')' | '<' | '>' | '[' | ']' | '"' | '\'' | '`' | '|' | '\\' | ' ' => {
                target.extend(char.to_string().bytes().map(|byte| format!("%{byte:02X}")));
            }
            other if other.is_control() => {}
            other => target.push(other),
        }
    }
    target
}

/// In a text only links and mentions are marks.
fn plain(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (before, from) = rest.split_at(at);
        escaped.push_str(before);
        let next = from[1..].trim_start_matches('/').chars().next();
        escaped.push(if next.is_some_and(|next| matches!(next, 'a' | 'A' | '@')) { '＜' } else { '<' });
        rest = &from[1..];
    }
    escaped.push_str(rest);
    escaped
}
