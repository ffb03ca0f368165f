//! From HTTP to the phones, and back into the record.

use std::time::Duration;

use serde_json::{Value, json};
use wecom_sim::{Fault, Target};

use crate::kit::{TestHouse, recipients, text_to};

#[tokio::test]
async fn a_message_reaches_a_phone_and_is_recorded() {
    let house = TestHouse::start().await;
    let message = house.caller.delivered(json!({
        "to": { "users": ["zhangsan", "lisi"] }, "text": "DFB-2000内胆：7月19日完成", "tags": ["plan"], "metadata": { "order": 4711 }
    }))
    .await;
    assert_eq!(message["state"], "delivered");
    assert_eq!(message["metadata"], json!({ "order": 4711 }));
    assert_eq!(message["deliveries"][0]["attempts"][0]["result"], "sent");
    assert!(message["deliveries"][0]["msgid"].is_string());
    let outbox = house.simulator.control.outbox();
    assert_eq!(outbox[0].text(), Some("DFB-2000内胆：7月19日完成"));
    for query in ["tag=plan", "recipient=user:zhangsan", "state=delivered", "since=2020-01-01T00:00:00Z"] {
        let page = house.caller.get(&format!("/v1/messages?{query}")).await.json();
        assert_eq!(page["messages"].as_array().unwrap().len(), 1, "{query}");
    }
    assert_eq!(house.caller.get("/v1/messages?state=failed").await.json()["messages"], json!([]));
    house.stop().await;
}

#[tokio::test]
async fn every_kind_of_content_is_carried() {
    let house = TestHouse::start().await;
    let link = json!({ "type": 1, "url": "https://e.example" });
    let card = json!({ "card_type": "text_notice", "main_title": { "title": "t" }, "card_action": link });
    for content in [
        json!({ "text": { "content": "x" } }),
        json!({ "markdown": "**x**" }),
        json!({ "textcard": { "title": "t", "description": "d", "url": "https://e.example" } }),
        json!({ "news": { "articles": [{ "title": "t", "url": "https://e.example" }] } }),
        json!({ "miniprogram_notice": { "appid": "wx1", "title": "会议室预订" } }),
        json!({ "template_card": card }),
    ] {
        let mut body = content.clone();
        body["to"] = json!({ "users": ["zhangsan"] });
        let message = house.caller.delivered(body).await;
        assert_eq!(message["state"], "delivered", "{content}: {message:#}");
    }
    for content in [
        json!({ "markdown_v2": "# x" }),
        json!({ "image": { "base64": "aGVsbG8gd29ybGQ=", "md5": "5eb63bbbe01eeed093cb22bb8f5acdc3" } }),
        json!({ "template_card": card }),
    ] {
        let mut body = content.clone();
        body["to"] = json!({ "robots": ["default"] });
        let message = house.caller.delivered(body).await;
        assert_eq!(message["state"], "delivered", "{content}: {message:#}");
    }
    house.stop().await;
}

#[tokio::test]
async fn three_of_ten_members_do_not_exist() {
    let house = TestHouse::start().await;
    house.simulator.control.add_members("m", 7);
    let users = ["m1", "m2", "Ghost1", "m3", "ghost2", "m4", "m5", "ghost3", "m6", "m7"];
    let message = house.caller.delivered(text_to(&users, "x")).await;
    assert_eq!(message["state"], "partly_delivered");
    for (recipient, state, code) in recipients(&message) {
        let ghost = recipient.to_lowercase().contains("ghost");
        assert_eq!(
            (state.as_str(), code.as_str()),
            if ghost { ("failed", "invaliduser") } else { ("delivered", "") },
            "{recipient}"
        );
    }
    // Retried, only the three are tried again.
    house.simulator.control.add_members("ghost", 3);
    let id = message["id"].as_str().unwrap();
    assert_eq!(house.caller.post(&format!("/v1/messages/{id}/retry"), String::new()).await.status, 200);
    assert_eq!(house.caller.settled(id).await["state"], "delivered");
    let last = house.simulator.control.outbox().pop().unwrap();
    assert!(matches!(last.target, Target::App { users, .. } if users == ["ghost1", "ghost2", "ghost3"]));
    house.stop().await;
}

#[tokio::test]
async fn two_and_a_half_thousand_recipients_are_three_calls_and_one_result() {
    let house = TestHouse::start().await;
    house.simulator.control.add_members("m", 2500);
    let users: Vec<String> = (1..=2501).map(|i| format!("m{i}")).collect();
    let message = house.caller.delivered(json!({ "to": { "users": users, "parties": [9, 1] }, "text": "x" })).await;
    assert_eq!(message["deliveries"].as_array().unwrap().len(), 3);
    let found = recipients(&message);
    assert_eq!(found.len(), 2503);
    let failed: Vec<_> = found.iter().filter(|(_, state, _)| state == "failed").map(|(r, ..)| r.as_str()).collect();
    assert_eq!(failed, ["party:9", "user:m2501"]);
    house.stop().await;
}

#[tokio::test]
async fn a_refused_message_is_dead_with_a_reason_and_can_be_retried() {
    let house = TestHouse::start().await;
    house.simulator.control.remove_robot("00000000-0000-4000-8000-000000000001", true);
    let message = house.caller.delivered(json!({ "to": { "robots": ["default"] }, "text": "x" })).await;
    assert_eq!((&message["state"], &message["deliveries"][0]["state"]), (&json!("failed"), &json!("dead")));
    assert_eq!(message["deliveries"][0]["reason"]["code"], "93000");
    house.simulator.control.remove_robot("00000000-0000-4000-8000-000000000001", false);
    let id = message["id"].as_str().unwrap();
    house.caller.post(&format!("/v1/messages/{id}/retry"), String::new()).await;
    assert_eq!(house.caller.settled(id).await["state"], "delivered");
    house.stop().await;
}

#[tokio::test]
async fn a_message_is_cancelled_before_and_not_after_it_was_sent() {
    let house = TestHouse::start().await;
    let later = json!({ "to": { "users": ["zhangsan"] }, "text": "later", "send_at": "2099-01-01T00:00:00Z" });
    let id = house.caller.accepted(later).await;
    assert_eq!(house.caller.message(&id).await["state"], "accepted");
    assert_eq!(
        house.caller.post(&format!("/v1/messages/{id}/cancel"), String::new()).await.json()["state"],
        "cancelled"
    );
    let sent = house.caller.delivered(text_to(&["zhangsan"], "now")).await;
    let refused =
        house.caller.post(&format!("/v1/messages/{}/cancel", sent["id"].as_str().unwrap()), String::new()).await;
    assert_eq!(refused.error(), (409, "not_cancellable".into(), String::new()));
    assert_eq!(house.simulator.control.outbox().len(), 1);
    house.stop().await;
}

#[tokio::test]
async fn a_message_is_recalled_in_every_state() {
    let house = TestHouse::start().await;
    let recall = async |id: &str| house.caller.post(&format!("/v1/messages/{id}/recall"), String::new()).await;
    let waiting = house
        .caller
        .accepted(json!({ "to": { "users": ["lisi"] }, "text": "x", "send_at": "2099-01-01T00:00:00Z" }))
        .await;
    assert_eq!(recall(&waiting).await.json()["state"], "recalled");
    let sent = house.caller.delivered(text_to(&["zhangsan"], "oops")).await["id"].as_str().unwrap().to_owned();
    assert_eq!(recall(&sent).await.json()["state"], "recalled");
    assert!(house.simulator.control.outbox()[0].recalled);
    let robot = house.caller.delivered(json!({ "to": { "robots": ["default"] }, "text": "x" })).await;
    assert_eq!(recall(robot["id"].as_str().unwrap()).await.error().1, "not_recallable");
    let old = house.caller.delivered(text_to(&["zhangsan"], "old")).await["id"].as_str().unwrap().to_owned();
    house.simulator.control.advance(Duration::from_secs(25 * 3600));
    let refused = recall(&old).await;
    assert_eq!((refused.status, refused.error().1.as_str()), (409, "not_recallable"), "{}", refused.text);
    // In flight: recalled once it is sent.
    house.simulator.control.fault(Fault::delay(Duration::from_millis(600)).on("message/send").times(1));
    let flying = house.caller.accepted(text_to(&["wangwu"], "in flight")).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(recall(&flying).await.status, 202);
    house.caller.settled(&flying).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(house.caller.message(&flying).await["state"], "recalled");
    house.stop().await;
}

#[tokio::test]
async fn what_expires_while_it_waits_is_never_sent() {
    let house = TestHouse::start().await;
    house.simulator.control.fault(Fault::errcode(-1).on("message/send"));
    let soon = (jiff::Timestamp::now() + Duration::from_millis(1500)).to_string();
    let id = house.caller.accepted(json!({ "to": { "users": ["zhangsan"] }, "text": "x", "expires_at": soon })).await;
    assert_eq!(house.caller.settled(&id).await["state"], "expired");
    house.simulator.control.clear_faults();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(house.simulator.control.outbox().is_empty());
    house.stop().await;
}

#[tokio::test]
async fn a_batch_answers_each_line_on_its_own() {
    let house = TestHouse::start().await;
    let lines = [
        text_to(&["zhangsan"], "one").to_string(),
        "{\"to\":".to_owned(),
        String::new(),
        json!({ "to": { "users": ["lisi"] }, "txt": "typo" }).to_string(),
        json!({ "to": { "users": ["lisi"] }, "text": "two", "idempotency_key": "k" }).to_string(),
        json!({ "to": { "users": ["lisi"] }, "text": "two", "idempotency_key": "k" }).to_string(),
        json!({ "to": { "users": ["lisi"] }, "text": "other", "idempotency_key": "k" }).to_string(),
    ];
    let answer = house.caller.post("/v1/messages/batch", lines.join("\n")).await;
    let results: Vec<Value> = answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let shown: Vec<_> = results.iter().map(|r| (r["line"].as_u64().unwrap(), r["status"].as_u64().unwrap())).collect();
    assert_eq!(shown, [(1, 202), (2, 400), (4, 422), (5, 202), (6, 202), (7, 422)]);
    assert_eq!(results[2]["error"]["field"], "txt");
    assert_eq!((&results[3]["receipt"]["id"], &results[4]["replayed"]), (&results[4]["receipt"]["id"], &json!(true)));
    house.stop().await;
}

#[tokio::test]
async fn mentions_safe_and_escape_reach_wecom() {
    let house = TestHouse::start().await;
    let mention = json!({ "users": ["lisi"], "mobiles": ["13800138000"], "all": true });
    house
        .caller
        .delivered(json!({ "to": { "robots": ["default"] }, "text": "<@all> x", "escape": true, "mention": mention }))
        .await;
    house.caller.delivered(json!({ "to": { "users": ["lisi"] }, "text": "secret", "safe": 1 })).await;
    let outbox = house.simulator.control.outbox();
    let text = &outbox[0].body["text"];
    assert_eq!(
        (&text["content"], &text["mentioned_list"], &text["mentioned_mobile_list"]),
        (&json!("＜@all> x"), &json!(["lisi", "@all"]), &json!(["13800138000"]))
    );
    assert_eq!(outbox[1].body["safe"], 1);
    house.stop().await;
}

#[tokio::test]
async fn files_stand_in_for_wecom() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("outbox");
    let house = TestHouse::start_with(|config| {
        config.delivery.via = hongyan::config::DeliveryVia::File;
        config.delivery.folder = target.clone();
    })
    .await;
    assert_eq!(house.caller.delivered(text_to(&["zhangsan"], "to a file")).await["state"], "delivered");
    let written = std::fs::read_to_string(target.join("wecom_app-default-000001.json")).unwrap();
    assert!(written.contains("to a file"), "{written}");
    assert!(house.simulator.control.requests().is_empty());
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_leaves_in_the_middle_leaves_nothing_stuck() {
    let house = TestHouse::start().await;
    house.simulator.control.add_members("m", 100);
    let leaving = (0..300_u64).map(|i| {
        let caller = house.caller.clone();
        async move {
            let body = text_to(&[&format!("m{}", i % 100 + 1)], &i.to_string());
            // Gone before, while or after the message is committed.
            let patience = Duration::from_micros(i * 40);
            let _gone = tokio::time::timeout(patience, caller.submit(body)).await;
        }
    });
    futures::future::join_all(leaving).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let page = house.caller.get("/v1/messages?limit=500").await.json();
    let messages = page["messages"].as_array().unwrap();
    for message in messages {
        assert_eq!(house.caller.settled(message["id"].as_str().unwrap()).await["state"], "delivered");
    }
    assert_eq!(house.simulator.control.outbox().len(), messages.len());
    house.stop().await;
}
