//! Webhooks to business systems: signed, in order for each message, kept until they are taken, beside the sending.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::post;
use hongyan::config::{Config, SecretText, Span, WebhookSection};
use parking_lot::Mutex;
use pipeline::signature::{Nonces, Signed};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::kit::{TestHouse, text_to};

const SECRET: &str = "whsec-canary-status-0123456789";

/// A business system that takes events, as it is told to.
#[derive(Clone, Default)]
pub(crate) struct Receiver {
    taken: Arc<Mutex<Vec<Value>>>,
    tries: Arc<Mutex<u32>>,
    /// What it answers from now on.
    answer: Arc<Mutex<(u16, String)>>,
    nonces: Arc<Nonces>,
}

impl Receiver {
    pub(crate) async fn start() -> (Self, String) {
        let receiver = Self::default();
        receiver.answer(200, "");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/events", listener.local_addr().unwrap());
        let router = Router::new().route("/events", post(take)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (receiver, url)
    }

    pub(crate) fn answer(&self, status: u16, body: &str) {
        *self.answer.lock() = (status, body.to_owned());
    }

    pub(crate) fn tries(&self) -> u32 {
        *self.tries.lock()
    }

    /// Waits until so many events were taken.
    pub(crate) async fn taken(&self, count: usize) -> Vec<Value> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let taken = self.taken.lock().clone();
            if taken.len() >= count {
                return taken;
            }
            assert!(Instant::now() < deadline, "{} of {count} after {} tries", taken.len(), self.tries());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> axum::response::Response {
    *receiver.tries.lock() += 1;
    let signed = Signed::of(|name| headers.get(name)?.to_str().ok()).expect("it is signed");
    let now = domain::Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
    signed.check(SECRET.as_bytes(), b"", &body, now, &receiver.nonces).expect("the signature fits, and is new");
    let (status, answer) = receiver.answer.lock().clone();
    if status == 200 {
        receiver.taken.lock().push(serde_json::from_slice(&body).unwrap());
    }
    let location = [("location", "http://169.254.169.254/latest/meta-data/")];
    (StatusCode::from_u16(status).unwrap(), location, answer).into_response()
}

pub(crate) fn webhook(url: &str) -> WebhookSection {
    WebhookSection {
        url: Some(SecretText(url.into())),
        secret: Some(SecretText("a newer secret of some length".into())),
        secret_file: None,
        secret_before: Some(SecretText(SECRET.into())),
        timeout: Span::seconds(2),
        concurrency: 8,
        give_up_after: Span::seconds(3600),
    }
}

fn with_webhook(url: String) -> impl FnOnce(&mut Config) {
    move |config| {
        config.webhooks.insert("erp".to_owned(), webhook(&url));
    }
}

fn told(text: &str) -> Value {
    let mut body = text_to(&["zhangsan", "nobody"], text);
    body["webhook"] = json!("erp");
    body["metadata"] = json!({ "order": 4711 });
    body
}

#[tokio::test]
async fn a_caller_hears_what_became_of_its_messages() {
    let (receiver, url) = Receiver::start().await;
    let house = TestHouse::start_with(with_webhook(url)).await;
    let id = house.caller.accepted(told("hello")).await;
    let events = receiver.taken(1).await;
    assert_eq!((&events[0]["type"], &events[0]["message"]["id"]), (&json!("message.state"), &json!(id)));
    assert_eq!(events[0]["message"]["state"], "partly_delivered");
    assert_eq!(events[0]["message"]["metadata"]["order"], 4711);
    assert_eq!(events[0]["message"]["not_delivered"][0]["recipient"], "user:nobody", "{:#}", events[0]);
    house.caller.post(&format!("/v1/messages/{id}/ack"), String::new()).await;
    assert_eq!(receiver.taken(2).await[1]["type"], "message.acknowledged");
    // Who names none hears nothing, unless the key does.
    house.caller.delivered(text_to(&["lisi"], "quiet")).await;
    let erp = house.caller("erp", json!({ "webhook": "erp" })).await;
    let by_key = erp.accepted(text_to(&["lisi"], "by key")).await;
    assert_eq!(receiver.taken(3).await[2]["message"]["id"], json!(by_key));
    let unknown = house.caller.submit(json!({ "to": { "users": ["lisi"] }, "text": "x", "webhook": "crm" })).await;
    assert_eq!(unknown.error().1, "unknown_webhook", "{}", unknown.text);
    let bound = house.caller("crm", json!({ "webhooks": [] })).await.submit(told("x")).await;
    assert_eq!((bound.status, bound.error().2.as_str()), (403, "webhook"));
    house.stop().await;
}

#[tokio::test]
async fn what_is_not_taken_waits_in_order_and_slows_nothing() {
    let (receiver, url) = Receiver::start().await;
    let house = TestHouse::start_with(with_webhook(url)).await;
    receiver.answer(302, "");
    let first = house.caller.accepted(told("first")).await;
    house.caller.settled(&first).await;
    house.caller.post(&format!("/v1/messages/{first}/ack"), String::new()).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    while receiver.tries() < 2 {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let backlog = house.caller.get("/v1/webhooks").await.json();
    assert_eq!((&backlog[0]["name"], &backlog[0]["waiting"]), (&json!("erp"), &json!(2)), "{backlog:#}");
    assert!(backlog[0]["error"].as_str().unwrap().contains("HTTP 302"), "{backlog:#}");
    // Sending goes on meanwhile.
    house.caller.delivered(text_to(&["lisi"], "another")).await;
    let house = house.restart(Arc::new(pipeline::ports::SystemClock::new())).await;
    receiver.answer(200, "");
    let events = receiver.taken(2).await;
    let kinds: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["message.state", "message.acknowledged"]);
    house.stop().await;
}

#[tokio::test]
async fn what_was_given_up_can_be_told_again() {
    let (receiver, url) = Receiver::start().await;
    let house = TestHouse::start_with(|config| {
        config.webhooks.insert("erp".to_owned(), WebhookSection { give_up_after: Span::seconds(0), ..webhook(&url) });
    })
    .await;
    receiver.answer(500, "");
    house.caller.accepted(told("lost?")).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let backlog = house.caller.get("/v1/webhooks").await.json();
        if backlog[0]["dead"] == 1 {
            break;
        }
        assert!(Instant::now() < deadline, "{backlog:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    receiver.answer(200, "");
    let again = house.caller.post("/v1/webhooks/erp/retry", String::new()).await;
    assert_eq!(again.json()["events"], 1, "{}", again.text);
    receiver.taken(1).await;
    house.stop().await;
}

#[tokio::test]
async fn a_webhook_that_is_not_there_is_not_tried_again() {
    let (_receiver, url) = Receiver::start().await;
    let house = TestHouse::start_with(with_webhook(url)).await;
    let unknown = house.caller.post("/v1/webhooks/crm/retry", String::new()).await;
    assert_eq!((unknown.status, unknown.error().1.as_str()), (404, "unknown_webhook"), "{}", unknown.text);
    let idle = house.caller.post("/v1/webhooks/erp/retry", String::new()).await;
    assert_eq!(idle.json()["events"], 0, "{}", idle.text);
    house.stop().await;
}
