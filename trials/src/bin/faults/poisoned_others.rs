//! F24, of what is no delivery: schedules, broadcasts, what was heard, what is to be told on; and a template that is gone.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use hyper::Method;
use serde_json::{Value, json};
use trials::receiver::Receiver;

use crate::Trial;
use crate::callbacks::{configuration, say};
use crate::house::House;

/// How late a good one may be.
const LATE: Duration = Duration::from_secs(1);
/// What was heard, and is poisoned.
const HEARD: usize = 20;
/// Schedules that are poisoned, and how; one more has lost its template.
const SCHEDULES: &[(&str, &str)] = &[
    ("sealed", "UPDATE schedule SET sealed = x'00ff00ff' WHERE name = 'sealed'"),
    ("missed", "UPDATE schedule SET missed = 'nonsense' WHERE name = 'missed'"),
    ("allow", "UPDATE schedule SET allow = 'nonsense' WHERE name = 'allow'"),
    ("cron", "UPDATE schedule SET cron = 'nonsense' WHERE name = 'cron'"),
    ("zone", "UPDATE schedule SET zone = 'Nowhere' WHERE name = 'zone'"),
];
/// Broadcasts that are poisoned, and how.
const BROADCASTS: &[(&str, &str)] = &[
    ("sealed", "UPDATE broadcast SET sealed = x'00ff00ff' WHERE name = 'sealed'"),
    ("tiers", "UPDATE broadcast SET tiers = 'nonsense' WHERE name = 'tiers'"),
    ("allow", "UPDATE broadcast SET allow = 'nonsense' WHERE name = 'allow'"),
    (
        "rows",
        "UPDATE broadcast_row SET sealed = x'00ff00ff' WHERE sealed IS NOT NULL
         AND substr(id, 1, 12) = (SELECT substr(id, 1, 12) FROM broadcast WHERE name = 'rows')",
    ),
];

pub(crate) async fn run(trial: &Trial, folder: &Path) -> anyhow::Result<Value> {
    let receiver = Receiver::start().await?;
    let mut house = House::prepare_in(trial, folder).await?;
    house.configure(&configuration(&receiver))?;
    house.open().await?;
    let broadcasts = prepare(&house, &receiver).await?;
    house.stop()?;
    poison(&house)?;
    let begun = Instant::now();
    house.open().await?;
    let schedule = good_schedule(&house, begun).await?;
    let heard = good_callback(&house, &receiver).await?;
    let broadcast = good_broadcast(&house, &broadcasts).await?;
    let told = all_told(&house, &broadcasts).await?;
    ensure!(house.process.as_mut().context("a gateway")?.ended()?.is_none(), "the gateway has ended");
    let log = std::fs::read_to_string(house.gateway.log())?;
    ensure!(!log.contains("panicked"), "it panicked");
    let unreadable = log.matches("What was heard cannot be read").count();
    ensure!(unreadable == HEARD, "{unreadable} of {HEARD} of what was heard are told as unreadable");
    Ok(json!({
        "poisoned": told + unreadable,
        "good_schedule_late_seconds": schedule.as_secs_f64(), "good_callback_seconds": heard.as_secs_f64(),
        "good_broadcast_seconds": broadcast.as_secs_f64(),
    }))
}

async fn ask(house: &House, method: Method, path: &str, body: Value) -> anyhow::Result<Value> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = house.gateway.connection().request(method, path, body).await?;
    ensure!(answer.status.is_success(), "{path}: {} {:?}", answer.status, answer.body);
    Ok(answer.json())
}

/// Schedules that run every second from now on, broadcasts whose second group waits, and what was heard.
async fn prepare(house: &House, receiver: &Receiver) -> anyhow::Result<Vec<(String, String)>> {
    let template = json!({ "makes": "text", "source": "hello" });
    ask(house, Method::PUT, "/v1/templates/gone", template).await?;
    let text = |name: &str| json!({ "to": { "users": ["m1"] }, "text": name, "tags": [name] });
    let gone = json!({ "to": { "users": ["m1"] }, "template": "gone" });
    let names = SCHEDULES.iter().map(|(name, _)| *name);
    for name in names.chain(["good", "template"]) {
        let message = if name == "template" { gone.clone() } else { text(name) };
        let schedule = json!({ "cron": "* * * * * *", "message": message });
        ask(house, Method::PUT, &format!("/v1/schedules/{name}"), schedule).await?;
    }
    let mut broadcasts = Vec::new();
    for name in BROADCASTS.iter().map(|(name, _)| *name).chain(["good"]) {
        let people: Vec<Value> = (1..=10).map(|n| json!({ "to": format!("m{n}"), "variables": {} })).collect();
        let body = json!({
            "name": name, "message": { "text": name }, "group_size": 5, "pace": "1h", "tiers": [{ "people": people }],
        });
        let begun = ask(house, Method::POST, "/v1/broadcasts", body).await?;
        broadcasts.push((name.to_owned(), begun["id"].as_str().context("an id")?.to_owned()));
    }
    for number in 0..HEARD {
        say(house, &number.to_string(), "poison").await?;
    }
    wait("what was said", || async { Ok((receiver.taken().len() >= HEARD).then_some(())) }).await?;
    for (_, id) in &broadcasts {
        let path = format!("/v1/broadcasts/{id}");
        wait("a first group", || async {
            let shown = ask(house, Method::GET, &path, Value::Null).await?;
            Ok((shown["groups_done"] == 1).then_some(()))
        })
        .await
        .with_context(|| path.clone())?;
    }
    Ok(broadcasts)
}

fn poison(house: &House) -> anyhow::Result<()> {
    let ledger = rusqlite::Connection::open(house.gateway.ledger())?;
    for (name, poison) in SCHEDULES.iter().chain(BROADCASTS) {
        let changed = ledger.execute(poison, []).with_context(|| (*name).to_owned())?;
        ensure!(changed > 0, "{name} is not poisoned");
    }
    ledger.execute_batch(
        "UPDATE heard SET handled = 0, body = CASE WHEN id % 2 THEN 'nonsense' ELSE '' END;
         UPDATE broadcast SET due_at = CASE WHEN name = 'good' THEN 2 ELSE 1 END WHERE ended_at IS NULL;
         DELETE FROM template WHERE name = 'gone';",
    )?;
    Ok(())
}

/// How late the good schedule's run is, among others every second.
async fn good_schedule(house: &House, begun: Instant) -> anyhow::Result<Duration> {
    let path = "/v1/messages?tag=good&limit=200";
    let count = |page: Value| page["messages"].as_array().map_or(0, Vec::len);
    let before = count(ask(house, Method::GET, path, Value::Null).await?);
    let started = Instant::now();
    wait("a run of the good schedule", || async {
        Ok((count(ask(house, Method::GET, path, Value::Null).await?) > before + 1).then_some(()))
    })
    .await?;
    // Two runs are due within two seconds.
    let late = started.elapsed().saturating_sub(Duration::from_secs(2));
    ensure!(late <= LATE, "the good schedule is {late:?} late, {:?} after the start", begun.elapsed());
    Ok(late)
}

async fn good_callback(house: &House, receiver: &Receiver) -> anyhow::Result<Duration> {
    let said = Instant::now();
    say(house, "good", "good").await?;
    wait("what was said", || async {
        Ok(receiver.taken().iter().any(|event| event["what"]["text"] == "good").then_some(()))
    })
    .await?;
    // A business system is looked after every half a second.
    ensure!(said.elapsed() <= LATE + Duration::from_millis(500), "a good callback took {:?}", said.elapsed());
    Ok(said.elapsed())
}

async fn good_broadcast(house: &House, broadcasts: &[(String, String)]) -> anyhow::Result<Duration> {
    let (_, id) = broadcasts.last().context("a good one")?;
    let waited = Instant::now();
    ended(house, id).await?;
    ensure!(waited.elapsed() <= LATE, "the good broadcast took {:?}", waited.elapsed());
    let rows = ask(house, Method::GET, &format!("/v1/broadcasts/{id}/rows"), Value::Null).await?;
    let rows = rows.as_array().cloned().unwrap_or_default();
    ensure!(rows.len() == 10 && rows.iter().all(|row| row["message"].is_string()), "{rows:?}");
    Ok(waited.elapsed())
}

async fn ended(house: &House, id: &str) -> anyhow::Result<Value> {
    wait("the end of a broadcast", || async {
        let shown = ask(house, Method::GET, &format!("/v1/broadcasts/{id}"), Value::Null).await?;
        Ok((shown["state"] == "done").then_some(shown))
    })
    .await
}

/// Every poisoned one says why; returns how many there are.
async fn all_told(house: &House, broadcasts: &[(String, String)]) -> anyhow::Result<usize> {
    for name in SCHEDULES.iter().map(|(name, _)| *name).chain(["template"]) {
        wait("a reason", || async {
            let shown = ask(house, Method::GET, &format!("/v1/schedules/{name}"), Value::Null).await?;
            Ok(shown["last_error"].is_string().then_some(()))
        })
        .await
        .with_context(|| format!("the schedule `{name}`"))?;
    }
    let mut told = SCHEDULES.len() + 1;
    for (name, id) in broadcasts.iter().filter(|(name, _)| name != "good") {
        ended(house, id).await.with_context(|| format!("the broadcast `{name}`"))?;
        let rows = ask(house, Method::GET, &format!("/v1/broadcasts/{id}/rows"), Value::Null).await?;
        let rows = rows.as_array().cloned().unwrap_or_default();
        let refused = rows.iter().filter(|row| row["error"].is_string()).count();
        ensure!(refused == 5, "{refused} of 5 rows of `{name}` say why: {rows:?}");
        told += refused;
    }
    Ok(told)
}

/// Asks until there is an answer.
async fn wait<T, F: Future<Output = anyhow::Result<Option<T>>>>(
    what: &str,
    mut ask: impl FnMut() -> F,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = ask().await? {
            return Ok(found);
        }
        ensure!(Instant::now() < deadline, "there is no sign of {what}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}
