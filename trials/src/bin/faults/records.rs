//! F31 and F47: what is recorded is what happened.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::{Value, json};
use trials::load::{self, quantile, to_members};
use trials::machine;
use trials::program::KEY;
use trials::upstream::number_in;

use crate::Trial;
use crate::house::{Accepted, House, MEMBERS, callers};

/// F31: as fast as it goes, then every id is looked for.
pub(crate) async fn throughput(trial: &Trial) -> anyhow::Result<Value> {
    let messages = trial.either(2000, 50_000);
    let mut house = House::start(trial).await?;
    let started = Instant::now();
    let burst = load::burst(house.gateway.address, Some(KEY), 64, (1, messages), to_members(MEMBERS)).await?;
    while house.simulator.taken().await? < messages {
        ensure!(started.elapsed() < Duration::from_secs(300), "not everything arrived");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = started.elapsed();
    let seen = house.simulator.seen().await?;
    let missing = (1..=messages).filter(|number| seen.get(number) != Some(&1)).count();
    ensure!(missing == 0, "{missing} are missing or were taken twice");
    Ok(json!({
        "messages": messages, "verify_missing": 0, "accepts_per_second": burst.rate(), "delivered_per_second": messages as f64 / took.as_secs_f64(),
        "accept_p50_ms": quantile(&burst.latencies, 0.5).as_secs_f64() * 1e3, "accept_p99_ms": quantile(&burst.latencies, 0.99).as_secs_f64() * 1e3,
        "peak_memory_mb": machine::peak_rss_mb(house.pid()),
    }))
}

/// F47: each recorded attempt is one call in the simulator's log, and each call is one recorded attempt.
pub(crate) async fn equality(trial: &Trial) -> anyhow::Result<Value> {
    let messages = trial.either(500, 5000);
    let mut house = House::start(trial).await?;
    for fault in [
        json!({ "path": "message/send", "one_in": 7, "trouble": { "kind": "errcode", "errcode": -1 } }),
        json!({ "path": "message/send", "one_in": 11, "trouble": { "kind": "errcode", "errcode": 40003 } }),
        json!({ "path": "message/send", "one_in": 13, "trouble": { "kind": "status", "status": 502 } }),
    ] {
        house.simulator.fault(fault).await?;
    }
    let accepted = Accepted::default();
    callers(&house.gateway, 0..messages, 8, Duration::ZERO, &accepted).await??;
    let accepted = accepted.lock().clone();
    let settled = house.settled(accepted.values()).await?;
    let mut recorded: BTreeMap<u64, usize> = BTreeMap::new();
    for (number, message) in accepted.keys().zip(&settled) {
        let deliveries = message["deliveries"].as_array().into_iter().flatten();
        let attempts = deliveries.map(|delivery| delivery["attempts"].as_array().map_or(0, Vec::len)).sum();
        recorded.insert(*number, attempts);
    }
    let mut called: BTreeMap<u64, usize> = BTreeMap::new();
    for request in house.simulator.requests(0).await? {
        if request["path"] == "/cgi-bin/message/send"
            && let Some(number) = number_in(request["body"].as_str().unwrap_or_default().as_bytes())
        {
            *called.entry(number).or_default() += 1;
        }
    }
    let differing: Vec<&u64> = recorded.keys().filter(|number| recorded.get(number) != called.get(number)).collect();
    ensure!(
        differing.is_empty() && recorded.len() == called.len(),
        "{} differ, such as message {:?}",
        differing.len(),
        differing.first()
    );
    let delivered = settled.iter().filter(|message| message["state"] == "delivered").count();
    let seen = house.simulator.seen().await?.len();
    ensure!(delivered == seen, "{delivered} are recorded as delivered, {seen} were seen");
    Ok(
        json!({ "messages": messages, "attempts": recorded.values().sum::<usize>(), "calls": called.values().sum::<usize>(), "delivered": delivered, "seen": seen }),
    )
}
