//! Trials of the built programs: how fast they are, and what becomes of them under trouble.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::run::{cargo, root, say};
use crate::{dist, servers};

/// Measures; arguments are passed on. `cargo xtask bench --against alertmanager,wechatpy --json`.
pub(crate) fn bench() -> anyhow::Result<()> {
    servers::install()?;
    // What packages carry is measured.
    dist::dist_as_known()?;
    cargo(&["build", "--profile", "dist", "--locked", "--package", "hongyan-trials"], &[])?;
    let (gateway, peers) = (built("dist/hongyan"), built("peers"));
    let mut bench = Command::new(built("dist/bench"));
    bench.arg("--binary").arg(gateway).arg("--peers").arg(peers);
    run(bench.args(std::env::args().skip(2)))
}

/// The faults on real processes; arguments are passed on. `cargo xtask faults --short --only F6,F7`.
pub(crate) fn faults() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(2).collect();
    faults_with(&arguments, arguments.iter().any(|argument| argument == "--short"))
}

/// Their short forms, on an unoptimised build.
pub(crate) fn short_faults() -> anyhow::Result<()> {
    faults_with(&["--short".to_owned()], true)
}

fn faults_with(arguments: &[String], short: bool) -> anyhow::Result<()> {
    servers::install()?;
    let (profile, folder) = if short { ("dev", "debug") } else { ("release", "release") };
    cargo(&["build", "--profile", profile, "--locked", "--package", "hongyan-trials"], &[])?;
    cargo(&["build", "--profile", profile, "--locked", "--package", "hongyan", "--features", "trials"], &[])?;
    // Set aside: the next plain build puts its own in this place.
    let gateway = built(&format!("{folder}/hongyan-mortal"));
    std::fs::copy(built(&format!("{folder}/hongyan")), &gateway).context("could not set the gateway aside")?;
    run(Command::new(built(&format!("{folder}/faults"))).arg("--binary").arg(gateway).args(arguments))
}

/// Where cargo has built something.
#[expect(clippy::disallowed_methods, reason = "cargo builds where this says")]
pub(crate) fn built(path: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    // Trials work in folders of their own: paths must not depend on where they are.
    std::path::absolute(target.join(path)).unwrap_or_else(|_| target.join(path))
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    say(&format!("$ {}", command.get_program().display()));
    if !command.status().context("could not run it")?.success() {
        bail!("see above");
    }
    Ok(())
}
