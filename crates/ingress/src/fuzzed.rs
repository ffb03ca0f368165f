//! Doors for the fuzzer, which builds with `--cfg fuzzing`: what reads from outside and is nobody else's business.

use axum::http::{HeaderMap, HeaderValue};
use domain::Compiled;

use crate::hooks::{self, source};

/// Any body at any hook: what can be read can be rendered, by the source's own template.
///
/// # Panics
/// If it cannot, or a tag is none.
pub fn hook(event: &str, body: &[u8], templates: &[Compiled]) {
    let mut headers = HeaderMap::new();
    if let Ok(event) = HeaderValue::from_str(event) {
        for name in ["x-github-event", "x-gitlab-event", "x-gitea-event", "sentry-hook-resource"] {
            headers.insert(name, event.clone());
        }
    }
    for from in source::SOURCES {
        let Ok(notices) = from.read(&source::Posted { headers: &headers, body }) else { continue };
        for notice in notices {
            assert!(notice.tags.iter().all(|tag| (1..=100).contains(&tag.len())), "{:?}", notice.tags);
            let name = hooks::template_name(from.name());
            if let Some(template) = templates.iter().find(|made| made.template().name == name) {
                template.render(&notice.variables).unwrap_or_else(|error| panic!("{name}: {error:?}"));
            }
        }
    }
}

/// Any file, as a list of a broadcast and as people of the directory.
pub fn table(bytes: &[u8]) {
    crate::http::read_tables(bytes);
}
