//! The gateway's own rounds: a burst, a slow upstream, a quiet stream.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::json;
use trials::load::{self, quantile, to_members};
use trials::program::{Gateway, Process, simulator};
use trials::simulator::Simulator;
use trials::upstream::Upstream;
use trials::{machine, program};

use crate::floor::{CONNECTIONS, SLOW};
use crate::millis;
use crate::options::Options;
use crate::report::Round;

/// Members that a burst is spread over, so that none gets more than WeCom lets through in a minute.
pub(crate) const MEMBERS: u64 = 1000;
/// How long an idle gateway is watched.
const IDLE: Duration = Duration::from_secs(5);
/// The rate of the quiet stream, per second, and its messages.
pub(crate) const QUIET: (f64, u64) = (100.0, 400);

/// Everything in as fast as it goes, while it goes out.
pub(crate) async fn burst(options: &Options, folder: &Path, round: &mut Round) -> anyhow::Result<()> {
    let (_simulated, mut simulator) = simulator(&options.binary, folder).await?;
    simulator.add_members("m", MEMBERS as usize).await?;
    let gateway = Gateway::new(&options.binary, folder, _simulated.address)?;
    let process = gateway.start().await?;
    round.set("start ms", millis(first_accept(&gateway, process).await?));
    let process = gateway.start().await?;
    let pid = process.id();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let idle_cpu = machine::fine_cpu_seconds(pid);
    tokio::time::sleep(IDLE).await;
    round.set("idle cpu %", (machine::fine_cpu_seconds(pid) - idle_cpu) / IDLE.as_secs_f64() * 100.0);
    round.set("idle MB", machine::rss_mb(pid));
    let before = simulator.counts().await?;
    let taken = simulator.taken().await?;
    let cpu = machine::fine_cpu_seconds(pid);
    let started = Instant::now();
    let burst =
        load::burst(gateway.address, Some(program::KEY), CONNECTIONS, (1, options.messages), to_members(MEMBERS))
            .await?;
    round.set("accepts /s", burst.rate());
    round.set("accept p50 in the burst ms", millis(quantile(&burst.latencies, 0.5)));
    round.set("accept p99 in the burst ms", millis(quantile(&burst.latencies, 0.99)));
    let took = until_taken(&mut simulator, taken + options.messages, started).await?;
    round.set("delivered /s", options.messages as f64 / took.as_secs_f64());
    tokio::time::sleep(Duration::from_millis(300)).await;
    let cpu = machine::fine_cpu_seconds(pid) - cpu;
    round.set("cpu per 10k", cpu * 10_000.0 / options.messages as f64);
    round.set("burst MB", machine::peak_rss_mb(pid));
    let after = simulator.counts().await?;
    let opened = after["connections"].as_u64().unwrap_or(0) - before["connections"].as_u64().unwrap_or(0);
    // Ours to the control is one of them, if it was opened anew.
    round.set("connections", opened as f64);
    verify(&mut simulator, 1..=options.messages).await?;
    process.terminate()?;
    let bytes = std::fs::metadata(gateway.ledger())?.len();
    round.set("disk B per message", bytes as f64 / options.messages as f64);
    Ok(())
}

/// Returns how long a fresh start takes to its first 202, and ends the process.
async fn first_accept(gateway: &Gateway, running: Process) -> anyhow::Result<Duration> {
    running.terminate()?;
    // The file of commits, too: a ledger that is gone is told from one that never was by it.
    for name in ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm", "ledger.commits"] {
        let path = gateway.folder.join("data").join(name);
        if path.exists() {
            std::fs::remove_file(path)?;
        }
    }
    let (took, process) = start_to_first_accept(gateway).await?;
    process.terminate()?;
    Ok(took)
}

/// Starts a gateway and hands messages in until one is accepted.
pub(crate) async fn start_to_first_accept(gateway: &Gateway) -> anyhow::Result<(Duration, Process)> {
    let mut command = gateway.command();
    command.arg("serve");
    let started = Instant::now();
    // What is answered first is the submission itself.
    let process = Process::begin(command, gateway.address, &gateway.log())?;
    let mut http = gateway.connection();
    let body = json!({ "to": { "users": ["zhangsan"] }, "text": "the first" }).to_string();
    loop {
        let answer = http.request(hyper::Method::POST, "/v1/messages", body.clone()).await;
        if answer.is_ok_and(|answer| answer.status == 202) {
            return Ok((started.elapsed(), process));
        }
        ensure!(started.elapsed() < Duration::from_secs(60), "it does not start: {}", program::tail(&gateway.log()));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The same with an upstream that takes its time.
pub(crate) async fn slow_upstream(options: &Options, folder: &Path, round: &mut Round) -> anyhow::Result<()> {
    let (simulated, mut simulator) = simulator(&options.binary, folder).await?;
    simulator.add_members("m", MEMBERS as usize).await?;
    let delay = json!({ "path": "message/send", "trouble": { "kind": "delay", "ms": SLOW.as_millis() as u64 } });
    simulator.fault(delay).await?;
    let gateway = Gateway::new(&options.binary, folder, simulated.address)?;
    let process = gateway.start().await?;
    let messages = 8000;
    let started = Instant::now();
    let burst =
        load::burst(gateway.address, Some(program::KEY), CONNECTIONS, (1, messages), to_members(MEMBERS)).await?;
    round.set("accepts at 50 ms /s", burst.rate());
    let took = until_taken(&mut simulator, messages, started).await?;
    round.set("delivered at 50 ms /s", messages as f64 / took.as_secs_f64());
    verify(&mut simulator, 1..=messages).await?;
    drop(process);
    Ok(())
}

/// A quiet stream, timed from the request to the upstream.
pub(crate) async fn latency(options: &Options, folder: &Path, round: &mut Round) -> anyhow::Result<()> {
    let upstream = Upstream::start(Duration::ZERO).await?;
    let gateway = Gateway::new(&options.binary, folder, upstream.address)?;
    let process = gateway.start().await?;
    load::burst(gateway.address, Some(program::KEY), 1, (1_000_000, 20), to_members(MEMBERS)).await?;
    let fdatasync = machine::fdatasync_median(folder, 100)?;
    let paced = load::paced(gateway.address, Some(program::KEY), QUIET.0, (1, QUIET.1), to_members(MEMBERS)).await?;
    let fdatasync = (fdatasync + machine::fdatasync_median(folder, 100)?) / 2;
    let sent = sent_to_arrived(&paced, &upstream).await?;
    let accepted: Vec<Duration> = paced.requests.iter().map(|(_, asked, answered)| *answered - *asked).collect();
    round.set("quiet fdatasync ms", millis(fdatasync));
    round.set("quiet send p50 ms", millis(quantile(&sent, 0.5)));
    round.set("quiet send p99 ms", millis(quantile(&sent, 0.99)));
    round.set("quiet accept p50 ms", millis(quantile(&accepted, 0.5)));
    drop(process);
    Ok(())
}

/// Waits until all of a paced run arrived, and returns how long each took.
pub(crate) async fn sent_to_arrived(paced: &load::Paced, upstream: &Upstream) -> anyhow::Result<Vec<Duration>> {
    let asked = Instant::now();
    loop {
        let arrivals = upstream.arrivals();
        let times = paced.requests.iter().map(|(number, asked, _)| Some(arrivals.get(number)?.duration_since(*asked)));
        if let Some(times) = times.collect::<Option<Vec<_>>>() {
            return Ok(times);
        }
        ensure!(asked.elapsed() < Duration::from_secs(60), "not everything arrived");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until the simulator took so many messages; returns how long that was after `started`.
pub(crate) async fn until_taken(simulator: &mut Simulator, count: u64, started: Instant) -> anyhow::Result<Duration> {
    loop {
        let taken = simulator.taken().await?;
        if taken >= count {
            return Ok(started.elapsed());
        }
        ensure!(started.elapsed() < Duration::from_secs(600), "{taken} of {count} arrived");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Looks for every number at the simulator: each seen once.
pub(crate) async fn verify(simulator: &mut Simulator, numbers: std::ops::RangeInclusive<u64>) -> anyhow::Result<()> {
    let seen = simulator.seen().await?;
    let missing = numbers.clone().filter(|number| !seen.contains_key(number)).count();
    let twice = seen.iter().filter(|(number, count)| numbers.contains(number) && **count > 1).count();
    ensure!(missing == 0 && twice == 0, "{missing} messages are missing, {twice} were taken twice");
    Ok(())
}
