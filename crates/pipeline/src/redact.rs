//! Takes secrets out of a text that is kept to be looked into later.

/// What a secret stands behind, in URLs and in JSON.
const NAMES: &[&str] =
    &["access_token", "corpsecret", "secret", "password", "passwd", "token", "key", "sig", "signature"];
/// What stands between the two: in a URL, in JSON, in JSON that is a string of JSON.
const SEPARATORS: &[&str] = &["=", r#"":""#, r#"": ""#, r#"\":\""#, r#"\": \""#];
/// What stands in its place.
const MASK: &str = "***";

/// Masks what stands behind the name of a secret: `key=…` of a URL, `"password": "…"` of JSON.
pub(crate) fn without_secrets(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((value_at, length)) = next_secret(rest) {
        safe.push_str(&rest[..value_at]);
        safe.push_str(MASK);
        rest = &rest[value_at + length..];
    }
    safe.push_str(rest);
    safe
}

/// Finds where the first secret stands, and how long it is.
fn next_secret(text: &str) -> Option<(usize, usize)> {
    let found = NAMES.iter().filter_map(|name| {
        text.match_indices(name).find_map(|(at, _)| {
            let before = text[..at].chars().next_back();
            if before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
                return None;
            }
            let after = &text[at + name.len()..];
            let skipped = SEPARATORS.iter().find(|mark| after.starts_with(**mark))?;
            let value = &after[skipped.len()..];
            let end = value.find(|c| "&\"' \\)><\n".contains(c)).unwrap_or(value.len());
            (end > 0 && !value.starts_with(MASK)).then_some((at + name.len() + skipped.len(), end))
        })
    });
    found.min()
}

#[cfg(test)]
mod tests {
    use super::without_secrets;

    #[test]
    fn what_stands_behind_the_name_of_a_secret_is_masked() {
        for (text, safe) in [
            ("https://x/send?key=693a&b=1", "https://x/send?key=***&b=1"),
            (r#"{"password":"abc","text":"monkey=1"}"#, r#"{"password":"***","text":"monkey=1"}"#),
            (r#"{"url":"https://x/?a=1&access_token=tok"}"#, r#"{"url":"https://x/?a=1&access_token=***"}"#),
            ("nothing secret: a token of thanks", "nothing secret: a token of thanks"),
        ] {
            assert_eq!(without_secrets(text), safe);
        }
    }
}
