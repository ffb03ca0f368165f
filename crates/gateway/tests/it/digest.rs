//! Digests: what waits for one robot or member becomes one message, and each message keeps its own record.

use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;
use pipeline::ports::HandClock;
use serde_json::{Value, json};
use wecom_sim::Fault;

use crate::kit::TestHouse;

fn alert(i: usize) -> Value {
    json!({ "to": { "robots": ["default"] }, "text": format!("告警{i}"), "route": "alerts" })
}

async fn house(digest: Value) -> (TestHouse, HandClock) {
    let clock = HandClock::new(Timestamp::from_millis(1_790_000_000_000));
    let house = TestHouse::start_at(Arc::new(clock.clone()), |config| {
        let route = json!({ "steps": [{ "channel": "robot", "name": "default" }], "digest": digest });
        config.routes.insert("alerts".to_owned(), serde_json::from_value(route).unwrap());
    })
    .await;
    (house, clock)
}

async fn accepted(house: &TestHouse, numbers: std::ops::Range<usize>) -> Vec<String> {
    let mut ids = Vec::new();
    for i in numbers {
        ids.push(house.caller.accepted(alert(i)).await);
    }
    ids
}

async fn turn(house: &TestHouse, clock: &HandClock, seconds: u64) {
    for _ in 0..seconds {
        clock.advance(Duration::from_secs(1));
        house.simulator.control.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}

fn texts(house: &TestHouse) -> Vec<String> {
    house.simulator.control.outbox().iter().map(|sent| sent.text().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_within_the_window_becomes_one_message_and_each_is_tracked() {
    let (house, clock) = house(json!({ "window": "10s" })).await;
    let ids = accepted(&house, 1..6).await;
    house.caller.post(&format!("/v1/messages/{}/cancel", ids[2]), String::new()).await;
    turn(&house, &clock, 14).await;
    assert_eq!(texts(&house), ["1. 告警1\n2. 告警2\n3. 告警4\n4. 告警5"]);
    let mut digests = Vec::new();
    for (i, id) in ids.iter().enumerate() {
        let message = house.caller.settled(id).await;
        let state = if i == 2 { "cancelled" } else { "delivered" };
        assert_eq!(message["state"], state, "{message:#}");
        digests.extend(message["deliveries"][0]["digest"].as_str().map(str::to_owned));
    }
    assert_eq!(digests.len(), 4);
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
    // Others are in it: it is nobody's to withdraw.
    let recall = house.caller.post(&format!("/v1/messages/{}/recall", ids[0]), String::new()).await;
    assert_eq!((recall.status, recall.error().1), (409, "not_recallable".to_owned()));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_window_only_what_must_wait_anyway_is_merged() {
    let (house, clock) = house(json!({})).await;
    let ids = accepted(&house, 0..60).await;
    turn(&house, &clock, 75).await;
    for id in &ids {
        assert_eq!(house.caller.settled(id).await["state"], "delivered");
    }
    let texts = texts(&house);
    assert!(texts.len() <= 22, "twenty at once, the rest as few as fit: {}", texts.len());
    for i in 0..60 {
        let seen = texts.iter().filter(|text| text.lines().any(|line| line.ends_with(&format!("告警{i}")))).count();
        assert_eq!(seen, 1, "告警{i} in {texts:?}");
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_digest_that_is_refused_lets_each_message_go_by_itself() {
    let (house, clock) = house(json!({ "window": "5s" })).await;
    let ids = accepted(&house, 1..4).await;
    house.simulator.control.fault(Fault::errcode(40_058).on("webhook/send").times(1));
    turn(&house, &clock, 12).await;
    for id in &ids {
        assert_eq!(house.caller.settled(id).await["state"], "delivered");
    }
    let mut seen = texts(&house);
    seen.sort();
    assert_eq!(seen, ["告警1", "告警2", "告警3"]);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_digest_that_is_tried_again_says_the_same_and_takes_nobody_in() {
    let (house, clock) = house(json!({ "window": "5s" })).await;
    let ids = accepted(&house, 1..3).await;
    house.simulator.control.fault(Fault::errcode(-1).on("webhook/send").times(1));
    turn(&house, &clock, 7).await;
    let late = accepted(&house, 3..4).await;
    turn(&house, &clock, 12).await;
    for id in ids.iter().chain(&late) {
        assert_eq!(house.caller.settled(id).await["state"], "delivered");
    }
    assert_eq!(texts(&house), ["1. 告警1\n2. 告警2", "告警3"]);
    house.stop().await;
}
