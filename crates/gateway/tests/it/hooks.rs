//! Hooks: what monitoring, CI and code systems really post, proven, told once, as it should look.

use hongyan::config::{Config, HookSection, SecretText, Span};
use serde_json::{Value, json};

use crate::kit::{Answer, TestHouse};

pub(crate) const SECRET: &str = "whsec-canary-hook-0123456789";

pub(crate) fn hook(source: &str) -> HookSection {
    HookSection {
        source: source.to_owned(),
        secret: Some(SecretText(SECRET.into())),
        secret_file: None,
        to: vec!["robot:default".to_owned()],
        route: None,
        app: None,
        template: None,
        priority: None,
        tags: Vec::new(),
        networks: Vec::new(),
        repeats: Span::seconds(300),
        caller: None,
    }
}

fn with_hook(source: &'static str) -> impl FnOnce(&mut Config) {
    move |config| {
        config.hooks.insert("h".to_owned(), hook(source));
    }
}

fn recorded(path: &str) -> String {
    std::fs::read_to_string(format!("{}/../../fixtures/hooks/{path}.json", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Posts without a key of ours.
async fn post(house: &TestHouse, path: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
    let nobody = crate::kit::Caller { key: String::new(), ..house.caller.clone() };
    nobody.request(reqwest::Method::POST, path, Some(body.to_owned()), headers).await
}

fn bearer() -> String {
    format!("Bearer {SECRET}")
}

/// The markdown of the only message that was seen.
async fn markdown_of(house: &TestHouse, answer: &Answer) -> String {
    assert_eq!(answer.status, 202, "{}", answer.text);
    for message in answer.json()["messages"].as_array().unwrap() {
        house.caller.settled(message["id"].as_str().unwrap()).await;
    }
    let seen = house.simulator.control.only_message();
    seen.body["markdown"]["content"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_group_of_alerts_looks_like_what_it_is_and_is_told_once() {
    let house = TestHouse::start_with(with_hook("alertmanager")).await;
    let body = recorded("alertmanager/firing");
    let answer = post(&house, "/hooks/alertmanager/h", &body, &[("authorization", &bearer())]).await;
    let markdown = markdown_of(&house, &answer).await;
    assert!(markdown.contains("告警</font> DiskFull（2 条）"), "{markdown}");
    assert!(markdown.contains("**db-1 的磁盘 /dev/sda1 已用 97 %**"), "{markdown}");
    assert!(markdown.contains("[处理手册](https://wiki.example.com/runbooks/disk_full)"), "{markdown}");
    assert!(markdown.contains("开始：2026-11-26 10:03"), "{markdown}");
    assert!(markdown.contains("[静默](http://alertmanager.example:9093/#/silences/new?filter="), "{markdown}");
    let mut other: Value = serde_json::from_str(&body).unwrap();
    other["externalURL"] = json!("http://am-2:9093");
    let again = post(&house, "/hooks/alertmanager/h", &other.to_string(), &[("authorization", &bearer())]).await;
    assert_eq!(again.json()["messages"][0]["state"], "duplicate", "{}", again.text);
    let over =
        post(&house, "/hooks/alertmanager/h", &recorded("alertmanager/resolved"), &[("authorization", &bearer())])
            .await;
    house.caller.settled(over.json()["messages"][0]["id"].as_str().unwrap()).await;
    assert_eq!(house.simulator.control.outbox().len(), 2);
    house.stop().await;
}

#[tokio::test]
async fn who_does_not_prove_itself_is_refused_and_tires_the_hook() {
    let house = TestHouse::start_with(with_hook("alertmanager")).await;
    let body = recorded("alertmanager/firing");
    let path = format!("/hooks/alertmanager/h/{SECRET}");
    let basic = format!("Basic {}", base64_of(&format!("any:{SECRET}")));
    for (path, headers, status) in [
        ("/hooks/alertmanager/h", vec![], 401),
        ("/hooks/alertmanager/h", vec![("authorization", "Bearer wrong")], 401),
        ("/hooks/alertmanager/h/wrong", vec![], 401),
        ("/hooks/alertmanager/h?token=whsec-canary-hook-0123456789", vec![], 401),
        ("/hooks/grafana/h", vec![("authorization", "Bearer wrong")], 404),
        ("/hooks/alertmanager/other", vec![], 404),
        (path.as_str(), vec![], 202),
        ("/hooks/alertmanager/h", vec![("authorization", basic.as_str())], 202),
    ] {
        let answer = post(&house, path, &body, &headers).await;
        assert_eq!(answer.status, status, "{path} {headers:?} {}", answer.text);
    }
    for _ in 0..16 {
        post(&house, "/hooks/alertmanager/h/guess", &body, &[]).await;
    }
    let tired = post(&house, path.as_str(), &body, &[]).await;
    assert_eq!((tired.status, tired.headers.contains_key("retry-after")), (429, true), "{}", tired.text);
    assert_eq!(house.simulator.control.outbox().len(), 1);
    house.stop().await;
}

#[tokio::test]
async fn a_hook_is_called_from_its_networks_alone() {
    let house = TestHouse::start_with(|config| {
        let networks = vec!["10.0.0.0/8".parse().unwrap()];
        config.hooks.insert("h".to_owned(), HookSection { networks, ..hook("alertmanager") });
    })
    .await;
    let refused = post(&house, "/hooks/alertmanager/h", "{}", &[("authorization", &bearer())]).await;
    assert_eq!(refused.error().1, "ip_not_allowed");
    assert!(refused.text.contains("127.0.0.1"), "{}", refused.text);
    house.stop().await;
}

fn base64_of(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}
