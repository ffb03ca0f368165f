//! Every example of the SDK runs against the simulator.

use std::time::Duration;

use wecom_sim::{RobotSaid, RobotWhat, Said};

use crate::start;

macro_rules! example {
    ($name:ident, $path:literal) => {
        #[path = $path]
        #[expect(dead_code, reason = "an example's main is not called from here")]
        mod $name;
    };
}
example!(callback_server, "../../../wecom/examples/callback_server.rs");
example!(files, "../../../wecom/examples/files.rs");
example!(group_robot, "../../../wecom/examples/group_robot.rs");
example!(people, "../../../wecom/examples/people.rs");
example!(script, "../../../wecom/examples/script.rs");
example!(send_message, "../../../wecom/examples/send_message.rs");
example!(smart_robot, "../../../wecom/examples/smart_robot.rs");

#[test]
fn every_example_is_run_here() {
    let folder = format!("{}/../wecom/examples", env!("CARGO_MANIFEST_DIR"));
    let here = include_str!("examples.rs");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(here.contains(&format!("examples/{name}\"")), "{name} is not run");
    }
}

#[tokio::test]
async fn what_is_sent_is_seen_and_withdrawn() {
    let simulator = start().await;
    send_message::run(&simulator.origin).await.unwrap();
    let outbox = simulator.control.outbox();
    assert!(outbox.len() == 2 && outbox.iter().all(|sent| sent.recalled));
    group_robot::run(&simulator.origin).await.unwrap();
    assert_eq!(simulator.control.counts().throttled, 1);
    files::run(&simulator.origin).await.unwrap();
    people::run(&simulator.origin).await.unwrap();
}

#[tokio::test]
async fn a_script_needs_no_runtime() {
    let simulator = start().await;
    let origin = simulator.origin.clone();
    tokio::task::spawn_blocking(move || script::run(&origin)).await.unwrap().unwrap();
    assert_eq!(simulator.control.outbox()[0].text(), Some("备份完成"));
}

#[tokio::test]
async fn the_callback_server_echoes() {
    let simulator = start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/callback", listener.local_addr().unwrap());
    tokio::spawn(async move { callback_server::run(listener).await.map_err(|error| error.to_string()) });
    let key = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
    simulator.control.set_callback(Some(1_000_002), &url, "demo-token", key).await.unwrap();
    simulator.control.say(1_000_002, "zhangsan", &Said::Text("你好".into())).await;
    assert_eq!(simulator.control.outbox()[0].text(), Some("收到：你好"));
}

#[tokio::test]
async fn the_smart_robot_answers() {
    let simulator = start().await;
    let url = simulator.origin.replace("http", "ws");
    let robot = tokio::spawn(async move { smart_robot::run(&url, 1).await.map_err(|error| error.to_string()) });
    let what = RobotWhat::Text("排产进度？".into());
    let question = RobotSaid { bot_id: "aibdemo".into(), userid: "lisi".into(), chatid: None, msgid: None, what };
    while simulator.control.tell_robot(&question).await.error.is_some() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    robot.await.unwrap().unwrap();
    let said = simulator.control.outbox().pop().unwrap();
    assert_eq!(said.body["stream"]["content"], "“排产进度？”：已完成 **80%**。");
}
