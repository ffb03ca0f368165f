//! F29: a million messages wait, and nobody notices.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::ensure;
use hyper::Method;
use serde_json::{Value, json};
use trials::load::{self, quantile, to_members};
use trials::machine;
use trials::program::KEY;

use crate::Trial;
use crate::house::{House, MEMBERS};

/// Lines of one batch.
const LINES: u64 = 10_000;

pub(crate) async fn run(trial: &Trial) -> anyhow::Result<Value> {
    let backlog = trial.either(20_000, 1_000_000);
    let mut house = House::prepare(trial).await?;
    // The second application is throttled for as long as this takes.
    let config = "default_app = \"default\"\n[apps.second]\ncorp_id = \"wwdemo0000000001\"\nagent_id = 1000003\nsecret = \"demo-secret-2\"\n";
    std::fs::write(trial.folder.join("hongyan.toml"), config)?;
    house.set("HONGYAN__CIRCUIT_BREAKER__THROTTLED_FOR", "1h");
    house.simulator.fault(json!({ "agentid": 1_000_003, "trouble": { "kind": "errcode", "errcode": 45009 } })).await?;
    house.open().await?;
    let measurements = trial.either(3, 5);
    let empty = load::median(measurements, |n| accept_p99(&house, 1_000_000 + n * 1000)).await?;
    for first in (0..backlog).step_by(LINES as usize) {
        let mut lines = String::new();
        for number in first..first + LINES {
            let user = number % MEMBERS + 1;
            let text = load::text(number, 60);
            let _infallible = writeln!(lines, r#"{{"app":"second","to":{{"users":["m{user}"]}},"text":"{text}"}}"#);
        }
        let answer = house.gateway.connection().request(Method::POST, "/v1/messages/batch", lines).await?;
        ensure!(answer.status == 200, "{}", answer.status);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let full = load::median(measurements, |n| accept_p99(&house, 2_000_000 + n * 1000)).await?;
    let memory = machine::rss_mb(house.pid());
    ensure!(memory <= 256.0, "{memory:.0} MB");
    let limit = trial.either(10, 2) * empty.max(Duration::from_millis(5));
    ensure!(full <= limit, "accept p99 {full:?} with the backlog, {empty:?} without");
    house.stop()?;
    let restart = house.open().await?;
    ensure!(restart <= Duration::from_secs(5), "the restart took {restart:?}");
    let claim = claim_query(&house)?;
    ensure!(claim <= Duration::from_millis(20), "the claim's query took {claim:?}");
    Ok(json!({
        "backlog": backlog, "memory_mb": memory, "accept_p99_ms": [empty.as_secs_f64() * 1e3, full.as_secs_f64() * 1e3],
        "restart_seconds": restart.as_secs_f64(), "claim_query_ms": claim.as_secs_f64() * 1e3,
    }))
}

async fn accept_p99(house: &House, first: u64) -> anyhow::Result<Duration> {
    let paced = load::paced(house.gateway.address, Some(KEY), 100.0, (first, 300), to_members(MEMBERS)).await?;
    let took: Vec<Duration> = paced.requests.iter().map(|(_, asked, answered)| *answered - *asked).collect();
    Ok(quantile(&took, 0.99))
}

/// The query that a claim makes, over the whole backlog.
fn claim_query(house: &House) -> anyhow::Result<Duration> {
    let ledger = rusqlite::Connection::open(house.gateway.ledger())?;
    let mut find = ledger.prepare(
        "SELECT id, due_at FROM delivery WHERE state = 0 AND recall = 0 AND lane = 'wecom_app:second' AND priority = 1 AND caller = 'default'
         ORDER BY due_at LIMIT 65",
    )?;
    let asked = Instant::now();
    let found = find.query_map([], |row| row.get::<_, i64>(1))?.count();
    ensure!(found == 65, "{found} found");
    Ok(asked.elapsed())
}
