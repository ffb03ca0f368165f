//! Recall in every state, and of many at once.

use std::time::Duration;

use futures::StreamExt as _;
use serde_json::{Value, json};
use wecom_sim::Fault;

use crate::kit::{TestHouse, text_to};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recall_that_races_with_its_message_is_never_lost() {
    let house = TestHouse::start_with(|config| config.dispatch.app_concurrency = 8).await;
    house.simulator.control.add_members("m", 200);
    house.simulator.control.fault(Fault::delay(Duration::from_millis(5)).on("message/send"));
    let rounds = (0..1000).map(|i| {
        let caller = house.caller.clone();
        async move {
            let id = caller.accepted(text_to(&[&format!("m{}", i % 200 + 1)], &format!("n{i}"))).await;
            tokio::time::sleep(Duration::from_millis(i % 20)).await;
            let answer = caller.post(&format!("/v1/messages/{id}/recall"), String::new()).await;
            assert!(matches!(answer.status, 200 | 202), "{}", answer.text);
            id
        }
    });
    let ids: Vec<String> = futures::stream::iter(rounds).buffer_unordered(50).collect().await;
    for id in &ids {
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        loop {
            let message = house.caller.message(id).await;
            if message["state"] == "recalled" {
                break;
            }
            assert!(std::time::Instant::now() < deadline, "{message:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let left = house.simulator.control.outbox().iter().filter(|sent| sent.is_seen() && !sent.recalled).count();
    assert_eq!(left, 0, "every message that was seen was withdrawn");
    house.stop().await;
}

#[tokio::test]
async fn many_are_recalled_by_tag_and_time() {
    let house = TestHouse::start().await;
    for i in 0..6 {
        let mut body = text_to(&["lisi"], &format!("n{i}"));
        body["tags"] = json!([if i % 2 == 0 { "wrong" } else { "right" }]);
        house.caller.delivered(body).await;
    }
    house.caller.delivered(json!({ "to": { "robots": ["default"] }, "text": "x", "tags": ["wrong"] })).await;
    let recall = async |body: Value| house.caller.post("/v1/messages/recall", body.to_string()).await.json();
    let filter = json!({ "tag": "wrong", "since": "2020-01-01T00:00:00Z" });
    assert_eq!(recall(json!({ "filter": filter, "dry_run": true })).await["matched"], 4);
    let done = recall(json!({ "filter": filter })).await;
    assert_eq!((&done["matched"], &done["done"]), (&json!(4), &json!(3)), "{done:#}");
    assert_eq!(done["refused"][0]["error"]["code"], "not_recallable");
    let recalled = house.simulator.control.outbox().iter().filter(|sent| sent.recalled).count();
    assert_eq!(recalled, 3);
    house.stop().await;
}
