//! What is wrong with a body, in words for its caller: the field, what stands there, what could.

use axum::http::StatusCode;
use domain::Violation;
use serde::de::DeserializeOwned;

use crate::http::ApiError;

/// What belongs to a later version: known by name, so that the refusal says so.
const NOT_AVAILABLE: &[&str] = &[];
/// Puts serde's words for shapes into those of JSON.
fn plain_words(text: &str) -> String {
    let (found, wanted) = text.split_once(", expected ").unwrap_or((text, ""));
    let wanted = match wanted {
        "" => return text.to_owned(),
        struct_ if struct_.starts_with("struct ") => "an object",
        "a sequence" => "a list",
        other => other,
    };
    let found = if found.starts_with("invalid length") { "a list" } else { found };
    let found = found.strip_prefix("invalid type: ").unwrap_or(found);
    format!("{}, where {wanted} is expected", found.replace("sequence", "a list").replace("map", "an object"))
}

/// Reads a value; a refusal names the field by its path.
pub(super) fn read_by_path<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        refusal(&path, &error.into_inner())
    })?;
    json.end().map_err(|error| refusal(".", &error))?;
    Ok(read)
}

/// Says what serde found, by field.
pub(super) fn refusal(path: &str, error: &serde_json::Error) -> ApiError {
    let text = error.to_string();
    let base = if path == "." { String::new() } else { path.to_owned() };
    if let Some(name) = text.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next()) {
        let parent = base.strip_suffix(name).unwrap_or(&base).trim_end_matches('.');
        let field = if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") };
        if NOT_AVAILABLE.contains(&name) {
            return Violation::new("not_available", field, "is not available in this version")
                .with_hint("leave it out; see the changelog for what is coming")
                .into();
        }
        let known =
            text.split_once("expected one of ").map(|(_, known)| known.split(" at line ").next().unwrap_or(known));
        let hint = known.map_or_else(|| "leave it out".to_owned(), |known| format!("known here are {known}"));
        return Violation::new("unknown_field", field, "is not a field here").with_hint(hint).into();
    }
    if error.is_data() {
        let what = plain_words(text.split(" at line ").next().unwrap_or_default());
        let field = if base.is_empty() { "(body)".to_owned() } else { base };
        return Violation::new("invalid", field, format!("cannot be read: {what}")).into();
    }
    ApiError::new(StatusCode::BAD_REQUEST, "malformed_json", format!("the body is not JSON: {text}"))
        .with_hint("send one JSON object in UTF-8, without a byte-order mark")
}
