//! The drop-in front: clients of WeCom that only change their base URL, and do not notice.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::Timestamp;
use hongyan::config::{ChatSection, Config, Span};
use pipeline::ports::{Clock as _, HandClock, SystemClock};
use serde_json::{Value, json};
use wecom::api::media::{UploadKind, UploadMedia};
use wecom::api::message::{
    Button, CardKind, MessageContent, RecallMessage, SendMessage, TemplateCard, UpdateTemplateCard,
};
use wecom::api::robot::RobotMessage;
use wecom::{Client, RobotClient, RobotKey, Transport};
use wecom_sim::{Fault, Trouble};

use crate::kit::{Caller, TestHouse};

const CORP: &str = "wwdemo0000000001";
const APP: i64 = 1_000_002;

/// A local secret.
async fn secret(house: &TestHouse, more: Value) -> String {
    let mut body = json!({ "kind": "front" });
    body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    house.caller("scripts", body).await.key
}

fn transport(house: &TestHouse) -> Transport {
    Transport::builder().origin(house.house.origin()).build().unwrap()
}

/// The SDK, as somebody else's client.
fn client(house: &TestHouse, secret: &str) -> Client {
    Client::builder(transport(house), CORP, secret).agent(wecom::AgentId(APP)).build()
}

async fn get(house: &TestHouse, path: &str) -> Value {
    let nobody = Caller { key: String::new(), ..house.caller.clone() };
    let answer = nobody.get(path).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

async fn post(house: &TestHouse, path: &str, body: &Value) -> Value {
    let nobody = Caller { key: String::new(), ..house.caller.clone() };
    let answer = nobody.post(path, body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.headers["error-code"].to_str().unwrap(), answer.json()["errcode"].to_string());
    answer.json()
}

async fn token(house: &TestHouse, secret: &str) -> String {
    let given = get(house, &format!("/cgi-bin/gettoken?corpid={CORP}&corpsecret={secret}")).await;
    assert_eq!((&given["errcode"], &given["expires_in"]), (&json!(0), &json!(7200)), "{given}");
    given["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_client_sends_text_cards_and_files_and_recalls_without_noticing() {
    let house = TestHouse::start().await;
    let client = client(&house, &secret(&house, json!({})).await);
    let sent = client.send(SendMessage::to_users(["zhangsan", "nobody"]).text("经过前台")).await.unwrap();
    assert_eq!(sent.invaliduser, ["nobody"]);
    let msgid = sent.msgid.unwrap();
    assert!(msgid.as_str().starts_with("msg_"), "ours: {msgid:?}");
    client.send(RecallMessage { msgid }).await.unwrap();
    assert!(house.simulator.control.outbox()[0].recalled);
    let media = UploadMedia::bytes("plan.txt", bytes::Bytes::from_static(b"0123456789"));
    let uploaded = client.upload(UploadKind::File, media).await.unwrap();
    assert!(uploaded.media_id.as_str().starts_with("med_"));
    let file = serde_json::from_value(json!({ "media_id": uploaded.media_id })).unwrap();
    client.send(SendMessage::to_users(["lisi"]).content(MessageContent::File(file))).await.unwrap();
    assert_eq!(house.simulator.control.outbox()[1].msgtype, "file");
    let mut card = TemplateCard::new(CardKind::ButtonInteraction, "停机申请");
    card.task_id = Some("task-1".into());
    card.button_list = vec![Button { text: "同意".into(), key: Some("yes".into()), ..Button::default() }];
    let sent = client.send(SendMessage::to_users(["zhangsan"]).template_card(card)).await.unwrap();
    let code = sent.response_code.unwrap();
    assert!(code.starts_with("rc_msg_"), "{code}");
    client.send(UpdateTemplateCard::button(code, "已处理").for_users(["zhangsan"])).await.unwrap();
    assert_eq!(house.simulator.control.outbox()[2].updates["zhangsan"]["button"]["replace_name"], "已处理");
    let refused = client.send(SendMessage::to_users(["nobody"]).text("x")).await.unwrap_err();
    assert_eq!(refused.errcode().map(|code| code.0), Some(81_013), "{refused}");
    house.stop().await;
}

#[tokio::test]
async fn a_robots_key_is_local_and_stands_for_its_robot() {
    let house = TestHouse::start().await;
    let key = secret(&house, json!({ "robots": ["robot2"] })).await;
    let transport = transport(&house);
    let parsed =
        RobotKey::parse(&format!("{}/cgi-bin/webhook/send?key={key}", house.house.origin()), transport.origin());
    let robot = RobotClient::new(transport, parsed.unwrap());
    robot.send(RobotMessage::text("@here").mention_all()).await.unwrap();
    let seen = house.simulator.control.only_message();
    assert_eq!(seen.body["text"]["mentioned_list"], json!(["@all"]), "{}", seen.body);
    let unknown = post(&house, "/cgi-bin/webhook/send?key=wrong", &json!({})).await;
    assert_eq!(unknown["errcode"], 93_000);
    house.stop().await;
}

#[tokio::test]
async fn wecom_away_is_not_noticed_and_nothing_is_lost() {
    let house = TestHouse::start_with(|config: &mut Config| config.front.wait = Span(Duration::from_millis(300))).await;
    let token = token(&house, &secret(&house, json!({ "forwards": ["GET /cgi-bin/user/get?userid"] })).await).await;
    house.simulator.control.fault(Fault::new(Trouble::Hang).times(1000));
    let started = Instant::now();
    let body = json!({ "touser": "zhangsan", "msgtype": "text", "agentid": APP.to_string(), "text": { "content": "later" }, "safe": "0" });
    let taken = post(&house, &format!("/cgi-bin/message/send?access_token={token}"), &body).await;
    assert_eq!((&taken["errcode"], &taken["invaliduser"]), (&json!(0), &json!("")), "{taken}");
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    let away = get(&house, &format!("/cgi-bin/user/get?access_token={token}&userid=zhangsan")).await;
    assert_eq!(away["errcode"], -1, "{away}");
    house.simulator.control.clear_faults();
    let message = house.caller.settled(taken["msgid"].as_str().unwrap()).await;
    assert_eq!(message["state"], "delivered", "{message:#}");
    house.stop().await;
}

#[tokio::test]
async fn while_wecom_is_down_answers_come_at_once() {
    let house = TestHouse::start().await;
    let token = token(&house, &secret(&house, json!({})).await).await;
    house.simulator.control.fault(Fault::new(Trouble::ResetBefore).on("message/send").times(1000));
    let send = |number: u32| {
        let body = json!({ "touser": "zhangsan", "msgtype": "text", "agentid": APP, "text": { "content": number.to_string() } });
        let path = format!("/cgi-bin/message/send?access_token={token}");
        let house = &house;
        async move { post(house, &path, &body).await }
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut number = 0;
    // Once the lane is closed nobody waits for it.
    loop {
        number += 1;
        let started = Instant::now();
        assert_eq!(send(number).await["errcode"], 0);
        if started.elapsed() < Duration::from_millis(500) {
            break;
        }
        assert!(Instant::now() < deadline, "{number} calls, and each waited");
    }
    house.stop().await;
}

#[tokio::test]
async fn other_calls_are_passed_on_where_they_are_listed_and_as_they_are_listed() {
    let house = TestHouse::start().await;
    let forwards = json!({ "forwards": ["GET /cgi-bin/user/get?userid", "GET /cgi-bin/get_jsapi_ticket"] });
    let token = token(&house, &secret(&house, forwards).await).await;
    let user = get(&house, &format!("/cgi-bin/user/get?access_token={token}&userid=zhangsan&debug=1&x=1")).await;
    assert_eq!((&user["errcode"], &user["userid"]), (&json!(0), &json!("zhangsan")), "{user}");
    let logged =
        house.simulator.control.requests().into_iter().rev().find(|one| one.path == "/cgi-bin/user/get").unwrap();
    assert!(!format!("{logged:?}").contains("debug"), "{logged:?}");
    for path in ["/cgi-bin/user/delete?userid=lisi", "/cgi-bin/user/list?department_id=1"] {
        let refused = get(&house, &format!("{path}&access_token={token}")).await;
        assert_eq!(refused["errcode"], 48_002, "{refused}");
        assert!(refused["errmsg"].as_str().unwrap().contains("--forwards"), "{refused}");
    }
    let ticket = get(&house, &format!("/cgi-bin/get_jsapi_ticket?access_token={token}")).await;
    assert_ne!(ticket["errcode"], 0, "{ticket}");
    assert!(ticket.get("ticket").is_none());
    house.stop().await;
}

#[tokio::test]
async fn local_credentials_are_good_for_nothing_else_and_end_as_wecoms_do() {
    let clock = Arc::new(HandClock::new(Timestamp::from_millis(1_790_000_000_000)));
    let house = TestHouse::start_at(clock.clone(), |_| {}).await;
    let secret = secret(&house, json!({})).await;
    let token = token(&house, &secret).await;
    assert_eq!(self::token(&house, &secret).await, token, "the same, as long as it lives");
    let send = |token: String| {
        let body = json!({ "touser": "zhangsan", "msgtype": "text", "agentid": APP, "text": { "content": "hi" } });
        let house = &house;
        async move { post(house, &format!("/cgi-bin/message/send?access_token={token}"), &body).await }
    };
    assert_eq!(send(token.clone()).await["errcode"], 0);
    for key in [&secret, &token] {
        let elsewhere = Caller { key: key.clone(), ..house.caller.clone() };
        assert_eq!(elsewhere.get("/v1/messages").await.status, 401);
    }
    let bearer = house.caller("erp", json!({})).await;
    let wrong = get(&house, &format!("/cgi-bin/gettoken?corpid={CORP}&corpsecret={}", bearer.key)).await;
    assert_eq!(wrong["errcode"], 40_001, "{wrong}");
    let corp = get(&house, &format!("/cgi-bin/gettoken?corpid=wwother&corpsecret={secret}")).await;
    assert_eq!(corp["errcode"], 40_013);
    let foreign = send("a-token-of-wecoms-own".to_owned()).await;
    assert_eq!(foreign["errcode"], 40_014);
    assert!(foreign["errmsg"].as_str().unwrap().contains("gettoken here"), "{foreign}");
    clock.advance(Duration::from_secs(7201));
    let expired = send(token).await;
    assert_eq!(expired["errcode"], 42_001, "{} {expired}", clock.now());
    house.stop().await;
}

#[tokio::test]
async fn a_token_lives_on_over_a_restart_and_ends_with_its_key() {
    let house = TestHouse::start_with(|config: &mut Config| {
        let chat = ChatSection {
            app: None,
            title: None,
            chatid: Some("planning".to_owned()),
            owner: None,
            members: vec!["zhangsan".to_owned(), "lisi".to_owned()],
        };
        config.chats.insert("planners".to_owned(), chat);
    })
    .await;
    let secret = secret(&house, json!({})).await;
    let token = token(&house, &secret).await;
    let house = house.restart(Arc::new(SystemClock::new())).await;
    let body = json!({ "chatid": "planning", "msgtype": "markdown", "markdown": { "content": "**hi**" } });
    let path = format!("/cgi-bin/appchat/send?access_token={token}");
    let sent = post(&house, &path, &body).await;
    assert_eq!((&sent["errcode"], sent.get("msgid")), (&json!(0), None), "{sent}");
    let keys = house.caller.get("/v1/keys").await.json();
    let prefix = keys[0]["prefix"].as_str().unwrap().to_owned();
    house.caller.request(reqwest::Method::DELETE, &format!("/v1/keys/{prefix}"), None, &[]).await;
    assert_eq!(post(&house, &path, &body).await["errcode"], 40_014);
    house.stop().await;
}

#[tokio::test]
async fn fields_that_wecom_does_not_know_are_overlooked_as_it_does() {
    let house = TestHouse::start().await;
    let token = token(&house, &secret(&house, json!({})).await).await;
    let article = json!({ "title": "一", "url": "https://example.com/", "show_cover_pic": 0, "mark": { "a": 1 } });
    let news = json!({ "articles": [article.clone(), article], "more": true });
    let body = json!({ "touser": "zhangsan", "msgtype": "news", "agentid": APP, "news": news, "unheard_of": [1] });
    let sent = post(&house, &format!("/cgi-bin/message/send?access_token={token}"), &body).await;
    assert_eq!(sent["errcode"], 0, "{sent}");
    let seen = house.simulator.control.only_message().body;
    assert_eq!(seen["news"]["articles"][1], json!({ "title": "一", "url": "https://example.com/" }), "{seen}");
    house.stop().await;
}

#[tokio::test]
async fn everybody_is_addressed_by_keys_that_may_and_others_are_told_how() {
    let house = TestHouse::start().await;
    let body = json!({ "touser": "@all", "msgtype": "text", "agentid": APP, "text": { "content": "hi" } });
    for (scopes, errcode) in [(json!(["send"]), 48_002), (json!(["send", "send:all"]), 0)] {
        let token = token(&house, &secret(&house, json!({ "scopes": scopes })).await).await;
        let sent = post(&house, &format!("/cgi-bin/message/send?access_token={token}"), &body).await;
        assert_eq!(sent["errcode"], errcode, "{sent}");
        assert_eq!(sent["errmsg"].as_str().unwrap().contains("send:all"), errcode != 0, "{sent}");
    }
    house.stop().await;
}

#[tokio::test]
async fn a_file_of_another_callers_is_an_invalid_media_id() {
    let house = TestHouse::start().await;
    let token = token(&house, &secret(&house, json!({})).await).await;
    let foreign = house.caller.upload("plan.txt", b"0123456789").await;
    let body = json!({ "touser": "zhangsan", "msgtype": "file", "agentid": APP, "file": { "media_id": foreign } });
    let sent = post(&house, &format!("/cgi-bin/message/send?access_token={token}"), &body).await;
    assert_eq!(sent["errcode"], 40_007, "{sent}");
    assert!(sent["errmsg"].as_str().unwrap().contains("/cgi-bin/media/upload"), "{sent}");
    house.stop().await;
}
