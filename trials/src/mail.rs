//! A mail server as a process: the one that the gateway's tests talk to, too.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;

use crate::upstream::numbers_in;

/// Speaks SMTP, and keeps each mail in a file.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/gateway/tests/smtp_server.py");
/// Debian's own, which its mail server is installed for.
const PYTHON: &str = "/usr/bin/python3";

/// A running mail server, ended when dropped.
#[derive(Debug)]
pub struct MailServer {
    process: Child,
    folder: PathBuf,
    /// Where it listens, on this machine.
    pub port: u16,
}

impl MailServer {
    /// Starts one that keeps its mails in a folder.
    ///
    /// # Errors
    /// If it does not start, such as for want of python3-aiosmtpd.
    pub fn start(folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let mut command = Command::new(PYTHON);
        command.args(["-W", "ignore", SCRIPT, "--folder"]).arg(folder).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn().context("could not start a mail server with python3")?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("its output")?).read_line(&mut line)?;
        let port = line.trim().parse().context("no mail server: apt-get install python3-aiosmtpd")?;
        Ok(Self { process, folder: folder.to_owned(), port })
    }

    /// Counts, for each message number, in how many mails it came.
    ///
    /// # Errors
    /// If its folder cannot be read.
    pub fn seen(&self) -> anyhow::Result<HashMap<u64, usize>> {
        let mut seen = HashMap::new();
        for path in self.mails()? {
            for number in numbers_in(&std::fs::read(path)?) {
                *seen.entry(number).or_default() += 1;
            }
        }
        Ok(seen)
    }

    /// Forgets what came so far.
    ///
    /// # Errors
    /// If a mail cannot be removed.
    pub fn forget(&self) -> anyhow::Result<()> {
        for path in self.mails()? {
            std::fs::remove_file(path)?;
        }
        Ok(())
    }

    fn mails(&self) -> anyhow::Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(&self.folder)?.collect::<Result<Vec<_>, _>>()?;
        let paths = entries.into_iter().map(|entry| entry.path());
        Ok(paths.filter(|path| path.extension().is_some_and(|ending| ending == "eml")).collect())
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _already_gone = self.process.kill();
        let _reaped = self.process.wait();
    }
}
