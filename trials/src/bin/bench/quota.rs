//! The robot's quota, in real time: never over it, and used to the full.

use std::path::Path;
use std::time::Duration;

use hyper::Method;
use serde_json::json;
use trials::load;
use trials::program::{Gateway, simulator};
use trials::simulator::robot_key;

use crate::options::Options;
use crate::report::Round;

/// A robot's messages in any window (path/99110).
const LIMIT: usize = 20;
const WINDOW_MS: i64 = 60_000;
/// Windows that are watched, after the one that fills up at once.
const WINDOWS: i64 = 2;

pub(crate) async fn run(options: &Options, folder: &Path, round: &mut Round) -> anyhow::Result<()> {
    let (simulated, mut simulator) = simulator(&options.binary, folder).await?;
    let gateway = Gateway::new(&options.binary, folder, simulated.address)?;
    let process = gateway.start().await?;
    let mut http = gateway.connection();
    for number in 0..200 {
        let body = json!({ "to": { "robots": ["default"] }, "text": load::text(number, 75) });
        http.request(Method::POST, "/v1/messages", body.to_string()).await?;
    }
    let watched = Duration::from_millis((WINDOW_MS * (1 + WINDOWS)) as u64 + 2000);
    tokio::time::sleep(watched).await;
    let key = robot_key(1);
    let requests = simulator.requests(0).await?;
    let calls: Vec<&serde_json::Value> = requests.iter().filter(|request| request["key"] == key.as_str()).collect();
    let times: Vec<i64> = calls.iter().filter_map(|call| call["at"].as_i64()).collect();
    let within = |from: i64| times.iter().filter(|at| (from..from + WINDOW_MS).contains(*at)).count();
    let most = times.iter().map(|at| within(*at)).max().unwrap_or(0);
    let start = times.first().copied().unwrap_or(0) + WINDOW_MS;
    let used = times.iter().filter(|at| (start..start + WINDOWS * WINDOW_MS).contains(*at)).count();
    round.set("quota most", most as f64 / LIMIT as f64);
    round.set("quota use", used as f64 / (LIMIT as f64 * WINDOWS as f64));
    round.set("quota own 45009", calls.iter().filter(|call| call["errcode"] == 45009).count() as f64);
    drop(process);
    Ok(())
}
