//! The test of the product: whatever happens upstream, every receipt ends somewhere visible, nothing arrives that was
//! not accepted, and an application's message is seen once.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use wecom_sim::{Fault, Trouble};

use crate::kit::{TestHouse, text_to};

#[tokio::test]
async fn nothing_is_lost_on_sqlite() {
    conserve(TestHouse::start().await).await;
}

#[tokio::test]
async fn nothing_is_lost_in_memory() {
    conserve(TestHouse::in_memory().await).await;
}

async fn conserve(house: TestHouse) {
    const MESSAGES: usize = 400;
    house.simulator.control.add_members("m", 40);
    for (n, trouble) in [
        (11, Trouble::Errcode { errcode: -1, errmsg: None }),
        (23, Trouble::Errcode { errcode: 45_033, errmsg: None }),
        (29, Trouble::ResetBefore),
        (31, Trouble::ResetAfter),
        (37, Trouble::Half),
        (41, Trouble::Html),
        (43, Trouble::Status { status: 502 }),
        (199, Trouble::Hang),
    ] {
        house.simulator.control.fault(Fault::new(trouble).on("message/send").one_in(n));
    }
    let sends = (0..MESSAGES).map(|i| {
        let caller = house.caller.clone();
        async move {
            let user = if i % 10 == 9 { format!("ghost{}", i % 40) } else { format!("m{}", i % 40 + 1) };
            let id = caller.accepted(text_to(&[&user], &format!("message {i}"))).await;
            (format!("message {i}"), id)
        }
    });
    let accepted: BTreeMap<String, String> = futures::future::join_all(sends).await.into_iter().collect();
    // A part is cancelled and recalled while all this goes on.
    for id in accepted.values().take(20) {
        house.caller.post(&format!("/v1/messages/{id}/cancel"), String::new()).await;
    }
    let mut states: BTreeMap<&str, String> = BTreeMap::new();
    for (text, id) in &accepted {
        let message = house.caller.settled(id).await;
        let state = message["state"].as_str().unwrap().to_owned();
        if state == "failed" {
            assert!(message["deliveries"][0]["reason"]["code"].is_string(), "{message:#}");
        }
        states.insert(text, state);
    }
    house.simulator.control.clear_faults();
    let outbox = house.simulator.control.outbox();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for sent in outbox.iter().filter(|sent| sent.is_seen()) {
        *seen.entry(sent.text().unwrap()).or_default() += 1;
    }
    for (text, count) in &seen {
        assert!(accepted.contains_key(*text), "`{text}` arrived and was never accepted");
        assert_eq!(*count, 1, "`{text}` was seen {count} times");
    }
    for (text, state) in &states {
        match state.as_str() {
            "delivered" => assert!(seen.contains_key(text), "`{text}` is said to be delivered, and nobody saw it"),
            "failed" | "cancelled" => assert!(!seen.contains_key(text), "`{text}` is said to be {state}, and was seen"),
            "uncertain" => {}
            other => panic!("`{text}` ended as {other}"),
        }
    }
    let kinds: BTreeSet<&str> = states.values().map(String::as_str).collect();
    assert!(kinds.contains("delivered") && kinds.contains("failed"), "{kinds:?}");
    // A fresh message still gets through.
    let fresh = house.caller.delivered(json!({ "to": { "users": ["zhangsan"] }, "text": "still alive" })).await;
    assert_eq!(fresh["state"], "delivered");
    house.stop().await;
}
