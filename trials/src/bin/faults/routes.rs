//! Traffic that goes by routes: fallback, digests, mail, escalation and division; and F1 over it.
//!
//! An application's calls are protected by WeCom's duplicate check: nobody sees one twice. Mail has no such thing: what
//! comes twice is on record as redelivered.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::{Value, json};
use trials::load;
use trials::mail::MailServer;

use crate::Trial;
use crate::house::{Accepted, House, callers_of, redeliveries, to_member};
use crate::kills::kill_while;

/// Members whose messages are merged.
const MERGED: u64 = 10;
/// How long what was settled may take to be escalated.
const ESCALATED_WITHIN: Duration = Duration::from_secs(20);

/// Gives the house the routes that this traffic goes by.
pub(crate) fn configure(house: &House, mail: &MailServer) -> anyhow::Result<()> {
    let port = mail.port;
    house.configure(&format!(
        r#"
[mail.default]
url = "smtp://127.0.0.1:{port}?tls=none"
from = "trial@example.com"
per_minute = 100000

[routes.onward]
steps = [{{ channel = "app" }}, {{ channel = "email", to = ["group@example.com"] }}]

[routes.digest]
steps = [{{ channel = "app" }}]
digest = {{ window = "200ms" }}

[routes.duty]
steps = [{{ channel = "app" }}]
escalate = [{{ after = "200ms", step = {{ channel = "email", to = ["duty@example.com"] }} }}]
"#
    ))
}

/// A numbered message: every fifth plain, to somebody unknown, merged, by mail, escalated.
pub(crate) fn body(number: u64) -> Value {
    let text = load::text(number, 60);
    match number % 5 {
        0 => to_member(number),
        1 => json!({ "to": { "users": [format!("unknown{number}")] }, "text": text, "route": "onward" }),
        2 => json!({ "to": { "users": [format!("m{}", number / 50 % MERGED + 1)] }, "text": text, "route": "digest" }),
        3 => json!({ "to": { "emails": ["trial@example.com"] }, "text": text }),
        _ => json!({ "to": { "users": [format!("m{}", number % 300 + 20)] }, "text": text, "route": "duty" }),
    }
}

/// How often a message must come by the application and, at least, by mail.
const fn owed(number: u64) -> (usize, usize) {
    match number % 5 {
        0 | 2 => (1, 0),
        1 | 3 => (0, 1),
        _ => (1, 1),
    }
}

/// All delivered and escalated; once by the application; by mail again only where the record says so.
/// Returns how many were redelivered.
pub(crate) async fn all_came(
    house: &mut House,
    mail: &MailServer,
    accepted: &BTreeMap<u64, String>,
) -> anyhow::Result<usize> {
    let deadline = Instant::now() + ESCALATED_WITHIN;
    house.settled(accepted.values()).await?;
    let by_mail = loop {
        let seen = mail.seen()?;
        let missing = accepted.keys().find(|number| seen.get(number).copied().unwrap_or(0) < owed(**number).1);
        let Some(missing) = missing else { break seen };
        ensure!(Instant::now() < deadline, "message {missing} never came by mail");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    // What was escalated is settled once more.
    let messages = house.settled(accepted.values()).await?;
    let by_app = house.simulator.seen().await?;
    let mut redelivered = 0;
    for (number, message) in accepted.keys().zip(&messages) {
        ensure!(message["state"] == "delivered", "message {number} was not delivered: {message}");
        let (app, least) = owed(*number);
        let seen = by_app.get(number).copied().unwrap_or(0);
        ensure!(seen == app, "message {number} was seen {seen} times in the application: {message}");
        let on_record = redeliveries(message);
        let again = by_mail.get(number).copied().unwrap_or(0) - least;
        ensure!(again <= on_record, "message {number} came {again} times too often by mail: {message}");
        redelivered += on_record;
    }
    Ok(redelivered)
}

/// F1 over this traffic.
pub(crate) async fn kills(trial: &Trial) -> anyhow::Result<Value> {
    let (kills, messages) = trial.either((8, 400), (100, 5_000));
    let mail = MailServer::start(&trial.folder.join("mail"))?;
    let mut house = House::prepare(trial).await?;
    configure(&house, &mail)?;
    let delay = json!({ "path": "message/send", "trouble": { "kind": "delay", "ms": 20 } });
    house.simulator.fault(delay).await?;
    house.open().await?;
    let accepted = Accepted::default();
    let pause = Duration::from_millis(trial.either(60, 100));
    let sending = callers_of(body, &house.gateway, 0..messages, 16, pause, &accepted);
    let slowest = kill_while(&mut house, kills, sending).await?;
    let accepted = accepted.lock().clone();
    ensure!(accepted.len() as u64 == messages, "{} of {messages} were accepted", accepted.len());
    let redelivered = all_came(&mut house, &mail, &accepted).await?;
    Ok(json!({
        "kills": kills, "sends": messages, "lost": 0, "seen_twice": 0, "redelivered": redelivered,
        "slowest_restart_seconds": slowest.as_secs_f64(),
    }))
}

/// One message to two members, of whom one has had all that fits into a minute.
pub(crate) async fn to_be_divided(house: &House) -> anyhow::Result<()> {
    let full = json!({ "to": { "users": ["m399"] }, "text": "all that fits" });
    let id = house.accepted(full).await?;
    house.settled([&id]).await?;
    let both = json!({ "to": { "users": ["m399", "m400"] }, "text": load::text(DIVIDED, 60) });
    // It may die before it answers: what is divided is on disk by then.
    let _it_may_die = house.accepted(both).await;
    Ok(())
}

/// The number of the message that is divided.
const DIVIDED: u64 = 9_000;

/// Both have it, each once.
pub(crate) async fn both_have_it(house: &mut House) -> anyhow::Result<()> {
    let deadline = Instant::now() + ESCALATED_WITHIN;
    let mark = load::text(DIVIDED, 60);
    loop {
        let outbox = house.simulator.outbox(0).await?;
        let takers = outbox.iter().filter(|sent| sent["swallowed"] != true && sent["body"].to_string().contains(&mark));
        let mut members: Vec<&str> =
            takers.filter_map(|sent| sent["body"]["touser"].as_str()).flat_map(|users| users.split('|')).collect();
        members.sort_unstable();
        if members == ["m399", "m400"] {
            return Ok(());
        }
        ensure!(members.len() < 2, "it was seen by {members:?}");
        ensure!(Instant::now() < deadline, "it was seen by {members:?} only");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
