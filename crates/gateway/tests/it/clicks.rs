//! Links that are counted, and versions that are compared.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::kit::{Answer, Caller, TestHouse};

const PUBLIC: &str = "https://hongyan.example.com";

async fn put(house: &TestHouse, name: &str, source: &str) -> Answer {
    let body = json!({ "makes": "markdown", "source": source, "track_clicks": true }).to_string();
    house.caller.request(reqwest::Method::PUT, &format!("/v1/templates/{name}"), Some(body), &[]).await
}

fn by_template(name: &str) -> Value {
    json!({ "to": { "users": ["zhangsan"] }, "template": name, "variables": { "order": "4711" } })
}

/// The paths of the redirects in the last message that was seen.
fn redirects(house: &TestHouse) -> Vec<String> {
    let seen = house.simulator.control.outbox().pop().unwrap();
    let text = seen.body["markdown"]["content"].as_str().unwrap().to_owned();
    let begins = format!("({PUBLIC}");
    let found = text.split(&begins).skip(1).filter_map(|rest| rest.split(')').next());
    found.map(str::to_owned).collect()
}

/// Follows a redirect as a phone does: without a key.
async fn click(house: &TestHouse, path: &str, method: reqwest::Method) -> (u16, String) {
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let answer = http.request(method, format!("{}{path}", house.house.origin())).send().await.unwrap();
    let location = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
    (answer.status().as_u16(), location.unwrap_or_default())
}

async fn clicks(caller: &Caller, id: &str, wanted: u64) -> Value {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let message = caller.message(id).await;
        if message["links"][0]["clicks"] == wanted {
            return message;
        }
        assert!(Instant::now() < deadline, "{message:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn clicks_are_counted_for_message_and_version_and_lead_on() {
    let house = TestHouse::start_with(|config| config.public_url = Some(PUBLIC.to_owned())).await;
    let source =
        "**订单 {{ order }}** [查看](https://oa.example.com/order?id={{ order }}) [帮助](https://help.example.com/)";
    assert_eq!(put(&house, "order", source).await.status, 201);
    let message = house.caller.delivered(by_template("order")).await;
    let id = message["id"].as_str().unwrap();
    let links = redirects(&house);
    assert_eq!(links.len(), 2);
    assert!(!links[0].contains("oa.example"), "the redirect does not say where it leads: {}", links[0]);
    for _ in 0..3 {
        let (status, to) = click(&house, &links[0], reqwest::Method::GET).await;
        assert_eq!((status, to.as_str()), (302, "https://oa.example.com/order?id=4711"));
    }
    assert_eq!(click(&house, &links[1], reqwest::Method::HEAD).await.0, 302);
    let last = if links[0].ends_with('0') { '1' } else { '0' };
    let made_up = format!("{}{last}", &links[0][..links[0].len() - 1]);
    assert_eq!(click(&house, &made_up, reqwest::Method::GET).await.0, 404);
    let shown = clicks(&house.caller, id, 3).await;
    assert_eq!(shown["links"][1], json!({ "target": "https://help.example.com/", "clicks": 0 }), "a HEAD is no click");
    let figures = house.caller.get("/v1/templates/order/figures").await.json();
    let expected = json!([{ "version": 1, "messages": 1, "delivered": 1, "clicks": 3, "clicked": 1, "presses": 0 }]);
    assert_eq!(figures, expected);
    house.stop().await;
}

#[tokio::test]
async fn a_name_stands_for_several_versions_as_often_as_they_weigh() {
    let house = TestHouse::start_with(|config| config.public_url = Some(PUBLIC.to_owned())).await;
    for words in ["A {{ order }}", "B {{ order }}", "C {{ order }}"] {
        put(&house, "offer", words).await;
    }
    let split = |versions: Value| {
        let caller = house.caller.clone();
        async move { caller.post("/v1/templates/offer/split", json!({ "versions": versions }).to_string()).await }
    };
    assert_eq!(split(json!([{ "version": 1, "weight": 1 }])).await.error().1, "too_few");
    assert_eq!(split(json!([{ "version": 1, "weight": 1 }, { "version": 9, "weight": 1 }])).await.status, 404);
    assert_eq!(split(json!([{ "version": 1, "weight": 3 }, { "version": 3, "weight": 1 }])).await.status, 204);
    let mut drawn = [0; 4];
    for _ in 0..200 {
        let id = house.caller.accepted(by_template("offer")).await;
        let version = house.caller.message(&id).await["template"]["version"].as_u64().unwrap();
        drawn[usize::try_from(version).unwrap()] += 1;
    }
    // 150 ± 6 is one deviation; seven of them are never seen.
    assert!(drawn[2] == 0 && (108..192).contains(&drawn[1]), "{drawn:?}");
    let back = house.caller.post("/v1/templates/offer/activate", json!({ "version": 2 }).to_string()).await;
    assert_eq!(back.status, 200);
    let id = house.caller.accepted(by_template("offer")).await;
    assert_eq!(house.caller.message(&id).await["template"]["version"], 2);
    house.stop().await;
}

#[tokio::test]
async fn without_a_public_url_nothing_is_counted_and_it_is_said() {
    let house = TestHouse::start().await;
    let refused = put(&house, "order", "[x](https://x)").await;
    assert_eq!(refused.error().2, "track_clicks");
    assert!(refused.text.contains("public_url"), "{}", refused.text);
    house.stop().await;
}

#[tokio::test]
async fn links_to_who_was_erased_lead_nowhere_and_still_count() {
    let house = TestHouse::start_with(|config| config.public_url = Some(PUBLIC.to_owned())).await;
    put(&house, "order", "[查看](https://oa.example.com/order?id={{ order }})").await;
    let message = house.caller.delivered(by_template("order")).await;
    let link = redirects(&house).remove(0);
    assert_eq!(click(&house, &link, reqwest::Method::GET).await.0, 302);
    clicks(&house.caller, message["id"].as_str().unwrap(), 1).await;
    house.caller.request(reqwest::Method::DELETE, "/v1/recipients/user:zhangsan", None, &[]).await;
    assert_eq!(click(&house, &link, reqwest::Method::GET).await.0, 404);
    let record = house.caller.message(message["id"].as_str().unwrap()).await;
    assert!(!record.to_string().contains("oa.example.com"), "{record:#}");
    assert_eq!(record["links"][0]["clicks"], 1, "{record:#}");
    house.stop().await;
}
