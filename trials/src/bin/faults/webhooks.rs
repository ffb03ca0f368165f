//! F40: a business system that fails for an hour, is slow, or sends the gateway elsewhere: it hears all in the end, in order,
//! and no sending notices.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::{Value, json};
use trials::load::{self, quantile};
use trials::program::{Gateway, KEY};
use trials::receiver::{Manner, Receiver};
use trials::upstream::Upstream;

use crate::Trial;
use crate::house::{House, MEMBERS};

const MINUTE: i64 = 60_000;
/// Messages of the hour.
const MESSAGES: u64 = 40;

pub(crate) async fn run(trial: &Trial) -> anyhow::Result<Value> {
    let [hour, isolation] = ["hour", "isolation"].map(|name| trial.folder.join(name));
    std::fs::create_dir(&hour)?;
    std::fs::create_dir(&isolation)?;
    let told = an_hour(trial, &hour).await?;
    let isolated = isolated(trial, &isolation).await?;
    Ok(json!({ "hour": told, "isolation": isolated }))
}

fn configuration(receiver: &Receiver) -> String {
    format!(
        "[webhooks.erp]\nurl = \"http://{}/events\"\nsecret = \"whsec-canary-trial-0123456789\"\ntimeout = \"1s\"\n",
        receiver.address
    )
}

/// 500 for an hour of the gateway's clock, which each start finds moved on; then redirects; then slow; then as it should be.
async fn an_hour(trial: &Trial, folder: &std::path::Path) -> anyhow::Result<Value> {
    let (receiver, elsewhere) = (Receiver::start().await?, Receiver::start().await?);
    let mut house = House::prepare_in(trial, folder).await?;
    house.configure(&configuration(&receiver))?;
    receiver.behave(Manner::status(500));
    house.move_clock(0)?;
    house.open().await?;
    let mut ids = Vec::new();
    for number in 0..MESSAGES {
        let to = format!("m{}", number % MEMBERS + 1);
        let body = json!({ "to": { "users": [to] }, "text": load::text(number, 60), "webhook": "erp" });
        ids.push(house.accepted(body).await?);
    }
    house.settled(&ids).await?;
    let redirect = |location: String| Manner { location, ..Manner::status(302) };
    let away = format!("http://{}/elsewhere", elsewhere.address);
    let mut tries = vec![tried(&receiver, 0).await?];
    for (minutes, manner) in [
        (20, Manner::status(500)),
        (60, Manner::status(500)),
        (70, redirect("http://169.254.169.254/latest/meta-data/".to_owned())),
        (80, redirect(away)),
        (90, Manner { delay: Duration::from_secs(3), ..Manner::status(500) }),
    ] {
        receiver.behave(manner);
        house.stop()?;
        house.move_clock(minutes * MINUTE)?;
        let before = receiver.tries();
        house.open().await?;
        tries.push(tried(&receiver, before).await?);
    }
    ensure!(receiver.taken().is_empty() && elsewhere.tries() == 0, "{} were sent elsewhere", elsewhere.tries());
    receiver.behave(Manner { delay: Duration::from_millis(100), ..Manner::status(200) });
    house.stop()?;
    house.move_clock(100 * MINUTE)?;
    house.open().await?;
    let deadline = Instant::now() + Duration::from_secs(60);
    let of_message = loop {
        let told = by_message(&receiver.taken());
        if ids.iter().all(|id| told.get(id).is_some_and(|states| states.iter().any(|(_, state)| state == "delivered")))
        {
            break told;
        }
        ensure!(Instant::now() < deadline, "{} of {MESSAGES} messages were told of", told.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    for (id, states) in &of_message {
        let numbers: Vec<i64> = states.iter().map(|(number, _)| *number).collect();
        ensure!(numbers.is_sorted(), "events of {id} came as {states:?}");
        ensure!(states.last().is_some_and(|(_, state)| state == "delivered"), "the last of {id} is {states:?}");
    }
    ensure!(elsewhere.tries() == 0, "a redirect was followed");
    house.stop()?;
    Ok(json!({
        "messages": MESSAGES, "events": receiver.taken().len(), "tries_in_vain": receiver.tries() - receiver.taken().len() as u64,
        "tries_by_phase": tries, "redirects_followed": elsewhere.tries(),
    }))
}

/// Waits until some events were tried since; returns how many.
async fn tried(receiver: &Receiver, before: u64) -> anyhow::Result<u64> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while receiver.tries() <= before {
        ensure!(Instant::now() < deadline, "nothing is tried");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    Ok(receiver.tries() - before)
}

/// The events of each message, in the order in which they were first taken: their numbers and states.
fn by_message(taken: &[Value]) -> BTreeMap<String, Vec<(i64, String)>> {
    let mut told: BTreeMap<String, Vec<(i64, String)>> = BTreeMap::new();
    for event in taken {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let number = text(&event["id"]).trim_start_matches("evt_").parse().unwrap_or(0);
        let states = told.entry(text(&event["message"]["id"])).or_default();
        // One may be posted again if its answer was late.
        if !states.iter().any(|(known, _)| *known == number) {
            states.push((number, text(&event["message"]["state"])));
        }
    }
    told
}

/// How long messages take to WeCom while nobody hears of them, and while a receiver that hangs should.
async fn isolated(trial: &Trial, folder: &std::path::Path) -> anyhow::Result<Value> {
    let (receiver, upstream) = (Receiver::start().await?, Upstream::start(Duration::ZERO).await?);
    let gateway = Gateway::new(&trial.binary, folder, upstream.address)?;
    std::fs::write(folder.join("hongyan.toml"), configuration(&receiver))?;
    let _running = gateway.start().await?;
    receiver.behave(Manner { delay: Duration::from_secs(30), ..Manner::status(500) });
    let rounds = trial.either(2, 9);
    let count = trial.either(100, 1000);
    let mut first = 1_u64;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    // One round of each in turn: whatever else the machine does meets both.
    for round in 0..=rounds {
        for (webhook, measured) in [("", &mut without), (r#","webhook":"erp""#, &mut with)] {
            let p99 = send_p99(&gateway, &upstream, (first, count), webhook).await?;
            first += count;
            // The first fills caches and pools.
            if round > 0 {
                measured.push(p99);
            }
        }
    }
    let (without, with) = (quantile(&without, 0.5), quantile(&with, 0.5));
    // On two cores with other work a percent means nothing: what a short run shows is that nobody waits for the receiver.
    let limit = if trial.short { without * 3 + Duration::from_millis(50) } else { without.mul_f64(1.1) };
    ensure!(with <= limit, "send p99 {with:?} beside a receiver that hangs, {without:?} without");
    ensure!(receiver.tries() > 0, "the receiver was never asked");
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    Ok(json!({
        "send_p99_without_ms": ms(without), "send_p99_with_ms": ms(with), "limit_ms": ms(limit),
        "change_percent": (with.as_secs_f64() / without.as_secs_f64() - 1.0) * 100.0,
    }))
}

async fn send_p99(
    gateway: &Gateway,
    upstream: &Upstream,
    (first, count): (u64, u64),
    webhook: &'static str,
) -> anyhow::Result<Duration> {
    let requests: load::Requests = std::sync::Arc::new(move |number| {
        let (to, text) = (number % 4000 + 1, load::text(number, 75));
        ("/v1/messages".to_owned(), format!(r#"{{"to":{{"users":["m{to}"]}},"text":"{text}"{webhook}}}"#))
    });
    let paced = load::paced(gateway.address, Some(KEY), 100.0, (first, count), requests).await?;
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let arrivals = upstream.arrivals();
        let took: Vec<Duration> = paced
            .requests
            .iter()
            .filter_map(|(number, asked, _)| Some(arrivals.get(number)?.saturating_duration_since(*asked)))
            .collect();
        if took.len() == paced.requests.len() {
            return Ok(quantile(&took, 0.99));
        }
        ensure!(Instant::now() < deadline, "{} of {count} arrived", took.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
