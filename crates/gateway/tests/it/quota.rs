//! The robot quota, with gateway and simulator on clocks turned by hand: never exceeded in any window, and used.

use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;
use pipeline::ports::HandClock;
use serde_json::json;

use crate::kit::TestHouse;

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
