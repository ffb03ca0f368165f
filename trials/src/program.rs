//! The gateway and the simulator as processes: started, watched, stopped, killed.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use hyper::Method;

use crate::http::Connection;
use crate::simulator::Simulator;

/// The key that every trial's gateway knows.
pub const KEY: &str = "hk_canary-trial-key-0123456789abcdef0123456789abcdef";
/// The secret of the demo company's application.
pub const SECRET: &str = "demo-secret";

/// How long a process may take to answer.
const START: Duration = Duration::from_secs(60);

/// A process that ends when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// How long it took to answer.
    pub started_in: Duration,
}

impl Process {
    /// Starts a command and waits until `path` is answered with 2xx at `address`.
    ///
    /// # Errors
    /// With the end of its log, if it ends or does not answer within a minute.
    pub async fn start(command: Command, address: SocketAddr, path: &str, log: &Path) -> anyhow::Result<Self> {
        let started = Instant::now();
        let mut process = Self::begin(command, address, log)?;
        let mut http = Connection::new(address, Some(KEY));
        loop {
            if http.request(Method::GET, path, "").await.is_ok_and(|answer| answer.status.is_success()) {
                process.started_in = started.elapsed();
                return Ok(process);
            }
            if let Some(status) = process.child.try_wait()? {
                bail!("it ended with {status}: {}", tail(log));
            }
            if started.elapsed() > START {
                bail!("it does not answer: {}", tail(log));
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Starts a command and does not wait for it.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn begin(mut command: Command, address: SocketAddr, log: &Path) -> anyhow::Result<Self> {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
        let child = command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).spawn();
        // The environment holds secrets: it is not shown.
        let child = child.with_context(|| format!("could not start {}", command.get_program().display()))?;
        Ok(Self { child, address, started_in: Duration::ZERO })
    }

    /// The process's number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it as the machine would: without a word.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends a signal by name, such as `STOP`.
    ///
    /// # Errors
    /// If the signal cannot be sent.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        let status = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status()?;
        if !status.success() {
            bail!("could not send {name}");
        }
        Ok(())
    }

    /// Asks it to stop and waits for its end.
    ///
    /// # Errors
    /// If it cannot be asked or waited for.
    pub fn terminate(mut self) -> anyhow::Result<(Duration, ExitStatus)> {
        let asked = Instant::now();
        self.signal("TERM")?;
        Ok((asked.elapsed(), self.child.wait()?))
    }

    /// Tells whether it has ended by itself, and how.
    ///
    /// # Errors
    /// If it cannot be asked.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The end of a log.
pub fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

/// An address on this machine that nobody listens on.
///
/// # Errors
/// If no port can be had.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Starts the simulator that is built into the gateway's binary.
///
/// # Errors
/// If it does not start.
pub async fn simulator(binary: &Path, folder: &Path) -> anyhow::Result<(Process, Simulator)> {
    start_simulator(binary, folder, true).await
}

/// Starts it without a clock that is moved by hand, which it looks at before every call.
///
/// # Errors
/// If it does not start.
pub async fn simulator_with_its_own_clock(binary: &Path, folder: &Path) -> anyhow::Result<(Process, Simulator)> {
    start_simulator(binary, folder, false).await
}

async fn start_simulator(binary: &Path, folder: &Path, by_hand: bool) -> anyhow::Result<(Process, Simulator)> {
    let address = free_address()?;
    let mut command = Command::new(binary);
    command.args(["simulate", "--listen", &address.to_string()]);
    if by_hand {
        command.arg("--clock-file").arg(folder.join("clock"));
    }
    let process = Process::start(command, address, "/_sim/clock", &folder.join("simulator.log")).await?;
    Ok((process, Simulator::at(address)))
}

/// How a gateway is started: its folder, its upstream, and whatever a trial sets besides.
#[derive(Clone, Debug)]
pub struct Gateway {
    binary: PathBuf,
    /// Holds the data directory and the log.
    pub folder: PathBuf,
    /// Where it listens.
    pub address: SocketAddr,
    environment: Vec<(String, String)>,
}

impl Gateway {
    /// A gateway with the demo company's application and robot.
    ///
    /// # Errors
    /// If no port can be had.
    pub fn new(binary: &Path, folder: &Path, upstream: SocketAddr) -> anyhow::Result<Self> {
        let mut gateway = Self {
            binary: binary.to_owned(),
            folder: folder.to_owned(),
            address: free_address()?,
            environment: Vec::new(),
        };
        for (name, value) in [
            ("HOME", folder.display().to_string()),
            ("WECHAT_CORP_ID", "wwdemo0000000001".to_owned()),
            ("WECHAT_AGENT_ID", "1000002".to_owned()),
            ("WECHAT_CORP_SECRET", SECRET.to_owned()),
            ("WECHAT_WEBHOOK_KEY", crate::simulator::robot_key(1)),
            ("WECHAT_API_BASE", format!("http://{upstream}")),
            ("HONGYAN_API_KEY", KEY.to_owned()),
            ("HONGYAN_LISTEN", gateway.address.to_string()),
            ("HONGYAN_DATA_DIR", folder.join("data").display().to_string()),
        ] {
            gateway = gateway.set(name, &value);
        }
        Ok(gateway)
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The ledger's file.
    pub fn ledger(&self) -> PathBuf {
        self.folder.join("data/ledger.sqlite")
    }

    /// The log.
    pub fn log(&self) -> PathBuf {
        self.folder.join("gateway.log")
    }

    /// The command with its environment, ready for arguments.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.env_clear().current_dir(&self.folder).envs(self.environment.iter().map(|(n, v)| (n, v)));
        command
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// With the end of its log, if it does not start.
    pub async fn start(&self) -> anyhow::Result<Process> {
        let mut command = self.command();
        command.arg("serve");
        Process::start(command, self.address, "/readyz", &self.log()).await
    }

    /// A connection with the key.
    pub fn connection(&self) -> Connection {
        Connection::new(self.address, Some(KEY))
    }
}
