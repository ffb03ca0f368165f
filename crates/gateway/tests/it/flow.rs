//! The flow over a recording channel and a clock turned by hand: each arrow, and a crash between any two steps.

use std::sync::Arc;
use std::time::Duration;

use channels::RecordingChannel;
use domain::{Attempt, FailureClass, Lane, Quota, Reason, Timestamp};
use hongyan::app::House;
use hongyan::config::Config;
use pipeline::ports::{Channel, Channels, HandClock, SystemClock};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::kit::{Caller, KEY, config, http, text_to};

struct Flow {
    house: House,
    channel: Arc<RecordingChannel>,
    caller: Caller,
    clock: Option<HandClock>,
}

async fn flow(
    folder: &tempfile::TempDir,
    channel: RecordingChannel,
    clock: Option<HandClock>,
    change: impl FnOnce(&mut Config),
) -> Flow {
    let channel = Arc::new(channel);
    let mut config = config("http://127.0.0.1:9", folder.path());
    change(&mut config);
    let channels = Channels::new([channel.clone() as Arc<dyn Channel>]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let of_machine: Arc<dyn pipeline::ports::Clock> = match &clock {
        Some(clock) => Arc::new(clock.clone()),
        None => Arc::new(SystemClock::new()),
    };
    let house = House::start_with(&config, channels, Some(KEY), listener, of_machine).await.unwrap();
    let caller = Caller { http: http(), origin: house.origin(), key: KEY.to_owned() };
    Flow { house, channel, caller, clock }
}

fn app_lane() -> Lane {
    Lane::new("wecom_app", "default")
}

fn busy() -> Attempt {
    Attempt::Deferred { class: FailureClass::Busy, reason: Reason::new("-1", "system busy"), retry_after: None }
}

fn unanswered() -> Attempt {
    Attempt::Uncertain { reason: Reason::new("no_answer", "no answer") }
}

#[tokio::test]
async fn one_panic_in_fifty_costs_a_retry_and_no_slot() {
    let folder = tempfile::tempdir().unwrap();
    let channel = RecordingChannel::new(app_lane()).with_concurrency(4);
    for i in 0..400 {
        if i % 50 == 7 {
            channel.panics();
        } else {
            channel.meets(Attempt::Sent { refused: Vec::new(), handle: None, note: None });
        }
    }
    let flow = flow(&folder, channel, None, |_| {}).await;
    let sends = (0..200).map(|i| flow.caller.accepted(text_to(&["a"], &format!("n{i}"))));
    for id in futures::future::join_all(sends).await {
        assert_eq!(flow.caller.settled(&id).await["state"], "delivered");
    }
    assert!(flow.channel.requests().len() > 200, "some were repeated");
    tokio::time::timeout(Duration::from_secs(5), flow.house.stop()).await.expect("no slot is missing at the stop");
}

#[tokio::test]
async fn a_message_that_panics_for_ever_is_dead_lettered() {
    let folder = tempfile::tempdir().unwrap();
    let channel = RecordingChannel::new(app_lane());
    (0..10).for_each(|_| channel.panics());
    let flow = flow(&folder, channel, None, |config| {
        config.retry.attempts = 3;
        config.circuit_breaker.failures = 100;
    })
    .await;
    let message = flow.caller.settled(&flow.caller.accepted(text_to(&["a"], "x")).await).await;
    // It may have been sent before the panic: that is what the record says.
    assert_eq!(message["state"], "uncertain");
    assert_eq!(message["deliveries"][0]["attempts"].as_array().unwrap().len(), 3);
    flow.house.stop().await;
}

#[tokio::test]
async fn retries_wait_as_configured_and_end_as_a_dead_letter() {
    let folder = tempfile::tempdir().unwrap();
    let channel = RecordingChannel::new(app_lane());
    (0..3).for_each(|_| channel.meets(busy()));
    let clock = HandClock::new(Timestamp::from_millis(1_790_000_000_000));
    let flow = flow(&folder, channel, Some(clock), |config| {
        config.retry.attempts = 3;
        config.retry.jitter = false;
        config.retry.base = hongyan::config::Span::seconds(10);
        config.retry.cap = hongyan::config::Span::seconds(100);
        config.circuit_breaker.failures = 100;
    })
    .await;
    let clock = flow.clock.clone().unwrap();
    let id = flow.caller.accepted(text_to(&["a"], "x")).await;
    let made = async |number: usize| {
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            if flow.channel.requests().len() == number {
                tokio::time::sleep(Duration::from_millis(20)).await;
                break;
            }
        }
        assert_eq!(flow.channel.requests().len(), number);
    };
    made(1).await;
    clock.advance(Duration::from_secs(9));
    made(1).await;
    clock.advance(Duration::from_secs(1));
    made(2).await;
    clock.advance(Duration::from_secs(20));
    made(3).await;
    let message = flow.caller.settled(&id).await;
    assert_eq!((&message["state"], &message["deliveries"][0]["reason"]["code"]), (&json!("failed"), &json!("-1")));
    flow.house.stop().await;
}

#[tokio::test]
async fn an_unanswered_call_is_repeated_byte_for_byte_with_the_duplicate_check() {
    let folder = tempfile::tempdir().unwrap();
    let channel = RecordingChannel::new(app_lane()).with_duplicate_check(Duration::from_secs(600));
    channel.meets(unanswered());
    let flow = flow(&folder, channel, None, |_| {}).await;
    let message = flow.caller.settled(&flow.caller.accepted(text_to(&["a"], "x")).await).await;
    assert_eq!((&message["state"], &message["deliveries"][0]["unconfirmed"]), (&json!("delivered"), &json!(true)));
    assert_eq!(message["deliveries"][0]["attempts"][1]["redelivered"], true);
    let requests = flow.channel.requests();
    assert_eq!(requests[0], requests[1]);
    assert!(requests[0].ends_with(b" check"));
    flow.house.stop().await;
}

#[tokio::test]
async fn after_the_interval_an_unanswered_call_is_uncertain_and_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let channel = RecordingChannel::new(app_lane()).with_duplicate_check(Duration::from_secs(600));
    channel.meets(unanswered());
    let clock = HandClock::new(Timestamp::from_millis(1_790_000_000_000));
    let flow = flow(&folder, channel, Some(clock), |config| {
        config.retry.jitter = false;
        config.retry.base = hongyan::config::Span::seconds(500);
        config.retry.cap = hongyan::config::Span::seconds(500);
    })
    .await;
    let clock = flow.clock.clone().unwrap();
    let id = flow.caller.accepted(text_to(&["a"], "x")).await;
    while flow.caller.message(&id).await["deliveries"][0]["attempts"].as_array().is_none_or(Vec::is_empty) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // The machine sleeps through the retry.
    clock.advance(Duration::from_secs(3600));
    assert_eq!(flow.caller.settled(&id).await["state"], "uncertain");
    assert_eq!(flow.channel.requests().len(), 1);
    flow.house.stop().await;
}

#[tokio::test]
async fn urgent_goes_first_and_bulk_is_not_starved() {
    let folder = tempfile::tempdir().unwrap();
    let quota = Quota { limit: 1, window: Duration::from_millis(20) };
    let channel = RecordingChannel::new(app_lane()).with_quota(quota);
    let flow = flow(&folder, channel, None, |_| {}).await;
    let send = |text: String, priority: &'static str| {
        let mut body = text_to(&["a"], &text);
        body["priority"] = Value::from(priority);
        flow.caller.accepted(body)
    };
    let mut last = String::new();
    for i in 0..30 {
        last = send(format!("bulk {i}"), "bulk").await;
    }
    for i in 0..30 {
        last = if i < 29 { send(format!("urgent {i}"), "urgent").await } else { last };
    }
    flow.caller.settled(&last).await;
    let order: Vec<String> = flow.channel.requests().iter().map(|r| String::from_utf8_lossy(r).into_owned()).collect();
    let last_urgent = order.iter().rposition(|request| request.contains("urgent")).unwrap();
    let bulk_before = order[..last_urgent].iter().filter(|request| request.contains("bulk")).count();
    assert!((2..25).contains(&bulk_before), "{bulk_before} bulk before the last urgent: {order:?}");
    flow.house.stop().await;
}

#[tokio::test]
async fn what_waits_for_an_account_that_is_gone_is_dead_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let gone = flow(&folder, RecordingChannel::new(Lane::new("wecom_robot", "old")), None, |_| {}).await;
    let later = json!({ "to": { "robots": ["old"] }, "text": "x", "send_at": (jiff::Timestamp::now() + Duration::from_secs(1)).to_string() });
    let id = gone.caller.accepted(later).await;
    gone.house.stop().await;
    let now = flow(&folder, RecordingChannel::new(app_lane()), None, |_| {}).await;
    let message = now.caller.settled(&id).await;
    assert_eq!(
        (&message["state"], &message["deliveries"][0]["reason"]["code"]),
        (&json!("failed"), &json!("not_configured"))
    );
    now.house.stop().await;
}

#[tokio::test]
async fn a_quota_s_window_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let quota = Quota { limit: 3, window: Duration::from_secs(60) };
    let channel = || RecordingChannel::new(app_lane()).with_quota(quota);
    let clock = HandClock::new(Timestamp::from_millis(1_790_000_000_000));
    let before = flow(&folder, channel(), Some(clock.clone()), |_| {}).await;
    for i in 0..3 {
        let id = before.caller.accepted(text_to(&["a"], &i.to_string())).await;
        before.caller.settled(&id).await;
    }
    before.house.stop().await;
    clock.advance(Duration::from_secs(30));
    let after = flow(&folder, channel(), Some(clock.clone()), |_| {}).await;
    let id = after.caller.accepted(text_to(&["a"], "after")).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(after.channel.requests().is_empty(), "the window of before still counts");
    clock.advance(Duration::from_secs(31));
    after.caller.settled(&id).await;
    after.house.stop().await;
}
