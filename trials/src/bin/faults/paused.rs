//! F22: the process is stopped in the middle of calls, and goes on later.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::Trial;
use crate::house::{Accepted, House, callers};

pub(crate) async fn run(trial: &Trial) -> anyhow::Result<Value> {
    let pause = Duration::from_secs(trial.either(4, 60));
    let mut house = House::prepare(trial).await?;
    house.simulator.fault(json!({ "path": "message/send", "trouble": { "kind": "delay", "ms": 300 } })).await?;
    house.open().await?;
    let accepted = Accepted::default();
    callers(&house.gateway, 0..100, 8, Duration::ZERO, &accepted).await??;
    let process = house.process.as_ref().context("a running gateway")?;
    process.signal("STOP")?;
    tokio::time::sleep(pause).await;
    process.signal("CONT")?;
    let accepted = accepted.lock().clone();
    let redelivered = house.all_seen_once(&accepted).await?;
    Ok(
        json!({ "paused_seconds": pause.as_secs(), "sends": accepted.len(), "lost": 0, "seen_twice": 0, "redelivered": redelivered }),
    )
}
