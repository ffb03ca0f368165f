//! What grows with what: content, robots.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use trials::load::{self, Requests};
use trials::machine;
use trials::program::{Gateway, KEY};
use trials::simulator::robot_key;
use trials::upstream::Upstream;

use crate::floor::CONNECTIONS;
use crate::hongyan::MEMBERS;
use crate::options::Options;
use crate::report::Round;

/// Messages of each measurement.
const MESSAGES: u64 = 10_000;
const ROBOTS: u64 = 1000;

pub(crate) async fn run(options: &Options, folder: &Path, round: &mut Round) -> anyhow::Result<()> {
    for (name, requests) in [
        ("cpu per 10k at 75 B", texts(75)),
        ("cpu per 10k at 2000 B", texts(2000)),
        ("cpu per 10k at 1 robot", robots(1)),
        ("cpu per 10k at 1000 robots", robots(ROBOTS)),
    ] {
        let folder = folder.join(name.replace(' ', "-"));
        std::fs::create_dir(&folder)?;
        round.set(name, cpu_per_10k(options, &folder, requests).await?);
    }
    Ok(())
}

async fn cpu_per_10k(options: &Options, folder: &Path, requests: Requests) -> anyhow::Result<f64> {
    let upstream = Upstream::start(Duration::ZERO).await?;
    let mut gateway = Gateway::new(&options.binary, folder, upstream.address)?;
    // Enough that the quota is not what is measured.
    gateway = gateway.set("HONGYAN__QUOTA__ROBOT_PER_MINUTE", "60000000");
    let mut config = String::new();
    for number in 1..=ROBOTS {
        let _infallible = writeln!(config, "[robots.r{number}]\nkey = \"{}\"", robot_key(number as usize));
    }
    std::fs::write(folder.join("hongyan.toml"), config)?;
    let process = gateway.start().await?;
    load::burst(gateway.address, Some(KEY), CONNECTIONS, (1_000_000, 1000), requests.clone()).await?;
    until_arrived(&upstream, 1000).await?;
    let cpu = machine::fine_cpu_seconds(process.id());
    load::burst(gateway.address, Some(KEY), CONNECTIONS, (1, MESSAGES), requests).await?;
    until_arrived(&upstream, 1000 + MESSAGES as usize).await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    Ok((machine::fine_cpu_seconds(process.id()) - cpu) * 10_000.0 / MESSAGES as f64)
}

async fn until_arrived(upstream: &Upstream, count: usize) -> anyhow::Result<()> {
    let started = Instant::now();
    while upstream.count() < count {
        ensure!(started.elapsed() < Duration::from_secs(120), "{} of {count} arrived", upstream.count());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

fn texts(bytes: usize) -> Requests {
    Arc::new(move |number| {
        let user = number % MEMBERS + 1;
        let text = load::text(number, bytes);
        ("/v1/messages".to_owned(), format!(r#"{{"to":{{"users":["m{user}"]}},"text":"{text}"}}"#))
    })
}

fn robots(count: u64) -> Requests {
    Arc::new(move |number| {
        let robot = number % count + 1;
        let text = load::text(number, 75);
        ("/v1/messages".to_owned(), format!(r#"{{"to":{{"robots":["r{robot}"]}},"text":"{text}"}}"#))
    })
}
