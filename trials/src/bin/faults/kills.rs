//! F1: kill -9 at random moments while messages come in and go out.

use std::time::Duration;

use anyhow::ensure;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::Trial;
use crate::house::{Accepted, House, callers};

/// How long a killed gateway may take until it sends again.
const BACK_WITHIN: Duration = Duration::from_secs(3);

pub(crate) async fn run(trial: &Trial) -> anyhow::Result<Value> {
    let (kills, messages) = trial.either((10, 500), (200, 10_000));
    let mut house = House::prepare(trial).await?;
    // Calls take a while, so that kills find some of them under way.
    let delay = json!({ "path": "message/send", "trouble": { "kind": "delay", "ms": 20 } });
    house.simulator.fault(delay).await?;
    house.open().await?;
    let accepted = Accepted::default();
    let pause = Duration::from_millis(trial.either(40, 100));
    let sending = callers(&house.gateway, 0..messages, 16, pause, &accepted);
    let slowest = kill_while(&mut house, kills, sending).await?;
    let accepted = accepted.lock().clone();
    ensure!(accepted.len() as u64 == messages, "{} of {messages} were accepted", accepted.len());
    let redelivered = house.all_seen_once(&accepted).await?;
    Ok(json!({
        "kills": kills, "sends": messages, "lost": 0, "seen_twice": 0, "redelivered": redelivered,
        "slowest_restart_seconds": slowest.as_secs_f64(),
    }))
}

/// Kills the gateway at random moments while callers send, and lets them finish; returns the slowest restart.
pub(crate) async fn kill_while(
    house: &mut House,
    kills: usize,
    sending: JoinHandle<anyhow::Result<()>>,
) -> anyhow::Result<Duration> {
    let mut slowest = Duration::ZERO;
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(rand::random_range(20..400))).await;
        house.kill()?;
        slowest = slowest.max(house.open().await?);
    }
    sending.await??;
    ensure!(slowest <= BACK_WITHIN, "it took {slowest:?} to be back");
    Ok(slowest)
}
