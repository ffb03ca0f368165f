//! A large backlog: what it adds to starting, enqueueing, claiming, reading and memory.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use hyper::Method;
use serde_json::json;
use trials::http::Connection;
use trials::load::{self, Requests, quantile};
use trials::machine;
use trials::program::{Gateway, KEY, Process, simulator};
use trials::simulator::Simulator;

use crate::floor::CONNECTIONS;
use crate::hongyan::{MEMBERS, start_to_first_accept};
use crate::millis;
use crate::options::Options;
use crate::report::Round;

/// What is measured at a time.
const STEP: u64 = 10_000;
/// Lines of one batch.
const LINES: u64 = 20_000;
/// Reads of which the median is taken.
const READS: usize = 300;
/// Seconds without work that are rest: the gateway's sweeps are five apart.
const QUIET_SECONDS: u32 = 7;

pub(crate) async fn run(options: &Options, folder: &Path, round: &mut Round) -> anyhow::Result<()> {
    let (simulated, mut simulator) = simulator(&options.binary, folder).await?;
    simulator.add_members("m", MEMBERS as usize).await?;
    let gateway = Gateway::new(&options.binary, folder, simulated.address)?;
    let gateway = gateway.set("HONGYAN__CIRCUIT_BREAKER__THROTTLED_FOR", "1s");
    let config = "default_app = \"default\"\n[apps.second]\ncorp_id = \"wwdemo0000000001\"\nagent_id = 1000003\nsecret = \"demo-secret-2\"\n";
    std::fs::write(folder.join("hongyan.toml"), config)?;
    let (started, process) = start_to_first_accept(&gateway).await?;
    let mut trial = Trial { gateway, simulator: &mut simulator, process };
    trial.close().await?;
    round.set("enqueue cpu first", trial.enqueue(0).await?);
    let memory = machine::rss_mb(trial.process.id());
    trial.read(round, "status p50 with 10k ms", "page p50 with 10k ms").await?;
    trial.enqueue(STEP).await?;
    trial.open().await?;
    round.set("finish cpu without", trial.finish().await?);
    trial.until_taken(2 * STEP).await?;
    trial.close().await?;
    for first in (2 * STEP..options.backlog).step_by(LINES as usize) {
        trial.fill(first).await?;
    }
    round.set("enqueue cpu last", trial.enqueue(options.backlog + LINES).await?);
    until_quiet(&trial.process).await?;
    round.set("backlog MB", machine::rss_mb(trial.process.id()) - memory);
    trial.read(round, "status p50 with backlog ms", "page p50 with backlog ms").await?;
    let Trial { gateway, process, .. } = trial;
    process.terminate()?;
    let (restarted, process) = start_to_first_accept(&gateway).await?;
    round.set("start added by backlog s", restarted.as_secs_f64() - started.as_secs_f64());
    let mut trial = Trial { gateway, simulator: &mut simulator, process };
    until_quiet(&trial.process).await?;
    trial.open().await?;
    round.set("finish cpu with backlog", trial.finish().await?);
    Ok(())
}

/// Waits until what is done in the background is done: it is paid for in the figures of the bursts. It is done when
/// nothing happens for longer than the gateway's sweeps are apart.
async fn until_quiet(process: &Process) -> anyhow::Result<()> {
    let asked = Instant::now();
    let mut quiet = 0;
    while quiet < QUIET_SECONDS {
        let cpu = machine::fine_cpu_seconds(process.id());
        tokio::time::sleep(Duration::from_secs(1)).await;
        let rests = machine::fine_cpu_seconds(process.id()) - cpu < 0.03;
        quiet = if rests { quiet + 1 } else { 0 };
        ensure!(asked.elapsed() < Duration::from_secs(600), "it does not come to rest");
    }
    Ok(())
}

struct Trial<'a> {
    gateway: Gateway,
    simulator: &'a mut Simulator,
    process: Process,
}

impl Trial<'_> {
    /// Closes the lane that the backlog waits on.
    async fn close(&mut self) -> anyhow::Result<()> {
        self.simulator
            .fault(json!({ "agentid": 1_000_003, "trouble": { "kind": "errcode", "errcode": 45009 } }))
            .await?;
        // What finds out is one message.
        let (path, body) = to_second()(9_000_000);
        self.gateway.connection().request(Method::POST, &path, body).await?;
        tokio::time::sleep(Duration::from_millis(300)).await;
        Ok(())
    }

    async fn open(&mut self) -> anyhow::Result<()> {
        self.simulator.clear_faults().await
    }

    /// Hands a step's messages in; returns the CPU-seconds they cost.
    async fn enqueue(&self, first: u64) -> anyhow::Result<f64> {
        let cpu = machine::fine_cpu_seconds(self.process.id());
        load::burst(self.gateway.address, Some(KEY), CONNECTIONS, (first, STEP), to_second()).await?;
        Ok(machine::fine_cpu_seconds(self.process.id()) - cpu)
    }

    /// Hands many in at once, unmeasured.
    async fn fill(&self, first: u64) -> anyhow::Result<()> {
        let mut lines = String::new();
        for number in first..first + LINES {
            let _infallible = writeln!(lines, "{}", to_second()(number).1);
        }
        let answer = self.gateway.connection().request(Method::POST, "/v1/messages/batch", lines).await?;
        ensure!(answer.status.is_success(), "{}", answer.status);
        Ok(())
    }

    async fn until_taken(&mut self, count: u64) -> anyhow::Result<u64> {
        let started = Instant::now();
        loop {
            let taken = self.simulator.taken().await?;
            if taken >= count {
                return Ok(taken);
            }
            ensure!(started.elapsed() < Duration::from_secs(120), "{taken} of {count} arrived");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Returns the CPU-seconds that claiming and finishing a step's messages cost, once it is under way.
    async fn finish(&mut self) -> anyhow::Result<f64> {
        let before = self.simulator.taken().await?;
        let first = self.until_taken(before + 2000).await?;
        let cpu = machine::fine_cpu_seconds(self.process.id());
        let last = self.until_taken(first + 7000).await?;
        Ok((machine::fine_cpu_seconds(self.process.id()) - cpu) * STEP as f64 / (last - first) as f64)
    }

    /// Times reading a message by id, and the newest page.
    async fn read(&self, round: &mut Round, status: &'static str, page: &'static str) -> anyhow::Result<()> {
        let mut http = self.gateway.connection();
        let newest = http.request(Method::GET, "/v1/messages?limit=50", "").await?.json();
        let id = newest["messages"][25]["id"].as_str().context("a message's id")?.to_owned();
        round.set(status, median(&mut http, &format!("/v1/messages/{id}")).await?);
        round.set(page, median(&mut http, "/v1/messages?limit=50").await?);
        Ok(())
    }
}

async fn median(http: &mut Connection, path: &str) -> anyhow::Result<f64> {
    let mut times = Vec::with_capacity(READS);
    for _ in 0..READS {
        let asked = Instant::now();
        ensure!(http.request(Method::GET, path, "").await?.status == 200, "{path}");
        times.push(asked.elapsed());
    }
    Ok(millis(quantile(&times, 0.5)))
}

fn to_second() -> Requests {
    Arc::new(|number| {
        let text = load::text(number, 75);
        let user = number % MEMBERS + 1;
        ("/v1/messages".to_owned(), format!(r#"{{"app":"second","to":{{"users":["m{user}"]}},"text":"{text}"}}"#))
    })
}
