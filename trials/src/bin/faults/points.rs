//! F3: death at every named point, many times. Each point is reached by traffic that passes it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use hyper::Method;
use serde_json::{Value, json};

use crate::Trial;
use trials::mail::MailServer;

use crate::house::{Accepted, House, callers, callers_of, to_member};
use crate::routes;

/// A schedule, and the number of the message that it makes.
const SCHEDULE: &str = "/v1/schedules/once";
const SCHEDULED: u64 = 902;
/// The number of the message that a broadcast makes.
const BROADCAST: u64 = 903;

/// The points of `hongyan-pipeline`'s list, read from the binary so that none is forgotten.
fn points(binary: &Path) -> anyhow::Result<Vec<String>> {
    let output = std::process::Command::new(binary).arg("crash-points").output()?;
    let listed = String::from_utf8(output.stdout)?;
    let points: Vec<String> = listed.lines().map(str::to_owned).collect();
    ensure!(points.len() >= 15, "the binary lists no crash points; it must be built with the feature trials");
    Ok(points)
}

pub(crate) async fn run(trial: &Trial) -> anyhow::Result<Value> {
    let times = trial.either(1, 20);
    let points = points(&trial.binary)?;
    let mail = MailServer::start(&trial.folder.join("mail"))?;
    let mut redelivered = 0;
    for point in &points {
        for pass in 0..times {
            let folder = trial.folder.join(format!("{point}-{pass}"));
            std::fs::create_dir(&folder)?;
            redelivered += die_at(trial, &folder, point, &mail).await.with_context(|| point.clone())?;
            // Two hundred ledgers are not kept.
            crate::secrets::none_in(&folder)?;
            std::fs::remove_dir_all(&folder)?;
            mail.forget()?;
        }
    }
    Ok(
        json!({ "points": points.len(), "times": times, "lost": 0, "seen_twice": 0, "stuck": 0, "redelivered": redelivered }),
    )
}

/// Lets the gateway die at a point, starts it again, and looks whether all is well.
async fn die_at(trial: &Trial, folder: &Path, point: &str, mail: &MailServer) -> anyhow::Result<usize> {
    let mut house = House::prepare_in(trial, folder).await?;
    let by_routes = passed_by_routes(point);
    if by_routes {
        routes::configure(&house, mail)?;
    }
    let accepted = Accepted::default();
    if point == "divide-before-commit" {
        house.set("HONGYAN__QUOTA__MEMBER_PER_MINUTE", "1");
    }
    let seen_before = passed_by_an_earlier_run(point);
    if seen_before {
        // What this point works on is made by a run without it.
        house.open().await?;
        callers(&house.gateway, 0..10, 2, Duration::ZERO, &accepted).await??;
        let settling = accepted.lock().clone();
        house.settled(settling.values()).await?;
        house.stop()?;
        house.move_clock(30 * 3_600_000)?;
        house.set("HONGYAN__RETENTION__MESSAGES", "1h");
    }
    // The first pass is as good as another; for those passed often, one of the first few.
    let often = ["commit", "accept", "claim", "call", "settle"].iter().any(|often| point.starts_with(often));
    let pass = if often { rand::random_range(1..=8) } else { 1 };
    house.set("HONGYAN_CRASH", &format!("{point}:{pass}"));
    let started = house.open().await;
    let kept = if seen_before { std::mem::take(&mut *accepted.lock()) } else { BTreeMap::new() };
    let body = if by_routes { routes::body } else { to_member };
    let sending = callers_of(body, &house.gateway, 100..130, 4, Duration::from_millis(5), &accepted);
    match started {
        Ok(_) => {
            provoke(&mut house, point).await?;
            wait_for_death(&mut house, point).await?;
        }
        // Some points are passed while it starts.
        Err(error) => ensure!(format!("{error:#}").contains("SIGABRT"), "{error:#}"),
    }
    house.process = None;
    house.set("HONGYAN_CRASH", "");
    house.simulator.clear_faults().await?;
    let divided = point == "divide-before-commit";
    if divided {
        // The minute in which one of them had all that fits is over.
        house.move_clock(61_000)?;
    }
    house.open().await?;
    sending.await??;
    drop(kept);
    let accepted = accepted.lock().clone();
    let redelivered = if by_routes {
        routes::all_came(&mut house, mail, &accepted).await?
    } else {
        house.all_seen_once(&accepted).await?
    };
    if divided {
        routes::both_have_it(&mut house).await?;
    }
    if point == "schedule-before-advance" {
        ran_once(&mut house).await?;
    }
    if point == "broadcast-before-advance" {
        was_told_once(&mut house).await?;
    }
    house.stop()?;
    Ok(redelivered)
}

/// The run that was made before the death, and was not noted, has made one message.
async fn ran_once(house: &mut House) -> anyhow::Result<()> {
    let asked = Instant::now();
    let id = loop {
        let mut http = house.gateway.connection();
        let schedule = http.request(Method::GET, SCHEDULE, "").await?.json();
        if let Some(id) = schedule["last_message"].as_str() {
            break id.to_owned();
        }
        ensure!(asked.elapsed() < Duration::from_secs(20), "the run was never noted: {schedule}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    house.settled([&id]).await?;
    let (seen, swallowed) = (house.simulator.seen().await?, house.simulator.swallowed().await?);
    let (seen, swallowed) = (seen.get(&SCHEDULED).copied(), swallowed.get(&SCHEDULED).copied());
    ensure!(seen == Some(1) && swallowed.is_none(), "seen {seen:?}, swallowed {swallowed:?}");
    Ok(())
}

/// The group that was handed in before the death, and was not noted, has made one message.
async fn was_told_once(house: &mut House) -> anyhow::Result<()> {
    let asked = Instant::now();
    let id = loop {
        let mut http = house.gateway.connection();
        let broadcasts = http.request(Method::GET, "/v1/broadcasts", "").await?.json();
        let broadcast = &broadcasts[0];
        if broadcast["state"] == "done" {
            let path = format!("/v1/broadcasts/{}/rows", broadcast["id"].as_str().unwrap_or_default());
            let rows = http.request(Method::GET, &path, "").await?.json();
            break rows[0]["message"].as_str().context("a message of the row")?.to_owned();
        }
        ensure!(asked.elapsed() < Duration::from_secs(20), "the group was never noted: {broadcasts}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    house.settled([&id]).await?;
    let (seen, swallowed) = (house.simulator.seen().await?, house.simulator.swallowed().await?);
    let (seen, swallowed) = (seen.get(&BROADCAST).copied(), swallowed.get(&BROADCAST).copied());
    ensure!(seen == Some(1) && swallowed.is_none(), "seen {seen:?}, swallowed {swallowed:?}");
    Ok(())
}

/// Points that only old things pass: what they forget must be there already.
fn passed_by_an_earlier_run(point: &str) -> bool {
    point.starts_with("forget")
}

/// Points that only routes lead to.
fn passed_by_routes(point: &str) -> bool {
    ["hand-over", "digest", "escalation"].iter().any(|name| point.starts_with(name))
}

/// Makes happen what passes the point, where plain traffic does not.
async fn provoke(house: &mut House, point: &str) -> anyhow::Result<()> {
    match point {
        "retry-after-settle" => {
            let busy = json!({ "path": "message/send", "one_in": 3, "trouble": { "kind": "errcode", "errcode": -1 } });
            house.simulator.fault(busy).await
        }
        "claim-after-commit" => {
            // Only what had to wait is claimed.
            let late = json!({ "path": "message/send", "trouble": { "kind": "delay", "ms": 50 } });
            house.simulator.fault(late).await?;
            let mut http = house.gateway.connection();
            let lines: Vec<String> = (900..1200).map(|number| to_member(number).to_string()).collect();
            let _it_may_die = http.request(Method::POST, "/v1/messages/batch", lines.join("\n")).await;
            Ok(())
        }
        "recall-wanted" | "recall-after-call" => {
            let mut http = house.gateway.connection();
            let answer = http.request(Method::POST, "/v1/messages", to_member(901).to_string()).await?;
            let id = answer.json()["id"].as_str().unwrap_or_default().to_owned();
            house.settled([&id]).await?;
            let _it_dies = http.request(Method::POST, &format!("/v1/messages/{id}/recall"), "").await;
            Ok(())
        }
        "divide-before-commit" => routes::to_be_divided(house).await,
        "schedule-before-advance" => {
            let mut http = house.gateway.connection();
            let every_second = json!({ "cron": "* * * * * *" }).to_string();
            let answer = http.request(Method::POST, "/v1/schedules/preview", every_second).await?;
            let soon = answer.json()["next"][1].clone();
            let body = json!({ "at": soon, "message": to_member(SCHEDULED) }).to_string();
            let answer = http.request(Method::PUT, SCHEDULE, body).await?;
            ensure!(answer.status == 200, "{}: {:?}", answer.status, answer.body);
            Ok(())
        }
        "broadcast-before-advance" => {
            let mut http = house.gateway.connection();
            let mut message = to_member(BROADCAST);
            let to = message["to"]["users"].clone();
            message.as_object_mut().context("a submission")?.remove("to");
            let body = json!({ "message": message, "tiers": [{ "people": [{ "to": to }] }] }).to_string();
            let _it_may_die = http.request(Method::POST, "/v1/broadcasts", body).await;
            Ok(())
        }
        "release-before" => house.process.as_ref().context("a running gateway")?.signal("TERM"),
        _ => Ok(()),
    }
}

async fn wait_for_death(house: &mut House, point: &str) -> anyhow::Result<()> {
    let asked = Instant::now();
    let process = house.process.as_mut().context("a running gateway")?;
    loop {
        if let Some(status) = process.ended()? {
            ensure!(!status.success(), "it ended in order and never passed {point}");
            return Ok(());
        }
        ensure!(asked.elapsed() < Duration::from_secs(20), "it never passed {point}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
