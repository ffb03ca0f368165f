//! Bad input: a clear error that names the field, the value and the mend; quickly, and without growing.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::kit::{TestHouse, text_to};

#[tokio::test]
async fn each_mistake_is_named() {
    let house = TestHouse::start().await;
    let to = json!({ "users": ["zhangsan"] });
    for (body, status, code, field) in [
        (json!({ "text": "x" }), 422, "missing", "to"),
        (json!({ "to": {}, "text": "x" }), 422, "missing", "to"),
        (json!({ "to": to }), 422, "missing", "text"),
        (json!({ "to": to, "text": "x", "markdown": "y" }), 422, "invalid", "markdown"),
        (json!({ "to": to, "txt": "x" }), 422, "unknown_field", "txt"),
        (json!({ "to": { "user": ["x"] }, "text": "x" }), 422, "unknown_field", "to.user"),
        (json!({ "to": { "people": ["emp:1"] }, "text": "x" }), 422, "unknown_person", "to.people[0]"),
        (json!({ "to": { "chats": ["c"] }, "text": "x" }), 422, "unknown_account", "to.chats"),
        (json!({ "to": { "emails": ["a@b.c"] }, "text": "x" }), 422, "missing", "to.emails"),
        (json!({ "to": { "emails": ["nobody"] }, "text": "x" }), 422, "invalid", "to.emails"),
        (json!({ "to": to, "text": "x", "route": [] }), 422, "invalid", "route"),
        (json!({ "to": to, "text": "x", "route": [{ "channel": "pigeon" }] }), 422, "invalid", "route[0].channel"),
        (json!({ "to": to, "text": "x", "route": [{ "channel": "robot" }] }), 422, "invalid", "route[0].name"),
        (
            json!({ "to": to, "text": "x", "route": [{ "channel": "robot", "name": "r" }] }),
            422,
            "unknown_account",
            "route",
        ),
        (json!({ "to": to, "text": "x", "overflow": "shrink" }), 422, "invalid", "overflow"),
        (
            json!({ "to": to, "file": { "media_id": "med_01K2ZK8Q0ZJ4M8W3T000000000" } }),
            422,
            "invalid",
            "file.media_id",
        ),
        (json!({ "to": to, "template": "t" }), 422, "unknown_template", "template"),
        (json!({ "to": to, "text": "x", "route": "r" }), 422, "unknown_route", "route"),
        (json!({ "to": { "users": ["a|b"] }, "text": "x" }), 422, "invalid", "to.users"),
        (json!({ "to": { "parties": ["x"] }, "text": "x" }), 422, "invalid", "to.parties"),
        (json!({ "to": { "robots": ["nobody"] }, "text": "x" }), 422, "unknown_account", "to.robots"),
        (json!({ "to": to, "app": "nobody", "text": "x" }), 422, "unknown_account", "app"),
        (json!({ "to": to, "text": "" }), 422, "missing", "text.content"),
        (json!({ "to": to, "text": "x".repeat(2049) }), 422, "too_long", "text.content"),
        (json!({ "to": to, "text": 5 }), 422, "invalid", "text"),
        (json!({ "to": to, "text": { "content": 5 } }), 422, "invalid", "text.content"),
        (json!({ "to": to, "text": { "contents": "x" } }), 422, "unknown_field", "text.contents"),
        (json!({ "to": { "robots": ["default"] }, "video": { "media_id": "m" } }), 422, "unsupported", "video"),
        (json!({ "to": { "robots": ["default"] }, "text": "x", "safe": 1 }), 422, "unsupported", "safe"),
        (json!({ "to": to, "text": "x", "mention": { "all": true } }), 422, "invalid", "mention"),
        (json!({ "to": to, "text": "x", "priority": "asap" }), 422, "invalid", "priority"),
        (json!({ "to": to, "text": "x", "send_at": "tomorrow" }), 422, "invalid", "send_at"),
        (json!({ "to": to, "text": "x", "expires_at": "2020-01-01T00:00:00Z" }), 422, "invalid", "expires_at"),
        (json!({ "to": to, "text": "x", "dedupe": { "key": "k", "window": "soon" } }), 422, "invalid", "dedupe.window"),
        (json!({ "to": to, "text": "x", "metadata": [1] }), 422, "invalid", "metadata"),
        (json!({ "to": to, "text": "x", "idempotency_key": "k" }), 422, "invalid", "idempotency_key"),
        (
            json!({ "to": to, "news": { "articles": [{ "title": "t", "url": "x", "color": 1 }] } }),
            422,
            "unknown_field",
            "news.articles[0].color",
        ),
        (json!([]), 422, "invalid", "(body)"),
    ] {
        let answer = house.caller.submit(body.clone()).await;
        assert_eq!(answer.error(), (status, code.to_owned(), field.to_owned()), "{body}: {}", answer.text);
        let error = &answer.json()["error"];
        assert!(error["request_id"].as_str().unwrap().starts_with("req_"), "{error}");
    }
    let long = house.caller.submit(json!({ "to": to, "text": "x".repeat(2049) })).await.json();
    assert!(long["error"]["doc"].as_str().unwrap().ends_with("/90236"), "{long}");
    house.stop().await;
}

/// The card of the article, as pasted: without agentid, and with a jump that has no title.
#[tokio::test]
async fn the_article_s_card_is_refused_by_field_and_its_mended_copy_is_sent() {
    let house = TestHouse::start().await;
    let mended: Value = serde_json::from_str(include_str!("../../../../examples/cards/approval.json")).unwrap();
    let mut pasted = mended.clone();
    pasted["jump_list"][0].as_object_mut().unwrap().remove("title");
    let answer = house.caller.submit(json!({ "to": { "users": ["zhangsan"] }, "template_card": pasted })).await;
    assert_eq!(answer.error(), (422, "missing".into(), "template_card.jump_list[0].title".into()));
    let message = house.caller.delivered(json!({ "to": { "users": ["zhangsan"] }, "template_card": mended })).await;
    assert_eq!(message["state"], "delivered");
    house.stop().await;
}

#[tokio::test]
async fn hostile_json_is_refused_quickly() {
    let house = TestHouse::start().await;
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(10_000), close.repeat(10_000));
    let recipients: Vec<String> = (0..200_000).map(|i| i.to_string()).collect();
    for (what, body, statuses) in [
        ("nested lists", deep("[", "]").into_bytes(), [400, 422]),
        (
            "nested in metadata",
            format!(
                r#"{{"to":{{"users":["a"]}},"text":"x","metadata":{}}}"#,
                deep("{\"a\":", "1}").replace("1}1}", "1}")
            )
            .into_bytes(),
            [400, 422],
        ),
        (
            "nested content",
            format!(r#"{{"to":{{"users":["a"]}},"textcard":{{"title":{}}}}}"#, deep("[", "]")).into_bytes(),
            [400, 422],
        ),
        ("50 MB", vec![b' '; 50 * 1024 * 1024], [413, 413]),
        ("duplicate keys", br#"{"to":{"users":["a"]},"text":"x","text":"y"}"#.to_vec(), [422, 422]),
        ("NaN", br#"{"to":{"users":["a"]},"text":"x","safe":NaN}"#.to_vec(), [400, 400]),
        ("a byte-order mark", b"\xef\xbb\xbf{}".to_vec(), [400, 400]),
        ("no UTF-8", b"{\"to\":{\"users\":[\"a\"]},\"text\":\"\xff\"}".to_vec(), [400, 422]),
        ("two values", br#"{"to":{"users":["zhangsan"]},"text":"x"} {}"#.to_vec(), [400, 422]),
        (
            "too many recipients",
            json!({ "to": { "users": recipients }, "text": "x" }).to_string().into_bytes(),
            [413, 422],
        ),
    ] {
        let started = Instant::now();
        let request =
            house.caller.http.post(format!("{}/v1/messages", house.caller.origin)).bearer_auth(&house.caller.key);
        // A body that is far too large may be cut off by a closed connection.
        let status = request.body(body).send().await.map_or(413, |answer| answer.status().as_u16());
        assert!(statuses.contains(&status), "{what}: {status}");
        assert!(started.elapsed() < Duration::from_millis(500), "{what} took {:?}", started.elapsed());
    }
    assert_eq!(house.caller.delivered(text_to(&["zhangsan"], "still alive")).await["state"], "delivered");
    house.stop().await;
}

#[tokio::test]
async fn bodies_have_limits() {
    let house = TestHouse::start().await;
    let almost = json!({ "to": { "users": ["zhangsan"] }, "text": "x".repeat(1024 * 1024 - 200) });
    assert_eq!(house.caller.submit(almost).await.error().1, "too_long");
    let over = json!({ "to": { "users": ["zhangsan"] }, "text": "x".repeat(1024 * 1024) });
    assert_eq!(house.caller.submit(over.clone()).await.error().0, 413);
    // In a batch an oversized line is refused on its own.
    let lines = [text_to(&["zhangsan"], "before"), over, text_to(&["zhangsan"], "after")].map(|line| line.to_string());
    let answer = house.caller.post("/v1/messages/batch", lines.join("\n")).await;
    let statuses: Vec<u64> = answer
        .text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["status"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses, [202, 413, 202]);
    let padded = [("x-padding", "y".repeat(70_000))];
    let refused = house.caller.request(reqwest::Method::GET, "/healthz", None, &[(padded[0].0, &padded[0].1)]).await;
    assert_eq!(refused.status, 431);
    house.stop().await;
}
