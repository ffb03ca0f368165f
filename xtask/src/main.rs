//! `cargo xtask <chore>`: one entrance for chores; each CI job is one chore and runs the same on a laptop.

mod dist;
mod doc_links;
mod fuzz;
mod generate;
mod layers;
mod licences;
mod run;
mod servers;
mod trials;

use std::process::ExitCode;

use run::{cargo, say};

type Chore = fn() -> anyhow::Result<()>;

/// Name, what holds when it is done, the chore.
const CHORES: &[(&str, &str, Chore)] = &[
    ("fmt", "the code is formatted", fmt),
    ("clippy", "the lints are quiet", clippy),
    (
        "test",
        "everything: fmt, clippy, tests, examples, faults in short, docs, layers, generated, doc-links, licences, demo",
        test,
    ),
    ("tests", "the tests alone", tests),
    ("examples", "what is copied into Python, Java, Go and Rust programs compiles and works", examples),
    ("faults", "the gateway survives every fault, on real processes (an hour); --short, --only F1,F6", trials::faults),
    ("bench", "figures against a floor and peers; --against alertmanager,wechatpy --rounds 5 --json", trials::bench),
    ("dist", "the program is built as packages carry it, in target/dist", dist::dist),
    ("fuzz", "each fuzz target finds nothing in a minute; --seconds 60", fuzz::fuzz),
    ("docs", "the documentation builds without warnings", docs),
    ("layers", "the edges between the crates are the ones drawn", layers::check),
    ("generated", "generated files are up to date; with --write, write them", generate::check),
    ("doc-links", "official links are uniform, and links between documents lead somewhere", doc_links::check),
    ("licences", "every dependency's licence is a permissive one", licences::check),
    ("demo", "the demo delivers its sample traffic", demo),
];

fn main() -> ExitCode {
    let chore = std::env::args().nth(1).unwrap_or_default();
    let Some((name, _, run)) = CHORES.iter().find(|(name, ..)| *name == chore) else {
        say("cargo xtask <chore>");
        for (name, what, _) in CHORES {
            say(&format!("  {name:<10} {what}"));
        }
        return ExitCode::from(2);
    };
    match run() {
        Ok(()) => {
            say(&format!("{name}: done"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(&format!("{name}: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn fmt() -> anyhow::Result<()> {
    cargo(&["fmt", "--all", "--check"], &[])
}

fn clippy() -> anyhow::Result<()> {
    // The SDK for sending alone: no WebSocket, no XML.
    cargo(&["clippy", "--package", "hongyan-wecom", "--no-default-features", "--locked", "--", "-D", "warnings"], &[])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"], &[])
}

fn docs() -> anyhow::Result<()> {
    let flags = [("RUSTDOCFLAGS", "-D warnings")];
    cargo(&["doc", "--workspace", "--no-deps", "--document-private-items", "--locked"], &flags)
}

/// The README's test command. Nothing but Rust and a C compiler is needed: what the tests talk to is built with them, or
/// installed from Debian's packages.
fn test() -> anyhow::Result<()> {
    fmt()?;
    layers::check()?;
    doc_links::check()?;
    licences::check()?;
    clippy()?;
    tests()?;
    examples()?;
    trials::short_faults()?;
    generate::check()?;
    docs()?;
    demo()
}

fn tests() -> anyhow::Result<()> {
    servers::install()?;
    cargo(&["test", "--workspace", "--locked"], &[])
}

fn examples() -> anyhow::Result<()> {
    servers::install_compilers()?;
    run::program("python3", &["examples/test_examples.py"], &[("CI", "true")])
}

fn demo() -> anyhow::Result<()> {
    cargo(&["run", "--quiet", "--locked", "--package", "hongyan", "--", "demo", "--exit"], &[])
}
