//! F48: what a row left behind holds no secret: logs, databases, whatever lies in its folder.

use std::path::Path;

use anyhow::{Context as _, ensure};
use trials::program::{KEY, SECRET};
use trials::simulator::robot_key;

/// Looks through every file below a folder, but for the simulator's own log.
pub(crate) fn none_in(folder: &Path) -> anyhow::Result<()> {
    let robot = robot_key(1);
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            none_in(&path)?;
            continue;
        }
        if path.file_name().is_some_and(|name| name == "simulator.log") {
            continue;
        }
        let Ok(bytes) = std::fs::read(&path) else { continue };
        // What the trial itself wrote.
        if path.file_name().is_some_and(|name| name == "hongyan.toml") {
            continue;
        }
        for secret in [KEY, SECRET, &robot, "access_token="] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            ensure!(!found, "a secret that ends in `{}` is in {}", &secret[secret.len() - 4..], path.display());
        }
    }
    Ok(())
}
