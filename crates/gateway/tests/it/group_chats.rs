//! Group chats of an application's: made with their first message, kept with their members.

use hongyan::config::{ChatSection, Config};
use serde_json::json;
use wecom_sim::Target;

use crate::kit::TestHouse;

fn chat(config: &mut Config, members: &[&str]) {
    let section = ChatSection {
        app: None,
        title: Some("计划变更".to_owned()),
        chatid: Some("planning".to_owned()),
        owner: None,
        members: members.iter().map(|member| (*member).to_owned()).collect(),
    };
    config.chats.insert("planning".to_owned(), section);
}

fn readers(house: &TestHouse) -> Vec<Vec<String>> {
    let outbox = house.simulator.control.outbox();
    let users = outbox.iter().filter_map(|sent| match &sent.target {
        Target::Chat { users, .. } => Some(users.clone()),
        _ => None,
    });
    users.collect()
}

#[tokio::test]
async fn a_chat_is_made_with_its_first_message_and_its_members_are_kept() {
    let house = TestHouse::start_with(|config| chat(config, &["zhangsan", "lisi"])).await;
    for i in 0..3 {
        let body =
            json!({ "to": { "chats": ["planning"] }, "text": format!("n{i}"), "mention": { "users": ["lisi"] } });
        let message = house.caller.delivered(body).await;
        assert_eq!(message["state"], "delivered", "{message:#}");
    }
    let made = |path: &str| house.simulator.control.requests().iter().filter(|r| r.path.ends_with(path)).count();
    assert_eq!((made("appchat/create"), made("appchat/send")), (1, 3));
    assert_eq!(readers(&house)[0], ["zhangsan", "lisi"]);
    // Another member is configured: the chat has them with the next message.
    let TestHouse { house: gateway, simulator, mut caller, mut config, .. } = house;
    gateway.stop().await;
    config.ledger.engine = hongyan::config::LedgerEngine::Memory;
    chat(&mut config, &["zhangsan", "wangwu"]);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let clock = std::sync::Arc::new(pipeline::ports::SystemClock::new());
    let gateway = hongyan::app::House::start(&config, Some(crate::kit::KEY), listener, clock).await.unwrap();
    caller.origin = gateway.origin();
    let message = caller.delivered(json!({ "to": { "chats": ["planning"] }, "text": "new" })).await;
    assert_eq!(message["state"], "delivered", "{message:#}");
    let last = simulator.control.outbox().pop().unwrap();
    assert!(
        matches!(&last.target, Target::Chat { users, .. } if *users == ["zhangsan", "wangwu"]),
        "{:?}",
        last.target
    );
    gateway.stop().await;
}

#[tokio::test]
async fn a_chat_stands_in_for_members_and_calls_them_by_name() {
    let house = TestHouse::start_with(|config| chat(config, &["zhangsan", "lisi"])).await;
    let route = json!([{ "channel": "app" }, { "channel": "appchat", "name": "planning" }]);
    let body = json!({ "to": { "users": ["ghost", "lisi"] }, "text": "计划变更", "route": route });
    let message = house.caller.delivered(body).await;
    assert_eq!(message["state"], "delivered", "{message:#}");
    let outbox = house.simulator.control.outbox();
    assert_eq!(outbox.last().unwrap().body["text"]["mentioned_list"], json!(["ghost"]));
    house.stop().await;
}
