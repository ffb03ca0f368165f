//! Reading what sources post: fields that may be missing, texts that may be long, times as people in China read them.

use std::iter;

use domain::Violation;
use serde_json::{Map, Value};

/// The longest tag that a message carries, in bytes.
const TAG_BYTES: usize = 100;

/// Returns a field that is a string.
pub(super) fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}

/// Returns a string, or nothing where there is none.
pub(super) fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Returns the first of some strings that says something.
pub(super) fn first<'a>(values: &[&'a Value]) -> &'a str {
    values.iter().map(|value| string(value)).find(|text| !text.is_empty()).unwrap_or_default()
}

/// Returns a string, a number or a truth as text, and nothing for anything else.
pub(super) fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        _ => String::new(),
    }
}

/// Returns the elements of a list, or none where there is no list.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A field that a source always writes is missing.
pub(super) fn missing(field: &str, mend: &str) -> Violation {
    Violation::new("missing", field, "is missing").with_hint(mend)
}

/// A text on one line, with at most so many characters.
pub(super) fn short(text: &str, longest: usize) -> String {
    let mut words = text.split_whitespace();
    let mut line = words.next().unwrap_or_default().to_owned();
    // A body may be a megabyte: no more of it is looked at than can be shown.
    for word in words.take(longest) {
        if line.len() > longest * 4 {
            break;
        }
        line.push(' ');
        line.push_str(word);
    }
    match line.char_indices().nth(longest) {
        Some(_) => line.chars().take(longest.saturating_sub(1)).chain(iter::once('…')).collect(),
        None => line,
    }
}

/// The first line of a text that says something, with at most so many characters.
pub(super) fn first_line(text: &str, longest: usize) -> String {
    short(text.trim_start().lines().next().unwrap_or_default(), longest)
}

/// The first characters of a commit's hash, by which people call it.
pub(super) fn commit(id: &str) -> String {
    id.chars().take(7).collect()
}

/// Tags as a message can carry them: none empty, none twice, none too long.
pub(super) fn tags<'a>(tags: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for tag in tags {
        let mut end = tag.len().min(TAG_BYTES);
        while !tag.is_char_boundary(end) {
            end -= 1;
        }
        if end > 0 && !kept.iter().any(|known| known == &tag[..end]) {
            kept.push(tag[..end].to_owned());
        }
    }
    kept
}

/// `2026-11-26T10:00:00.123Z` → `2026-11-26 18:00`. A time before 1970, as Go writes for "none", is nothing.
pub(super) fn minute(time: &str) -> String {
    let Ok(at) = time.parse::<jiff::Timestamp>() else { return short(time, 40) };
    if at < jiff::Timestamp::UNIX_EPOCH {
        return String::new();
    }
    match at.in_tz("Asia/Shanghai") {
        Ok(local) => local.strftime("%Y-%m-%d %H:%M").to_string(),
        Err(_) => time.to_owned(),
    }
}

/// `3723` → `1h 2m 3s`; nothing for no time at all.
pub(super) fn duration(seconds: f64) -> String {
    if !(1.0..1e9).contains(&seconds) {
        return String::new();
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "looked at just now")]
    let seconds = seconds.round() as u64;
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let shown = parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}"));
    shown.collect::<Vec<_>>().join(" ")
}

/// The seconds between two times, where both can be read.
pub(super) fn seconds_between(from: &str, to: &str) -> f64 {
    let time = |text: &str| text.parse::<jiff::Timestamp>().ok();
    time(from).zip(time(to)).map_or(0.0, |(from, to)| to.duration_since(from).as_secs_f64())
}

/// Whom a text calls: `zhangsan,lisi`, where `all` is everybody; and mobile numbers.
pub(super) fn mention(users: &str, mobiles: &str) -> domain::Mention {
    let list = |text: &str| -> Vec<String> {
        text.split([',', ' ', '|']).filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    let (all, users) = list(users).into_iter().partition::<Vec<_>, _>(|name| name == "all" || name == "@all");
    domain::Mention { users, mobiles: list(mobiles), all: !all.is_empty() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_china() {
        for (time, shown) in [
            ("2026-11-26T02:03:04.567Z", "2026-11-26 10:03"),
            ("2026-11-26T23:03:04+08:00", "2026-11-26 23:03"),
            ("0001-01-01T00:00:00Z", ""),
            ("yesterday", "yesterday"),
        ] {
            assert_eq!(minute(time), shown);
        }
    }

    #[test]
    fn a_text_is_cut_between_characters_and_on_one_line() {
        assert_eq!(short("a\n\n  b\tc", 9), "a b c");
        assert_eq!(short("磁盘已满，请处理", 4), "磁盘已…");
        assert_eq!(short("磁盘已满", 4), "磁盘已满");
        assert_eq!(first_line("\n修复登录\n\n细节", 10), "修复登录");
        assert_eq!(short(&"字".repeat(1_000_000), 3), "字字…");
    }

    #[test]
    fn tags_are_such_as_a_message_takes() {
        let long = "长".repeat(50);
        assert_eq!(tags(["a", "", "a", long.as_str()]), ["a".to_owned(), "长".repeat(33)]);
    }

    #[test]
    fn a_duration_is_read_at_a_glance() {
        for (seconds, shown) in [(0.0, ""), (f64::NAN, ""), (59.6, "1m"), (3723.0, "1h 2m 3s"), (7200.0, "2h")] {
            assert_eq!(duration(seconds), shown);
        }
        assert_eq!(duration(seconds_between("2026-11-26T02:00:00Z", "2026-11-26T10:02:05+08:00")), "2m 5s");
    }
}
