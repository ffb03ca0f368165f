//! F24: rows that nobody can read, a thousand in a row before good ones.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use hyper::Method;
use serde_json::{Value, json};

use crate::house::{House, to_member};
use crate::{Trial, poisoned_others};

/// What is done to a row, and to which part of them.
const POISONS: &[&str] = &[
    "UPDATE message SET content = '9 hologram {}' WHERE id IN (SELECT id FROM message ORDER BY id LIMIT 250)",
    "UPDATE message SET content = 'nonsense' WHERE id IN (SELECT id FROM message ORDER BY id LIMIT 250 OFFSET 250)",
    "UPDATE delivery SET recipients = 'nobody at all' WHERE id IN (SELECT id FROM delivery ORDER BY id LIMIT 250 OFFSET 500)",
    "UPDATE delivery SET lane = 'wecom_app:gone' WHERE id IN (SELECT id FROM delivery ORDER BY id LIMIT 250 OFFSET 750)",
];
const POISONED: u64 = 1000;

pub(crate) async fn run(trial: &Trial) -> anyhow::Result<Value> {
    let [deliveries, others] = ["deliveries", "others"].map(|name| trial.folder.join(name));
    std::fs::create_dir(&deliveries)?;
    std::fs::create_dir(&others)?;
    let mut figures = poisoned_deliveries(trial, &deliveries).await?;
    figures["others"] = poisoned_others::run(trial, &others).await?;
    Ok(figures)
}

async fn poisoned_deliveries(trial: &Trial, folder: &Path) -> anyhow::Result<Value> {
    let mut house = House::prepare_in(trial, folder).await?;
    // All of it waits, and can be poisoned.
    house
        .simulator
        .fault(json!({ "path": "message/send", "trouble": { "kind": "errcode", "errcode": 45009 } }))
        .await?;
    house.open().await?;
    let lines: Vec<String> = (0..POISONED).map(|number| to_member(number).to_string()).collect();
    let answer = house.gateway.connection().request(Method::POST, "/v1/messages/batch", lines.join("\n")).await?;
    ensure!(answer.status == 200, "{}", answer.status);
    house.stop()?;
    let ledger = rusqlite::Connection::open(house.gateway.ledger())?;
    for poison in POISONS {
        ledger.execute_batch(poison)?;
    }
    drop(ledger);
    house.simulator.clear_faults().await?;
    house.open().await?;
    let mut slowest = Duration::ZERO;
    for number in POISONED..POISONED + 20 {
        let asked = Instant::now();
        let id = house.accepted(to_member(number)).await?;
        let message = house.settled([&id]).await?.remove(0);
        ensure!(message["state"] == "delivered", "{message}");
        slowest = slowest.max(asked.elapsed());
    }
    ensure!(slowest <= Duration::from_secs(1), "a good message was delayed by {slowest:?}");
    let dead = wait_for_dead(&house).await?;
    Ok(json!({ "poisoned": POISONED, "dead_letters_with_reason": dead, "slowest_good_seconds": slowest.as_secs_f64() }))
}

/// Counts the dead letters; each says why.
async fn wait_for_dead(house: &House) -> anyhow::Result<u64> {
    let asked = Instant::now();
    loop {
        let (mut dead, mut cursor) = (0, String::new());
        loop {
            let path = format!("/v1/messages?state=failed&limit=500{cursor}");
            let page = house.gateway.connection().request(Method::GET, &path, "").await?;
            ensure!(page.status == 200, "{}: {:?}", page.status, page.body);
            let page = page.json();
            for message in page["messages"].as_array().into_iter().flatten() {
                let id = message["id"].as_str().unwrap_or_default();
                let message = house.message(id).await?;
                let reason = [&message["recipients"][0]["reason"]["code"], &message["deliveries"][0]["reason"]["code"]];
                ensure!(reason.iter().any(|code| code.is_string()), "no reason: {message}");
                dead += 1;
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        if dead >= POISONED {
            return Ok(dead);
        }
        ensure!(asked.elapsed() < Duration::from_secs(20), "{dead} of {POISONED} are dead letters");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}
