//! Running commands and saying so.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, bail};

/// Says a line to whoever ran the chore.
#[expect(clippy::print_stdout, reason = "a chore talks to the person who runs it")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs cargo at the top of the repository.
pub(crate) fn cargo(arguments: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<()> {
    say(&format!("$ cargo {}", arguments.join(" ")));
    finish("cargo", Command::new(env!("CARGO")).args(arguments).envs(environment.iter().copied()), arguments)
}

/// Runs a program at the top of the repository.
pub(crate) fn program(name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<()> {
    say(&format!("$ {name} {}", arguments.join(" ")));
    finish(name, Command::new(name).args(arguments).envs(environment.iter().copied()), arguments)
}

fn finish(name: &str, command: &mut Command, arguments: &[&str]) -> anyhow::Result<()> {
    let status = command.current_dir(root()).status().with_context(|| format!("could not run {name}"))?;
    if !status.success() {
        bail!("{name} {} failed", arguments.first().copied().unwrap_or_default());
    }
    Ok(())
}

/// Runs cargo and returns what it printed.
pub(crate) fn cargo_output(arguments: &[&str]) -> anyhow::Result<String> {
    let output =
        Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().context("could not run cargo")?;
    if !output.status.success() {
        bail!("cargo {} failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    String::from_utf8(output.stdout).context("cargo printed no UTF-8")
}

/// Reads a file of the repository.
pub(crate) fn read(path: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(root().join(path)).with_context(|| format!("could not read {path}"))
}

/// The tracked and new files of the repository that end so.
pub(crate) fn files(ends: &[&str]) -> anyhow::Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .context("could not run git")?;
    let listed = String::from_utf8(output.stdout).context("git printed no UTF-8")?;
    Ok(listed.lines().filter(|path| ends.iter().any(|end| path.ends_with(end))).map(str::to_owned).collect())
}
