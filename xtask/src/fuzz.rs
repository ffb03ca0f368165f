//! Fuzzing: each target for a minute, seeded with the documents' examples. Installs cargo-fuzz if it is not there.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::run::{root, say};

/// The version that is known to work with the pinned compiler.
const CARGO_FUZZ: &str = "0.13.2";
/// Target, and the folders and endings of what it begins with.
const TARGETS: [(&str, &str, &str); 10] = [
    ("callback_xml", "fixtures/wecom/callback", "xml"),
    ("callback_json", "fixtures/wecom/smart_robot", "json"),
    ("crypto", "fixtures/wecom/callback", "json"),
    ("envelope", "fixtures/wecom/callback", "xml"),
    ("submission", "fuzz/seeds/submission", "json"),
    ("hooks", "fixtures/hooks", "json"),
    ("template", "fuzz/seeds/template", "j2"),
    ("cron", "fuzz/seeds/cron", "txt"),
    ("configuration", "fuzz/seeds/configuration", "toml"),
    ("tables", "fuzz/seeds/tables", "csv"),
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
fn seed(target: &str, examples: &str, extension: &str) -> anyhow::Result<()> {
    let corpus = root().join("fuzz/corpus").join(target);
    std::fs::create_dir_all(&corpus)?;
    let mut folders = vec![root().join(examples)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                // Two folders may have files of one name.
                let folder = folder.file_name().unwrap_or_default().display().to_string();
                let name = path.file_name().map(Path::new).context("a name")?;
                std::fs::copy(&path, corpus.join(format!("{folder}-{}", name.display())))?;
            }
        }
    }
    Ok(())
}
