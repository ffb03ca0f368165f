//! Escalation: what nobody acknowledges in time goes to somebody else, too.

use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;
use pipeline::ports::HandClock;
use serde_json::{Value, json};

use crate::kit::TestHouse;

async fn house() -> (TestHouse, HandClock) {
    let clock = HandClock::new(Timestamp::from_millis(1_790_000_000_000));
    let house = TestHouse::start_at(Arc::new(clock.clone()), |config| {
        let route = json!({
            "steps": [{ "channel": "app" }],
            "escalate": [
                { "after": "10m", "step": { "channel": "robot", "name": "default" } },
                { "after": "5m", "step": { "channel": "app" }, "to": ["user:wangwu"] },
            ],
        });
        config.routes.insert("duty".to_owned(), serde_json::from_value(route).unwrap());
        config.dispatch.sweep_every = hongyan::config::Span(Duration::from_secs(5));
    })
    .await;
    (house, clock)
}

async fn turn(clock: &HandClock, seconds: u64) {
    for _ in 0..seconds / 5 {
        clock.advance(Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
}

fn accounts(message: &Value) -> Vec<String> {
    let deliveries = message["deliveries"].as_array().unwrap();
    deliveries.iter().map(|d| format!("{} {}", d["channel"].as_str().unwrap(), d["state"].as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_escalation_is_made_in_its_time_until_somebody_acknowledges() {
    let (house, clock) = house().await;
    let body = json!({ "to": { "users": ["lisi"] }, "text": "炉温过高", "route": "duty" });
    let id = house.caller.delivered(body.clone()).await["id"].as_str().unwrap().to_owned();
    turn(&clock, 590).await;
    assert_eq!(accounts(&house.caller.message(&id).await), ["wecom_app done"]);
    turn(&clock, 20).await;
    let message = house.caller.settled(&id).await;
    assert_eq!(accounts(&message), ["wecom_app done", "wecom_robot done"], "{message:#}");
    turn(&clock, 310).await;
    let message = house.caller.settled(&id).await;
    assert_eq!(accounts(&message), ["wecom_app done", "wecom_robot done", "wecom_app done"]);
    house.simulator.control.assert_seen("wangwu", "炉温过高");
    turn(&clock, 900).await;
    assert_eq!(accounts(&house.caller.message(&id).await).len(), 3, "there is no third");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_is_not_escalated() {
    let (house, clock) = house().await;
    let body = json!({ "to": { "users": ["lisi"] }, "text": "炉温过高", "route": "duty" });
    let id = house.caller.delivered(body).await["id"].as_str().unwrap().to_owned();
    let acknowledged = house.caller.post(&format!("/v1/messages/{id}/ack"), String::new()).await.json();
    assert!(acknowledged["acknowledged_at"].is_string(), "{acknowledged:#}");
    turn(&clock, 900).await;
    assert_eq!(accounts(&house.caller.message(&id).await), ["wecom_app done"]);
    let stranger = house.caller("stranger", json!({})).await;
    assert_eq!(stranger.post(&format!("/v1/messages/{id}/ack"), String::new()).await.status, 404);
    house.stop().await;
}
