//! F12 and F20: the machine's clock jumps, and days pass, between one start and the next.

use std::time::{Duration, Instant};

use anyhow::ensure;
use hyper::Method;
use serde_json::{Value, json};

use crate::Trial;
use crate::house::{House, to_member};

const HOUR: i64 = 3_600_000;

/// What is due in some seconds is due in some seconds, wherever the machine's clock jumped while nobody looked.
pub(crate) async fn jumps(trial: &Trial) -> anyhow::Result<Value> {
    let mut errors = Vec::new();
    for (name, jump) in [("one hour ahead", HOUR), ("one hour back", -HOUR), ("ten minutes back", -HOUR / 6)] {
        let folder = trial.folder.join(name.replace(' ', "-"));
        std::fs::create_dir(&folder)?;
        let mut house = House::prepare_in(trial, &folder).await?;
        house.set("HONGYAN__CIRCUIT_BREAKER__FAILURES", "100");
        house.set("HONGYAN__RETRY__JITTER", "false");
        house.set("HONGYAN__RETRY__BASE", "4s");
        house.set("HONGYAN__RETRY__CAP", "4s");
        house.move_clock(0)?;
        house.open().await?;
        let key = [("idempotency-key", "jump")];
        let body = to_member(1).to_string();
        house
            .simulator
            .fault(json!({ "path": "message/send", "times": 1, "trouble": { "kind": "errcode", "errcode": -1 } }))
            .await?;
        let mut http = house.gateway.connection();
        let first = http.request_with(Method::POST, "/v1/messages", body.clone(), &key).await?;
        let id = first.json()["id"].as_str().unwrap_or_default().to_owned();
        // The first attempt was refused; the next is due in four seconds.
        let failed = Instant::now();
        tokio::time::sleep(Duration::from_millis(700)).await;
        house.stop()?;
        house.move_clock(jump)?;
        house.open().await?;
        let mut http = house.gateway.connection();
        let again = http.request_with(Method::POST, "/v1/messages", body, &key).await?;
        ensure!(again.headers.contains_key("idempotency-replayed"), "{name}: the key was forgotten");
        house.settled([&id]).await?;
        let waited = failed.elapsed().as_secs_f64();
        // Time that passed while it was down has passed: ahead, it is due at once. Never later than it was.
        ensure!(waited < 5.5, "{name}: the retry was made after {waited:.1} s, not 4");
        ensure!(jump > 0 || waited > 3.0, "{name}: the retry was made after {waited:.1} s, not 4");
        let calls = house.simulator.requests(0).await?;
        let calls = calls.iter().filter(|call| call["path"] == "/cgi-bin/message/send").count();
        ensure!(calls == 2, "{name}: {calls} calls, not 2");
        errors.push(json!({ "jump": name, "retry_after_seconds": waited, "calls": calls }));
        house.stop()?;
    }
    Ok(json!({ "jumps": errors, "storms": 0 }))
}

/// A key is known after a restart and 23 hours later, and no more after 25.
pub(crate) async fn idempotency(trial: &Trial) -> anyhow::Result<Value> {
    let mut house = House::prepare(trial).await?;
    let key = [("idempotency-key", "yesterday")];
    let body = to_member(1).to_string();
    let mut ids = Vec::new();
    for hours in [0, 0, 23, 25] {
        house.move_clock(hours * HOUR)?;
        house.open().await?;
        let mut http = house.gateway.connection();
        let answer = http.request_with(Method::POST, "/v1/messages", body.clone(), &key).await?;
        ensure!(answer.status == 202, "{}: {:?}", answer.status, answer.body);
        let id = answer.json()["id"].as_str().unwrap_or_default().to_owned();
        house.settled([&id]).await?;
        ids.push(id);
        house.stop()?;
    }
    ensure!(ids[0] == ids[1] && ids[0] == ids[2], "the key was forgotten too early: {ids:?}");
    ensure!(ids[0] != ids[3], "the key was not forgotten after 25 hours");
    Ok(json!({ "restart": "kept", "23h": "kept", "25h": "forgotten" }))
}
