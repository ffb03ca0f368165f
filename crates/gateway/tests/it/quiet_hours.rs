//! Quiet hours: what is not urgent waits for their end, over midnight and over holidays.

use std::sync::Arc;
use std::time::Duration;

use pipeline::ports::HandClock;
use serde_json::json;

use crate::kit::TestHouse;

async fn house(now: &str) -> (TestHouse, HandClock) {
    let clock = HandClock::new(now.parse().unwrap());
    let house = TestHouse::start_at(Arc::new(clock.clone()), |config| {
        let night = json!([
            { "from": "22:00", "to": "08:00" },
            { "from": "00:00", "to": "24:00", "days": "days_off" },
        ]);
        config.quiet.insert("night".to_owned(), serde_json::from_value(night).unwrap());
        config.default_quiet = Some("night".to_owned());
    })
    .await;
    (house, clock)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_at_night_leaves_in_the_morning_and_urgent_passes() {
    let (house, clock) = house("2026-07-20T23:30:00+08:00").await;
    let held = house.caller.accepted(json!({ "to": { "users": ["lisi"] }, "text": "later" })).await;
    let urgent = json!({ "to": { "users": ["lisi"] }, "text": "now", "priority": "urgent" });
    assert_eq!(house.caller.delivered(urgent).await["state"], "delivered");
    let waiting = house.caller.message(&held).await;
    assert_eq!(waiting["deliveries"][0]["next_attempt_at"], "2026-07-21T00:00:00.000Z", "{waiting:#}");
    clock.advance(Duration::from_secs(8 * 3600 + 1790));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(house.caller.message(&held).await["state"], "accepted");
    clock.advance(Duration::from_secs(15));
    assert_eq!(house.caller.settled(&held).await["state"], "delivered");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_in_time_and_could_not_leave_waits_too() {
    let (house, clock) = house("2026-09-30T21:59:50+08:00").await;
    let mut ids = Vec::new();
    for i in 0..32 {
        ids.push(house.caller.accepted(json!({ "to": { "users": ["lisi"] }, "text": format!("n{i}") })).await);
    }
    house.quota_of("wecom_app", |lane| lane["waiting"] == 2).await;
    // The slots come back within the quiet hours, and before a holiday of a week.
    clock.advance(Duration::from_secs(120));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(house.simulator.control.outbox().len(), 30);
    let last = house.caller.message(&ids[31]).await;
    assert_eq!(last["deliveries"][0]["next_attempt_at"], "2026-10-08T00:00:00.000Z", "{last:#}");
    clock.advance(Duration::from_secs(7 * 24 * 3600 + 12 * 3600));
    for id in &ids {
        // Slots are spaced evenly.
        clock.advance(Duration::from_secs(4));
        assert_eq!(house.caller.settled(id).await["state"], "delivered");
    }
    house.stop().await;
}
