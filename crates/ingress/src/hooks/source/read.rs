//! Reading what sources post: fields that may be missing, and times as people in China read them.

use serde_json::{Map, Value};

/// Returns a field that is a string.
pub(super) fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}

/// Returns a string, or nothing where there is none.
pub(super) fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// `2026-11-26T10:00:00.123Z` → `2026-11-26 18:00`. A time before 1970, as Go writes for "none", is nothing.
pub(super) fn minute(time: &str) -> String {
    let Ok(at) = time.parse::<jiff::Timestamp>() else { return time.to_owned() };
    if at < jiff::Timestamp::UNIX_EPOCH {
        return String::new();
    }
    match at.in_tz("Asia/Shanghai") {
        Ok(local) => local.strftime("%Y-%m-%d %H:%M").to_string(),
        Err(_) => time.to_owned(),
    }
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
}
