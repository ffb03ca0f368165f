//! Draws the edges between the crates, from `cargo metadata`; a new edge shows up in review as a changed line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::run::{cargo_output, read, say};

const DRAWN: &str = "docs/layers.txt";

pub(crate) fn check() -> anyhow::Result<()> {
    let drawing = draw()?;
    say(drawing.trim_end());
    if drawing != read(DRAWN)? {
        bail!(
            "the edges differ from {DRAWN}; if the new edge is meant, run `cargo xtask generated --write` and say why"
        );
    }
    Ok(())
}

/// One line a crate: what it stands on, and what only its tests stand on.
pub(crate) fn draw() -> anyhow::Result<String> {
    let metadata = cargo_output(&["metadata", "--format-version", "1", "--no-deps", "--locked"])?;
    let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata")?;
    let mut edges: BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
    let packages = metadata["packages"].as_array().context("packages")?;
    let names: BTreeSet<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    for package in packages {
        let entry = edges.entry(short(package["name"].as_str().unwrap_or_default())).or_default();
        for dependency in package["dependencies"].as_array().context("dependencies")? {
            let name = dependency["name"].as_str().unwrap_or_default();
            if !names.contains(name) {
                continue;
            }
            let edges = if dependency["kind"] == "dev" { &mut entry.1 } else { &mut entry.0 };
            edges.insert(short(name));
        }
    }
    let mut drawing = String::new();
    for (name, (needs, tests)) in edges {
        let needs: Vec<_> = needs.iter().map(String::as_str).collect();
        let only: Vec<_> = tests.iter().map(String::as_str).filter(|name| !needs.contains(name)).collect();
        let only = if only.is_empty() { String::new() } else { format!("   (tests: {})", only.join(", ")) };
        writeln!(drawing, "{}", format!("{name:<10} -> {}{only}", needs.join(", ")).trim_end())?;
    }
    Ok(drawing)
}

fn short(name: &str) -> String {
    match name {
        "hongyan" => "gateway".to_owned(),
        other => other.strip_prefix("hongyan-").unwrap_or(other).to_owned(),
    }
}
