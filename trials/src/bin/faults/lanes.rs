//! F14 and F16: an upstream that wants to be left alone.

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::{Value, json};

use crate::Trial;
use crate::house::{Accepted, House, callers};

/// Busy (-1), throttled (45009), crowded (45033): for a while, then well again.
pub(crate) async fn throttled(trial: &Trial) -> anyhow::Result<Value> {
    let trouble_for = Duration::from_secs(trial.either(4, 120));
    let mut figures = Vec::new();
    for errcode in [-1, 45009, 45033] {
        let folder = trial.folder.join(errcode.to_string());
        std::fs::create_dir(&folder)?;
        let mut house = House::prepare_in(trial, &folder).await?;
        let (probe_every, throttled_for) = trial.either((1, 2), (10, 60));
        house.set("HONGYAN__CIRCUIT_BREAKER__PROBE_EVERY", &format!("{probe_every}s"));
        house.set("HONGYAN__CIRCUIT_BREAKER__THROTTLED_FOR", &format!("{throttled_for}s"));
        // What a closed lane used up would end these.
        house.set("HONGYAN__RETRY__ATTEMPTS", "5");
        house.set("HONGYAN__DISPATCH__APP_CONCURRENCY", "8");
        house.open().await?;
        house
            .simulator
            .fault(json!({ "path": "message/send", "trouble": { "kind": "errcode", "errcode": errcode } }))
            .await?;
        let accepted = Accepted::default();
        callers(&house.gateway, 0..100, 8, Duration::ZERO, &accepted).await??;
        tokio::time::sleep(trouble_for).await;
        let calls = calls(&mut house).await?;
        let every = if errcode == 45009 { throttled_for } else { probe_every };
        // Those under way when it closed, and one probe a window.
        let most = 8 + 3 + trouble_for.as_secs() / every + 2;
        ensure!(calls <= most as usize, "{errcode}: {calls} calls in {trouble_for:?}, and {most} would do");
        house.simulator.clear_faults().await?;
        let well = Instant::now();
        let accepted = accepted.lock().clone();
        house.all_seen_once(&accepted).await?;
        let limit = Duration::from_secs(60 + every);
        ensure!(well.elapsed() <= limit, "{errcode}: all sent only {:?} after it was well", well.elapsed());
        figures.push(json!({ "errcode": errcode, "calls_meanwhile": calls, "all_sent_after_seconds": well.elapsed().as_secs_f64() }));
    }
    Ok(json!({ "trouble_seconds": trouble_for.as_secs(), "lost": 0, "each": figures }))
}

async fn calls(house: &mut House) -> anyhow::Result<usize> {
    let requests = house.simulator.requests(0).await?;
    Ok(requests.iter().filter(|request| request["path"] == "/cgi-bin/message/send").count())
}

/// A secret that WeCom does not know, and an address that it does not trust.
pub(crate) async fn wrong_secret(trial: &Trial) -> anyhow::Result<Value> {
    let trouble_for = Duration::from_secs(trial.either(5, 130));
    let mut figures = Vec::new();
    for (name, path, errcode) in [("wrong secret", "gettoken", 40001), ("untrusted address", "message/send", 60020)] {
        let folder = trial.folder.join(errcode.to_string());
        std::fs::create_dir(&folder)?;
        let mut house = House::prepare_in(trial, &folder).await?;
        house.set("HONGYAN__CIRCUIT_BREAKER__MISCONFIGURED_FOR", trial.either("6s", "60s"));
        // With one call at a time, none is under way when the lane closes.
        house.set("HONGYAN__DISPATCH__APP_CONCURRENCY", "1");
        house.simulator.fault(json!({ "path": path, "trouble": { "kind": "errcode", "errcode": errcode } })).await?;
        house.open().await?;
        let accepted = Accepted::default();
        callers(&house.gateway, 0..20, 4, Duration::ZERO, &accepted).await??;
        tokio::time::sleep(trouble_for).await;
        let requests = house.simulator.requests(0).await?;
        let of = |end: &str| requests.iter().filter(|r| r["path"].as_str().is_some_and(|p| p.ends_with(end))).count();
        let windows = trouble_for.as_secs() as usize / 60;
        ensure!(of("gettoken") <= 1 + windows, "{name}: {} gettoken calls", of("gettoken"));
        ensure!(of("message/send") <= 3 + windows, "{name}: {} sends", of("message/send"));
        let log = std::fs::read_to_string(house.gateway.log())?;
        let alerts = log.lines().filter(|line| line.contains("an operator must act")).count();
        ensure!(alerts == 1, "{name}: {alerts} alerts, not one");
        // The operator mends it, and starts it again.
        house.simulator.clear_faults().await?;
        house.stop()?;
        house.open().await?;
        let accepted = accepted.lock().clone();
        house.all_seen_once(&accepted).await?;
        figures
            .push(json!({ "what": name, "gettoken": of("gettoken"), "sends": of("message/send"), "alerts": alerts }));
    }
    Ok(json!({ "trouble_seconds": trouble_for.as_secs(), "lost": 0, "each": figures }))
}
