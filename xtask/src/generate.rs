//! Generated files: OpenAPI, command line, configuration, metrics, layers. Checked in CI; `--write` writes them.

use std::fs;

use anyhow::{Context as _, bail};

use crate::layers;
use crate::run::{cargo_output, root, say};

/// Where each goes, and what the example `reference` prints for it.
const FILES: &[(&str, &str)] = &[
    ("docs/api/openapi.json", "openapi"),
    ("docs/cli.md", "cli"),
    ("docs/metrics.md", "metrics"),
    ("hongyan.example.toml", "config"),
];

pub(crate) fn check() -> anyhow::Result<()> {
    let write = std::env::args().any(|argument| argument == "--write");
    let mut stale = Vec::new();
    let mut compare = |path: &str, content: &str| -> anyhow::Result<()> {
        let target = root().join(path);
        if fs::read_to_string(&target).is_ok_and(|old| old == content) {
            return Ok(());
        }
        if write {
            fs::create_dir_all(target.parent().context("a file has a folder")?)?;
            fs::write(&target, content).with_context(|| format!("could not write {path}"))?;
            say(&format!("wrote {path}"));
        } else {
            stale.push(path.to_owned());
        }
        Ok(())
    };
    compare("docs/layers.txt", &layers::draw()?)?;
    for (path, what) in FILES {
        let arguments = ["run", "--quiet", "--locked", "--package", "hongyan", "--example", "reference", "--", what];
        compare(path, &cargo_output(&arguments)?)?;
    }
    if stale.is_empty() {
        return Ok(());
    }
    bail!("out of date: {}; run `cargo xtask generated --write`", stale.join(", "));
}
