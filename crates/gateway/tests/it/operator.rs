//! The gateway watches itself: trouble goes to the operator's route, once.

use std::time::{Duration, Instant};

use hongyan::config::Span;
use serde_json::json;
use wecom_sim::{Fault, Target};

use crate::kit::{ROBOT, TestHouse, text_to};

async fn house() -> TestHouse {
    TestHouse::start_with(|config| {
        let route = json!({ "steps": [{ "channel": "robot", "name": "robot2" }] });
        config.routes.insert("ops".to_owned(), serde_json::from_value(route).unwrap());
        config.operator.route = Some("ops".to_owned());
        config.operator.every = Span(Duration::from_millis(200));
        config.operator.dead_letters = 2;
        config.operator.heartbeats = [("nightly".to_owned(), Span(Duration::from_millis(600)))].into();
        config.circuit_breaker.misconfigured_for = Span::seconds(60);
    })
    .await
}

fn told(house: &TestHouse) -> Vec<String> {
    let outbox = house.simulator.control.outbox();
    let to_operator = outbox.iter().filter(|sent| matches!(&sent.target, Target::Robot { key, .. } if key != ROBOT));
    to_operator.map(|sent| sent.text().unwrap().to_owned()).collect()
}

async fn hears(house: &TestHouse, part: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !told(house).iter().any(|text| text.contains(part)) {
        assert!(Instant::now() < deadline, "`{part}` is not among {:?}", told(house));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_operator_hears_once_of_a_closed_lane_dead_letters_and_a_missing_heartbeat() {
    let house = house().await;
    hears(&house, "nightly").await;
    assert_eq!(house.caller.post("/v1/heartbeats/nightly", String::new()).await.status, 204);
    assert_eq!(house.caller.post("/v1/heartbeats/unknown", String::new()).await.status, 404);
    tokio::time::sleep(Duration::from_millis(300)).await;
    for i in 0..3 {
        house.caller.delivered(text_to(&["ghost"], &format!("n{i}"))).await;
    }
    hears(&house, "条消息未能送达").await;
    house.simulator.control.kill_tokens(None);
    house.simulator.control.fault(Fault::errcode(40_001).on("gettoken"));
    for i in 0..3 {
        house.caller.accepted(text_to(&["lisi"], &format!("x{i}"))).await;
    }
    hears(&house, "wecom_app:default").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let closed = told(&house).iter().filter(|text| text.contains("wecom_app:default")).count();
    assert_eq!(closed, 1, "{:?}", told(&house));
    house.stop().await;
}

#[tokio::test]
async fn a_robot_that_lost_its_group_is_told() {
    let house = house().await;
    house.simulator.control.remove_robot(ROBOT, true);
    house.caller.delivered(json!({ "to": { "robots": ["default"] }, "text": "x" })).await;
    hears(&house, "机器人 wecom_robot:default 被拒（93000）").await;
    house.stop().await;
}
