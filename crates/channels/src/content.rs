//! Reads a message's content into the SDK's types, naming the field that does not fit; turns the SDK's limits into
//! violations of ours.

use domain::{Content, ContentKind, Violation};
use serde::de::DeserializeOwned;
use wecom::LimitViolation;

/// Reads the object under the content's key.
pub(crate) fn read<T: DeserializeOwned>(content: &Content) -> Result<T, Vec<Violation>> {
    let mut json = serde_json::Deserializer::from_str(content.object());
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let kind = content.kind().name();
        let path = error.path().to_string();
        let inside = if path == "." { kind.to_owned() } else { format!("{kind}.{path}") };
        let text = error.inner().to_string();
        // serde ends its messages with the position inside the object, which the caller never sees.
        let text = text.split(" at line ").next().unwrap_or_default().to_owned();
        vec![match unknown_field(&text) {
            Some(name) if !inside.ends_with(&format!(".{name}")) => {
                Violation::new("unknown_field", format!("{inside}.{name}"), "is not a field of WeCom's here")
                    .with_hint(text.clone())
            }
            Some(_) => {
                Violation::new("unknown_field", inside, "is not a field of WeCom's here").with_hint(text.clone())
            }
            None => Violation::new("invalid", inside, format!("cannot be read: {text}")),
        }]
    })
}

fn unknown_field(text: &str) -> Option<&str> {
    text.strip_prefix("unknown field `")?.split('`').next()
}

/// Turns what the SDK found into violations.
pub(crate) fn violations(found: Vec<LimitViolation>) -> Result<(), Vec<Violation>> {
    if found.is_empty() {
        return Ok(());
    }
    Err(found.into_iter().map(|v| Violation::new(v.code, v.field, v.message).with_doc(v.doc)).collect())
}

/// Refuses a kind of content that a channel cannot carry.
pub(crate) fn unsupported<T>(kind: ContentKind, by: &str, hint: &str) -> Result<T, Vec<Violation>> {
    Err(vec![Violation::new("unsupported", kind.name(), format!("cannot be sent by {by}")).with_hint(hint)])
}
