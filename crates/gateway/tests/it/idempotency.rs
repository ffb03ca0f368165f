//! The same request is one message, whoever repeats it and how often.

use serde_json::json;

use crate::kit::{TestHouse, text_to};

#[tokio::test]
async fn a_hundred_concurrent_posts_with_one_key_are_one_message() {
    let house = TestHouse::start().await;
    let posts = (0..100).map(|_| {
        let caller = house.caller.clone();
        async move {
            let body = text_to(&["zhangsan"], "once").to_string();
            caller
                .request(reqwest::Method::POST, "/v1/messages", Some(body), &[("Idempotency-Key", "order-4711")])
                .await
        }
    });
    let answers = futures::future::join_all(posts).await;
    let ids: std::collections::BTreeSet<_> = answers.iter().map(|answer| answer.json()["id"].to_string()).collect();
    let replayed = answers.iter().filter(|answer| answer.headers.contains_key("idempotency-replayed")).count();
    assert!(answers.iter().all(|answer| answer.status == 202));
    assert_eq!((ids.len(), replayed), (1, 99));
    let other = text_to(&["zhangsan"], "another").to_string();
    let refused = house
        .caller
        .request(reqwest::Method::POST, "/v1/messages", Some(other), &[("Idempotency-Key", "order-4711")])
        .await;
    assert_eq!(refused.error(), (422, "idempotency_key_reused".into(), "Idempotency-Key".into()));
    let first = answers[0].json();
    house.caller.settled(first["id"].as_str().unwrap()).await;
    assert_eq!(house.simulator.control.outbox().len(), 1);
    house.stop().await;
}

#[tokio::test]
async fn keys_of_two_callers_do_not_meet_and_refusals_are_not_stored() {
    let house = TestHouse::start().await;
    let (one, two) = (house.caller("one", json!({})).await, house.caller("two", json!({})).await);
    let key = [("Idempotency-Key", "k")];
    let body = Some(text_to(&["zhangsan"], "x").to_string());
    let bad = one.request(reqwest::Method::POST, "/v1/messages", Some("{}".into()), &key).await;
    assert_eq!(bad.status, 422);
    let first = one.request(reqwest::Method::POST, "/v1/messages", body.clone(), &key).await;
    let second = two.request(reqwest::Method::POST, "/v1/messages", body, &key).await;
    assert_eq!((first.status, second.status), (202, 202));
    assert_ne!(first.json()["id"], second.json()["id"]);
    house.stop().await;
}

#[tokio::test]
async fn a_repeat_by_dedupe_is_recorded_and_not_sent() {
    let house = TestHouse::start().await;
    let body = |text: &str| json!({ "to": { "users": ["zhangsan"] }, "text": text, "dedupe": { "key": "alarm-7", "window": "10m" } });
    let first = house.caller.delivered(body("disk full")).await;
    let repeat = house.caller.delivered(body("disk still full")).await;
    assert_eq!((&repeat["state"], &repeat["duplicate_of"]), (&json!("duplicate"), &first["id"]));
    let by_content = || json!({ "to": { "users": ["lisi"] }, "text": "same", "dedupe": { "content": true } });
    house.caller.delivered(by_content()).await;
    assert_eq!(house.caller.delivered(by_content()).await["state"], "duplicate");
    assert_eq!(house.simulator.control.outbox().len(), 2);
    house.stop().await;
}

#[tokio::test]
async fn a_legitimate_repeat_is_not_swallowed_by_wecom_s_duplicate_check() {
    let house = TestHouse::start().await;
    for _ in 0..3 {
        house.caller.delivered(text_to(&["zhangsan"], "the same again")).await;
    }
    let outbox = house.simulator.control.outbox();
    let checks: Vec<bool> = outbox.iter().map(|sent| sent.body["enable_duplicate_check"] == 1).collect();
    assert_eq!(checks, [true, false, false]);
    assert!(outbox.iter().all(wecom_sim::Sent::is_seen));
    house.stop().await;
}

#[tokio::test]
async fn a_repeat_is_answered_with_its_receipt_though_it_would_be_refused_today() {
    let house = TestHouse::start().await;
    let soon = (jiff::Timestamp::now() + std::time::Duration::from_millis(400)).to_string();
    let body = json!({ "to": { "users": ["zhangsan"] }, "text": "x", "expires_at": soon }).to_string();
    let post =
        || house.caller.request(reqwest::Method::POST, "/v1/messages", Some(body.clone()), &[("Idempotency-Key", "k")]);
    let first = post().await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let repeat = post().await;
    assert_eq!((first.status, repeat.status), (202, 202), "{}", repeat.text);
    assert_eq!(first.json()["id"], repeat.json()["id"]);
    house.stop().await;
}
