//! Broadcasts: a list told tier after tier, at its pace, each row once, whatever rests or dies in between.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pipeline::ports::HandClock;
use serde_json::{Value, json};

use crate::command_line::desk;
use crate::kit::{Answer, Caller, TestHouse};

const START: &str = "2026-07-20T07:00:00+08:00";

async fn house_with(change: impl FnOnce(&mut hongyan::config::Config)) -> (TestHouse, HandClock) {
    let clock = HandClock::new(START.parse().unwrap());
    let house = TestHouse::start_at(Arc::new(clock.clone()), change).await;
    house.simulator.control.add_members("m", 9);
    let template = json!({ "makes": "text", "source": "{{ name }}您好，您的{{ item }}将于{{ date }}到期" });
    let kept =
        house.caller.request(reqwest::Method::PUT, "/v1/templates/expiry", Some(template.to_string()), &[]).await;
    assert_eq!(kept.status, 201, "{}", kept.text);
    (house, clock)
}

async fn begin(caller: &Caller, body: Value) -> Answer {
    caller.post("/v1/broadcasts", body.to_string()).await
}

async fn begun(caller: &Caller, body: Value) -> String {
    let answer = begin(caller, body).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer.json()["id"].as_str().unwrap().to_owned()
}

async fn read(caller: &Caller, id: &str) -> Value {
    caller.get(&format!("/v1/broadcasts/{id}")).await.json()
}

/// Waits until a broadcast looks as wanted.
async fn until(caller: &Caller, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let broadcast = read(caller, id).await;
        if wanted(&broadcast) {
            return broadcast;
        }
        assert!(Instant::now() < deadline, "{broadcast:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What members got, and who they were, in order of sending.
fn outbox(house: &TestHouse) -> Vec<(String, String)> {
    let outbox = house.simulator.control.outbox();
    outbox
        .iter()
        .map(|sent| {
            (sent.body["touser"].as_str().unwrap_or_default().to_owned(), sent.text().unwrap_or_default().to_owned())
        })
        .collect()
}

/// Waits until so many calls were seen.
async fn seen(house: &TestHouse, calls: usize) -> Vec<(String, String)> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while outbox(house).len() < calls {
        assert!(Instant::now() < deadline, "{:#?}", outbox(house));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    outbox(house)
}

/// Long enough for what must not happen.
async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

fn plain(tiers: Value) -> Value {
    json!({ "message": { "text": "停电通知" }, "tiers": tiers, "group_size": 2 })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tiers_are_told_in_order_a_group_at_a_time_and_those_told_the_same_by_one_call() {
    let (house, clock) = house_with(|_| {}).await;
    let tiers = json!([
        { "name": "领导", "people": ["m1", "m2", "m3"] },
        { "name": "员工", "people": [{ "to": ["m4", "m5"] }] },
    ]);
    let id = begun(&house.caller, plain(tiers)).await;
    assert_eq!(seen(&house, 1).await, [("m1|m2".to_owned(), "停电通知".to_owned())]);
    let broadcast = until(&house.caller, &id, |broadcast| broadcast["groups_done"] == 1).await;
    assert_eq!(
        (&broadcast["groups"], &broadcast["state"], &broadcast["pace"]),
        (&json!(3), &json!("running"), &json!("2.5s"))
    );
    let tier = &broadcast["tiers"][1];
    assert_eq!((&tier["name"], &tier["rows"], &tier["waiting"]), (&json!("员工"), &json!(2), &json!(2)));
    clock.advance(Duration::from_millis(2400));
    a_moment().await;
    assert_eq!(outbox(&house).len(), 1, "the pace is kept");
    clock.advance(Duration::from_millis(100));
    assert_eq!(seen(&house, 2).await[1].0, "m3", "no group spans two tiers");
    until(&house.caller, &id, |broadcast| broadcast["groups_done"] == 2).await;
    clock.advance(Duration::from_millis(2500));
    assert_eq!(seen(&house, 3).await[2].0, "m4|m5");
    let ended = until(&house.caller, &id, |broadcast| {
        broadcast["state"] == "done" && broadcast["tiers"][1]["messages"]["delivered"] == 2
    })
    .await;
    assert_eq!((&ended["next_at"], &ended["tiers"][0]["messages"]["delivered"]), (&Value::Null, &json!(3)));
    let found = house.caller.get(&format!("/v1/messages?tag={}", ended["tag"].as_str().unwrap())).await.json();
    assert_eq!(found["messages"].as_array().unwrap().len(), 3, "its messages are found by its tag");
    let rows = house.caller.get(&format!("/v1/broadcasts/{id}/rows?after=3")).await.json();
    assert_eq!(
        (&rows[0]["line"], &rows[0]["tier"], &rows[1]["state"]),
        (&json!(4), &json!("员工"), &json!("delivered"))
    );
    assert_eq!(rows[0]["message"], rows[1]["message"]);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_rests_goes_on_over_a_restart_and_ends_when_told() {
    let (house, clock) = house_with(|_| {}).await;
    let tiers = json!([{ "people": ["m1", "m2", "m3", "m4", "m5", "m6", "m7"] }]);
    let mut body = plain(tiers);
    body["paused"] = json!(true);
    let id = begun(&house.caller, body).await;
    clock.advance(Duration::from_secs(60));
    a_moment().await;
    assert!(outbox(&house).is_empty(), "it rests from the start");
    let act = |house: &TestHouse, verb: &str| {
        let (caller, path) = (house.caller.clone(), format!("/v1/broadcasts/{id}/{verb}"));
        async move { caller.post(&path, String::new()).await }
    };
    assert_eq!(act(&house, "resume").await.json()["state"], "running");
    until(&house.caller, &id, |broadcast| broadcast["groups_done"] == 1).await;
    assert_eq!(act(&house, "pause").await.json()["state"], "paused");
    clock.advance(Duration::from_secs(60));
    a_moment().await;
    assert_eq!(read(&house.caller, &id).await["groups_done"], 1);
    let house = house.restart(Arc::new(clock.clone())).await;
    a_moment().await;
    assert_eq!(read(&house.caller, &id).await["state"], "paused");
    act(&house, "resume").await;
    until(&house.caller, &id, |broadcast| broadcast["groups_done"] == 2).await;
    // Stopped in the middle of its pace, it goes on where it was.
    let house = house.restart(Arc::new(clock.clone())).await;
    clock.advance(Duration::from_millis(2500));
    until(&house.caller, &id, |broadcast| broadcast["groups_done"] == 3).await;
    assert_eq!(act(&house, "cancel").await.json()["state"], "cancelled");
    clock.advance(Duration::from_secs(60));
    a_moment().await;
    let broadcast = read(&house.caller, &id).await;
    assert_eq!((&broadcast["groups_done"], &broadcast["tiers"][0]["waiting"]), (&json!(3), &json!(1)));
    assert_eq!(seen(&house, 3).await.len(), 3);
    let refused = act(&house, "resume").await;
    assert_eq!((refused.status, refused.error().1.as_str()), (409, "broadcast_ended"));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_row_brings_its_own_variables_and_what_is_wrong_is_said_before_anything_is_sent() {
    let (house, _clock) = house_with(|_| {}).await;
    let person = |to: &str, variables: Value| json!({ "to": to, "variables": variables });
    let good = |name: &str| json!({ "name": name, "date": "2023-12-31" });
    let with = |people: Value| {
        let message = json!({ "template": "expiry", "variables": { "item": "高级会员资格" } });
        json!({ "message": message, "tiers": [{ "people": people }], "pace": "0s" })
    };
    let bad = with(json!([person("zhangsan", good("张三")), person("lisi", json!({ "name": "李四" }))]));
    let refused = begin(&house.caller, bad.clone()).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("line 2") && refused.text.contains("`date` is not given"), "{}", refused.text);
    let tried = house.caller.post("/v1/broadcasts?dry_run=true", bad.to_string()).await.json();
    assert_eq!((&tried["rows"], &tried["refused"], &tried["lines"][0]["line"]), (&json!(2), &json!(1), &json!(2)));
    a_moment().await;
    assert!(outbox(&house).is_empty() && house.caller.get("/v1/broadcasts").await.json() == json!([]));

    let partial = house.caller.post("/v1/broadcasts?partial=true", bad.to_string()).await;
    assert_eq!(partial.status, 202, "{}", partial.text);
    let id = partial.json()["id"].as_str().unwrap().to_owned();
    let ended = until(&house.caller, &id, |broadcast| broadcast["state"] == "done").await;
    assert_eq!((&ended["tiers"][0]["refused"], &ended["refused"][0]["line"]), (&json!(1), &json!(2)));
    assert!(ended["refused"][0]["error"].as_str().unwrap().contains("`date` is not given"), "{ended:#}");
    assert_eq!(seen(&house, 1).await[0].1, "张三您好，您的高级会员资格将于2023-12-31到期");

    for (body, field) in [
        (json!({ "tiers": [{ "people": ["a"] }] }), "message"),
        (json!({ "message": { "text": "x" } }), "tiers"),
        (json!({ "message": { "text": "x", "to": { "users": ["b"] } }, "tiers": [{ "people": ["a"] }] }), "message.to"),
        (json!({ "message": { "text": "x" }, "tiers": [{ "people": ["a b"] }] }), "line 1.to"),
        (json!({ "message": { "text": "x" }, "tiers": [{ "people": ["a"] }], "pace": "soon" }), "pace"),
        (json!({ "message": { "text": "x" }, "tiers": [{ "people": ["a"] }], "group_size": 0 }), "group_size"),
        (json!({ "message": { "text": "x" }, "tiers": [{ "people": [person("a", good("甲"))] }] }), "line 1"),
        (json!({ "message": { "text": "x" }, "tiers": [{ "people": ["emp:1"] }] }), "line 1.to.people"),
    ] {
        let refused = begin(&house.caller, body.clone()).await;
        assert_eq!(refused.status, 422, "{body}: {}", refused.text);
        assert!(refused.error().2.starts_with(field), "{body}: {}", refused.text);
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_request_begins_it_once_and_keys_see_only_their_own() {
    let (house, clock) = house_with(|_| {}).await;
    let key = house.caller("erp", json!({ "scopes": ["send", "read"], "per_day": 3 })).await;
    let body = plain(json!([{ "people": ["m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8"] }]));
    let keyed = |body: Value| {
        let caller = key.clone();
        async move {
            let headers = [("idempotency-key", "monday")];
            caller.request(reqwest::Method::POST, "/v1/broadcasts", Some(body.to_string()), &headers).await
        }
    };
    let first = keyed(body.clone()).await;
    assert_eq!(first.status, 202, "{}", first.text);
    let again = keyed(body.clone()).await;
    assert_eq!((again.status, &again.json()["id"]), (202, &first.json()["id"]));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let mut other = body;
    other["message"]["text"] = json!("别的");
    assert_eq!(keyed(other).await.error().1, "idempotency_key_reused");
    let id = first.json()["id"].as_str().unwrap().to_owned();
    let stranger = house.caller("oa", json!({})).await;
    assert_eq!(stranger.get(&format!("/v1/broadcasts/{id}")).await.status, 404);
    assert_eq!(stranger.post(&format!("/v1/broadcasts/{id}/cancel"), String::new()).await.status, 404);

    // What the key may send in a day is a limit here, too: the fourth group waits for tomorrow, and is not lost.
    for done in 1..=3 {
        until(&house.caller, &id, |broadcast| broadcast["groups_done"] == done).await;
        clock.advance(Duration::from_millis(2500));
    }
    let held = until(&house.caller, &id, |broadcast| broadcast["held_by"].is_string()).await;
    assert_eq!((&held["state"], &held["next_at"]), (&json!("running"), &json!("2026-07-20T16:00:00.000Z")), "{held:#}");
    clock.advance(Duration::from_secs(17 * 3600));
    let ended = until(&house.caller, &id, |broadcast| broadcast["state"] == "done").await;
    assert_eq!(ended["held_by"], Value::Null);
    assert_eq!(seen(&house, 4).await[3].0, "m7|m8");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_is_sealed_and_forgotten_as_it_is_handed_in_and_whoever_is_erased_is_told_nothing() {
    let (house, _clock) = house_with(|_| {}).await;
    let tiers = json!([{ "people": [{ "to": "canary-user", "variables": { "name": "canary-name", "item": "a", "date": "b" } }] }]);
    let message = json!({ "template": "expiry", "tags": ["canary"] });
    let id = begun(&house.caller, json!({ "message": message, "tiers": tiers, "paused": true })).await;
    let held = |house: &TestHouse| {
        let files = ["ledger.sqlite", "ledger.sqlite-wal"]
            .map(|name| std::fs::read(house.config.data_dir.join(name)).unwrap_or_default());
        assert!(files[0].len() + files[1].len() > 10_000);
        ["canary-user", "canary-name"]
            .map(|word| files.iter().any(|file| file.windows(word.len()).any(|window| window == word.as_bytes())))
    };
    assert_eq!(held(&house), [false, false], "the list is sealed");
    let erased = house.caller.request(reqwest::Method::DELETE, "/v1/recipients/user:canary-user", None, &[]).await;
    assert!(erased.status < 300, "{}", erased.text);
    house.caller.post(&format!("/v1/broadcasts/{id}/resume"), String::new()).await;
    let ended = until(&house.caller, &id, |broadcast| broadcast["state"] == "done").await;
    assert_eq!(ended["tiers"][0]["refused"], 1);
    a_moment().await;
    assert!(outbox(&house).is_empty());
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_sent_from_the_command_line_and_reported_by_line() {
    let desk = desk().await;
    let template = desk.folder.path().join("expiry.j2");
    std::fs::write(&template, "{{ 姓名 }}您好，您的{{ item }}将到期").unwrap();
    let put = ["template", "put", "expiry", template.to_str().unwrap(), "--makes", "text"];
    let (code, out, err) = desk.run(&put).await;
    assert_eq!(code, 0, "{out}{err}");
    let (table, _, _) = encoding_rs::GB18030
        .encode("to,级别,姓名,item\r\nlisi,2,李四,会员\r\nzhangsan,1,张三,\"资格,\"\"A\"\"\"\r\nwangwu,2,王五,\r\n");
    let file = desk.folder.path().join("people.csv");
    std::fs::write(&file, &table).unwrap();
    let path = file.to_str().unwrap();
    let send = |more: &[&'static str]| {
        let mut words = vec!["send", "--csv", path, "--template", "expiry", "--pace", "0.1s"];
        words.extend(more);
        words.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let run = async |words: Vec<String>| desk.run(&words.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let (code, out, err) = run(send(&["--dry-run"])).await;
    assert!(code == 3 && out.contains("3 people, 2 messages in 2 groups, 0.1s") && err.contains("4: "), "{out}{err}");
    let (code, _, err) = run(send(&["--wait"])).await;
    assert!(code == 3 && err.contains("line 4") && err.contains("`item` is not given"), "{err}");
    assert!(desk.simulator.control.outbox().is_empty(), "nothing is sent if a row is refused");
    let (code, out, err) = run(send(&["--partial", "--wait", "--name", "到期提醒"])).await;
    assert!(code == 3 && out.contains("done") && out.contains("tier 1: 1  (delivered 1)"), "{code} {out}{err}");
    let texts: Vec<_> = desk.simulator.control.outbox().iter().map(|sent| sent.text().unwrap().to_owned()).collect();
    assert_eq!(texts, ["张三您好，您的资格,\"A\"将到期", "李四您好，您的会员将到期"]);
    let (_, out, _) = desk.run(&["broadcast", "list"]).await;
    assert!(out.contains("到期提醒") && out.contains("2/2"), "{out}");
    let id = out.split_whitespace().next().unwrap().to_owned();
    let (code, out, _) = desk.run(&["broadcast", "report", &id]).await;
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!((code, lines.len(), lines[0]), (0, 4, "line,tier,state,message,error"));
    assert!(lines[1].starts_with("3,1,delivered,msg_") && lines[3].starts_with("4,2,refused,,"), "{out}");
    let (code, ..) = desk.run(&["broadcast", "cancel", &id]).await;
    assert_eq!(code, 3);
}
