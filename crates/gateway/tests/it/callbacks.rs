//! Callbacks: the simulator calls back as WeCom does; what is heard is answered, kept, told on, and changes cards.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::{FeedbackRule, Timestamp};
use hongyan::config::{CallbackSection, Config, SecretText};
use pipeline::ports::HandClock;
use serde_json::{Value, json};
use wecom::api::media::{UploadKind, UploadMedia};
use wecom::callback::{Crypto, Element, EncodingAesKey};
use wecom_sim::{Press, Said};

use crate::kit::{Caller, TestHouse};
use crate::webhooks::{Receiver, webhook};

const TOKEN: &str = "canaryCallbackToken";
const KEY: &str = "6qkdMrq68nTKduznJYO1A37W2oEgpkMUvkttRToqhUt";
const APP: i64 = 1_000_002;

fn rules() -> Vec<FeedbackRule> {
    serde_json::from_value(json!([
        { "keywords": ["帮助"], "reply": "回复「订单」查询订单" },
        { "events": ["press"], "keys": ["yes"], "button": "已同意", "acknowledge": true },
    ]))
    .unwrap()
}

fn with_callback(webhook_url: Option<String>) -> impl FnOnce(&mut Config) {
    move |config| {
        let callback = CallbackSection {
            token: Some(SecretText(TOKEN.into())),
            encoding_aes_key: Some(SecretText(KEY.into())),
            webhook: webhook_url.as_ref().map(|_| "erp".to_owned()),
            rules: rules(),
            ..CallbackSection::default()
        };
        config.callbacks.insert("default".to_owned(), callback);
        if let Some(url) = webhook_url {
            config.webhooks.insert("erp".to_owned(), webhook(&url));
        }
    }
}

/// Saves the URL in the simulator's console: it is verified as WeCom does.
async fn connect(house: &TestHouse) {
    let url = format!("{}/callback/default", house.house.origin());
    house.simulator.control.set_callback(Some(APP), &url, TOKEN, KEY).await.unwrap();
}

fn card(task_id: &str) -> Value {
    json!({
        "to": { "users": ["zhangsan", "lisi"] },
        "template_card": {
            "card_type": "button_interaction",
            "main_title": { "title": "停机申请" },
            "task_id": task_id,
            "button_list": [{ "text": "同意", "key": "yes" }, { "text": "驳回", "key": "no" }],
        },
    })
}

fn press(key: &str) -> Press {
    Press { number: 1, userid: "zhangsan".into(), key: key.into(), selected: Vec::new() }
}

async fn feedback(caller: &Caller, id: &str, count: usize) -> Vec<(String, String, String)> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let message = caller.message(id).await;
        let found = message["feedback"].as_array().cloned().unwrap_or_default();
        if found.len() >= count {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            return found.iter().map(|one| (text(&one["who"]), text(&one["action"]), text(&one["key"]))).collect();
        }
        assert!(Instant::now() < deadline, "{message:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_a_member_writes_is_answered_by_rule_and_told_on_once() {
    let (receiver, url) = Receiver::start().await;
    let house = TestHouse::start_with(with_callback(Some(url))).await;
    connect(&house).await;
    let asked = house.simulator.control.say(APP, "zhangsan", &Said::Text(" 帮助 ".into())).await;
    assert_eq!((asked.len(), asked[0].status), (1, Some(200)), "{asked:?}");
    assert_eq!(house.simulator.control.outbox().pop().unwrap().text(), Some("回复「订单」查询订单"));
    for i in 0..5 {
        house.simulator.control.say(APP, "zhangsan", &Said::Text(format!("订单 {i}"))).await;
    }
    let events = receiver.taken(6).await;
    let texts: Vec<_> = events.iter().map(|event| event["what"]["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(texts, [" 帮助 ", "订单 0", "订单 1", "订单 2", "订单 3", "订单 4"], "in the sender's order");
    assert_eq!((&events[1]["from"], &events[1]["app"]), (&json!("zhangsan"), &json!("default")));
    house.stop().await;
}

#[tokio::test]
async fn a_repeat_is_answered_as_the_first_was_and_has_no_second_effect() {
    let (receiver, url) = Receiver::start().await;
    let house = TestHouse::start_with(with_callback(Some(url))).await;
    connect(&house).await;
    // The very same request, as WeCom repeats it and as an eavesdropper would.
    let crypto = Crypto::new(TOKEN, EncodingAesKey::parse(KEY).unwrap(), "wwdemo0000000001");
    let said = "<xml><ToUserName>wwdemo0000000001</ToUserName><FromUserName>zhangsan</FromUserName><CreateTime>1</CreateTime><MsgType>text</MsgType><Content>帮助</Content><MsgId>7</MsgId></xml>";
    let sealed = crypto.seal(said.as_bytes(), "1790000000", "nonce");
    let path = format!("/callback/default?msg_signature={}&timestamp=1790000000&nonce=nonce", sealed.msg_signature);
    let body = format!("<xml><Encrypt>{}</Encrypt></xml>", sealed.encrypt);
    let nobody = Caller { key: String::new(), ..house.caller.clone() };
    // What it says of its own age shortens nothing: the upkeep of the start comes by in between.
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let answer = nobody.request(reqwest::Method::POST, &path, Some(body.clone()), &[]).await;
        assert_eq!(answer.status, 200);
        let reply = Element::parse(answer.text.as_bytes()).unwrap();
        let of = |name: &str| reply.text_of(name).to_owned();
        let plain = crypto.open(&of("MsgSignature"), &of("TimeStamp"), &of("Nonce"), &of("Encrypt")).unwrap();
        assert!(String::from_utf8(plain).unwrap().contains("回复「订单」查询订单"));
    }
    tokio::time::sleep(Duration::from_millis(1200)).await;
    // An event may be posted again if its answer was late; there is no other.
    let events = receiver.taken(1).await;
    assert!(events.iter().all(|event| event["id"] == events[0]["id"]), "{events:#?}");
    assert!(events[0]["id"].is_string() || events[0]["id"].is_number(), "{events:#?}");
    house.stop().await;
}

#[tokio::test]
async fn a_press_acknowledges_and_a_business_system_changes_the_card_of_all() {
    let (receiver, url) = Receiver::start().await;
    let house = TestHouse::start_with(with_callback(Some(url))).await;
    connect(&house).await;
    let id = house.caller.accepted(card("stop-1")).await;
    house.caller.settled(&id).await;
    receiver.answer(200, r#"{"button": "张三已同意"}"#);
    let made = house.simulator.control.press(&press("yes")).await.unwrap();
    assert_eq!(made[0].status, Some(200), "{made:?}");
    let updates = &house.simulator.control.outbox()[0].updates;
    assert_eq!(updates["zhangsan"]["button"]["replace_name"], "已同意", "at once, by rule");
    let event = receiver.taken(1).await.remove(0);
    assert_eq!((&event["type"], &event["what"]["button"]), (&json!("card.press"), &json!("yes")), "{event:#}");
    assert_eq!(event["messages"], json!([id]));
    assert!(!event.to_string().contains("ResponseCode") && !event.to_string().contains("response_code"), "{event}");
    let seen = feedback(&house.caller, &id, 3).await;
    let note = |who: &str, action: &str, key: &str| (who.to_owned(), action.to_owned(), key.to_owned());
    assert!(seen.contains(&note("zhangsan", "press", "yes")), "{seen:?}");
    assert!(seen.contains(&note("zhangsan", "acknowledge", "yes")), "{seen:?}");
    assert!(seen.contains(&note("hongyan", "card_updated", "")), "{seen:?}");
    assert!(house.caller.message(&id).await["acknowledged_at"].is_string());
    assert_eq!(house.simulator.control.outbox()[0].updates["lisi"]["button"]["replace_name"], "张三已同意");
    // Who is erased pressed nothing, and somebody did.
    house.caller.request(reqwest::Method::DELETE, "/v1/recipients/user:zhangsan", None, &[]).await;
    let seen = feedback(&house.caller, &id, 3).await;
    assert!(seen.contains(&note("erased", "press", "yes")), "{seen:?}");
    assert!(!seen.iter().any(|(who, ..)| who == "zhangsan"), "{seen:?}");
    house.stop().await;
}

#[tokio::test]
async fn a_file_that_somebody_sends_is_kept() {
    let (receiver, url) = Receiver::start().await;
    let house = TestHouse::start_with(with_callback(Some(url))).await;
    connect(&house).await;
    let transport = wecom::Transport::builder().origin(&house.simulator.origin).build().unwrap();
    let member = wecom::Client::builder(transport, "wwdemo0000000001", crate::kit::SECRET).build();
    let media = UploadMedia::bytes("照片.txt", bytes::Bytes::from_static(b"0123456789"));
    let media_id = member.upload(UploadKind::File, media).await.unwrap().media_id.to_string();
    house.simulator.control.say(APP, "zhangsan", &Said::Image(media_id)).await;
    let event = receiver.taken(1).await.remove(0);
    let id = event["file"]["id"].as_str().unwrap_or_else(|| panic!("{event:#}")).to_owned();
    let file = house.caller.get(&format!("/v1/media/{id}")).await;
    assert_eq!((file.status, file.text.as_str()), (200, "0123456789"));
    assert!(file.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    assert_eq!(file.headers["x-content-type-options"], "nosniff");
    house.stop().await;
}

#[tokio::test]
async fn what_wecom_tells_of_members_changes_the_directory() {
    let (receiver, url) = Receiver::start().await;
    let house = TestHouse::start_with(with_callback(Some(url))).await;
    let callback = format!("{}/callback/default", house.house.origin());
    house.simulator.control.set_callback(None, &callback, TOKEN, KEY).await.unwrap();
    let member = "<UserID><![CDATA[sunqi]]></UserID><Name><![CDATA[孙七]]></Name><Department><![CDATA[1,2]]></Department>\
                  <Mobile>13700137000</Mobile><Status>1</Status>";
    house.simulator.control.change_contact("create_user", member).await;
    receiver.taken(1).await;
    let known = |userid: &'static str| {
        let caller = house.caller.clone();
        async move { caller.get(&format!("/v1/directory/people?userid={userid}")).await.json()[0].clone() }
    };
    let sunqi = known("sunqi").await;
    assert_eq!((&sunqi["name"], &sunqi["mobile"]), (&json!("孙七"), &json!("13700137000")), "{sunqi}");
    // WeCom tells only what changed; the rest stays.
    let renamed =
        "<UserID><![CDATA[sunqi]]></UserID><NewUserID><![CDATA[sun.qi]]></NewUserID><Department>3</Department>";
    house.simulator.control.change_contact("update_user", renamed).await;
    receiver.taken(2).await;
    assert_eq!(known("sunqi").await, Value::Null);
    let renamed = known("sun.qi").await;
    assert_eq!((&renamed["name"], &renamed["departments"]), (&json!("孙七"), &json!(["3"])), "{renamed}");
    house.simulator.control.change_contact("delete_user", "<UserID><![CDATA[sun.qi]]></UserID>").await;
    receiver.taken(3).await;
    let leavers = house.caller.get("/v1/directory/leavers").await.json();
    assert_eq!(leavers[0]["userid"], "sun.qi", "{leavers}");
    // Departments say nothing about members.
    house.simulator.control.change_contact("create_party", "<Id>9</Id><ParentId>1</ParentId>").await;
    receiver.taken(4).await;
    assert_eq!(house.caller.get("/v1/directory/people").await.json().as_array().unwrap().len(), 1);
    house.stop().await;
}

#[tokio::test]
async fn who_cannot_be_understood_hears_no_reason_and_the_operator_does() {
    let house = TestHouse::start_with(with_callback(None)).await;
    connect(&house).await;
    let nobody = Caller { key: String::new(), ..house.caller.clone() };
    let bomb = format!("<xml>{}</xml>", "<a>".repeat(20_000));
    let laughs =
        r#"<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><xml><Encrypt>&b;</Encrypt></xml>"#;
    let outside = r#"<!DOCTYPE x [<!ENTITY a SYSTEM "http://127.0.0.1:1/">]><xml><Encrypt>&a;</Encrypt></xml>"#;
    let query = "msg_signature=0000000000000000000000000000000000000000&timestamp=1&nonce=n";
    for (body, code) in [
        ("<xml><Encrypt>AAAA</Encrypt></xml>", -40_001),
        ("no xml", -40_002),
        (bomb.as_str(), -40_002),
        (laughs, -40_002),
        (outside, -40_002),
    ] {
        let started = Instant::now();
        let path = format!("/callback/default?{query}");
        let answer = nobody.request(reqwest::Method::POST, &path, Some(body.to_owned()), &[]).await;
        assert_eq!((answer.status, answer.text.as_str()), (403, "refused\n"));
        assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
        let attempts = house.caller.get("/v1/callbacks/attempts").await.json();
        assert_eq!(attempts.as_array().unwrap().last().unwrap()["code"], code, "{body:.40}");
    }
    assert_eq!(nobody.get(&format!("/callback/default?{query}")).await.status, 403);
    let attempts = house.caller.get("/v1/callbacks/attempts").await.json();
    let last = attempts.as_array().unwrap().last().unwrap();
    assert!(last["code"] == 0 && last.to_string().contains("no echostr"), "{last:#}");
    let unknown = nobody.get(&format!("/callback/nobody?{query}&echostr=x")).await;
    assert_eq!(unknown.status, 403);
    let last = house.caller.get("/v1/callbacks/attempts?after=1").await.json();
    assert_eq!(last.as_array().unwrap().last().unwrap()["address"], "127.0.0.1", "{last:#}");
    house.stop().await;
}

#[tokio::test]
async fn keys_are_set_while_it_runs_and_those_before_work_for_a_day() {
    let house = TestHouse::start_with(with_callback(None)).await;
    connect(&house).await;
    let newer = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
    let put = |name: &str, key: &str| {
        let body = json!({ "token": "newToken", "encoding_aes_key": key }).to_string();
        let path = format!("/v1/callbacks/{name}/keys");
        let caller = house.caller.clone();
        async move { caller.request(reqwest::Method::PUT, &path, Some(body), &[]).await }
    };
    assert_eq!(put("default", "short").await.error().2, "encoding_aes_key");
    assert_eq!(put("other", newer).await.status, 404);
    assert_eq!(put("default", newer).await.status, 204);
    let old = house.simulator.control.say(APP, "zhangsan", &Said::Text("帮助".into())).await;
    assert_eq!(old[0].status, Some(200), "{old:?}");
    let url = format!("{}/callback/default/", house.house.origin());
    house.simulator.control.set_callback(Some(APP), &url, "newToken", newer).await.unwrap();
    let new = house.simulator.control.say(APP, "zhangsan", &Said::Text("帮助".into())).await;
    assert_eq!(new[0].status, Some(200), "{new:?}");
    // What was set is sealed, and read again at the next start.
    let house = house.restart(Arc::new(pipeline::ports::SystemClock::new())).await;
    let url = format!("{}/callback/default", house.house.origin());
    house.simulator.control.set_callback(Some(APP), &url, "newToken", newer).await.unwrap();
    house.stop().await;
}

#[tokio::test]
async fn configured_keys_end_a_day_after_others_took_their_place() {
    let clock = Arc::new(HandClock::new(Timestamp::from_millis(1_800_000_000_000)));
    let house = TestHouse::start_at(clock.clone(), with_callback(None)).await;
    let newer = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
    let body = json!({ "token": "newToken", "encoding_aes_key": newer }).to_string();
    let put = || house.caller.request(reqwest::Method::PUT, "/v1/callbacks/default/keys", Some(body.clone()), &[]);
    let url = format!("{}/callback/default", house.house.origin());
    let verified = |token: &'static str, key: &'static str| {
        let (control, url) = (house.simulator.control.clone(), url.clone());
        async move { control.set_callback(Some(APP), &url, token, key).await.is_ok() }
    };
    assert_eq!(put().await.status, 204);
    clock.advance(Duration::from_secs(23 * 3600));
    assert!(verified(TOKEN, KEY).await);
    // Set again, they begin another day; those before them do so, too: somebody is still at it.
    assert_eq!(put().await.status, 204);
    clock.advance(Duration::from_secs(23 * 3600));
    assert!(verified(TOKEN, KEY).await && verified("newToken", newer).await);
    clock.advance(Duration::from_secs(2 * 3600));
    assert!(!verified(TOKEN, KEY).await && verified("newToken", newer).await);
    // A day later it is too late for a repeat to bring them back.
    assert_eq!(put().await.status, 204);
    assert!(!verified(TOKEN, KEY).await);
    let house = house.restart(clock).await;
    let url = format!("{}/callback/default", house.house.origin());
    assert!(house.simulator.control.set_callback(Some(APP), &url, TOKEN, KEY).await.is_err());
    house.simulator.control.set_callback(Some(APP), &url, "newToken", newer).await.unwrap();
    house.stop().await;
}
