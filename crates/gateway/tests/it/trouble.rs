//! Trouble upstream: tokens, quotas of others, silence, nonsense.

use std::time::{Duration, Instant};

use serde_json::json;
use wecom_sim::{Fault, Trouble};

use crate::kit::{TestHouse, recipients, resident_kib, text_to};

#[tokio::test]
async fn a_token_revoked_under_five_hundred_sends_costs_one_gettoken() {
    let house = TestHouse::start().await;
    house.caller.delivered(text_to(&["zhangsan"], "warm")).await;
    house.simulator.control.add_members("m", 50);
    let sends = (0..500).map(|i| {
        let (caller, control) = (house.caller.clone(), house.simulator.control.clone());
        async move {
            if i == 250 {
                control.kill_tokens(None);
            }
            caller.accepted(text_to(&[&format!("m{}", i % 50 + 1)], &format!("n{i}"))).await
        }
    });
    let ids = futures::future::join_all(sends).await;
    for id in ids {
        assert_eq!(house.caller.settled(&id).await["state"], "delivered");
    }
    assert_eq!(house.simulator.control.counts().gettoken, 2);
    house.stop().await;
}

#[tokio::test]
async fn every_kind_of_trouble_passes_and_an_app_s_message_is_seen_once() {
    let house = TestHouse::start().await;
    for (i, trouble) in [
        Trouble::Errcode { errcode: -1, errmsg: None },
        Trouble::Errcode { errcode: 45_009, errmsg: None },
        Trouble::Errcode { errcode: 45_033, errmsg: None },
        Trouble::ResetBefore,
        Trouble::ResetAfter,
        Trouble::Html,
        Trouble::Status { status: 500 },
        Trouble::Half,
        Trouble::Hang,
        Trouble::Drip,
        Trouble::Stall,
        Trouble::Endless,
        Trouble::BadGzip,
    ]
    .into_iter()
    .enumerate()
    {
        house.simulator.control.fault(Fault::new(trouble.clone()).on("message/send").times(1));
        let started = Instant::now();
        let text = format!("through {i}");
        let message = house.caller.delivered(text_to(&["zhangsan"], &text)).await;
        assert_eq!(message["state"], "delivered", "{trouble:?}: {message:#}");
        assert!(started.elapsed() < Duration::from_secs(4), "{trouble:?} took {:?}", started.elapsed());
        let outbox = house.simulator.control.outbox();
        let seen = outbox.iter().filter(|sent| sent.is_seen() && sent.text() == Some(&text)).count();
        assert_eq!(seen, 1, "{trouble:?}");
    }
    house.stop().await;
}

#[tokio::test]
async fn an_endless_answer_takes_no_memory() {
    let house = TestHouse::start().await;
    house.caller.delivered(text_to(&["zhangsan"], "warm")).await;
    let before = resident_kib();
    house.simulator.control.fault(Fault::new(Trouble::Endless).on("message/send").times(5));
    for i in 0..5 {
        house.caller.delivered(text_to(&["zhangsan"], &i.to_string())).await;
    }
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 20 * 1024, "{grown} KiB more");
    house.stop().await;
}

#[tokio::test]
async fn a_wrong_secret_holds_the_lane_and_the_message_waits() {
    let house = TestHouse::start_with(|config| {
        config.apps.get_mut("default").unwrap().secret = Some(hongyan::config::SecretText("wrong".into()));
    })
    .await;
    let id = house.caller.accepted(text_to(&["zhangsan"], "x")).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let message = house.caller.message(&id).await;
    assert_eq!(message["state"], "sending");
    assert_eq!(message["deliveries"][0]["reason"]["code"], "40001");
    assert_eq!(house.simulator.control.counts().gettoken, 1);
    // Another application is not held up.
    let other = house.caller.delivered(json!({ "to": { "users": ["lisi"] }, "app": "second", "text": "y" })).await;
    assert_eq!(other["state"], "delivered");
    house.stop().await;
}

#[tokio::test]
async fn a_hanging_robot_leaves_the_others_alone() {
    let house = TestHouse::start().await;
    house.simulator.control.fault(Fault::new(Trouble::Hang).for_robot("00000000-0000-4000-8000-000000000002"));
    for _ in 0..50 {
        house.caller.accepted(json!({ "to": { "robots": ["robot2"] }, "text": "stuck" })).await;
    }
    let started = Instant::now();
    let message = house.caller.delivered(json!({ "to": { "robots": ["robot3"] }, "text": "free" })).await;
    assert_eq!(message["state"], "delivered");
    assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
    house.simulator.control.clear_faults();
    house.stop().await;
}

#[tokio::test]
async fn an_unlicensed_member_fails_and_the_others_do_not() {
    let house = TestHouse::start().await;
    house.simulator.control.license("lisi", false);
    let message = house.caller.delivered(text_to(&["zhangsan", "lisi"], "x")).await;
    let found = recipients(&message);
    assert_eq!(
        (found[0].1.as_str(), found[1].1.as_str(), found[1].2.as_str()),
        ("delivered", "failed", "unlicenseduser")
    );
    // Taken for nobody at all is a failure.
    let nobody = house.caller.delivered(text_to(&["lisi"], "x")).await;
    assert_eq!(nobody["state"], "failed");
    house.stop().await;
}
