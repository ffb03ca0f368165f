//! Quotas of calls that are no messages: uploads, recalls, what makes group chats. Held to, used, and over a restart.

use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;
use hongyan::config::ChatSection;
use pipeline::ports::HandClock;
use serde_json::{Value, json};
use wecom_sim::Fault;

use crate::kit::TestHouse;

fn clock() -> HandClock {
    HandClock::new(Timestamp::from_millis(1_790_000_000_000))
}

fn calls(house: &TestHouse, path: &str) -> usize {
    house.simulator.control.requests().iter().filter(|request| request.path.ends_with(path)).count()
}

fn used(lane: &Value, counts: &str, window: &str) -> Value {
    let quotas = lane["quotas"].as_array().cloned().unwrap_or_default();
    let found = quotas.into_iter().find(|quota| quota["counts"] == counts && quota["window"] == window);
    found.map_or(Value::Null, |quota| quota["used"].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_keep_to_their_window_also_over_a_restart_and_use_it() {
    let clock = clock();
    let house = TestHouse::start_at(Arc::new(clock.clone()), |config| config.quota.api_per_minute = 6).await;
    let mut ids = Vec::new();
    for i in 0..20 {
        let file = house.caller.upload(&format!("{i}.txt"), format!("content {i}").as_bytes()).await;
        ids.push(house.caller.accepted(json!({ "to": { "users": ["zhangsan"] }, "file": { "media_id": file } })).await);
    }
    let lane = house.quota_of("wecom_app", |lane| used(lane, "uploads", "60s") == 6 && lane["waiting"] == 14).await;
    assert_eq!(used(&lane, "uploads", "1h"), 6, "{lane:#}");
    // Who has no file to upload is not kept waiting.
    let text = house.caller.delivered(json!({ "to": { "users": ["lisi"] }, "text": "now" })).await;
    assert_eq!(text["state"], "delivered", "{text:#}");
    let house = house.restart(Arc::new(clock.clone())).await;
    let mut uploads: Vec<u64> = Vec::new();
    for second in 0..240 {
        let mut quiet = 0;
        while quiet < 5 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let made = calls(&house, "media/upload");
            quiet = if made == uploads.len() { quiet + 1 } else { 0 };
            uploads.resize(made, second);
        }
        if uploads.len() == 20 {
            break;
        }
        clock.advance(Duration::from_secs(1));
        house.simulator.control.advance(Duration::from_secs(1));
    }
    for (i, first) in uploads.iter().enumerate() {
        let inside = uploads[i..].iter().take_while(|upload| **upload < first + 60).count();
        assert!(inside <= 6, "{inside} in the minute from second {first}: {uploads:?}");
    }
    assert_eq!(uploads.len(), 20, "{uploads:?}");
    // 6 at once, and 14 more at 6 a minute after the longest that a call before the restart may have taken.
    assert!(*uploads.last().unwrap() <= 10 + 60 + 148, "{uploads:?}");
    for id in ids {
        let message = house.caller.settled(&id).await;
        assert_eq!(message["state"], "delivered");
        assert_eq!(message["deliveries"][0]["attempts"].as_array().unwrap().len(), 1, "waiting is no try: {message:#}");
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recall_beyond_the_window_is_pending_and_made_later() {
    let clock = clock();
    let house = TestHouse::start_at(Arc::new(clock.clone()), |config| config.quota.api_per_minute = 2).await;
    let mut ids = Vec::new();
    for i in 0..3 {
        let sent = house.caller.delivered(json!({ "to": { "users": ["zhangsan"] }, "text": format!("n{i}") })).await;
        ids.push(sent["id"].as_str().unwrap().to_owned());
    }
    let mut pending = Vec::new();
    for id in &ids {
        let answer = house.caller.post(&format!("/v1/messages/{id}/recall"), String::new()).await;
        pending.push(answer.status);
    }
    assert_eq!(pending, [200, 200, 202]);
    assert_eq!(calls(&house, "message/recall"), 2);
    for _ in 0..300 {
        if calls(&house, "message/recall") == 3 {
            break;
        }
        clock.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(house.simulator.control.outbox().iter().all(|sent| sent.recalled));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_chat_that_may_not_be_made_today_is_made_tomorrow() {
    let clock = clock();
    let house = TestHouse::start_at(Arc::new(clock.clone()), |config| {
        config.quota.chat_creations_per_day = 1;
        for name in ["one", "two"] {
            let chat = ChatSection {
                app: None,
                title: None,
                chatid: Some(name.to_owned()),
                owner: None,
                members: vec!["zhangsan".to_owned(), "lisi".to_owned()],
            };
            config.chats.insert(name.to_owned(), chat);
        }
    })
    .await;
    // However many want it while it is being made, it is made once.
    house.simulator.control.fault(Fault::delay(Duration::from_millis(300)).on("appchat/get").times(1));
    let mut together = Vec::new();
    for i in 0..4 {
        together.push(house.caller.accepted(json!({ "to": { "chats": ["one"] }, "text": format!("1.{i}") })).await);
    }
    for id in together {
        assert_eq!(house.caller.settled(&id).await["state"], "delivered");
    }
    let two = house.caller.accepted(json!({ "to": { "chats": ["two"] }, "text": "2" })).await;
    let lane = house.quota_of("wecom_appchat", |lane| used(lane, "chat_reads", "60s") == 2).await;
    assert_eq!(used(&lane, "chat_creations", "24h"), 1, "{lane:#}");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let waiting = house.caller.message(&two).await;
    assert_eq!(waiting["deliveries"][0]["state"], "waiting", "{waiting:#}");
    assert_eq!(waiting["deliveries"][0]["attempts"], json!([]), "{waiting:#}");
    clock.advance(Duration::from_secs(24 * 3600 + 1));
    assert_eq!(house.caller.settled(&two).await["state"], "delivered");
    assert_eq!(calls(&house, "appchat/create"), 2);
    house.stop().await;
}
