//! Fuzzing: each target for a minute, seeded with the documents' examples. Installs cargo-fuzz if it is not there.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::run::{root, say};

/// The version that is known to work with the pinned compiler.
const CARGO_FUZZ: &str = "0.13.2";
/// Target, and the fixtures it begins with.
const TARGETS: [(&str, &str, &str); 4] = [
    ("callback_xml", "callback", "xml"),
    ("callback_json", "smart_robot", "json"),
    ("crypto", "callback", "json"),
    ("envelope", "callback", "xml"),
];

pub(crate) fn fuzz() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(2).collect();
    let seconds: u32 = match arguments.as_slice() {
        [] => 60,
        [option, value] if option == "--seconds" => value.parse().context("--seconds takes a number")?,
        _ => anyhow::bail!("cargo xtask fuzz [--seconds 60]"),
    };
    install()?;
    for (target, fixtures, extension) in TARGETS {
        seed(target, fixtures, extension)?;
        say(&format!("fuzz: {target} for {seconds} s"));
        let mut command = cargo_fuzz();
        command.args([
            "fuzz",
            "run",
            target,
            "--",
            &format!("-max_total_time={seconds}"),
            "-timeout=1",
            "-max_len=65536",
        ]);
        let status = command.current_dir(root()).status()?;
        ensure!(status.success(), "{target} found something: see fuzz/artifacts/{target}");
    }
    Ok(())
}

/// cargo-fuzz asks for options of the nightly compiler, which the stable one has for those who say so.
fn cargo_fuzz() -> Command {
    let mut command = Command::new("cargo");
    command.env("RUSTC_BOOTSTRAP", "1");
    command
}

fn install() -> anyhow::Result<()> {
    // The fuzzer itself is C++.
    if !Command::new("c++").arg("--version").output().is_ok_and(|output| output.status.success()) {
        say("fuzz: installing g++");
        let status = Command::new("apt-get").args(["install", "-y", "-q", "g++"]).status()?;
        ensure!(status.success(), "g++ could not be installed: install a C++ compiler by hand");
    }
    let there = cargo_fuzz().args(["fuzz", "--version"]).output().is_ok_and(|output| output.status.success());
    if there {
        return Ok(());
    }
    say("fuzz: installing cargo-fuzz");
    let status = Command::new("cargo").args(["install", "cargo-fuzz", "--version", CARGO_FUZZ, "--locked"]).status()?;
    ensure!(status.success(), "cargo-fuzz could not be installed");
    Ok(())
}

/// Copies the examples to where the fuzzer begins.
fn seed(target: &str, fixtures: &str, extension: &str) -> anyhow::Result<()> {
    let corpus = root().join("fuzz/corpus").join(target);
    std::fs::create_dir_all(&corpus)?;
    for entry in std::fs::read_dir(root().join("fixtures/wecom").join(fixtures))? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            let name = path.file_name().map(Path::new).context("a name")?;
            std::fs::copy(&path, corpus.join(name))?;
        }
    }
    Ok(())
}
