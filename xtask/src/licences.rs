//! Licences: every dependency is under a permissive one.

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::run::cargo_output;

const PERMISSIVE: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "CC0-1.0",
    "BSL-1.0",
    "CDLA-Permissive-2.0",
    "MIT-0",
    "Unlicense",
    "BlueOak-1.0.0",
];

pub(crate) fn check() -> anyhow::Result<()> {
    let metadata = cargo_output(&["metadata", "--format-version", "1", "--locked"])?;
    let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata")?;
    let mut refused = Vec::new();
    for package in metadata["packages"].as_array().context("packages")? {
        let licence = package["license"].as_str().unwrap_or("(none)");
        if !is_permissive(licence) {
            refused.push(format!("{} {}: {licence}", package["name"], package["version"]));
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    bail!("not known to be permissive: {}", refused.join(", "));
}

/// Of alternatives one is enough; of a sum all are needed.
fn is_permissive(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ").replace(['(', ')'], "");
    expression.split(" AND ").all(|part| {
        part.split(" OR ").any(|licence| {
            let name = licence.split(" WITH ").next().unwrap_or_default().trim();
            PERMISSIVE.contains(&name)
        })
    })
}
