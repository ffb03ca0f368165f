//! Templates over HTTP: kept in versions, tried, switched, and what they make is sent.

use std::sync::Arc;

use pipeline::ports::SystemClock;
use serde_json::{Value, json};

use crate::kit::{Answer, TestHouse, text_to};

/// As it stands in the article.
const ARTICLE: &str = r#"
{
"msgtype": "text",
"text": {
"content": "{{username}}您好,您的{{item_name}}将于{{expire_date}}到期"
}
}
"#;

async fn put(house: &TestHouse, name: &str, body: Value) -> Answer {
    house.caller.request(reqwest::Method::PUT, &format!("/v1/templates/{name}"), Some(body.to_string()), &[]).await
}

fn with_template(name: &str, variables: Value) -> Value {
    json!({ "to": { "users": ["zhangsan"] }, "template": name, "variables": variables })
}

#[tokio::test]
async fn the_articles_template_makes_a_message_unchanged() {
    let house = TestHouse::start().await;
    let kept = put(&house, "expiry", json!({ "makes": "message", "source": ARTICLE })).await;
    assert_eq!(kept.status, 201, "{}", kept.text);
    assert_eq!(kept.json()["uses"], json!(["expire_date", "item_name", "username"]));
    let variables = json!({ "username": "张\"三\"\n经理", "item_name": "高级会员资格", "expire_date": "2023-12-31" });
    let message = house.caller.delivered(with_template("expiry", variables)).await;
    assert_eq!((&message["template"]["name"], &message["template"]["version"]), (&json!("expiry"), &json!(1)));
    let seen = house.simulator.control.only_message();
    assert_eq!(seen.text(), Some("张\"三\"\n经理您好,您的高级会员资格将于2023-12-31到期"));
    let stats = house.caller.get("/v1/stats").await.json();
    let of_template = &stats["templates"][0];
    assert_eq!((&of_template["name"], &of_template["delivered"]), (&json!("expiry"), &json!(1)), "{stats:#}");
    house.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_said_with_line_and_column_and_nothing_is_sent() {
    let house = TestHouse::start().await;
    let broken = put(&house, "broken", json!({ "makes": "text", "source": "a\n{{ b" })).await;
    assert_eq!((broken.status, broken.error().1.as_str()), (422, "template"), "{}", broken.text);
    assert!(broken.text.contains("line 2"), "{}", broken.text);
    put(&house, "order", json!({ "makes": "markdown", "source": "订单\n**{{ order }}** {{ count }}" })).await;
    let refused = house.caller.submit(with_template("order", json!({ "count": 1 }))).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("`order` is not given (line 2, column 6)"), "{}", refused.text);
    let unknown = house.caller.submit(with_template("ordre", json!({}))).await;
    assert_eq!(unknown.error().1, "unknown_template");
    assert!(unknown.text.contains("there are: order"), "{}", unknown.text);
    let both = json!({ "to": { "users": ["lisi"] }, "text": "x", "template": "order" });
    assert_eq!(house.caller.submit(both).await.status, 422);
    let alone = json!({ "to": { "users": ["lisi"] }, "text": "x", "variables": {} });
    assert_eq!(house.caller.submit(alone).await.status, 422);
    assert!(house.simulator.control.outbox().is_empty());
    house.stop().await;
}

#[tokio::test]
async fn versions_are_switched_and_rolled_back_also_over_a_restart() {
    let house = TestHouse::start().await;
    for (i, source) in ["eins {{ n }}", "zwei {{ n }}"].into_iter().enumerate() {
        let kept = put(&house, "t", json!({ "makes": "text", "source": source })).await.json();
        assert_eq!((&kept["version"], &kept["active"]), (&json!(i + 1), &json!(true)));
    }
    let third = json!({ "makes": "text", "source": "drei {{ n }}", "activate": false });
    assert_eq!(put(&house, "t", third).await.json()["active"], false);
    house.caller.delivered(with_template("t", json!({ "n": 1 }))).await;
    let mut pinned = with_template("t", json!({ "n": 2 }));
    pinned["template_version"] = json!(3);
    house.caller.delivered(pinned).await;
    let back = house.caller.post("/v1/templates/t/activate", json!({ "version": 1 }).to_string()).await;
    assert_eq!(back.json()["active"], true, "{}", back.text);
    let house = house.restart(Arc::new(SystemClock::new())).await;
    house.caller.delivered(with_template("t", json!({ "n": 3 }))).await;
    let texts: Vec<String> =
        house.simulator.control.outbox().iter().filter_map(|sent| sent.text().map(str::to_owned)).collect();
    assert_eq!(texts, ["zwei 1", "drei 2", "eins 3"]);
    assert_eq!(house.caller.post("/v1/templates/t/activate", json!({ "version": 9 }).to_string()).await.status, 404);
    house.stop().await;
}

#[tokio::test]
async fn a_preview_fills_in_examples_and_sends_nothing() {
    let house = TestHouse::start().await;
    let declared = json!([{ "name": "who", "kind": "string", "example": "<@all>" }, { "name": "n", "default": 3 }]);
    let body = json!({ "makes": "markdown", "source": "**{{ who }}** {{ n }}", "variables": declared });
    assert_eq!(put(&house, "t", body).await.status, 201);
    let preview = house.caller.post("/v1/templates/t/preview", "{}".to_owned()).await.json();
    assert_eq!(preview["content"]["content"], "**＜@all＞** 3", "{preview:#}");
    assert!(house.simulator.control.outbox().is_empty());
    let missing = house.caller.submit(with_template("t", json!({}))).await;
    assert_eq!(missing.status, 422, "an example is for previews alone");
    let wrong = house.caller.submit(with_template("t", json!({ "who": 3 }))).await;
    assert!(wrong.text.contains("`who` must be a string"), "{}", wrong.text);
    house.stop().await;
}

#[tokio::test]
async fn a_key_with_a_list_of_templates_sends_nothing_else() {
    let house = TestHouse::start().await;
    for name in ["mine", "other"] {
        put(&house, name, json!({ "makes": "text", "source": name })).await;
    }
    let caller = house.caller("erp", json!({ "templates": ["mine"] })).await;
    assert_eq!(caller.submit(with_template("mine", json!({}))).await.status, 202);
    for refused in [with_template("other", json!({})), text_to(&["zhangsan"], "own")] {
        let answer = caller.submit(refused).await;
        assert_eq!((answer.status, answer.error().1.as_str()), (403, "forbidden"), "{}", answer.text);
    }
    let put = caller
        .request(
            reqwest::Method::PUT,
            "/v1/templates/x",
            Some(json!({ "makes": "text", "source": "x" }).to_string()),
            &[],
        )
        .await;
    assert_eq!(put.status, 403, "only an administrator's key keeps templates");
    house.stop().await;
}

#[tokio::test]
async fn a_dead_letter_is_mended_by_other_variables() {
    let house = TestHouse::start().await;
    put(&house, "t", json!({ "makes": "text", "source": "{{ line }} 延期" })).await;
    let mut body = with_template("t", json!({ "line": "A" }));
    body["to"] = json!({ "users": ["ghost"] });
    let failed = house.caller.delivered(body).await;
    assert_eq!(failed["state"], "failed");
    let mend = json!({ "to": { "users": ["zhangsan"] }, "variables": { "line": "B" } }).to_string();
    let receipt = house.caller.post(&format!("/v1/messages/{}/retry", failed["id"].as_str().unwrap()), mend).await;
    assert_eq!(receipt.status, 202, "{}", receipt.text);
    house.caller.settled(receipt.json()["id"].as_str().unwrap()).await;
    house.simulator.control.assert_seen("zhangsan", "B 延期");
    house.stop().await;
}
