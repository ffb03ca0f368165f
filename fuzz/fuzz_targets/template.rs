//! A template, as what it makes, its variables given: it is refused, or ends soon and writes little.
#![no_main]

use domain::{Compiled, Makes, Template};
use libfuzzer_sys::fuzz_target;

const MOST: usize = 1024 * 1024;

fuzz_target!(|bytes: &[u8]| {
    let source = String::from_utf8_lossy(bytes).into_owned();
    let serde_json::Value::Object(variables) = serde_json::json!({
        "v": "v".repeat(10_000), "n": 3, "l": [1, "two", { "k": "x" }], "o": { "a": { "b": "c" } }, "x": "<@all>",
    }) else {
        return;
    };
    for makes in [Makes::Text, Makes::Markdown, Makes::Message] {
        let template = Template {
            name: "fuzzed".to_owned(),
            version: 1,
            makes,
            source: source.clone(),
            variables: Vec::new(),
            lenient: bytes.len() % 2 == 0,
            track_clicks: false,
        };
        match Compiled::new(template) {
            Ok(compiled) => {
                let _used = compiled.used();
                if let Ok(content) = compiled.render(&variables) {
                    // Each byte is six at most, as JSON writes it.
                    assert!(content.object().len() <= 6 * MOST + 100);
                }
            }
            Err(error) => assert!(!error.message.is_empty()),
        }
    }
});
