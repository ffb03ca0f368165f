//! F8: another process takes the database's write lock again and again.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::ensure;
use hyper::Method;
use serde_json::{Value, json};
use trials::load::quantile;

use crate::Trial;
use crate::house::{Accepted, House, to_member};

/// The command by which this program becomes the holder: path, milliseconds held, freed, in all.
pub(crate) const HOLDER: &str = "hold-lock";

pub(crate) fn hold(arguments: &[String]) -> ExitCode {
    let numbers: Vec<u64> = arguments.iter().skip(1).filter_map(|text| text.parse().ok()).collect();
    let ([path, ..], [held, freed, total]) = (arguments, &numbers[..]) else { return ExitCode::FAILURE };
    match hold_for(Path::new(path), [*held, *freed, *total].map(Duration::from_millis)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn hold_for(path: &Path, [held, freed, total]: [Duration; 3]) -> rusqlite::Result<()> {
    let connection = rusqlite::Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(30))?;
    let started = Instant::now();
    while started.elapsed() < total {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        std::thread::sleep(held);
        connection.execute_batch("COMMIT")?;
        std::thread::sleep(freed);
    }
    Ok(())
}

pub(crate) async fn run(trial: &Trial) -> anyhow::Result<Value> {
    let [held, freed, total] = trial.either([2000, 300, 7000], [10_000, 1000, 120_000]);
    let mut house = House::start(trial).await?;
    let mut holder = Command::new(std::env::current_exe()?);
    holder.arg(HOLDER).arg(house.gateway.ledger()).args([held, freed, total].map(|ms: u64| ms.to_string()));
    let mut holder = holder.spawn()?;
    let accepted = Accepted::default();
    let (mut latencies, mut refused, mut number) = (Vec::new(), 0_u64, 0_u64);
    let mut asking = Vec::new();
    while holder.try_wait()?.is_none() {
        let (mut http, accepted) = (house.gateway.connection(), accepted.clone());
        let asked_for = number;
        asking.push(tokio::spawn(async move {
            let asked = Instant::now();
            let answer = http.request(Method::POST, "/v1/messages", to_member(asked_for).to_string()).await?;
            if answer.status == 202 {
                let id = answer.json()["id"].as_str().unwrap_or_default().to_owned();
                accepted.lock().insert(asked_for, id);
            }
            anyhow::Ok((asked.elapsed(), answer.status == 202))
        }));
        number += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for answer in asking {
        let (took, taken) = answer.await??;
        latencies.push(took);
        refused += u64::from(!taken);
    }
    let p99 = quantile(&latencies, 0.99);
    ensure!(refused * 1000 <= number, "{refused} of {number} were refused");
    ensure!(p99 <= Duration::from_millis(held + 1000), "accept p99 {p99:?}");
    let accepted = accepted.lock().clone();
    house.all_seen_once(&accepted).await?;
    Ok(
        json!({ "held_ms": held, "asked": number, "refused": refused, "lost": 0, "accept_p99_seconds": p99.as_secs_f64() }),
    )
}
