//! The floor: the smallest client loop against the smallest upstream; nobody can be faster on this machine.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use trials::load::{self, Requests};
use trials::upstream::Upstream;
use trials::{machine, say};

use crate::options::Options;
use crate::report::Round;

/// The command by which this program becomes an upstream.
pub(crate) const UPSTREAM: &str = "upstream";
/// In place of a delay: an upstream that notes nothing.
const BARE: &str = "bare";
/// Connections of every burst.
pub(crate) const CONNECTIONS: usize = 64;
/// How long the slow upstream takes.
pub(crate) const SLOW: Duration = Duration::from_millis(50);

/// Serves as an upstream until it is killed.
pub(crate) async fn serve(delay: &str) {
    let upstream = match delay {
        BARE => Upstream::bare().await,
        delay => Upstream::start(Duration::from_millis(delay.parse().unwrap_or(0))).await,
    };
    if let Ok(upstream) = upstream {
        say(&upstream.address.to_string());
        std::future::pending::<()>().await;
    }
}

/// An upstream in a process of its own, ended when dropped.
pub(crate) struct UpstreamProcess {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl UpstreamProcess {
    pub(crate) fn start(delay: Duration) -> anyhow::Result<Self> {
        Self::start_as(&delay.as_millis().to_string())
    }

    /// Starts one that notes nothing: the least a server can do.
    pub(crate) fn start_bare() -> anyhow::Result<Self> {
        Self::start_as(BARE)
    }

    fn start_as(delay: &str) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([UPSTREAM, delay]).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut line = String::new();
        let output = child.stdout.take().context("its output")?;
        BufReader::new(output).read_line(&mut line)?;
        let address = line.trim().parse().context("the upstream's address")?;
        Ok(Self { child, address })
    }
}

impl Drop for UpstreamProcess {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

pub(crate) async fn run(options: &Options, round: &mut Round) -> anyhow::Result<()> {
    let upstream = UpstreamProcess::start(Duration::ZERO)?;
    let before = machine::cpu_seconds(std::process::id());
    let burst = load::burst(upstream.address, None, CONNECTIONS, (1, options.messages), straight()).await?;
    let cpu = machine::cpu_seconds(std::process::id()) - before;
    round.set("floor /s", burst.rate());
    round.set("floor cpu per 10k", cpu * 10_000.0 / options.messages as f64);
    let slow = UpstreamProcess::start(SLOW)?;
    let burst = load::burst(slow.address, None, CONNECTIONS, (1, 4000), straight()).await?;
    round.set("floor at 50 ms /s", burst.rate());
    Ok(())
}

/// Requests straight to WeCom's `message/send`.
fn straight() -> Requests {
    Arc::new(|number| {
        let text = load::text(number, 75);
        let body = format!(r#"{{"touser":"m1","msgtype":"text","agentid":1000002,"text":{{"content":"{text}"}}}}"#);
        ("/cgi-bin/message/send?access_token=bare-token".to_owned(), body)
    })
}
