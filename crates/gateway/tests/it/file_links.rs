//! `overflow = "link"`: what is too long or too large is kept, and a link to it goes out, until it expires.

use std::time::Duration;

use domain::Timestamp;
use hongyan::config::{Config, Span};
use pipeline::ports::HandClock;
use serde_json::{Value, json};

use crate::kit::mail::MailServer;
use crate::kit::{Answer, ROBOT, TestHouse, http, resident_kib};

const PUBLIC: &str = "https://hongyan.example.com";
const MIB: usize = 1024 * 1024;

fn with_links(config: &mut Config) {
    config.public_url = Some(PUBLIC.to_owned());
    config.media.largest_mib = 110;
}

/// Bytes that tell where they belong.
fn bytes(count: usize) -> Vec<u8> {
    let some: Vec<u8> = (0..70_001_usize).map(|i| (i / 7) as u8 ^ (i / 4099) as u8).collect();
    let mut all = some.repeat(count.div_ceil(some.len()));
    all.truncate(count);
    all
}

/// The path of the link in the last message that was seen, and the message's words.
fn link(house: &TestHouse) -> (String, String) {
    let seen = house.simulator.control.outbox().pop().unwrap();
    let words = seen.body[&seen.msgtype]["content"].as_str().unwrap_or_else(|| panic!("{:#}", seen.body)).to_owned();
    let path = words.split(PUBLIC).nth(1).unwrap_or_else(|| panic!("no link: {words}"));
    let end = path.find(|c: char| !c.is_ascii_alphanumeric() && c != '/').unwrap_or(path.len());
    (path[..end].to_owned(), words)
}

/// Follows a link as a phone does: without a key.
async fn follow(house: &TestHouse, path: &str) -> (u16, reqwest::header::HeaderMap, Vec<u8>) {
    let answer = http().get(format!("{}{path}", house.house.origin())).send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    (status, headers, answer.bytes().await.unwrap().to_vec())
}

#[tokio::test]
async fn a_file_that_is_too_large_goes_out_as_a_link_to_the_same_bytes() {
    let house = TestHouse::start_with(with_links).await;
    let whole = bytes(25 * MIB);
    let id = house.caller.upload("七月 计划.pdf", &whole).await;
    let refused = house.caller.submit(json!({ "to": { "users": ["lisi"] }, "file": { "media_id": id } })).await;
    assert_eq!(refused.error(), (422, "too_long".into(), "file.media_id".into()));
    assert!(refused.json()["error"]["hint"].as_str().unwrap().contains("\"overflow\": \"link\""), "{}", refused.text);

    for to in [json!({ "users": ["lisi"] }), json!({ "robots": ["default"] })] {
        let body = json!({ "to": to, "file": { "media_id": id }, "overflow": "link" });
        let message = house.caller.delivered(body).await;
        assert_eq!(message["state"], "delivered", "{message:#}");
        assert_eq!(message["linked"]["file_name"], "七月 计划.pdf", "{message:#}");
        assert_eq!((&message["linked"]["size"], &message["linked"]["media_id"]), (&json!(25 * MIB), &json!(id)));
        let (path, words) = link(&house);
        assert!(!message.to_string().contains(&path), "the record does not give the link away: {message:#}");
        assert!(words.contains("七月 计划.pdf（25.0 MB）"), "{words}");
        let (status, headers, content) = follow(&house, &path).await;
        assert_eq!(status, 200);
        assert!(content == whole, "{} bytes", content.len());
        for (name, expected) in [
            ("content-type", "application/octet-stream"),
            ("content-length", "26214400"),
            ("cache-control", "private, no-store"),
            ("x-content-type-options", "nosniff"),
            (
                "content-disposition",
                "attachment; filename=\"_____.pdf\"; filename*=UTF-8''%E4%B8%83%E6%9C%88%20%E8%AE%A1%E5%88%92.pdf",
            ),
        ] {
            assert_eq!(headers[name], expected, "{name}");
        }
    }
    assert!(house.simulator.control.requests().iter().all(|request| !request.path.contains("upload")));
    house.stop().await;
}

#[tokio::test]
async fn what_a_channel_carries_is_sent_as_it_is() {
    let house = TestHouse::start_with(with_links).await;
    let id = house.caller.upload("计划.pdf", &bytes(MIB)).await;
    let to = json!({ "users": ["lisi"] });
    for (body, msgtype) in [
        (json!({ "to": to, "file": { "media_id": id }, "overflow": "link" }), "file"),
        (json!({ "to": to, "text": "短", "overflow": "link" }), "text"),
    ] {
        let message = house.caller.delivered(body).await;
        assert_eq!((&message["state"], &message["linked"]), (&json!("delivered"), &Value::Null), "{message:#}");
        assert_eq!(house.simulator.control.outbox().pop().unwrap().msgtype, msgtype);
    }
    // Three megabytes of picture: an application uploads it, and a robot, whose pictures stand in the message, links to it.
    let picture = house.caller.upload("计划.png", &bytes(3 * MIB)).await;
    let to = json!({ "users": ["lisi"], "robots": ["default"] });
    let body = json!({ "to": to, "image": { "media_id": picture }, "overflow": "link" });
    assert_eq!(house.caller.delivered(body).await["state"], "delivered");
    let seen = house.simulator.control.outbox();
    let mut kinds: Vec<&str> = seen[2..].iter().map(|sent| sent.msgtype.as_str()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["image", "text"]);
    house.stop().await;
}

#[tokio::test]
async fn a_long_text_becomes_a_link_to_all_of_it() {
    let house = TestHouse::start_with(with_links).await;
    let text: String = (0..900).map(|i| format!("第{i}行。\n")).collect();
    let markdown = format!("# 计划\n{text}");
    let opening = |text: &str| text.chars().take(100).collect::<String>();
    for (content, ending, whole) in [
        (json!({ "text": { "content": text, "mentioned_list": ["lisi"] } }), "txt", &text),
        (json!({ "markdown": markdown }), "md", &markdown),
    ] {
        let mut body = json!({ "to": { "robots": ["default"] }, "overflow": "link" });
        body.as_object_mut().unwrap().extend(content.as_object().unwrap().clone());
        let message = house.caller.delivered(body).await;
        assert_eq!(message["state"], "delivered", "{message:#}");
        assert_eq!(message["linked"]["file_name"], format!("message.{ending}"));
        let (path, words) = link(&house);
        assert!(words.starts_with(&opening(whole)) && words.len() < 1000, "{words}");
        let (status, headers, content) = follow(&house, &path).await;
        assert_eq!((status, String::from_utf8(content).unwrap().as_str()), (200, whole.as_str()));
        assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
        assert!(headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    }
    let requests = house.simulator.control.requests();
    let first = requests.iter().find(|request| request.key.as_deref() == Some(ROBOT)).unwrap();
    assert!(first.body.contains("mentioned_list"), "{}", first.body);
    // Where it would go can be asked without keeping anything.
    let test = json!({ "to": { "robots": ["default"] }, "text": text, "overflow": "link" });
    let answer = house.caller.post("/v1/routes/test", test.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    house.stop().await;
}

#[tokio::test]
async fn a_route_by_rule_asks_for_links_too() {
    let house = TestHouse::start_with(|config| {
        with_links(config);
        let route = json!({ "steps": [{ "channel": "robot", "name": "default" }], "overflow": "link" });
        config.routes.insert("ops".to_owned(), serde_json::from_value(route).unwrap());
        config.rules = serde_json::from_value(json!([{ "route": "ops", "tags": ["long"] }])).unwrap();
    })
    .await;
    let body = json!({ "to": { "users": ["lisi"] }, "text": "字".repeat(2000), "tags": ["long"] });
    assert_eq!(house.caller.delivered(body).await["state"], "delivered");
    assert_eq!(follow(&house, &link(&house).0).await.0, 200);
    house.stop().await;
}

#[tokio::test]
async fn a_link_ends_with_its_time_and_nobody_makes_or_prolongs_one() {
    let clock = HandClock::new(Timestamp::from_millis(1_790_000_000_000));
    let house = TestHouse::start_at(std::sync::Arc::new(clock.clone()), |config| {
        with_links(config);
        config.retention.messages = Span::seconds(7 * 24 * 3600);
    })
    .await;
    let sent = |text: &str| json!({ "to": { "users": ["lisi"] }, "text": text, "overflow": "link" });
    let message = house.caller.delivered(sent(&"字".repeat(1000))).await;
    assert_eq!(message["linked"]["expires_at"], (clock_at(&clock) + Span::seconds(7 * 24 * 3600).0).to_string());
    let (path, _) = link(&house);
    assert_eq!(follow(&house, &path).await.0, 200);
    for i in path.len() - 76..path.len() {
        let mut other = path.clone().into_bytes();
        other[i] = if other[i] == b'0' { b'1' } else { b'0' };
        let (status, _, page) = follow(&house, std::str::from_utf8(&other).unwrap()).await;
        let page = String::from_utf8(page).unwrap();
        assert!(status == 404 && page.contains("链接无效") && page.contains("not valid"), "{i}: {status} {page}");
    }
    clock.advance(Duration::from_secs(7 * 24 * 3600 - 1));
    assert_eq!(follow(&house, &path).await.0, 200);
    clock.advance(Duration::from_secs(1));
    let (status, headers, page) = follow(&house, &path).await;
    let page = String::from_utf8(page).unwrap();
    assert!(page.contains("链接已过期") && page.contains("has expired"), "{page}");
    assert_eq!((status, &headers["content-type"]), (410, &"text/html; charset=utf-8".parse().unwrap()));
    assert!(!page.contains("message") && headers.get("content-disposition").is_none());
    house.stop().await;
}

fn clock_at(clock: &HandClock) -> Timestamp {
    pipeline::ports::Clock::now(clock)
}

#[tokio::test]
async fn a_file_is_kept_as_long_as_a_link_to_it_is_good() {
    const DAY: u64 = 24 * 3600;
    let clock = HandClock::new(Timestamp::from_millis(1_790_000_000_000));
    let house = TestHouse::start_at(std::sync::Arc::new(clock.clone()), |config| {
        with_links(config);
        config.retention.messages = Span::seconds(10 * DAY);
    })
    .await;
    let id = house.caller.upload("计划.pdf", &bytes(21 * MIB)).await;
    let other = house.caller.upload("other.pdf", &bytes(100)).await;
    clock.advance(Duration::from_secs(9 * DAY));
    let body = json!({ "to": { "users": ["lisi"] }, "file": { "media_id": id }, "overflow": "link" });
    house.caller.delivered(body).await;
    let (path, _) = link(&house);
    let status_of = async |id: &str| house.caller.get(&format!("/v1/media/{id}")).await.status;
    let turned = async |days: u64, gone: &str| {
        clock.advance(Duration::from_secs(days * DAY));
        for _ in 0..200 {
            if status_of(gone).await == 404 {
                return;
            }
            clock.advance(Duration::from_secs(1));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{gone} is still kept");
    };
    turned(5, &other).await;
    assert_eq!(follow(&house, &path).await.0, 200);
    turned(2, &id).await;
    house.stop().await;
}

#[tokio::test]
async fn whoever_is_erased_takes_along_what_only_they_were_linked_to() {
    let house = TestHouse::start_with(with_links).await;
    let id = house.caller.upload("计划.pdf", &bytes(21 * MIB)).await;
    let mut paths = Vec::new();
    for to in ["lisi", "zhangsan"] {
        let body = json!({ "to": { "users": [to] }, "file": { "media_id": id }, "overflow": "link" });
        house.caller.delivered(body).await;
        paths.push(link(&house).0);
    }
    let text = json!({ "to": { "users": ["lisi"] }, "text": "秘".repeat(2000), "overflow": "link" });
    let message = house.caller.delivered(text).await;
    paths.push(link(&house).0);
    let statuses = async || {
        let mut found = Vec::new();
        for path in &paths {
            found.push(follow(&house, path).await.0);
        }
        found
    };
    assert_eq!(statuses().await, [200, 200, 200]);
    let erase = async |who: &str| {
        house.caller.request(reqwest::Method::DELETE, &format!("/v1/recipients/user:{who}"), None, &[]).await
    };
    assert_eq!(erase("lisi").await.status, 200);
    assert_eq!(statuses().await, [404, 200, 404]);
    let files = || std::fs::read_dir(house.config.data_dir.join("media")).unwrap().count();
    assert_eq!(files(), 1, "the text is gone, and the file is another's, too");
    let record = house.caller.message(message["id"].as_str().unwrap()).await;
    assert!(record["linked"].is_null() && !record.to_string().contains('秘'), "{record:#}");
    erase("zhangsan").await;
    assert_eq!((statuses().await, files()), (vec![404, 404, 404], 0));
    house.stop().await;
}

#[tokio::test]
async fn without_an_address_links_are_refused_with_the_mend() {
    let house = TestHouse::in_memory().await;
    for text in ["短".to_owned(), "字".repeat(2000)] {
        let refused =
            house.caller.submit(json!({ "to": { "users": ["lisi"] }, "text": text, "overflow": "link" })).await;
        assert_eq!(refused.error(), (422, "invalid".into(), "overflow".into()));
        assert!(refused.json()["error"]["hint"].as_str().unwrap().contains("public_url"), "{}", refused.text);
    }
    assert_eq!(follow(&house, "/f/00").await.0, 404);
    house.stop().await;
}

#[tokio::test]
async fn a_replay_of_what_was_linked_has_a_link_of_its_own() {
    let clock = HandClock::new(Timestamp::from_millis(1_790_000_000_000));
    let house = TestHouse::start_at(std::sync::Arc::new(clock.clone()), with_links).await;
    let body = json!({ "to": { "users": ["nobody-of-this-name"] }, "text": "字".repeat(1000), "overflow": "link" });
    let failed = house.caller.delivered(body).await;
    assert_eq!(failed["state"], "failed", "{failed:#}");
    clock.advance(Duration::from_secs(3600));
    let mended = json!({ "to": { "users": ["lisi"] } }).to_string();
    let answer: Answer =
        house.caller.post(&format!("/v1/messages/{}/retry", failed["id"].as_str().unwrap()), mended).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let message = house.caller.settled(answer.json()["id"].as_str().unwrap()).await;
    assert_eq!(message["state"], "delivered", "{message:#}");
    assert_ne!(message["linked"]["expires_at"], failed["linked"]["expires_at"]);
    assert_eq!(follow(&house, &link(&house).0).await.0, 200);
    house.stop().await;
}

#[tokio::test]
async fn a_mail_holds_what_servers_take_and_links_to_what_is_larger() {
    let server = MailServer::plain();
    let house = TestHouse::start_with(|config| {
        with_links(config);
        config.mail.insert("default".to_owned(), server.plain_section());
    })
    .await;
    let id = house.caller.upload("计划.pdf", &bytes(21 * MIB)).await;
    let body = json!({ "to": { "emails": ["li@example.com"] }, "file": { "media_id": id }, "overflow": "link" });
    let message = house.caller.delivered(body).await;
    assert_eq!(message["state"], "delivered", "{message:#}");
    assert!(message["linked"].is_object(), "{message:#}");
    let long = json!({ "to": { "emails": ["li@example.com"] }, "text": "字".repeat(3000), "overflow": "link" });
    let message = house.caller.delivered(long).await;
    assert_eq!((&message["state"], &message["linked"]), (&json!("delivered"), &Value::Null), "{message:#}");
    let mails = server.has_taken(2).await;
    assert!(mails.iter().all(|mail| mail.len() < 100_000), "neither holds the file");
    house.stop().await;
}

/// Handed in as it is made, and read as it comes: the test itself holds none of it.
#[tokio::test]
async fn a_hundred_megabytes_pass_through_little_memory() {
    const PARTS: usize = 100;
    let house = TestHouse::start_with(with_links).await;
    house.caller.delivered(json!({ "to": { "users": ["lisi"] }, "text": "warm" })).await;
    let before = resident_kib();
    let parts = futures::stream::iter((0..PARTS).map(|i| Ok::<_, std::io::Error>(vec![i as u8; MIB])));
    let content = reqwest::Body::wrap_stream(parts);
    let part = reqwest::multipart::Part::stream_with_length(content, (PARTS * MIB) as u64).file_name("image.iso");
    let form = reqwest::multipart::Form::new().part("media", part);
    let request = http().post(format!("{}/v1/media", house.caller.origin)).bearer_auth(&house.caller.key);
    let answer = request.multipart(form).send().await.unwrap();
    let kept: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(kept["size"], PARTS * MIB, "{kept}");
    let body = json!({ "to": { "users": ["lisi"] }, "file": { "media_id": kept["id"] }, "overflow": "link" });
    assert_eq!(house.caller.delivered(body).await["state"], "delivered");
    let (path, _) = link(&house);
    let mut answer = http().get(format!("{}{path}", house.house.origin())).send().await.unwrap();
    let (mut received, mut most) = (0, resident_kib());
    while let Some(chunk) = answer.chunk().await.unwrap() {
        for piece in chunk.chunks(4096) {
            let (first, last) = (received / MIB, (received + piece.len() - 1) / MIB);
            assert_eq!((usize::from(piece[0]), usize::from(piece[piece.len() - 1])), (first, last), "byte {received}");
            received += piece.len();
        }
        most = most.max(resident_kib());
    }
    assert_eq!(received, PARTS * MIB);
    let grown = most.saturating_sub(before);
    assert!(grown < 40 * 1024, "{grown} KiB more");
    house.stop().await;
}

#[tokio::test]
async fn a_file_that_breaks_off_or_is_too_large_leaves_nothing_behind() {
    let house = TestHouse::start_with(|config| {
        with_links(config);
        config.media.largest_mib = 30;
    })
    .await;
    let upload = async |parts: Vec<Result<Vec<u8>, std::io::Error>>| {
        let content = reqwest::Body::wrap_stream(futures::stream::iter(parts));
        let form =
            reqwest::multipart::Form::new().part("media", reqwest::multipart::Part::stream(content).file_name("x"));
        let request = http().post(format!("{}/v1/media", house.caller.origin)).bearer_auth(&house.caller.key);
        request.multipart(form).send().await
    };
    assert!(upload(vec![Ok(bytes(MIB)), Err(std::io::Error::other("gone"))]).await.is_err());
    if let Ok(answer) = upload(vec![Ok(bytes(31 * MIB))]).await {
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        assert!(status == 422 && text.contains("30 MiB") && text.contains("media.largest_mib"), "{status} {text}");
    }
    for _ in 0..100 {
        let left = std::fs::read_dir(house.config.data_dir.join("media")).unwrap().count();
        if left == 0 {
            house.stop().await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("something is left in the folder");
}
