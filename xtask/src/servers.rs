//! The servers that tests talk to: installed from Debian's packages where they are missing.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use crate::run::say;

/// What the tests' mail server is written with.
const MAIL_SERVER: &str = "python3-aiosmtpd";

/// Sees to it that a mail server can be started.
pub(crate) fn install() -> anyhow::Result<()> {
    if has_mail_server() {
        return Ok(());
    }
    say(&format!("test: installing {MAIL_SERVER}, the mail server that the tests talk to"));
    let install = || apt_get(&["install", "--yes", "--quiet", "--no-install-recommends", MAIL_SERVER]);
    if install().is_err() {
        // The machine may never have asked what there is.
        apt_get(&["update", "--quiet"])?;
        install()?;
    }
    ensure!(has_mail_server(), "{MAIL_SERVER} was installed and cannot be used");
    Ok(())
}

fn has_mail_server() -> bool {
    let python = Path::new("/usr/bin/python3");
    let asked = Command::new(python).args(["-c", "import aiosmtpd"]).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

fn apt_get(arguments: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    let status = command.status().context("apt-get is needed to install what the tests talk to")?;
    ensure!(status.success(), "apt-get {} failed: install {MAIL_SERVER} by hand, or run it as root", arguments[0]);
    Ok(())
}
