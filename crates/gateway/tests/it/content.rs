//! What is too long, and what is a file: parts with numbers, one upload for many messages, links to pictures.

use serde_json::{Value, json};
use wecom_sim::{Fault, Rules};

use crate::kit::{ROBOT, TestHouse};

#[tokio::test]
async fn a_long_text_is_sent_in_numbered_parts_and_resumed_after_a_failure() {
    let house = TestHouse::start().await;
    // The third call meets trouble: the first two parts are not sent again.
    house.simulator.control.fault(Fault::errcode(-1).on("message/send").one_in(3).times(1));
    let text: String = (0..900).map(|i| format!("第{i}行。")).collect();
    let body = json!({ "to": { "users": ["lisi"] }, "text": text, "overflow": "split" });
    let message = house.caller.delivered(body).await;
    assert_eq!(message["state"], "delivered", "{message:#}");
    let outbox = house.simulator.control.outbox();
    let parts: Vec<&str> = outbox.iter().map(|sent| sent.text().unwrap()).collect();
    let mut joined = String::new();
    for (i, part) in parts.iter().enumerate() {
        assert!(part.len() <= 2048);
        joined.push_str(part.strip_suffix(&format!("\n({}/{})", i + 1, parts.len())).expect(part));
    }
    assert_eq!(joined, text);
    // All of it can be recalled.
    let id = message["id"].as_str().unwrap();
    assert_eq!(house.caller.post(&format!("/v1/messages/{id}/recall"), String::new()).await.status, 200);
    assert!(house.simulator.control.outbox().iter().all(|sent| sent.recalled));
    house.stop().await;
}

#[tokio::test]
async fn what_is_too_long_is_refused_cut_or_sent_as_a_file() {
    let house = TestHouse::start().await;
    let long = "字".repeat(2000);
    let body = |overflow: &str| json!({ "to": { "robots": ["default"] }, "text": long, "overflow": overflow });
    assert_eq!(house.caller.submit(body("reject")).await.error(), (422, "too_long".into(), "text.content".into()));
    assert_eq!(house.caller.delivered(body("truncate")).await["state"], "delivered");
    assert_eq!(house.caller.delivered(body("file")).await["state"], "delivered");
    let outbox = house.simulator.control.outbox();
    assert!(outbox[0].text().unwrap().ends_with("…（已截断）"));
    assert_eq!(outbox[1].msgtype, "file");
    house.stop().await;
}

#[tokio::test]
async fn a_file_is_uploaded_once_for_a_company_and_once_for_a_robot_and_again_when_it_is_gone() {
    let house = TestHouse::start().await;
    let id = house.caller.upload("计划.pdf", b"%PDF-1.4 hello").await;
    let to = json!({ "users": ["lisi"], "robots": ["default"] });
    for _ in 0..3 {
        let message = house.caller.delivered(json!({ "to": to, "file": { "media_id": id } })).await;
        assert_eq!(message["state"], "delivered", "{message:#}");
    }
    let uploads = |path: &str| house.simulator.control.requests().iter().filter(|r| r.path.ends_with(path)).count();
    assert_eq!((uploads("/media/upload"), uploads("/webhook/upload_media")), (1, 1));
    house.simulator.control.fault(Fault::errcode(40_007).on("message/send").times(1));
    let message = house.caller.delivered(json!({ "to": { "users": ["lisi"] }, "file": { "media_id": id } })).await;
    assert_eq!(message["state"], "delivered", "{message:#}");
    assert_eq!(uploads("/media/upload"), 2);
    // Another caller's file is nobody's.
    let stranger = house.caller("stranger", json!({})).await;
    let refused = stranger.submit(json!({ "to": { "users": ["lisi"] }, "file": { "media_id": id } })).await;
    assert_eq!(refused.error(), (422, "invalid".into(), "file.media_id".into()));
    house.stop().await;
}

#[tokio::test]
async fn a_picture_of_ours_stands_in_a_robots_message_itself() {
    let house = TestHouse::start().await;
    house.simulator.control.set_rules(Rules::default());
    let picture = house.caller.upload("计划.png", b"\x89PNG\r\n\x1a\n0000000000").await;
    let message =
        house.caller.delivered(json!({ "to": { "robots": ["default"] }, "image": { "media_id": picture } })).await;
    assert_eq!(message["state"], "delivered", "{message:#}");
    let requests = house.simulator.control.requests();
    let sent = requests.iter().find(|request| request.key.as_deref() == Some(ROBOT)).unwrap();
    assert!(sent.body.contains("\"md5\"") && sent.path.ends_with("webhook/send"), "{}", sent.body);
    house.stop().await;
}

#[tokio::test]
async fn a_file_by_url_is_fetched_from_public_addresses_only() {
    let house = TestHouse::start().await;
    for url in ["http://127.0.0.1/x.pdf", "https://169.254.169.254/latest", "file:///etc/passwd", "https://[::1]/x"] {
        let body = json!({ "to": { "users": ["lisi"] }, "file": { "media_id": { "url": url } } });
        let refused = house.caller.submit(body).await;
        assert_eq!(refused.error(), (422, "invalid".into(), "file.media_id.url".into()), "{url}: {}", refused.text);
    }
    house.stop().await;
}

#[tokio::test]
async fn lists_in_markdown_are_taken_with_a_warning() {
    let house = TestHouse::start().await;
    let taken = house.caller.submit(json!({ "to": { "users": ["lisi"] }, "markdown": "1. 一\n2. 二" })).await.json();
    assert!(taken["warnings"][0].as_str().unwrap().contains("markdown_v2"), "{taken:#}");
    house.stop().await;
}

#[tokio::test]
async fn readers_in_wechat_get_what_is_shown_there() {
    let readers = |config: &mut hongyan::config::Config| {
        config.apps.get_mut("default").unwrap().readers = serde_json::from_value(json!("both")).unwrap();
    };
    let house = TestHouse::start_with(readers).await;
    let message =
        house.caller.delivered(json!({ "to": { "users": ["lisi"] }, "markdown": "# 计划\n**7月19日**" })).await;
    assert_eq!(message["state"], "delivered", "{message:#}");
    assert_eq!(house.simulator.control.only_message().text(), Some("计划\n7月19日"));
    house.stop().await;
}

#[tokio::test]
async fn a_file_that_wecom_would_not_take_is_refused_with_the_reason() {
    let house = TestHouse::in_memory().await;
    let part = reqwest::multipart::Part::bytes(vec![b'x'; 21 * 1024 * 1024]).file_name("plan.pdf");
    let form = reqwest::multipart::Form::new().part("media", part);
    let request = house.caller.http.post(format!("{}/v1/media", house.caller.origin)).bearer_auth(&house.caller.key);
    let answer = request.multipart(form).send().await.unwrap();
    let status = answer.status().as_u16();
    let error = serde_json::from_str::<Value>(&answer.text().await.unwrap()).unwrap()["error"].clone();
    assert_eq!((status, &error["field"]), (422, &Value::from("media")), "{error}");
    assert!(error["message"].as_str().unwrap().contains("20 MiB") && error["hint"].is_string(), "{error}");
    house.stop().await;
}
