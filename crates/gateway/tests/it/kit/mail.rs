//! A mail server for tests: a real one, in a process of its own, that keeps what it took.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hongyan::config::{MailSection, SecretText, Span};

pub(crate) const LOGIN: &str = "hongyan:canary-mail-password";

/// A mail server, and where it keeps what it took.
pub(crate) struct MailServer {
    process: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl MailServer {
    /// Without TLS, on this machine.
    pub(crate) fn plain() -> Self {
        Self::start("plain", &[])
    }

    /// With STARTTLS (`starttls`) or TLS (`tls`), and a login.
    pub(crate) fn with_tls(mode: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let write = |name: &str, text: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_string_lossy().into_owned()
        };
        let certificate = write("certificate.pem", made.cert.pem());
        let key = write("key.pem", made.signing_key.serialize_pem());
        Self::start_in(folder, mode, &["--certificate", &certificate, "--key", &key, "--login", LOGIN])
    }

    fn start(mode: &str, more: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), mode, more)
    }

    fn start_in(folder: tempfile::TempDir, mode: &str, more: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/smtp_server.py");
        // Debian's own: the one that Debian's aiosmtpd is installed for.
        let python = if Path::new("/usr/bin/python3").exists() { "/usr/bin/python3" } else { "python3" };
        let mut command = Command::new(python);
        command.args(["-W", "ignore"]).arg(script).arg("--folder").arg(folder.path()).args(["--mode", mode]).args(more);
        let mut process =
            command.stdout(Stdio::piped()).spawn().expect("python3 is needed: cargo xtask test installs it");
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().expect("aiosmtpd is needed: cargo xtask test installs it");
        Self { process, port, folder }
    }

    /// How a gateway is told of it.
    pub(crate) fn section(&self, scheme: &str, login: &str, more: &str) -> MailSection {
        let login = if login.is_empty() { String::new() } else { format!("{login}@") };
        let url = format!("{scheme}://{login}localhost:{}{more}", self.port);
        let certificate = self.folder.path().join("certificate.pem");
        MailSection {
            url: Some(SecretText(url.as_str().into())),
            url_file: None,
            from: "鸿雁 <hongyan@example.com>".to_owned(),
            ca_file: certificate.exists().then_some(certificate),
            per_minute: Some(1000),
            concurrency: 2,
            timeout: Span::seconds(2),
        }
    }

    pub(crate) fn plain_section(&self) -> MailSection {
        self.section("smtp", "", "?tls=none")
    }

    /// Every mail that it took, in order.
    pub(crate) fn mails(&self) -> Vec<String> {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "eml"))
            .collect();
        paths.sort();
        paths.iter().map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()).collect()
    }

    /// Waits until it has taken so many.
    pub(crate) async fn has_taken(&self, count: usize) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let mails = self.mails();
            if mails.len() >= count {
                return mails;
            }
            assert!(Instant::now() < deadline, "{} of {count} mails came", mails.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _gone = self.process.wait();
    }
}
