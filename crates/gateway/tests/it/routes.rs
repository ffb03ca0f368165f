//! Routes: who is still open goes on to the next step, each recipient ends once, late answers are on record.

use std::time::{Duration, Instant};

use hongyan::config::Config;
use serde_json::{Value, json};
use wecom_sim::{Fault, Target, Trouble};

use crate::kit::mail::MailServer;
use crate::kit::{ROBOT, TestHouse, recipients};

/// Three steps, as the first of the articles describes them: application, robot, mail.
fn pmc(config: &mut Config, server: &MailServer) {
    config.mail.insert("default".to_owned(), server.plain_section());
    let route = json!({
        "steps": [
            { "channel": "app", "within": "2s" },
            { "channel": "robot", "name": "default", "within": "2s" },
            { "channel": "email", "to": ["plan@example.com"] },
        ],
    });
    config.routes.insert("pmc".to_owned(), serde_json::from_value(route).unwrap());
    config.retry.attempts = 3;
}

fn routed(users: &[&str], text: &str) -> Value {
    json!({ "to": { "users": users }, "text": text, "route": "pmc" })
}

fn steps(message: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let deliveries = message["deliveries"].as_array().cloned().unwrap_or_default();
    deliveries.iter().map(|delivery| (text(&delivery["channel"]), text(&delivery["state"]))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[tokio::test]
async fn only_who_was_refused_goes_on_to_the_group() {
    let server = MailServer::plain();
    let house = TestHouse::start_with(|config| pmc(config, &server)).await;
    house.simulator.control.add_members("m", 4);
    let all = ["zhangsan", "lisi", "wangwu", "m1", "m2", "m3", "m4", "ghost1", "ghost2", "ghost3"];
    let message = house.caller.delivered(routed(&all, "计划变更")).await;
    assert_eq!(message["state"], "delivered", "{message:#}");
    assert_eq!(steps(&message), pairs(&[("wecom_app", "done"), ("wecom_robot", "done")]));
    let by_channel = |channel: &str| -> Vec<String> {
        let all = message["recipients"].as_array().unwrap().iter();
        all.filter(|r| r["channel"] == channel).map(|r| r["recipient"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(by_channel("wecom_robot"), ["user:ghost1", "user:ghost2", "user:ghost3"]);
    assert_eq!(by_channel("wecom_app").len(), 7);
    let outbox = house.simulator.control.outbox();
    let group = outbox.iter().find(|sent| matches!(sent.target, Target::Robot { .. })).unwrap();
    assert_eq!(group.body["text"]["mentioned_list"], json!(["ghost1", "ghost2", "ghost3"]));
    house.stop().await;
}

#[tokio::test]
async fn app_down_robot_down_the_mail_arrives_and_one_channel_claims_it() {
    let server = MailServer::plain();
    let house = TestHouse::start_with(|config| pmc(config, &server)).await;
    let control = &house.simulator.control;
    control.fault(Fault::new(Trouble::Status { status: 502 }).on("message/send"));
    control.fault(Fault::new(Trouble::ResetBefore).on("webhook/send"));
    let started = Instant::now();
    let message = house.caller.delivered(routed(&["zhangsan", "lisi"], "计划变更")).await;
    assert!(started.elapsed() < Duration::from_secs(8), "each step has its deadline: {:?}", started.elapsed());
    assert_eq!(message["state"], "delivered", "{message:#}");
    assert_eq!(steps(&message), pairs(&[("wecom_app", "moved_on"), ("wecom_robot", "moved_on"), ("email", "done")]));
    let states: Vec<_> = recipients(&message).into_iter().map(|(recipient, state, _)| (recipient, state)).collect();
    assert_eq!(states, pairs(&[("user:zhangsan", "delivered"), ("user:lisi", "delivered")]));
    let mail = &server.has_taken(1).await[0];
    assert!(mail.contains("plan@example.com"), "{mail}");
    house.stop().await;
}

#[tokio::test]
async fn an_answer_that_comes_after_its_step_is_recorded_as_late() {
    let server = MailServer::plain();
    let house = TestHouse::start_with(|config| {
        pmc(config, &server);
        config.routes.get_mut("pmc").unwrap().steps[0].within = Some(hongyan::config::Span::seconds(1));
        config.wecom.timeout = hongyan::config::Span::seconds(5);
    })
    .await;
    house.simulator.control.fault(Fault::delay(Duration::from_millis(2200)).on("message/send").times(1));
    let id = house.caller.accepted(routed(&["zhangsan"], "慢")).await;
    let message = house.caller.settled(&id).await;
    assert_eq!(steps(&message), pairs(&[("wecom_app", "moved_on"), ("wecom_robot", "done")]), "{message:#}");
    let deadline = Instant::now() + Duration::from_secs(10);
    let late = loop {
        let attempt = house.caller.message(&id).await["deliveries"][0]["attempts"][0].clone();
        if attempt["late"] == true {
            break attempt;
        }
        assert!(Instant::now() < deadline, "{attempt:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(late["result"], "sent");
    // What came late can still be withdrawn.
    assert_eq!(house.caller.post(&format!("/v1/messages/{id}/recall"), String::new()).await.status, 200);
    assert!(house.simulator.control.outbox().iter().any(|sent| sent.recalled));
    house.stop().await;
}

#[tokio::test]
async fn a_wrong_secret_sends_messages_on_at_once_and_asks_for_no_second_token() {
    let server = MailServer::plain();
    let house = TestHouse::start_with(|config| {
        pmc(config, &server);
        config.circuit_breaker.misconfigured_for = hongyan::config::Span::seconds(60);
    })
    .await;
    house.simulator.control.fault(Fault::errcode(40_001).on("gettoken"));
    let started = Instant::now();
    for i in 0..5 {
        let message = house.caller.delivered(routed(&["zhangsan"], &format!("n{i}"))).await;
        assert_eq!(steps(&message), pairs(&[("wecom_app", "moved_on"), ("wecom_robot", "done")]), "{message:#}");
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let asked = house.simulator.control.requests().iter().filter(|request| request.path.ends_with("gettoken")).count();
    assert!(asked <= 1, "{asked} times in a minute");
    house.stop().await;
}

#[tokio::test]
async fn fanned_out_every_step_is_taken_and_each_counts() {
    let house = TestHouse::start().await;
    let route = json!({ "steps": [{ "channel": "app" }, { "channel": "robot", "name": "default" }], "fan_out": true });
    let message =
        house.caller.delivered(json!({ "to": { "users": ["zhangsan"] }, "text": "both", "route": route })).await;
    assert_eq!(steps(&message), pairs(&[("wecom_app", "done"), ("wecom_robot", "done")]), "{message:#}");
    assert_eq!(house.simulator.control.outbox().len(), 2);
    house.stop().await;
}

#[tokio::test]
async fn members_are_mailed_at_their_addresses_and_who_has_none_is_refused_by_name() {
    let server = MailServer::plain();
    let house = TestHouse::start_with(|config| {
        config.mail.insert("default".to_owned(), server.plain_section());
        let route = json!({ "steps": [{ "channel": "app" }, { "channel": "email" }] });
        config.routes.insert("mailed".to_owned(), serde_json::from_value(route).unwrap());
    })
    .await;
    let people = json!([{ "userid": "Ghost1", "email": "ghost1@example.com" }]).to_string();
    let put = house.caller.request(reqwest::Method::PUT, "/v1/directory/people", Some(people), &[]).await;
    assert_eq!(put.status, 204, "{}", put.text);
    let body = json!({ "to": { "users": ["ghost1", "ghost2", "lisi"] }, "text": "x", "route": "mailed" });
    let message = house.caller.delivered(body).await;
    assert_eq!(message["state"], "partly_delivered", "{message:#}");
    let state = |user: &str| {
        let found = recipients(&message).into_iter().find(|(recipient, ..)| recipient == user).unwrap();
        (found.1, found.2)
    };
    assert_eq!(state("user:ghost1").0, "delivered");
    assert_eq!(state("user:ghost2"), ("failed".to_owned(), "invaliduser".to_owned()));
    assert!(server.has_taken(1).await[0].contains("ghost1@example.com"));
    house.stop().await;
}

#[tokio::test]
async fn where_would_this_go_and_why() {
    let server = MailServer::plain();
    let house = TestHouse::start_with(|config| {
        pmc(config, &server);
        let rules = json!([
            { "route": "pmc", "tags": ["erp"] },
            { "route": "pmc", "tags": ["pmc"], "priorities": ["urgent"] },
        ]);
        config.rules = serde_json::from_value(rules).unwrap();
    })
    .await;
    let test = async |body: Value| house.caller.post("/v1/routes/test", body.to_string()).await;
    let way =
        test(json!({ "to": { "users": ["lisi"] }, "text": "x", "tags": ["pmc"], "priority": "urgent" })).await.json();
    assert_eq!((&way["route"], &way["rule"]), (&json!("pmc"), &json!(2)), "{way:#}");
    assert_eq!(way["missed"], json!([{ "rule": 1, "condition": "tags" }]));
    assert_eq!(way["deliveries"][0]["channel"], "wecom_app");
    let way = test(json!({ "to": { "users": ["lisi"] }, "text": "x" })).await.json();
    assert_eq!((way.get("route"), way["missed"].as_array().unwrap().len()), (None, 2));
    assert_eq!(test(json!({ "text": "x" })).await.error(), (422, "missing".into(), "to".into()));
    assert_eq!(house.simulator.control.outbox().len(), 0, "nothing was sent");
    // The rule holds for what is really sent, too.
    let body = json!({ "to": { "users": ["lisi"] }, "text": "x", "tags": ["pmc"], "priority": "urgent" });
    assert_eq!(house.caller.delivered(body).await["route"], "pmc");
    house.stop().await;
}

#[tokio::test]
async fn one_submission_is_shown_by_each_channel_as_well_as_it_can() {
    let server = MailServer::plain();
    let house = TestHouse::start_with(|config| pmc(config, &server)).await;
    house.simulator.control.fault(Fault::errcode(50_003).on("message/send"));
    let card = json!({
        "card_type": "button_interaction", "task_id": "t1",
        "main_title": { "title": "审批", "desc": "请购 4711" },
        "horizontal_content_list": [{ "keyname": "金额", "value": "1200" }],
        "button_list": [{ "text": "同意", "key": "yes" }],
    });
    let body = json!({ "to": { "users": ["zhangsan"] }, "template_card": card, "route": "pmc" });
    let message = house.caller.delivered(body).await;
    assert_eq!(message["state"], "delivered", "{message:#}");
    let outbox = house.simulator.control.outbox();
    let content = outbox[0].body["markdown"]["content"].as_str().unwrap();
    assert!(content.starts_with("**审批**\n请购 4711\n> 金额：1200") && content.contains("<@zhangsan>"), "{content}");
    house.stop().await;
}

#[tokio::test]
async fn a_used_budget_sends_messages_on_instead_of_letting_them_wait() {
    let house = TestHouse::start().await;
    let steps =
        json!([{ "channel": "robot", "name": "default", "budget": 50 }, { "channel": "robot", "name": "robot2" }]);
    let mut lanes = Vec::new();
    for i in 0..14 {
        let body =
            json!({ "to": { "robots": ["default"], "users": ["zhangsan"] }, "text": format!("n{i}"), "route": steps });
        let message = house.caller.delivered(body).await;
        let last = message["deliveries"].as_array().unwrap().last().unwrap().clone();
        lanes.push(last["account"].as_str().unwrap().to_owned());
    }
    let first = lanes.iter().filter(|lane| *lane == "default").count();
    assert_eq!(first, 10, "half of twenty: {lanes:?}");
    let requests = house.simulator.control.requests();
    let of = |key: &str| requests.iter().filter(|request| request.key.as_deref() == Some(key)).count();
    assert_eq!(of(ROBOT), 10);
    house.stop().await;
}
