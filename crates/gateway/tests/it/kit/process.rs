//! The gateway as a process of its own: to be killed.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Caller, KEY, http};

/// A running `hongyan serve`, killed when dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) caller: Caller,
}

/// The command, with everything in its environment.
pub(crate) fn command(data_dir: &Path, api_base: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hongyan"));
    command.env_clear().current_dir(data_dir).env("HOME", data_dir);
    for (name, value) in [
        ("WECHAT_CORP_ID", "wwdemo0000000001"),
        ("WECHAT_AGENT_ID", "1000002"),
        ("WECHAT_CORP_SECRET", super::SECRET),
        ("WECHAT_WEBHOOK_KEY", super::ROBOT),
        ("WECHAT_API_BASE", api_base),
        ("HONGYAN_API_KEY", KEY),
        ("HONGYAN__RETRY__BASE", "50ms"),
        ("HONGYAN__CIRCUIT_BREAKER__PROBE_EVERY", "200ms"),
        ("HONGYAN__WECOM__TIMEOUT", "3s"),
    ] {
        command.env(name, value);
    }
    command.env("HONGYAN_DATA_DIR", data_dir.join("data"));
    if super::people_are_sealed() {
        command.env(super::PII, "sealed");
    }
    command
}

impl Process {
    /// Starts it on a port and waits until it is ready.
    pub(crate) async fn start(data_dir: &Path, api_base: &str, port: u16) -> Self {
        let mut command = command(data_dir, api_base);
        command.arg("serve").env("HONGYAN_LISTEN", format!("127.0.0.1:{port}"));
        let log = std::fs::OpenOptions::new().create(true).append(true).open(data_dir.join("log")).unwrap();
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let caller = Caller { http: http(), origin: format!("http://127.0.0.1:{port}"), key: KEY.to_owned() };
        let process = Self { child, caller };
        let deadline = Instant::now() + Duration::from_secs(20);
        while process.caller.http.get(format!("{}/readyz", process.caller.origin)).send().await.is_err() {
            assert!(
                Instant::now() < deadline,
                "the gateway does not start: {}",
                std::fs::read_to_string(data_dir.join("log")).unwrap()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        process
    }

    /// Kills it as the machine would: without a word.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, and waits for its end.
    pub(crate) fn terminate(mut self) -> (Duration, std::process::ExitStatus) {
        let started = Instant::now();
        let asked = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(asked.success());
        let status = self.child.wait().unwrap();
        (started.elapsed(), status)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A port nobody listens on.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
