//! Dead letters: listed with their reasons, mended, replayed one by one or by filter, at a rate.

use std::time::Duration;

use hongyan::config::Pii;
use serde_json::{Value, json};

use crate::kit::{TestHouse, text_to};

async fn dead(house: &TestHouse, query: &str) -> Vec<Value> {
    let page = house.caller.get(&format!("/v1/dead-letters?{query}")).await.json();
    page["messages"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_dead_letter_is_mended_and_another_is_sent_in_its_place() {
    let house = TestHouse::start().await;
    let failed = house.caller.delivered(text_to(&["ghost"], "计划变更")).await;
    assert_eq!(failed["state"], "failed");
    let listed = dead(&house, "").await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["deliveries"][0]["reason"]["code"], "81013", "{listed:#?}");
    assert!(listed[0]["deliveries"][0]["attempts"][0]["request"].as_str().unwrap().contains("ghost"));
    let id = failed["id"].as_str().unwrap();
    let mend = json!({ "to": { "users": ["zhangsan"] } }).to_string();
    let receipt = house.caller.post(&format!("/v1/messages/{id}/retry"), mend).await;
    assert_eq!(receipt.status, 202, "{}", receipt.text);
    let other = house.caller.settled(receipt.json()["id"].as_str().unwrap()).await;
    assert_eq!((&other["state"], &other["replay_of"]), (&json!("delivered"), &json!(id)));
    house.simulator.control.assert_seen("zhangsan", "计划变更");
    assert!(dead(&house, "").await.is_empty(), "what was sent anew is no dead letter any more");
    house.stop().await;
}

#[tokio::test]
async fn the_content_or_the_route_can_be_mended_too() {
    let house = TestHouse::start().await;
    let failed = house.caller.delivered(text_to(&["ghost"], "x")).await;
    let id = failed["id"].as_str().unwrap();
    let mend = json!({ "text": "别的", "route": [{ "channel": "robot", "name": "default" }] }).to_string();
    let receipt = house.caller.post(&format!("/v1/messages/{id}/retry"), mend).await.json();
    let other = house.caller.settled(receipt["id"].as_str().unwrap()).await;
    assert_eq!(other["state"], "delivered", "{other:#}");
    assert_eq!(house.simulator.control.outbox().last().unwrap().text(), Some("别的"));
    let delivered = house.caller.delivered(text_to(&["lisi"], "fine")).await;
    let path = format!("/v1/messages/{}/retry", delivered["id"].as_str().unwrap());
    let refused = house.caller.post(&path, json!({ "text": "y" }).to_string()).await;
    assert_eq!(refused.error().1, "not_retryable");
    house.stop().await;
}

#[tokio::test]
async fn many_are_replayed_by_filter_first_dry_then_at_a_rate() {
    let house = TestHouse::start().await;
    let mut ids = Vec::new();
    for i in 0..6 {
        let mut body = text_to(&[&format!("late{i}")], &format!("n{i}"));
        body["tags"] = json!([if i < 4 { "plan" } else { "other" }]);
        ids.push(house.caller.delivered(body).await["id"].as_str().unwrap().to_owned());
    }
    // Now they are there.
    house.simulator.control.add_members("late", 6);
    let replay = async |body: Value| house.caller.post("/v1/messages/replay", body.to_string()).await;
    let filter = json!({ "tag": "plan" });
    let dry = replay(json!({ "filter": filter, "dry_run": true })).await.json();
    assert_eq!((&dry["matched"], &dry["done"]), (&json!(4), &json!(4)));
    assert_eq!(house.caller.message(&ids[0]).await["state"], "failed", "nothing was changed");
    let done = replay(json!({ "filter": filter, "rate": 2.0 })).await.json();
    assert_eq!(done["done"], 4, "{done:#}");
    let due: Vec<String> = {
        let mut due = Vec::new();
        for id in &ids[..4] {
            let message = house.caller.message(id).await;
            due.extend(message["deliveries"][0]["next_attempt_at"].as_str().map(str::to_owned));
        }
        due
    };
    assert!(due.len() >= 2, "the later ones wait for their turn: {due:?}");
    tokio::time::sleep(Duration::from_millis(100)).await;
    for id in &ids[1..4] {
        let message = house.caller.settled(id).await;
        assert_eq!(message["state"], "delivered", "{message:#}");
    }
    assert_eq!(replay(json!({ "filter": {} })).await.error(), (422, "missing".into(), "filter".into()));
    assert_eq!(replay(json!({ "filter": filter, "rate": 0 })).await.error(), (422, "invalid".into(), "rate".into()));
    house.stop().await;
}

#[tokio::test]
async fn figures_say_how_it_went_by_account_route_hour_and_error() {
    let house = TestHouse::start().await;
    for i in 0..3 {
        house.caller.delivered(text_to(&["lisi"], &format!("n{i}"))).await;
    }
    house.caller.delivered(text_to(&["ghost"], "x")).await;
    let route = json!([{ "channel": "app" }, { "channel": "robot", "name": "default" }]);
    let body = json!({ "to": { "users": ["ghost"] }, "text": "y", "route": route });
    house.caller.delivered(body).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let stats = house.caller.get("/v1/stats").await.json();
    let total = &stats["total"];
    assert_eq!(
        (&total["delivered"], &total["failed"], &total["moved_on"]),
        (&json!(4), &json!(1), &json!(1)),
        "{stats:#}"
    );
    assert_eq!(stats["errors"][0], json!({ "code": "81013", "channel": "wecom_app", "deliveries": 2 }));
    assert_eq!(stats["accounts"].as_array().unwrap().len(), 2);
    assert!(total["mean_ms"].as_f64().unwrap() > 0.0);
    let stranger = house.caller("stranger", json!({})).await;
    assert_eq!(stranger.get("/v1/stats").await.json()["total"]["deliveries"], 0);
    house.stop().await;
}

/// The files in which a text can be read, a fresh backup among them; the first key is the operator's own file.
fn read_in(house: &TestHouse, backup: &str, text: &str) -> Vec<String> {
    backends::back_up(&house.config.data_dir, &house.config.data_dir.join(backup)).unwrap();
    let files = std::fs::read_dir(&house.config.data_dir).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.is_file() && !path.ends_with("api-key"));
    let found = files.filter(|path| {
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    });
    found.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

#[tokio::test]
async fn who_is_erased_is_found_nowhere_not_even_in_a_backup() {
    for pii in [Pii::Plain, Pii::Sealed] {
        let house = TestHouse::start_with(|config| config.encryption.pii = pii).await;
        let canary = "canary-zhangsan";
        let both = json!({ "to": { "users": ["lisi", canary] }, "text": "to both" });
        let alone =
            json!({ "to": { "users": [canary] }, "text": "canary-words", "metadata": { "note": "canary-note" } });
        let both = house.caller.delivered(both).await["id"].as_str().unwrap().to_owned();
        let alone = house.caller.delivered(alone).await["id"].as_str().unwrap().to_owned();
        let found = house.caller.get("/v1/messages?recipient=user:canary-zhangsan").await.json();
        assert_eq!(found["messages"].as_array().map(Vec::len), Some(2), "{found:#}");
        if pii == Pii::Sealed {
            assert_eq!(read_in(&house, "before.sqlite", "canary"), Vec::<String>::new(), "before anybody is erased");
        }
        let erase = || house.caller.request(reqwest::Method::DELETE, "/v1/recipients/user:canary-zhangsan", None, &[]);
        assert_eq!(erase().await.json()["messages"], 2);
        let record = house.caller.message(&both).await;
        assert_eq!(record["content"]["content"], "to both", "others were told it, too");
        assert!(!record.to_string().contains(canary) && record.to_string().contains("user:lisi"), "{record:#}");
        assert!(!house.caller.message(&alone).await.to_string().contains("canary"));
        assert_eq!(read_in(&house, "backup.sqlite", "canary"), Vec::<String>::new());
        assert_eq!(erase().await.json()["messages"], 0);
        house.stop().await;
    }
}
