//! What a template makes and what a schedule sends is merged, held at night and withdrawn like any other message.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pipeline::ports::HandClock;
use serde_json::{Value, json};

use crate::kit::TestHouse;

/// A Monday evening.
const EVENING: &str = "2026-07-20T21:00:00+08:00";

async fn house() -> (TestHouse, HandClock) {
    let clock = HandClock::new(EVENING.parse().unwrap());
    let house = TestHouse::start_at(Arc::new(clock.clone()), |config| {
        let digest = json!({
            "steps": [{ "channel": "robot", "name": "default" }], "digest": { "window": "30s" }, "quiet": "none",
        });
        config.routes.insert("alerts".to_owned(), serde_json::from_value(digest).unwrap());
        let night = json!([{ "from": "22:00", "to": "08:00" }]);
        config.quiet.insert("night".to_owned(), serde_json::from_value(night).unwrap());
        let never = json!([{ "from": "03:00", "to": "03:01" }]);
        config.quiet.insert("none".to_owned(), serde_json::from_value(never).unwrap());
        config.default_quiet = Some("night".to_owned());
    })
    .await;
    put(&house, "/v1/templates/line", json!({ "makes": "text", "source": "{{ line }}：{{ n }}" })).await;
    (house, clock)
}

async fn put(house: &TestHouse, path: &str, body: Value) {
    let answer = house.caller.request(reqwest::Method::PUT, path, Some(body.to_string()), &[]).await;
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text);
}

/// A message of the template.
fn made(to: Value, n: usize, more: Value) -> Value {
    let mut body = json!({ "to": to, "template": "line", "variables": { "line": "A线", "n": n } });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    body
}

async fn turn(house: &TestHouse, clock: &HandClock, seconds: u64) {
    for _ in 0..seconds {
        clock.advance(Duration::from_secs(1));
        house.simulator.control.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}

fn texts(house: &TestHouse) -> Vec<String> {
    house.simulator.control.outbox().iter().filter_map(|sent| sent.text().map(str::to_owned)).collect()
}

/// Waits until a schedule has run; returns the message that it made.
async fn made_by(house: &TestHouse, schedule: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let shown = house.caller.get(&format!("/v1/schedules/{schedule}")).await.json();
        if let Some(id) = shown["last_message"].as_str() {
            return id.to_owned();
        }
        assert!(Instant::now() < deadline, "{shown:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_digest_takes_in_what_templates_make_and_schedules_send_each_once() {
    let (house, clock) = house().await;
    let robot = json!({ "robots": ["default"] });
    let scheduled = made(robot.clone(), 3, json!({ "route": "alerts" }));
    put(&house, "/v1/schedules/three", json!({ "cron": "10 0 21 * * *", "message": scheduled })).await;
    let mut ids = Vec::new();
    for n in 1..3 {
        ids.push(house.caller.accepted(made(robot.clone(), n, json!({ "route": "alerts" }))).await);
    }
    turn(&house, &clock, 12).await;
    ids.push(made_by(&house, "three").await);
    // The gateway is stopped in the middle of the window, and goes on where it was.
    let house = house.restart(Arc::new(clock.clone())).await;
    turn(&house, &clock, 40).await;
    for id in &ids {
        let message = house.caller.settled(id).await;
        assert_eq!(message["state"], "delivered", "{message:#}");
    }
    let said = texts(&house).join("\n");
    for n in 1..4 {
        assert_eq!(said.matches(&format!("A线：{n}")).count(), 1, "{said}");
    }
    assert!(said.starts_with("1. A线：1\n2. A线：2"), "what waited together went together: {said}");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quiet_hours_hold_what_a_schedule_sends_at_night_and_let_urgent_pass() {
    let (house, clock) = house().await;
    let (later, now) = (json!({ "users": ["zhangsan"] }), json!({ "users": ["lisi"] }));
    put(&house, "/v1/schedules/later", json!({ "cron": "0 23 * * *", "message": made(later, 1, json!({})) })).await;
    let urgent = made(now, 2, json!({ "priority": "urgent" }));
    put(&house, "/v1/schedules/urgent", json!({ "cron": "0 23 * * *", "message": urgent })).await;
    clock.advance(Duration::from_secs(2 * 3600));
    let urgent = made_by(&house, "urgent").await;
    assert_eq!(house.caller.settled(&urgent).await["state"], "delivered");
    let later = made_by(&house, "later").await;
    let waiting = house.caller.message(&later).await;
    assert_eq!(waiting["deliveries"][0]["next_attempt_at"], "2026-07-21T00:00:00.000Z", "{waiting:#}");
    assert_eq!(texts(&house), ["A线：2"]);
    clock.advance(Duration::from_secs(9 * 3600 + 10));
    assert_eq!(house.caller.settled(&later).await["state"], "delivered");
    assert_eq!(texts(&house), ["A线：2", "A线：1"]);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_template_made_and_a_schedule_sent_is_withdrawn_before_and_after_it_went() {
    let (house, clock) = house().await;
    let to = json!({ "users": ["zhangsan"] });
    let night = json!({ "cron": "0 23 * * *", "message": made(to.clone(), 3, json!({})) });
    put(&house, "/v1/schedules/night", night).await;
    put(&house, "/v1/schedules/soon", json!({ "cron": "1 21 * * *", "message": made(to.clone(), 2, json!({})) })).await;
    let sent = house.caller.accepted(made(to, 1, json!({}))).await;
    house.caller.settled(&sent).await;
    clock.advance(Duration::from_secs(60));
    let soon = made_by(&house, "soon").await;
    house.caller.settled(&soon).await;
    clock.advance(Duration::from_secs(2 * 3600));
    // It waits for the morning: it is never sent.
    let waits = made_by(&house, "night").await;
    for id in [&sent, &soon, &waits] {
        let answer = house.caller.post(&format!("/v1/messages/{id}/recall"), String::new()).await;
        assert!(matches!(answer.status, 200 | 202), "{}", answer.text);
    }
    clock.advance(Duration::from_secs(12 * 3600));
    for (id, state) in [(&sent, "recalled"), (&soon, "recalled"), (&waits, "cancelled")] {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let message = house.caller.message(id).await;
            if message["state"] == state || message["state"] == "recalled" {
                break;
            }
            assert!(Instant::now() < deadline, "{message:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let outbox = house.simulator.control.outbox();
    assert_eq!((outbox.len(), outbox.iter().filter(|sent| sent.recalled).count()), (2, 2));
    house.stop().await;
}
