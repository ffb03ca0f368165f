//! The simulator calls back, the SDK's receiver answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use wecom::api::message::{Button, CardKind, SendMessage, TemplateCard, UpdateTemplateCard};
use wecom::callback::axum::{Posted, verify};
use wecom::callback::{Content, Crypto, EncodingAesKey, Event, Passive, Receiver};
use wecom_sim::{Press, Rules, Running, Said};

use crate::{CORP, client, start};

const TOKEN: &str = "demo-token";
const KEY: &str = "6qkdMrq68nTKduznJYO1A37W2oEgpkMUvkttRToqhUt";
const APP: i64 = 1_000_002;

async fn serve(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, router).into_future());
    address
}

fn receiver() -> Receiver {
    Receiver::new(Crypto::new(TOKEN, EncodingAesKey::parse(KEY).unwrap(), CORP))
}

/// An application's own server: echoes texts, thanks for presses.
async fn application() -> SocketAddr {
    async fn receive(posted: Posted) -> Response {
        match &posted.callback.content {
            Content::Text { content } => posted.reply(&Passive::text(format!("收到：{content}"))),
            Content::Event(Event::TemplateCard(card)) => {
                posted.reply(&Passive::UpdateButton { replace_name: format!("已选 {}", card.key) })
            }
            _ => posted.nothing(),
        }
    }
    serve(Router::new().route("/callback", get(verify).post(receive)).with_state(receiver())).await
}

async fn connected() -> Running {
    let simulator = start().await;
    let url = format!("http://{}/callback?own=1", application().await);
    simulator.control.set_callback(Some(APP), &url, TOKEN, KEY).await.unwrap();
    simulator
}

#[tokio::test]
async fn what_a_member_writes_arrives_and_is_answered() {
    let simulator = connected().await;
    let made = simulator.control.say(APP, "zhangsan", &Said::Text("你好 <b> & ]]>".into())).await;
    assert_eq!((made.len(), made[0].status, made[0].error.as_deref()), (1, Some(200), None));
    let shown = simulator.control.outbox().pop().unwrap();
    assert_eq!(shown.text(), Some("收到：你好 <b> & ]]>"));
    let quiet = simulator.control.say(APP, "zhangsan", &Said::Event("enter_agent".into())).await;
    assert_eq!((quiet[0].status, quiet[0].reply.as_deref()), (Some(200), None));
}

#[tokio::test]
async fn a_press_changes_the_pressers_copy_and_its_code_updates_the_others() {
    let simulator = connected().await;
    let app = client(&simulator);
    let mut card = TemplateCard::new(CardKind::ButtonInteraction, "停机申请");
    card.task_id = Some("task-1".into());
    card.button_list = vec![Button { text: "同意".into(), key: Some("yes".into()), ..Button::default() }];
    app.send(SendMessage::to_users(["zhangsan", "lisi"]).template_card(card)).await.unwrap();
    let press =
        |userid: &str, key: &str| Press { number: 1, userid: userid.into(), key: key.into(), selected: Vec::new() };
    let made = simulator.control.press(&press("zhangsan", "yes")).await.unwrap();
    assert_eq!(simulator.control.outbox()[0].updates["zhangsan"]["button"]["replace_name"], "已选 yes");
    let event = wecom::callback::Callback::parse(made[0].message.as_bytes()).unwrap();
    let Content::Event(Event::TemplateCard(event)) = event.content else { panic!("{event:?}") };
    app.send(UpdateTemplateCard::button(event.response_code, "张三已同意").for_users(["lisi"])).await.unwrap();
    assert_eq!(simulator.control.outbox()[0].updates["lisi"]["button"]["replace_name"], "张三已同意");
    assert!(simulator.control.press(&press("zhangsan", "no")).await.is_err());
    assert!(simulator.control.press(&press("wangwu", "yes")).await.is_err());
}

#[tokio::test]
async fn a_url_that_does_not_answer_the_echo_is_not_taken() {
    let simulator = start().await;
    let slow = serve(Router::new().fallback(async || tokio::time::sleep(Duration::from_secs(2)).await)).await;
    let wrong = serve(Router::new().fallback(async || "hello")).await;
    let other = application().await;
    for (url, key, reason) in [
        (format!("http://{slow}/callback"), KEY, "no answer within 1 s"),
        (format!("http://{wrong}/callback"), KEY, "200, but not the echo"),
        (format!("http://{other}/nowhere"), KEY, "HTTP 404"),
        (format!("http://{other}/callback"), "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", "HTTP 403"),
        ("ftp://x".to_owned(), KEY, "plain http only"),
    ] {
        let refused = simulator.control.set_callback(Some(APP), &url, TOKEN, key).await.unwrap_err();
        assert!(refused.contains(reason), "{url}: {refused}");
    }
}

#[tokio::test]
async fn what_is_not_answered_is_posted_again_three_times_with_the_same_message() {
    let simulator = start().await;
    simulator.control.set_rules(Rules { callback_retry_ms: 10, ..Rules::default() });
    let asked = Arc::new(AtomicU32::new(0));
    let counted = asked.clone();
    let post = move || {
        let refuse = counted.fetch_add(1, Ordering::Relaxed) < 2;
        async move { if refuse { StatusCode::BAD_GATEWAY.into_response() } else { "success".into_response() } }
    };
    let router = Router::new().route("/callback", get(verify).post(post)).with_state(receiver());
    let url = format!("http://{}/callback", serve(router).await);
    simulator.control.set_callback(Some(APP), &url, TOKEN, KEY).await.unwrap();
    let made = simulator.control.say(APP, "lisi", &Said::Text("x".into())).await;
    assert_eq!(made.iter().map(|attempt| attempt.status).collect::<Vec<_>>(), [Some(502), Some(502), Some(200)]);
    assert!(made.windows(2).all(|two| two[0].message == two[1].message), "a repeat is known by its MsgId");
    asked.store(0, Ordering::Relaxed);
    assert_eq!(simulator.control.callbacks().len(), 3);
}

#[tokio::test]
async fn changes_of_the_address_book_go_to_contact_sync() {
    let simulator = start().await;
    let url = format!("http://{}/callback", application().await);
    simulator.control.set_callback(None, &url, TOKEN, KEY).await.unwrap();
    let made = simulator.control.change_contact("delete_user", "<UserID>lisi</UserID>").await;
    assert_eq!(made[0].status, Some(200));
    assert!(!made[0].message.contains("AgentID"));
}
