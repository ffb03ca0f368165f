//! Quotas of robots, members and days, with gateway and simulator on clocks turned by hand: never exceeded in any window, and used.

use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;
use pipeline::ports::HandClock;
use serde_json::json;
use wecom_sim::Target;

use crate::kit::{TestHouse, recipients};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_for_a_robot_is_paced_queued_and_never_dropped() {
    let clock = HandClock::new(Timestamp::from_millis(1_790_000_000_000));
    let house = TestHouse::start_at(Arc::new(clock.clone()), |_| {}).await;
    let mut ids = Vec::new();
    for i in 0..70 {
        ids.push(house.caller.accepted(json!({ "to": { "robots": ["default"] }, "text": format!("n{i}") })).await);
    }
    // Where the gateway's clock stands when each message arrives, to the second.
    let mut arrivals: Vec<u64> = Vec::new();
    let mut second = 0;
    while arrivals.len() < ids.len() {
        settle_down(&house, arrivals.len()).await;
        let arrived = house.simulator.control.outbox().len();
        arrivals.resize(arrived, second);
        assert!(second < 300, "{arrived} of {} arrived in five minutes", ids.len());
        clock.advance(Duration::from_secs(1));
        house.simulator.control.advance(Duration::from_secs(1));
        second += 1;
    }
    assert_eq!(house.simulator.control.counts().throttled, 0, "WeCom itself never had to say so");
    for (i, first) in arrivals.iter().enumerate() {
        let inside = arrivals[i..].iter().take_while(|arrival| **arrival < first + 60).count();
        assert!(inside <= 20, "{inside} in the minute from second {first}: {arrivals:?}");
    }
    // 20 at once, and 50 more at 20 a minute: at least 95 % of what is allowed.
    assert!(*arrivals.last().unwrap() <= 60 + 158, "{arrivals:?}");
    for id in ids {
        assert_eq!(house.caller.settled(&id).await["state"], "delivered");
    }
    house.stop().await;
}

/// Lets everything that may happen at this moment of the clock happen, on a machine that is busy with other tests, too.
async fn settle_down(house: &TestHouse, known: usize) {
    let mut last = known;
    let mut quiet = 0;
    while quiet < 6 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let now = house.simulator.control.outbox().len();
        quiet = if now == last { quiet + 1 } else { 0 };
        last = now;
    }
}

/// Turns both clocks a second at a time until so many messages arrived; returns when each did, in seconds.
async fn arrivals(house: &TestHouse, clock: &HandClock, count: usize, at_most: u64) -> Vec<u64> {
    let mut arrivals: Vec<u64> = Vec::new();
    let mut second = 0;
    while arrivals.len() < count {
        settle_down(house, arrivals.len()).await;
        let arrived = house.simulator.control.outbox().len();
        arrivals.resize(arrived, second);
        assert!(second < at_most, "{arrived} of {count} arrived in {at_most} s");
        clock.advance(Duration::from_secs(1));
        house.simulator.control.advance(Duration::from_secs(1));
        second += 1;
    }
    arrivals
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_for_a_member_is_held_so_that_wecom_drops_nothing() {
    let clock = HandClock::new(Timestamp::from_millis(1_790_000_000_000));
    let house = TestHouse::start_at(Arc::new(clock.clone()), |_| {}).await;
    let mut ids = Vec::new();
    for i in 0..70 {
        ids.push(house.caller.accepted(json!({ "to": { "users": ["zhangsan"] }, "text": format!("n{i}") })).await);
    }
    let lane = house.quota_of("wecom_app", |lane| lane["waiting"] == 40).await;
    let member = &lane["members"]["fullest"][0];
    assert_eq!((&member["user"], &member["used"]), (&json!("zhangsan"), &json!([30, 30])), "{lane:#}");
    // Somebody else is not kept waiting.
    let other = house.caller.delivered(json!({ "to": { "users": ["lisi"] }, "text": "other" })).await;
    assert_eq!(other["state"], "delivered");
    // Urgent takes the next slot, before all that waits.
    let urgent = json!({ "to": { "users": ["zhangsan"] }, "text": "urgent", "priority": "urgent" });
    let urgent = house.caller.accepted(urgent).await;
    let arrivals = arrivals(&house, &clock, ids.len() + 2, 300).await;
    let outbox = house.simulator.control.outbox();
    assert!(
        outbox.iter().all(|sent| !matches!(&sent.target, Target::App { dropped, .. } if !dropped.is_empty())),
        "WeCom dropped one"
    );
    assert_eq!(outbox[31].text(), Some("urgent"), "after the first thirty and the other's");
    for (i, first) in arrivals.iter().enumerate() {
        let inside = arrivals[i..].iter().take_while(|arrival| **arrival < first + 60).count();
        assert!(inside <= 31, "{inside} in the minute from second {first}: {arrivals:?}");
    }
    // 30 at once, and 41 more at 30 a minute: at least 95 % of what is allowed.
    assert!(*arrivals.last().unwrap() <= 60 + 88, "{arrivals:?}");
    for id in ids.iter().chain([&urgent]) {
        assert_eq!(house.caller.settled(id).await["state"], "delivered");
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_to_several_is_divided_where_one_of_them_has_no_slot() {
    let clock = HandClock::new(Timestamp::from_millis(1_790_000_000_000));
    let house = TestHouse::start_at(Arc::new(clock.clone()), |config| config.quota.member_per_minute = 2).await;
    for i in 0..2 {
        house.caller.delivered(json!({ "to": { "users": ["zhangsan"] }, "text": format!("n{i}") })).await;
    }
    let id = house.caller.accepted(json!({ "to": { "users": ["lisi", "zhangsan", "wangwu"] }, "text": "all" })).await;
    house.quota_of("wecom_app", |lane| lane["waiting"] == 1).await;
    let message = house.caller.message(&id).await;
    let states: Vec<_> =
        recipients(&message).into_iter().map(|(recipient, state, _)| format!("{recipient} {state}")).collect();
    assert_eq!(states, ["user:lisi delivered", "user:wangwu delivered", "user:zhangsan waiting"], "{message:#}");
    arrivals(&house, &clock, 4, 200).await;
    assert_eq!(house.caller.settled(&id).await["state"], "delivered");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_show_what_is_used_left_and_forecast() {
    let clock = HandClock::new(Timestamp::from_millis(1_790_000_000_000));
    let house = TestHouse::start_at(Arc::new(clock.clone()), |config| {
        config.quota.member_per_minute = 1;
        // The figures are the process's: other tests have lanes of the same names.
        let robot = config.robots["default"].clone();
        config.robots.insert("counted".to_owned(), robot);
    })
    .await;
    for i in 0..30 {
        house.caller.accepted(json!({ "to": { "robots": ["counted"] }, "text": format!("n{i}") })).await;
    }
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    let labels = r#"{lane="wecom_robot:counted",counts="calls",window="60s"}"#;
    let expected = [
        format!("hongyan_quota_limit{labels} 20"),
        format!("hongyan_quota_used{labels} 20"),
        format!("hongyan_quota_left{labels} 0"),
        format!("hongyan_quota_forecast_seconds{labels} 30"),
        "hongyan_deliveries_waiting{lane=\"wecom_robot:counted\"} 10".to_owned(),
    ];
    loop {
        let metrics = house.caller.get("/metrics").await.text;
        if expected.iter().all(|line| metrics.lines().any(|shown| shown == line)) {
            break;
        }
        let about = metrics.lines().filter(|line| line.contains("counted")).collect::<Vec<_>>().join("\n");
        assert!(std::time::Instant::now() < deadline, "{about}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_member_was_sent_counts_after_a_restart() {
    let clock = HandClock::new(Timestamp::from_millis(1_790_000_000_000));
    let house = TestHouse::start_at(Arc::new(clock.clone()), |_| {}).await;
    for i in 0..35 {
        house.caller.accepted(json!({ "to": { "users": ["zhangsan"] }, "text": format!("n{i}") })).await;
    }
    house.quota_of("wecom_app", |lane| lane["waiting"] == 5).await;
    let house = house.restart(Arc::new(clock.clone())).await;
    let lane = house.quota_of("wecom_app", |lane| lane["members"]["fullest"][0]["used"][0] == 30).await;
    assert_eq!(lane["waiting"], 5, "{lane:#}");
    let arrivals = arrivals(&house, &clock, 35, 200).await;
    assert!(arrivals[30] >= 50, "none before the window has passed: {arrivals:?}");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_days_person_times_are_held_until_midnight_in_shanghai() {
    // 2026-09-21T23:59:30+08:00
    let clock = HandClock::new("2026-09-21T23:59:30+08:00".parse().unwrap());
    let house = TestHouse::start_at(Arc::new(clock.clone()), |config| {
        config.apps.get_mut("default").unwrap().accounts = Some(1);
    })
    .await;
    house.simulator.control.add_members("m", 250);
    let users: Vec<String> = (1..=199).map(|i| format!("m{i}")).collect();
    assert_eq!(house.caller.delivered(json!({ "to": { "users": users }, "text": "199" })).await["state"], "delivered");
    let two = house.caller.accepted(json!({ "to": { "users": ["lisi", "wangwu"] }, "text": "two" })).await;
    let one = house.caller.delivered(json!({ "to": { "users": ["zhangsan"] }, "text": "one" })).await;
    assert_eq!(one["state"], "delivered", "one person-time was left");
    let waiting = house.caller.message(&two).await;
    assert_eq!(waiting["deliveries"][0]["next_attempt_at"], "2026-09-21T16:00:00.000Z", "{waiting:#}");
    clock.advance(Duration::from_secs(31));
    assert_eq!(house.caller.settled(&two).await["state"], "delivered");
    house.stop().await;
}
