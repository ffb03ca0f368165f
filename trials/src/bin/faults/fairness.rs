//! F25, F27 and F28: quotas, priorities and callers.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use hyper::Method;
use serde_json::{Value, json};
use trials::http::Connection;
use trials::load::{self, quantile};
use trials::program::Gateway;
use trials::simulator::robot_key;
use trials::upstream::Upstream;

use crate::Trial;
use crate::house::{House, MEMBERS, to_member};

/// A robot's messages in any window (path/99110).
const LIMIT: usize = 20;
const WINDOW_MS: i64 = 60_000;

/// F25: in real time. The short form only looks at the beginning; the whole window is turned by hand in the tests.
pub(crate) async fn quota(trial: &Trial) -> anyhow::Result<Value> {
    let (queued, watched) = trial.either((200, 8), (10_000, 302));
    let mut house = House::start(trial).await?;
    let mut lines = String::new();
    for number in 0..queued {
        let line = json!({ "to": { "robots": ["default"] }, "text": load::text(number, 60) });
        let _infallible = writeln!(lines, "{line}");
    }
    let answer = house.gateway.connection().request(Method::POST, "/v1/messages/batch", lines).await?;
    ensure!(answer.status == 200, "{}", answer.status);
    tokio::time::sleep(Duration::from_secs(watched)).await;
    let key = robot_key(1);
    let requests = house.simulator.requests(0).await?;
    let calls: Vec<&Value> = requests.iter().filter(|request| request["key"] == key.as_str()).collect();
    let times: Vec<i64> = calls.iter().filter_map(|call| call["at"].as_i64()).collect();
    let within = |from: i64| times.iter().filter(|at| (from..from + WINDOW_MS).contains(*at)).count();
    let most = times.iter().map(|at| within(*at)).max().unwrap_or(0);
    ensure!(most <= LIMIT, "{most} in 60 s");
    ensure!(calls.iter().all(|call| call["errcode"] == 0), "WeCom refused some");
    let windows = watched as i64 * 1000 / WINDOW_MS - 1;
    let start = times.first().copied().unwrap_or(0) + WINDOW_MS;
    let used = times.iter().filter(|at| (start..start + windows * WINDOW_MS).contains(*at)).count();
    let part = if windows > 0 { used as f64 / (LIMIT as f64 * windows as f64) } else { most as f64 / LIMIT as f64 };
    ensure!(part >= 0.95, "only {part} of the quota was used");
    Ok(json!({ "queued": queued, "most_in_60_s": most, "used": part, "own_45009": 0 }))
}

/// F27: one urgent behind a hundred thousand bulk; and bulk among a flood of urgent.
pub(crate) async fn priority(trial: &Trial) -> anyhow::Result<Value> {
    let bulk = trial.either(5000, 100_000);
    let upstream = Upstream::start(Duration::from_millis(50)).await?;
    let gateway = Gateway::new(&trial.binary, &trial.folder, upstream.address)?;
    let gateway = gateway.set("HONGYAN__DISPATCH__APP_CONCURRENCY", "16");
    let _process = gateway.start().await?;
    let mut http = gateway.connection();
    hand_in(&mut http, 1_000_000..1_000_000 + bulk, "bulk").await?;
    let asked = Instant::now();
    hand_in(&mut http, 1..2, "urgent").await?;
    let left = arrived(&upstream, 1).await?.duration_since(asked);
    ensure!(left <= Duration::from_secs(2), "the urgent one left after {left:?}");
    // A flood of urgent, more than can go out while it is watched.
    let before = upstream.arrivals();
    hand_in(&mut http, 10_000..10_000 + trial.either(2000, 5000), "urgent").await?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let after = upstream.arrivals();
    let new = after.keys().filter(|number| !before.contains_key(number));
    let (bulk_sent, urgent_sent): (Vec<&u64>, Vec<&u64>) = new.partition(|number| **number >= 1_000_000);
    let part = bulk_sent.len() as f64 / (bulk_sent.len() + urgent_sent.len()) as f64;
    ensure!(part >= 0.08, "bulk got {part} of the calls");
    Ok(json!({ "bulk": bulk, "urgent_left_after_seconds": left.as_secs_f64(), "bulk_among_urgent": part }))
}

async fn hand_in(http: &mut Connection, numbers: std::ops::Range<u64>, priority: &str) -> anyhow::Result<()> {
    let numbers: Vec<u64> = numbers.collect();
    for chunk in numbers.chunks(20_000) {
        let mut lines = String::new();
        for number in chunk {
            let mut line = to_member(*number);
            line["priority"] = priority.into();
            let _infallible = writeln!(lines, "{line}");
        }
        let answer = http.request(Method::POST, "/v1/messages/batch", lines).await?;
        ensure!(answer.status == 200, "{}", answer.status);
    }
    Ok(())
}

async fn arrived(upstream: &Upstream, number: u64) -> anyhow::Result<Instant> {
    let asked = Instant::now();
    loop {
        if let Some(at) = upstream.arrivals().get(&number) {
            return Ok(*at);
        }
        ensure!(asked.elapsed() < Duration::from_secs(60), "message {number} never arrived");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// F28: one caller floods; another's messages go out as if nothing were.
pub(crate) async fn callers(trial: &Trial) -> anyhow::Result<Value> {
    let flood = trial.either(5000, 20_000);
    let upstream = Upstream::start(Duration::from_millis(20)).await?;
    let gateway = Gateway::new(&trial.binary, &trial.folder, upstream.address)?;
    let gateway = gateway.set("HONGYAN__DISPATCH__APP_CONCURRENCY", "16");
    let _process = gateway.start().await?;
    let key = gateway
        .connection()
        .request(Method::POST, "/v1/keys", json!({ "caller": "quiet", "scopes": ["send", "read"] }).to_string())
        .await?;
    let key = key.json()["key"].as_str().context("a key")?.to_owned();
    let quiet = load::to_members(MEMBERS);
    let messages = trial.either(100, 300);
    let idle = load::paced(gateway.address, Some(&key), 50.0, (1, messages), quiet.clone()).await?;
    let idle = waits(&idle, &upstream).await?;
    hand_in(&mut gateway.connection(), 1_000_000..1_000_000 + flood, "normal").await?;
    let beside = load::paced(gateway.address, Some(&key), 50.0, (100_000, messages), quiet).await?;
    ensure!((upstream.count() as u64) < flood, "the flood was over before it was measured");
    let beside = waits(&beside, &upstream).await?;
    let (idle, beside) = (quantile(&idle, 0.99), quantile(&beside, 0.99));
    // A slot must come free first: a call's time at most.
    let limit = trial.either(10, 2) * idle.max(Duration::from_millis(20));
    ensure!(beside <= limit, "p99 {beside:?} beside a flood, {idle:?} without");
    Ok(json!({ "flood": flood, "p99_idle_ms": idle.as_secs_f64() * 1e3, "p99_beside_ms": beside.as_secs_f64() * 1e3 }))
}

/// How long each message of a paced run took to arrive.
async fn waits(paced: &load::Paced, upstream: &Upstream) -> anyhow::Result<Vec<Duration>> {
    let mut waits = Vec::with_capacity(paced.requests.len());
    for (number, asked, _) in &paced.requests {
        waits.push(arrived(upstream, *number).await?.duration_since(*asked));
    }
    Ok(waits)
}
