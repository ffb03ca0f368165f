//! F46: ten thousand idle clients and a thousand slow ones, and what a good one notices.

use std::time::Duration;

use anyhow::ensure;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use trials::load::{self, quantile, to_members};
use trials::machine;
use trials::program::KEY;

use crate::Trial;
use crate::house::{House, MEMBERS};

pub(crate) async fn run(trial: &Trial) -> anyhow::Result<Value> {
    let (idle, slow, places) = trial.either((600, 100, 500), (10_000, 1000, 8000));
    let mut house = House::prepare(trial).await?;
    house.set("HONGYAN__HTTP__CONNECTIONS", &places.to_string());
    house.open().await?;
    let measurements = trial.either(1, 5);
    let alone = load::median(measurements, |_| accept_p99(&house)).await?;
    let address = house.gateway.address;
    let mut crowd = Vec::new();
    for _ in 0..idle {
        crowd.push(TcpStream::connect(address).await?);
    }
    // Slow ones send a byte of a request now and then, and never its end.
    let slow: Vec<_> = (0..slow)
        .map(|_| {
            tokio::spawn(async move {
                let Ok(mut stream) = TcpStream::connect(address).await else { return };
                for byte in b"POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ".iter().cycle() {
                    if stream.write_all(&[*byte]).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let crowded = load::median(measurements, |_| accept_p99(&house)).await?;
    let files = machine::open_files(house.pid());
    ensure!(files <= places + 200, "{files} files are open, with {places} places");
    let limit = trial.either(10, 2) * alone.max(Duration::from_millis(5));
    ensure!(crowded <= limit, "accept p99 {crowded:?} in the crowd, {alone:?} alone");
    for task in slow {
        task.abort();
    }
    drop(crowd);
    Ok(
        json!({ "idle": idle, "places": places, "files": files, "p99_alone_ms": alone.as_secs_f64() * 1e3, "p99_crowded_ms": crowded.as_secs_f64() * 1e3 }),
    )
}

async fn accept_p99(house: &House) -> anyhow::Result<Duration> {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let first = NEXT.fetch_add(1000, std::sync::atomic::Ordering::Relaxed);
    let paced = load::paced(house.gateway.address, Some(KEY), 100.0, (first, 200), to_members(MEMBERS)).await?;
    let took: Vec<Duration> = paced.requests.iter().map(|(_, asked, answered)| *answered - *asked).collect();
    Ok(quantile(&took, 0.99))
}
