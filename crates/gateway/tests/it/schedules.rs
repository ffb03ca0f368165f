//! Schedules over a clock turned by hand: each run once, whatever dies or jumps in between.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::PlannedRun;
use parking_lot::Mutex;
use pipeline::ports::{Advance, Clock as _, HandClock};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::kit::{Answer, Caller, TestHouse};

/// A Monday.
const SEVEN: &str = "2026-07-20T07:00:00+08:00";
const HOUR: u64 = 3600;

async fn house_with(change: impl FnOnce(&mut hongyan::config::Config)) -> (TestHouse, HandClock) {
    let clock = HandClock::new(SEVEN.parse().unwrap());
    let house = TestHouse::start_at(Arc::new(clock.clone()), change).await;
    (house, clock)
}

async fn house() -> (TestHouse, HandClock) {
    house_with(|_| {}).await
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

async fn put(caller: &Caller, name: &str, body: Value) -> Answer {
    caller.request(reqwest::Method::PUT, &format!("/v1/schedules/{name}"), Some(body.to_string()), &[]).await
}

async fn kept(caller: &Caller, name: &str, body: Value) -> Value {
    let answer = put(caller, name, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

fn daily(text: &str) -> Value {
    json!({ "cron": "0 30 8 * * *", "message": { "to": { "users": ["zhangsan"] }, "text": text } })
}

fn texts(house: &TestHouse) -> Vec<String> {
    house.simulator.control.outbox().iter().filter_map(|sent| sent.text().map(str::to_owned)).collect()
}

/// Waits until a schedule looks as wanted.
async fn until(house: &TestHouse, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let schedule = house.caller.get(&format!("/v1/schedules/{name}")).await.json();
        if wanted(&schedule) {
            return schedule;
        }
        assert!(Instant::now() < deadline, "{schedule:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until the last run is that of a time, and its message has gone out.
async fn ran(house: &TestHouse, name: &str, run: &str) -> Value {
    let schedule =
        until(house, name, |schedule| schedule["last_run"] == run && schedule["last_message"].is_string()).await;
    let message = house.caller.settled(schedule["last_message"].as_str().unwrap()).await;
    assert_eq!(message["state"], "delivered", "{message:#}");
    schedule
}

/// Long enough for what must not happen.
async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_runs_on_time_each_time_once_and_rests_when_told() {
    let (house, clock) = house().await;
    let schedule = kept(&house.caller, "daily", daily("早报")).await;
    assert_eq!(schedule["next"][0], "2026-07-20T08:30:00+08:00");
    assert_eq!(
        (&schedule["next"][4], &schedule["zone"]),
        (&json!("2026-07-24T08:30:00+08:00"), &json!("Asia/Shanghai"))
    );
    clock.advance(seconds(HOUR + 1790));
    a_moment().await;
    assert!(texts(&house).is_empty());
    clock.advance(seconds(10));
    let schedule = ran(&house, "daily", "2026-07-20T08:30:00+08:00").await;
    assert_eq!((&schedule["next"][0], &schedule["left_out"]), (&json!("2026-07-21T08:30:00+08:00"), &json!(0)));
    clock.advance(seconds(24 * HOUR));
    ran(&house, "daily", "2026-07-21T08:30:00+08:00").await;
    assert_eq!(texts(&house).len(), 2);

    let paused = house.caller.post("/v1/schedules/daily/pause", String::new()).await.json();
    assert_eq!((&paused["paused"], &paused["next"]), (&json!(true), &json!([])));
    clock.advance(seconds(36 * HOUR));
    a_moment().await;
    let resumed = house.caller.post("/v1/schedules/daily/resume", String::new()).await.json();
    assert_eq!((&resumed["paused"], &resumed["next"][0]), (&json!(false), &json!("2026-07-23T08:30:00+08:00")));
    a_moment().await;
    assert_eq!(texts(&house).len(), 2, "what falls into a rest is not made up for");

    let run = |key: &'static str| {
        let caller = house.caller.clone();
        async move {
            let headers = [("idempotency-key", key)];
            caller.request(reqwest::Method::POST, "/v1/schedules/daily/run", None, &headers).await
        }
    };
    let now = run("k").await;
    assert_eq!(now.status, 202, "{}", now.text);
    assert_eq!(run("k").await.json()["id"], now.json()["id"]);
    house.caller.settled(now.json()["id"].as_str().unwrap()).await;
    assert_eq!(texts(&house).len(), 3);
    let gone = house.caller.request(reqwest::Method::DELETE, "/v1/schedules/daily", None, &[]).await;
    assert_eq!(gone.status, 204);
    clock.advance(seconds(48 * HOUR));
    a_moment().await;
    assert_eq!((texts(&house).len(), house.caller.get("/v1/schedules/daily").await.status), (3, 404));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_while_the_gateway_was_away_is_made_up_for_as_the_schedule_says() {
    let (house, clock) = house().await;
    for policy in ["skip", "once", "all"] {
        let message = json!({ "to": { "users": ["zhangsan"] }, "text": policy });
        kept(&house.caller, policy, json!({ "cron": "0 8-12 * * *", "missed": policy, "message": message })).await;
    }
    let message = json!({ "to": { "users": ["zhangsan"] }, "text": "at" });
    kept(&house.caller, "at", json!({ "at": "2026-07-20T09:00:00+08:00", "message": message })).await;
    let away = HandClock::new("2026-07-20T12:10:00+08:00".parse().unwrap());
    drop(clock);
    let house = house.restart(Arc::new(away)).await;
    let once = ran(&house, "once", "2026-07-20T12:00:00+08:00").await;
    assert_eq!(once["left_out"], 4);
    assert_eq!(ran(&house, "all", "2026-07-20T12:00:00+08:00").await["left_out"], 0);
    let skip = until(&house, "skip", |schedule| schedule["left_out"] == 5).await;
    assert_eq!((&skip["last_run"], &skip["next"][0]), (&Value::Null, &json!("2026-07-21T08:00:00+08:00")));
    let at = ran(&house, "at", "2026-07-20T01:00:00.000Z").await;
    assert_eq!(at["next"], json!([]));
    a_moment().await;
    let mut texts = texts(&house);
    texts.sort();
    assert_eq!(texts, ["all", "all", "all", "all", "all", "at", "once"]);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_between_a_run_and_its_note_makes_no_second_message() {
    let (house, clock) = house().await;
    kept(&house.caller, "daily", daily("once")).await;
    clock.advance(seconds(2 * HOUR));
    let first = ran(&house, "daily", "2026-07-20T08:30:00+08:00").await;
    // What the ledger holds if the process dies after the message was accepted and before that was noted.
    let TestHouse { house: running, simulator, mut caller, config, .. } = house;
    running.stop().await;
    let run = "2026-07-20T08:30:00+08:00".parse().unwrap();
    let backends = hongyan::app::open_ledger(&config, Arc::new(clock.clone())).await.unwrap();
    let known = backends.ledger.schedule("daily").await.unwrap().unwrap();
    let not_noted = Advance {
        name: "daily".to_owned(),
        id: known.id,
        run: Some(run),
        result: Err("not noted".to_owned()),
        planned: Some(PlannedRun::at(run)),
        left_out: 0,
        now: run,
    };
    backends.ledger.advance_schedule(not_noted).await.unwrap();
    backends.ledger.close().await;
    drop(backends);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = hongyan::app::House::start(&config, Some(crate::kit::KEY), listener, Arc::new(clock)).await.unwrap();
    caller.origin = running.origin();
    let deadline = Instant::now() + Duration::from_secs(20);
    let again = loop {
        let schedule = caller.get("/v1/schedules/daily").await.json();
        if schedule["last_message"].is_string() {
            break schedule;
        }
        assert!(Instant::now() < deadline, "{schedule:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(again["last_message"], first["last_message"]);
    assert_eq!(again["next"][0], "2026-07-21T08:30:00+08:00");
    a_moment().await;
    assert_eq!(simulator.control.outbox().len(), 1);
    running.stop().await;
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_makes_no_storm_and_loses_no_run() {
    let (house, clock) = house().await;
    let message = json!({ "to": { "users": ["zhangsan"] }, "text": "hourly" });
    kept(&house.caller, "hourly", json!({ "cron": "0 * * * *", "missed": "all", "message": message })).await;
    // Half past seven, then half past eight at once: eight o'clock is made up for.
    clock.advance(seconds(HOUR / 2));
    clock.jump(3_600_000);
    clock.advance(seconds(60));
    ran(&house, "hourly", "2026-07-20T08:00:00+08:00").await;
    // Back by an hour: eight o'clock comes again, and is not run again.
    clock.jump(-3_600_000);
    clock.advance(seconds(60));
    clock.advance(seconds(HOUR));
    a_moment().await;
    assert_eq!(texts(&house).len(), 1);
    clock.advance(seconds(HOUR / 2));
    let schedule = ran(&house, "hourly", "2026-07-20T09:00:00+08:00").await;
    assert_eq!((texts(&house).len(), &schedule["left_out"]), (2, &json!(0)));
    // A year ahead by mistake: a hundred are made up for and no more, and when it is mended, runs go on.
    clock.jump(365 * 24 * 3_600_000);
    clock.advance(seconds(60));
    until(&house, "hourly", |schedule| {
        schedule["left_out"].as_u64().unwrap() > 8000 && schedule["last_run"] == "2027-07-20T09:00:00+08:00"
    })
    .await;
    clock.jump(-365 * 24 * 3_600_000);
    clock.advance(seconds(60));
    a_moment().await;
    clock.advance(seconds(HOUR));
    // Its message waits: the member has had all that a minute allows.
    until(&house, "hourly", |schedule| schedule["last_run"] == "2026-07-20T10:00:00+08:00").await;
    let accepted = house.caller.get("/v1/messages?limit=200").await.json()["messages"].as_array().unwrap().len();
    assert_eq!(accepted, 103);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn days_on_which_the_clocks_change_have_one_run_each_also_if_the_machines_clock_jumps() {
    // In New York 01:30 comes twice on the first of November 2026, and 02:30 never on the fourteenth of March 2027: the first moment after it stands for it.
    for (start, cron, runs) in [
        ("2026-10-31T00:00:00-04:00", "30 1 * * *", ["2026-10-31T01:30:00-04:00", "2026-11-01T01:30:00-04:00"]),
        ("2027-03-13T00:00:00-05:00", "30 2 * * *", ["2027-03-13T02:30:00-05:00", "2027-03-14T03:00:00-04:00"]),
    ] {
        let clock = HandClock::new(start.parse().unwrap());
        let house = TestHouse::start_at(Arc::new(clock.clone()), |_| {}).await;
        let message = json!({ "to": { "users": ["zhangsan"] }, "text": "daily" });
        let schedule = json!({ "cron": cron, "zone": "America/New_York", "missed": "all", "message": message });
        kept(&house.caller, "daily", schedule).await;
        clock.advance(seconds(3 * HOUR));
        ran(&house, "daily", runs[0]).await;
        // Ten minutes back, and again over what has been; then an hour ahead, and back.
        for jump in [-600_000, 3_600_000, -3_600_000] {
            clock.jump(jump);
            clock.advance(seconds(60));
            a_moment().await;
        }
        clock.advance(seconds(24 * HOUR));
        ran(&house, "daily", runs[1]).await;
        clock.jump(-600_000);
        clock.advance(seconds(2 * HOUR));
        a_moment().await;
        assert_eq!(texts(&house).len(), 2, "{cron}");
        let third = house.caller.get("/v1/schedules/daily").await.json()["next"][0].clone();
        assert!(third.as_str().unwrap().contains(&cron[3..4]), "{third}");
        house.stop().await;
    }
}

/// A server that answers with whatever is put into it.
async fn server(answer: &Arc<Mutex<String>>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = answer.clone();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = [0; 2048];
            let _read = connection.read(&mut request).await;
            let text = answer.lock().clone();
            let _written = connection.write_all(text.as_bytes()).await;
        }
    });
    format!("http://{address}/report?token=s3cret")
}

fn with_json(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

const AWAY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

async fn with_template(house: &TestHouse) {
    let template = json!({ "makes": "text", "source": "{{ line }}：{{ count }}" }).to_string();
    let kept = house.caller.request(reqwest::Method::PUT, "/v1/templates/report", Some(template), &[]).await;
    assert_eq!(kept.status, 201, "{}", kept.text);
}

fn report(source: Value) -> Value {
    let message = json!({ "to": { "users": ["zhangsan"] }, "template": "report", "variables": { "line": "A线" } });
    json!({ "cron": "30 8 * * *", "message": message, "variables_from": source })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variables_are_fetched_right_before_each_run() {
    let folder = tempfile::tempdir().unwrap();
    let (house, clock) = house_with(|config| {
        config.fetch_reach = wecom::fetch::Reach::PublicAndLoopback;
        config.schedules.files = Some(folder.path().to_owned());
    })
    .await;
    with_template(&house).await;
    let answer = Arc::new(Mutex::new(with_json(r#"{"count": 1}"#)));
    let url = server(&answer).await;
    std::fs::write(folder.path().join("report.json"), r#"{"line": "B线", "count": 1}"#).unwrap();
    kept(&house.caller, "url", report(json!({ "url": url }))).await;
    kept(&house.caller, "file", report(json!({ "file": "report.json" }))).await;
    *answer.lock() = with_json(r#"{"count": 7}"#);
    std::fs::write(folder.path().join("report.json"), r#"{"line": "B线", "count": 8}"#).unwrap();
    clock.advance(seconds(2 * HOUR));
    ran(&house, "url", "2026-07-20T08:30:00+08:00").await;
    ran(&house, "file", "2026-07-20T08:30:00+08:00").await;
    let mut texts = texts(&house);
    texts.sort();
    assert_eq!(texts, ["A线：7", "B线：8"]);
    // What could not be fetched, or is not for it, is refused while its caller listens.
    let wrong = |source: Value| {
        let caller = house.caller.clone();
        async move { put(&caller, "wrong", report(source)).await }
    };
    for (source, expected) in [
        (json!({ "file": "../report.json" }), "is no file below"),
        (json!({ "file": "/etc/passwd" }), "is no file below"),
        (json!({ "url": "http://10.0.0.1/x?token=s3cret" }), "not public"),
        (json!({ "url": "ftp://example.com/x" }), "is not an https URL"),
    ] {
        let refused = wrong(source).await;
        assert_eq!((refused.status, refused.error().2.as_str()), (422, "variables_from"), "{}", refused.text);
        assert!(refused.text.contains(expected) && !refused.text.contains("s3cret"), "{}", refused.text);
    }
    for (body, expected) in [
        (AWAY.to_owned(), "HTTP 503"),
        (with_json("[1]"), "is no JSON object"),
        (with_json("{}"), "`count` is not given"),
    ] {
        *answer.lock() = body;
        let refused = wrong(json!({ "url": url })).await;
        assert!(refused.status == 422 && refused.text.contains(expected), "{}", refused.text);
    }
    let mut alone = daily("x");
    alone["variables_from"] = json!({ "url": url });
    assert!(put(&house.caller, "wrong", alone).await.text.contains("without a template"));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_fetched_is_tried_again_three_times_and_never_given_up_silently() {
    let (house, clock) = house_with(|config| config.fetch_reach = wecom::fetch::Reach::PublicAndLoopback).await;
    with_template(&house).await;
    let answer = Arc::new(Mutex::new(with_json(r#"{"count": 1}"#)));
    let url = server(&answer).await;
    let refused = put(&house.caller, "report", report(json!({ "file": "report.json" }))).await;
    assert!(refused.status == 422 && refused.text.contains("schedules.files"), "{}", refused.text);
    kept(&house.caller, "report", report(json!({ "url": url }))).await;
    *answer.lock() = AWAY.to_owned();
    clock.advance(seconds(HOUR + HOUR / 2));
    for minutes in [1, 5, 15] {
        let at = format!("{}", clock.now() + seconds(minutes * 60));
        let local: jiff::Timestamp = at.parse().unwrap();
        let local = local.to_zoned(jiff::tz::TimeZone::get("Asia/Shanghai").unwrap()).strftime("%Y-%m-%dT%H:%M:%S%:z");
        let failed = until(&house, "report", |schedule| schedule["again_at"] == local.to_string()).await;
        assert_eq!(failed["last_run"], "2026-07-20T08:30:00+08:00");
        let why = failed["last_error"].as_str().unwrap();
        assert!(why.contains("HTTP 503") && !why.contains("s3cret"), "{why}");
        clock.advance(seconds(minutes * 60));
    }
    let given_up =
        until(&house, "report", |schedule| schedule["last_error"].as_str().unwrap().contains("given up after 4 tries"))
            .await;
    assert_eq!((&given_up["again_at"], &given_up["next"][0]), (&Value::Null, &json!("2026-07-21T08:30:00+08:00")));
    assert!(texts(&house).is_empty());
    // The next day it comes back at the second try.
    clock.advance(seconds(24 * HOUR - 21 * 60));
    until(&house, "report", |schedule| schedule["again_at"] == "2026-07-21T08:31:00+08:00").await;
    *answer.lock() = with_json(r#"{"count": 3}"#);
    clock.advance(seconds(60));
    let schedule = ran(&house, "report", "2026-07-21T08:30:00+08:00").await;
    assert_eq!((&schedule["last_error"], texts(&house)), (&Value::Null, vec!["A线：3".to_owned()]));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_hears_of_a_schedule_that_could_not_run() {
    let (house, clock) = house_with(|config| {
        let route = json!({ "steps": [{ "channel": "robot", "name": "default" }], "to": ["robot:default"] });
        config.routes.insert("ops".to_owned(), serde_json::from_value(route).unwrap());
        config.operator.route = Some("ops".to_owned());
    })
    .await;
    with_template(&house).await;
    let message =
        json!({ "to": { "users": ["zhangsan"] }, "template": "report", "variables": { "line": "A", "count": 1 } });
    kept(&house.caller, "report", json!({ "cron": "30 8 * * *", "message": message })).await;
    house.caller.request(reqwest::Method::DELETE, "/v1/templates/report", None, &[]).await;
    clock.advance(seconds(2 * HOUR));
    let failed = until(&house, "report", |schedule| schedule["last_error"].is_string()).await;
    assert!(failed["last_error"].as_str().unwrap().contains("which is no template"), "{failed:#}");
    assert_eq!(failed["next"][0], "2026-07-21T08:30:00+08:00", "it goes on");
    clock.advance(seconds(HOUR));
    let deadline = Instant::now() + Duration::from_secs(10);
    while !texts(&house).iter().any(|text| text.contains("定时任务 report 未能发送")) {
        assert!(Instant::now() < deadline, "{:?}", texts(&house));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schedules_are_their_callers_and_send_what_their_keys_allow() {
    let (house, clock) = house().await;
    let erp = house.caller("erp", json!({ "robots": ["default"] })).await;
    let (mes, reader) =
        (house.caller("mes", json!({})).await, house.caller("erp", json!({ "scopes": ["read"] })).await);
    kept(&erp, "erp-daily", daily("erp")).await;
    for (method, path) in [("GET", ""), ("DELETE", ""), ("POST", "/pause"), ("POST", "/resume"), ("POST", "/run")] {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let answer = mes.request(method.clone(), &format!("/v1/schedules/erp-daily{path}"), None, &[]).await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
        let answer = reader.request(method.clone(), &format!("/v1/schedules/erp-daily{path}"), None, &[]).await;
        assert_eq!(answer.status, if path.is_empty() && method == "GET" { 200 } else { 403 }, "{method} {path}");
    }
    let taken = put(&mes, "erp-daily", daily("mes")).await;
    assert_eq!((taken.status, taken.error().1.as_str()), (409, "name_taken"), "{}", taken.text);
    assert_eq!(put(&reader, "other", daily("x")).await.status, 403);
    let listed = |caller: Caller| async move { caller.get("/v1/schedules").await.json().as_array().unwrap().len() };
    assert_eq!((listed(mes.clone()).await, listed(erp.clone()).await, listed(house.caller.clone()).await), (0, 1, 1));
    // Its key may not: neither when it is kept, nor by a template that comes later.
    let mut forbidden = daily("x");
    forbidden["message"]["to"] = json!({ "robots": ["robot2"] });
    let refused = put(&erp, "robot", forbidden).await;
    assert_eq!((refused.status, refused.error().2.as_str()), (403, "message.to"), "{}", refused.text);
    clock.advance(seconds(2 * HOUR));
    let schedule = ran(&house, "erp-daily", "2026-07-20T08:30:00+08:00").await;
    let message = erp.message(schedule["last_message"].as_str().unwrap()).await;
    assert_eq!((&message["caller"], &schedule["caller"]), (&json!("erp"), &json!("erp")), "{message:#}");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_is_refused_by_field_while_its_caller_listens() {
    let (house, clock) = house().await;
    let with = |change: Value| {
        let mut body = daily("x");
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    let to = json!({ "users": ["zhangsan"] });
    for (body, field, says) in [
        (with(json!({ "cron": "0 30 25 * * *" })), "cron", "at character 6: `25` is no hour (field 3 of 6)"),
        (with(json!({ "cron": "0 30 8" })), "cron", "has 3 fields"),
        (with(json!({ "cron": "0 0 30 2 *" })), "cron", "never comes"),
        (with(json!({ "cron": null })), "cron", "is missing"),
        (with(json!({ "at": "2026-07-21T08:00:00Z" })), "cron", "stands beside `at`"),
        (with(json!({ "cron": null, "at": "2026-07-19T08:00:00Z" })), "at", "has passed"),
        (with(json!({ "cron": null, "at": "tomorrow" })), "at", "is not a time"),
        (with(json!({ "zone": "Mars/Base" })), "zone", "is not a time zone"),
        (with(json!({ "missed": "twice" })), "missed", "none of them"),
        (
            with(json!({ "message": { "to": to, "text": "x", "send_at": "2027-01-01T00:00:00Z" } })),
            "message.send_at",
            "the schedule's",
        ),
        (
            with(json!({ "message": { "to": to, "text": "x", "expires_at": "2027-01-01T00:00:00Z" } })),
            "message.expires_at",
            "over",
        ),
        (with(json!({ "message": { "to": to, "txt": "x" } })), "message.txt", "`message.txt` is not a field"),
        (with(json!({ "message": { "to": to, "text": "x".repeat(3000) } })), "message.text.content", "2048"),
        (with(json!({ "message": { "to": to, "text": "x", "route": "nowhere" } })), "message.route", "nowhere"),
        (with(json!({ "message": { "to": to, "template": "nothing" } })), "message.template", "no template"),
        (with(json!({ "message": { "text": "x" } })), "message.to", "no recipient"),
        (with(json!({ "message": null })), "message", "is missing"),
    ] {
        let refused = put(&house.caller, "x", body.clone()).await;
        assert_eq!((refused.status, refused.error().2.as_str()), (422, field), "{body}: {}", refused.text);
        assert!(refused.text.contains(says), "{}", refused.text);
    }
    assert_eq!(put(&house.caller, "preview", daily("x")).await.status, 405, "that is a path of its own");
    for name in ["UPPER", "a%20b"] {
        assert_eq!(put(&house.caller, name, daily("x")).await.error().2, "name", "{name}");
    }
    assert_eq!(house.caller.get("/v1/schedules").await.json(), json!([]));
    let preview = |body: Value| {
        let caller = house.caller.clone();
        async move { caller.post("/v1/schedules/preview", body.to_string()).await }
    };
    let shown = preview(json!({ "cron": "30 2 * * *", "zone": "Europe/Berlin" })).await.json();
    assert_eq!(shown["next"].as_array().unwrap().len(), 5);
    assert_eq!(shown["next"][0], "2026-07-20T02:30:00+02:00");
    assert_eq!(preview(json!({ "cron": "x 2 * * *" })).await.error().2, "cron");
    clock.advance(seconds(48 * HOUR));
    a_moment().await;
    assert!(texts(&house).is_empty());
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_schedule_says_is_sealed_also_anew_under_a_newer_key() {
    let (house, clock) = house().await;
    let mut canary = daily("canary-schedule-7f3a");
    canary["message"]["metadata"] = json!({ "note": "canary-metadata-7f3a" });
    kept(&house.caller, "daily", canary).await;
    let is_clear = |house: &TestHouse| {
        let files = std::fs::read_dir(&house.config.data_dir)
            .unwrap()
            .filter_map(|entry| std::fs::read(entry.unwrap().path()).ok());
        files
            .into_iter()
            .any(|bytes| bytes.windows(11).any(|window| window == b"canary-sche" || window == b"canary-meta"))
    };
    assert!(!is_clear(&house));
    let rotated = house.caller.post("/v1/encryption/rotate", String::new()).await;
    assert_eq!(rotated.status, 202, "{}", rotated.text);
    let deadline = Instant::now() + Duration::from_secs(10);
    // The sweep seals anew.
    while house.caller.get("/v1/encryption").await.json()["done"] != true {
        assert!(Instant::now() < deadline);
        clock.advance(seconds(1));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let retired = house.caller.post("/v1/encryption/retire", String::new()).await;
    assert_eq!(retired.status, 200, "{}", retired.text);
    let now = clock.now();
    let house = house.restart(Arc::new(HandClock::new(now))).await;
    let schedule = house.caller.get("/v1/schedules/daily").await.json();
    assert_eq!(schedule["message"]["text"], "canary-schedule-7f3a", "the old key is gone, and it is still readable");
    assert!(!is_clear(&house));
    house.stop().await;
}
