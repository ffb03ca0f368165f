//! Keys: signed requests, limits of a minute and a day, and what each kind of key is good for.

use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;
use pipeline::ports::{Clock as _, HandClock, SystemClock};
use pipeline::signature;
use serde_json::json;
use sha2::Digest as _;

use crate::kit::{Answer, Caller, TestHouse, text_to};

fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

/// Posts what is signed with a key's text, as a caller that never sends it does.
async fn signed(caller: &Caller, path: &str, signed_path: &str, body: &str, nonce: &str, at: Timestamp) -> Answer {
    let seconds = (at.as_millis() / 1000).to_string();
    let before = format!("{seconds}\n{nonce}\nPOST {signed_path}\n");
    let mac = signature::of(caller.key.as_bytes(), &[before.as_bytes(), body.as_bytes()]);
    let signature = format!("v1={mac}");
    let headers = [
        ("x-hongyan-key", &caller.key[..11]),
        ("x-hongyan-timestamp", seconds.as_str()),
        ("x-hongyan-nonce", nonce),
        ("x-hongyan-signature", signature.as_str()),
    ];
    let nobody = Caller { key: String::new(), ..caller.clone() };
    nobody.request(reqwest::Method::POST, path, Some(body.to_owned()), &headers).await
}

#[tokio::test]
async fn a_signed_request_is_taken_once_in_time_and_as_it_was_signed() {
    let house = TestHouse::start().await;
    let erp = house.caller("erp", json!({ "kind": "signing" })).await;
    assert!(erp.key.starts_with("hs_"));
    let body = text_to(&["zhangsan"], "signed").to_string();
    let path = "/v1/messages";
    let old = now() - Duration::from_secs(301);
    let first = signed(&erp, path, path, &body, "n1", now()).await;
    assert_eq!(first.status, 202, "{}", first.text);
    house.caller.settled(first.json()["id"].as_str().unwrap()).await;
    for (answer, why) in [
        (signed(&erp, path, path, &body, "n1", now()).await, "used before"),
        (signed(&erp, path, path, &body, "n2", old).await, "five minutes"),
        (signed(&erp, path, "/v1/media", &body, "n3", now()).await, "another"),
        (erp.submit(text_to(&["zhangsan"], "sent as a bearer")).await, "Authorization"),
    ] {
        assert_eq!(answer.status, 401, "{why}: {}", answer.text);
        assert!(answer.text.contains(why), "{why}: {}", answer.text);
    }
    assert_eq!(house.simulator.control.outbox().len(), 1);
    // Over a restart the secret is read from where it is sealed.
    let key = erp.key.clone();
    let house = house.restart(Arc::new(SystemClock::new())).await;
    let erp = Caller { key, ..house.caller.clone() };
    assert_eq!(signed(&erp, path, path, &body, "n4", now()).await.status, 202);
    house.stop().await;
}

#[tokio::test]
async fn the_simple_scheme_is_taken_only_where_it_is_allowed() {
    for allowed in [false, true] {
        let house = TestHouse::start_with(|config| config.http.simple_signatures = allowed).await;
        let erp = house.caller("erp", json!({ "kind": "signing" })).await;
        let seconds = (now().as_millis() / 1000).to_string();
        let text = format!("{seconds}\nn1\n{}\n", erp.key);
        let mac = signature::of(erp.key.as_bytes(), &[text.as_bytes()]);
        let headers = [("x-timestamp", seconds.as_str()), ("x-nonce", "n1"), ("x-signature", mac.as_str())];
        let nobody = Caller { key: String::new(), ..house.caller.clone() };
        for status in [if allowed { 202 } else { 401 }, 401] {
            let body = Some(text_to(&["zhangsan"], "hello").to_string());
            let answer = nobody.request(reqwest::Method::POST, "/v1/messages", body, &headers).await;
            assert_eq!(answer.status, status, "{}", answer.text);
            assert_eq!(answer.text.contains("http.simple_signatures = true"), !allowed, "{}", answer.text);
        }
        house.stop().await;
    }
}

#[tokio::test]
async fn a_key_sends_as_much_as_it_may_in_a_minute_and_a_day_also_over_a_restart() {
    let clock = Arc::new(HandClock::new(Timestamp::from_millis(1_790_000_000_000)));
    let house = TestHouse::start_at(clock.clone(), |_| {}).await;
    let erp = house.caller("erp", json!({ "per_minute": 2, "per_day": 3 })).await;
    let first = erp.request(
        reqwest::Method::POST,
        "/v1/messages",
        Some(text_to(&["lisi"], "1").to_string()),
        &[("idempotency-key", "k")],
    );
    assert_eq!(first.await.status, 202);
    let again = erp.request(
        reqwest::Method::POST,
        "/v1/messages",
        Some(text_to(&["lisi"], "1").to_string()),
        &[("idempotency-key", "k")],
    );
    assert_eq!(again.await.headers["idempotency-replayed"], "true");
    assert_eq!(erp.submit(text_to(&["lisi"], "2")).await.status, 202, "a replay counts for nothing");
    let over = erp.submit(text_to(&["lisi"], "3")).await;
    assert_eq!((over.status, over.headers["retry-after"].to_str().unwrap()), (429, "60"), "{}", over.text);
    let replayed = erp.request(
        reqwest::Method::POST,
        "/v1/messages",
        Some(text_to(&["lisi"], "1").to_string()),
        &[("idempotency-key", "k")],
    );
    assert_eq!(replayed.await.headers["idempotency-replayed"], "true", "also at the limit");
    assert_eq!(erp.submit(text_to(&["lisi"], "3")).await.status, 429, "and gives nothing back that it never took");
    let line = format!("{}\n", text_to(&["lisi"], "3"));
    let batch = erp.post("/v1/messages/batch", line).await.json();
    assert_eq!((&batch["status"], &batch["retry_after"]), (&json!(429), &json!(60)), "{batch:#}");
    clock.advance(Duration::from_secs(61));
    assert_eq!(erp.submit(text_to(&["lisi"], "3")).await.status, 202);
    clock.advance(Duration::from_secs(61));
    let over = erp.submit(text_to(&["lisi"], "4")).await;
    assert_eq!(over.error().1, "too_many_requests", "{}", over.text);
    let key = erp.key.clone();
    let house = house.restart(clock.clone()).await;
    let erp = Caller { key, ..house.caller.clone() };
    assert_eq!(erp.submit(text_to(&["lisi"], "4")).await.status, 429, "{}", clock.now());
    clock.advance(Duration::from_secs(24 * 3600));
    assert_eq!(erp.submit(text_to(&["lisi"], "4")).await.status, 202);
    house.stop().await;
}

#[tokio::test]
async fn what_administrators_change_is_recorded_and_a_changed_record_is_named() {
    let house = TestHouse::start().await;
    house.caller("erp", json!({ "scopes": ["send"] })).await;
    let template = json!({ "makes": "text", "source": "{{ x }}" }).to_string();
    house.caller.request(reqwest::Method::PUT, "/v1/templates/t", Some(template), &[]).await;
    let erp = house.caller("crm", json!({})).await;
    assert_eq!(erp.get("/v1/audit").await.status, 403);
    let entries = house.caller.get("/v1/audit").await.json();
    let actions: Vec<_> = entries.as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["key.create", "template.put", "key.create"]);
    assert_eq!(entries[1]["after"]["source"], "{{ x }}", "{entries:#}");
    assert!(!entries.to_string().contains(&erp.key), "no key is in it");
    // Whoever holds what was exported can follow the chain without us.
    let mut before = b"hongyan audit".to_vec();
    for entry in entries.as_array().unwrap() {
        let at = entry["at"].as_str().unwrap().parse::<Timestamp>().unwrap().as_millis().to_string();
        let text = |name: &str| entry[name].as_str().map(str::to_owned);
        let value = |name: &str| entry.get(name).map(ToString::to_string);
        let mut covered = before;
        for part in [Some(entry["number"].to_string()), Some(at), text("who"), text("action"), text("subject")]
            .into_iter()
            .chain([value("before"), value("after")])
        {
            covered.extend(part.as_ref().map_or(u64::MAX, |part| part.len() as u64).to_be_bytes());
            covered.extend(part.unwrap_or_default().into_bytes());
        }
        before = sha2::Sha256::digest(&covered).to_vec();
        assert_eq!(entry["hash"], hex::encode(&before), "{entry:#}");
    }
    assert_eq!(house.caller.get("/v1/audit/verify").await.json()["whole"], true);
    for (sql, broken) in [
        ("UPDATE audit SET subject = 'other' WHERE number = 2", 2),
        ("UPDATE audit SET subject = 't' WHERE number = 2; DELETE FROM audit WHERE number = 3", 3),
    ] {
        let ledger = rusqlite::Connection::open(house.config.data_dir.join("ledger.sqlite")).unwrap();
        ledger.execute_batch(sql).unwrap();
        let verified = house.caller.get("/v1/audit/verify").await.json();
        assert_eq!((&verified["whole"], &verified["first_broken"]), (&json!(false), &json!(broken)));
    }
    house.stop().await;
}
