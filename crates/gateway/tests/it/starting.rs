//! Starting and stopping, again and again; more callers than can be stored; a backup by hand.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::kit::{TestHouse, text_to};

/// F45: ten at once, fifty times each, over a ledger in memory and traffic; nothing hangs, nothing leaks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn houses_start_and_stop_five_hundred_times() {
    let started = Instant::now();
    let files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = files();
    let tasks: Vec<_> = (0..10)
        .map(|task| {
            tokio::spawn(async move {
                for round in 0..50 {
                    let house = TestHouse::in_memory().await;
                    let answer = house.caller.submit(text_to(&["zhangsan"], &format!("{task} {round}"))).await;
                    assert_eq!(answer.status, 202, "{}", answer.text);
                    house.stop().await;
                }
            })
        })
        .collect();
    for task in tasks {
        tokio::time::timeout(Duration::from_secs(60), task).await.expect("a house hangs").unwrap();
    }
    // Connections of clients that are being closed may linger for a moment.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(files() < before + 50, "{} files are open, {before} were", files());
    assert!(started.elapsed() < Duration::from_secs(60), "took {:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_can_wait_hear_when_to_come_again() {
    let house = TestHouse::start_with(|config| config.http.waiting = 1).await;
    let submits = (0..200).map(|number| house.caller.submit(text_to(&["zhangsan"], &number.to_string())));
    let answers = futures::future::join_all(submits).await;
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 503).collect();
    let accepted: Vec<_> = answers.iter().filter(|answer| answer.status == 202).collect();
    assert!(!refused.is_empty() && !accepted.is_empty() && refused.len() + accepted.len() == 200);
    assert!(refused.iter().all(|answer| answer.error().1 == "overloaded" && answer.headers["retry-after"] == "1"));
    // What was refused is not there, what was accepted is.
    let listed = house.caller.get("/v1/messages?limit=500").await.json();
    assert_eq!(listed["messages"].as_array().unwrap().len(), accepted.len());
    house.stop().await;
}

#[tokio::test]
async fn what_was_sent_long_ago_is_forgotten_and_what_is_open_is_kept() {
    let house = TestHouse::start_with(|config| {
        config.retention.messages = hongyan::config::Span(Duration::from_secs(1));
    })
    .await;
    let sent = house.caller.delivered(json!({ "to": { "users": ["lisi"] }, "text": "old", "tags": ["t"] })).await;
    let mut later = text_to(&["lisi"], "open");
    later["send_at"] = "2099-01-01T00:00:00Z".into();
    let open = house.caller.accepted(later).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    let id = sent["id"].as_str().unwrap();
    while house.caller.get(&format!("/v1/messages/{id}")).await.status != 404 {
        assert!(Instant::now() < deadline, "it is still there");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(house.caller.message(&open).await["state"], "accepted");
    assert_eq!(house.caller.get("/v1/messages?tag=t").await.json()["messages"].as_array().unwrap().len(), 0);
    house.stop().await;
}
