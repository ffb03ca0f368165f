//! The SDK by itself: as many tasks as the floor has connections, the same message, the same upstream.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use trials::{load, machine};
use wecom::api::message::SendMessage;
use wecom::{AgentId, Client, Transport};

use crate::floor::{CONNECTIONS, UpstreamProcess};
use crate::options::Options;
use crate::report::Round;

pub(crate) async fn run(options: &Options, round: &mut Round) -> anyhow::Result<()> {
    let upstream = UpstreamProcess::start(Duration::ZERO)?;
    let transport = Transport::builder().origin(format!("http://{}", upstream.address)).build()?;
    let client = Client::builder(transport, "wwdemo0000000001", "demo-secret").agent(AgentId(1_000_002)).build();
    // Its token is fetched before.
    client.send(SendMessage::to_users(["m1"]).text("first")).await?;
    let next = Arc::new(AtomicU64::new(1));
    let (cpu, began) = (machine::cpu_seconds(std::process::id()), Instant::now());
    let tasks = (0..CONNECTIONS).map(|_| tokio::spawn(sends(client.clone(), next.clone(), options.messages)));
    let mut sent = 0;
    for task in tasks.collect::<Vec<_>>() {
        sent += task.await??;
    }
    let took = began.elapsed();
    let cpu = machine::cpu_seconds(std::process::id()) - cpu;
    ensure!(sent == options.messages, "{sent} of {} were sent", options.messages);
    round.set("sdk /s", sent as f64 / took.as_secs_f64());
    round.set("sdk cpu per 10k", cpu * 10_000.0 / sent as f64);
    Ok(())
}

async fn sends(client: Client, next: Arc<AtomicU64>, messages: u64) -> anyhow::Result<u64> {
    let mut sent = 0;
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number > messages {
            return Ok(sent);
        }
        let answer = client.send(SendMessage::to_users(["m1"]).text(load::text(number, 75))).await?;
        ensure!(answer.msgid.is_some(), "no msgid");
        sent += 1;
    }
}
