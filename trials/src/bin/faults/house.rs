//! A gateway and a simulator for one row, callers that insist, and what must hold in the end.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use hyper::Method;
use parking_lot::Mutex;
use serde_json::{Value, json};
use trials::http::Connection;
use trials::load;
use trials::program::{self, Gateway, KEY, Process};
use trials::simulator::Simulator;

use crate::Trial;

/// Members of the simulated company, so that nobody gets more than WeCom lets through in a minute.
pub(crate) const MEMBERS: u64 = 400;
/// How long everything may take to be settled in the end.
const QUIET: Duration = Duration::from_secs(120);

pub(crate) struct House {
    pub(crate) simulated: Process,
    pub(crate) simulator: Simulator,
    pub(crate) gateway: Gateway,
    pub(crate) process: Option<Process>,
}

impl House {
    /// A simulator with members, and a gateway that is quick to try again; not started yet.
    pub(crate) async fn prepare(trial: &Trial) -> anyhow::Result<Self> {
        Self::prepare_in(trial, &trial.folder).await
    }

    pub(crate) async fn prepare_in(trial: &Trial, folder: &Path) -> anyhow::Result<Self> {
        let (simulated, mut simulator) = program::simulator(&trial.binary, folder).await?;
        simulator.add_members("m", MEMBERS as usize).await?;
        let gateway = Gateway::new(&trial.binary, folder, simulated.address)?
            .set("HONGYAN__RETRY__BASE", "100ms")
            .set("HONGYAN__RETRY__CAP", "500ms")
            .set("HONGYAN__RETRY__ATTEMPTS", "60")
            .set("HONGYAN__CIRCUIT_BREAKER__PROBE_EVERY", "200ms")
            .set("HONGYAN__CIRCUIT_BREAKER__THROTTLED_FOR", "300ms")
            .set("HONGYAN__CIRCUIT_BREAKER__MISCONFIGURED_FOR", "300ms")
            .set("HONGYAN__DISPATCH__SWEEP_EVERY", "500ms")
            .set("HONGYAN__WECOM__TIMEOUT", "2s");
        Ok(Self { simulated, simulator, gateway, process: None })
    }

    pub(crate) async fn start(trial: &Trial) -> anyhow::Result<Self> {
        let mut house = Self::prepare(trial).await?;
        house.open().await?;
        Ok(house)
    }

    /// Changes the gateway's environment; before it is opened.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.gateway = self.gateway.clone().set(name, value);
    }

    /// Gives the gateway a configuration file; before it is opened.
    pub(crate) fn configure(&self, text: &str) -> anyhow::Result<()> {
        Ok(std::fs::write(self.gateway.folder.join("hongyan.toml"), text)?)
    }

    /// Moves the machine's clock, as the gateway finds it at its next start, and the simulator's.
    pub(crate) fn move_clock(&mut self, millis: i64) -> anyhow::Result<()> {
        let file = self.gateway.folder.join("clock");
        std::fs::write(&file, millis.to_string())?;
        self.set("HONGYAN_CLOCK_FILE", &file.display().to_string());
        Ok(())
    }

    /// Starts the gateway; returns how long it took to be ready.
    pub(crate) async fn open(&mut self) -> anyhow::Result<Duration> {
        let process = self.gateway.start().await?;
        let took = process.started_in;
        self.process = Some(process);
        Ok(took)
    }

    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.process.take().context("a running gateway")?.kill()
    }

    pub(crate) fn stop(&mut self) -> anyhow::Result<Duration> {
        let (took, status) = self.process.take().context("a running gateway")?.terminate()?;
        ensure!(status.success(), "it ended with {status}");
        Ok(took)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().map_or(0, Process::id)
    }

    /// Hands one message in; returns its id.
    pub(crate) async fn accepted(&self, body: Value) -> anyhow::Result<String> {
        let answer = self.gateway.connection().request(Method::POST, "/v1/messages", body.to_string()).await?;
        ensure!(answer.status == 202, "{}: {:?}", answer.status, answer.body);
        Ok(answer.json()["id"].as_str().context("an id")?.to_owned())
    }

    pub(crate) async fn message(&self, id: &str) -> anyhow::Result<Value> {
        read(&mut self.gateway.connection(), id).await
    }

    /// Waits until nothing more will happen to any of these, and returns them.
    pub(crate) async fn settled(&self, ids: impl IntoIterator<Item = &String>) -> anyhow::Result<Vec<Value>> {
        let deadline = Instant::now() + QUIET;
        let mut http = self.gateway.connection();
        let mut settled = Vec::new();
        for id in ids {
            loop {
                let message = read(&mut http, id).await?;
                if !matches!(message["state"].as_str(), Some("accepted" | "sending")) {
                    settled.push(message);
                    break;
                }
                ensure!(Instant::now() < deadline, "still open: {message}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(settled)
    }

    /// All delivered, each seen once at the simulator, and every repeat on record. Returns how many were redelivered.
    pub(crate) async fn all_seen_once(&mut self, accepted: &BTreeMap<u64, String>) -> anyhow::Result<usize> {
        let messages = self.settled(accepted.values()).await?;
        let failed = messages.iter().filter(|message| message["state"] != "delivered").count();
        let first = messages.iter().find(|message| message["state"] != "delivered");
        ensure!(failed == 0, "{failed} were not delivered, such as {}", first.cloned().unwrap_or_default());
        let seen = self.simulator.seen().await?;
        let lost: Vec<&u64> = accepted.keys().filter(|number| !seen.contains_key(number)).collect();
        let twice: Vec<&u64> = accepted.keys().filter(|number| seen.get(number).is_some_and(|n| *n > 1)).collect();
        ensure!(lost.is_empty(), "{} were lost, such as message {}", lost.len(), lost[0]);
        ensure!(twice.is_empty(), "{} were seen twice, such as message {}", twice.len(), twice[0]);
        let redelivered: usize = messages.iter().map(redeliveries).sum();
        let swallowed = self.simulator.swallowed().await?;
        let swallowed: usize = accepted.keys().filter_map(|number| swallowed.get(number)).sum();
        ensure!(swallowed <= redelivered, "{swallowed} repeats arrived, and {redelivered} are on record");
        Ok(redelivered)
    }
}

/// Attempts of a message before which another may have been taken.
pub(crate) fn redeliveries(message: &Value) -> usize {
    let deliveries = message["deliveries"].as_array().cloned().unwrap_or_default();
    let attempts = deliveries.iter().flat_map(|delivery| delivery["attempts"].as_array().cloned().unwrap_or_default());
    attempts.filter(|attempt| attempt["redelivered"] == true).count()
}

pub(crate) async fn read(http: &mut Connection, id: &str) -> anyhow::Result<Value> {
    let answer = http.request(Method::GET, &format!("/v1/messages/{id}"), "").await?;
    ensure!(answer.status == 200, "{}: {:?}", answer.status, answer.body);
    Ok(answer.json())
}

/// What a caller hands in under a number.
pub(crate) type Body = fn(u64) -> Value;

/// A numbered text to one of the members.
pub(crate) fn to_member(number: u64) -> Value {
    json!({ "to": { "users": [format!("m{}", number % MEMBERS + 1)] }, "text": load::text(number, 60) })
}

/// Accepted messages: number → id.
pub(crate) type Accepted = Arc<Mutex<BTreeMap<u64, String>>>;

/// Hands one message in as a careful caller: again, with the same key, until there is a receipt.
pub(crate) async fn insist(http: &mut Connection, number: u64, body: Body, accepted: &Accepted) -> anyhow::Result<()> {
    let deadline = Instant::now() + QUIET;
    let key = format!("number-{number}");
    loop {
        let body = body(number).to_string();
        let headers = [("idempotency-key", key.as_str())];
        let answer = http.request_with(Method::POST, "/v1/messages", body, &headers).await;
        if let Ok(answer) = answer
            && answer.status == 202
            && let Some(id) = answer.json()["id"].as_str()
        {
            accepted.lock().insert(number, id.to_owned());
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "message {number} is not accepted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Callers that hand in `numbers` for members over several connections, a pause between two; each insists.
pub(crate) fn callers(
    gateway: &Gateway,
    numbers: std::ops::Range<u64>,
    connections: usize,
    pause: Duration,
    accepted: &Accepted,
) -> tokio::task::JoinHandle<anyhow::Result<()>> {
    callers_of(to_member, gateway, numbers, connections, pause, accepted)
}

/// The same with other messages.
pub(crate) fn callers_of(
    body: Body,
    gateway: &Gateway,
    numbers: std::ops::Range<u64>,
    connections: usize,
    pause: Duration,
    accepted: &Accepted,
) -> tokio::task::JoinHandle<anyhow::Result<()>> {
    let workers: Vec<_> = (0..connections)
        .map(|worker| {
            let (address, accepted) = (gateway.address, accepted.clone());
            let numbers: Vec<u64> = numbers.clone().skip(worker).step_by(connections).collect();
            tokio::spawn(async move {
                let mut http = Connection::new(address, Some(KEY));
                for number in numbers {
                    insist(&mut http, number, body, &accepted).await?;
                    tokio::time::sleep(pause).await;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    tokio::spawn(async move {
        for worker in workers {
            worker.await??;
        }
        Ok(())
    })
}
