//! `examples/add_user`: a service that tells whom it added, and never waits for that. The example itself is run.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::kit::{KEY, TestHouse};

/// The example's service.
struct Service {
    process: Child,
    origin: String,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

impl Service {
    fn start(gateway: &str, spool: &Path, to: &str) -> Self {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/add_user/server.py");
        let mut process = Command::new("python3")
            .args([script.as_os_str(), "0".as_ref()])
            .envs([("HONGYAN_URL", gateway), ("HONGYAN_API_KEY", KEY), ("NOTIFY_USERS", to)])
            .env("HONGYAN_SPOOL", spool)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let origin = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Self { process, origin }
    }

    /// Adds a user; returns the answer and how long it took.
    async fn add(&self, username: Option<&str>) -> (Value, Duration) {
        let started = Instant::now();
        let user = username.map_or(json!({}), |name| json!({ "username": name }));
        let request = reqwest::Client::new().post(format!("{}/add_user", self.origin)).json(&json!({ "user": user }));
        let answer = request.send().await.unwrap().json().await.unwrap();
        (answer, started.elapsed())
    }

    /// Ends it; returns what it logged.
    fn log(mut self) -> String {
        let _ended = self.process.kill();
        let mut log = String::new();
        self.process.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        log
    }
}

async fn seen(house: &TestHouse, text: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !house.simulator.control.outbox().iter().any(|sent| sent.text() == Some(text)) {
        assert!(Instant::now() < deadline, "`{text}` was not seen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_user_is_added_and_the_message_is_seen() {
    let house = TestHouse::start().await;
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(&house.caller.origin, &folder.path().join("spool"), "zhangsan,lisi");
    for (name, text) in [(Some("小明"), "新用户已加入：小明"), (None, "新用户已加入：未知用户")] {
        let (answer, _) = service.add(name).await;
        assert_eq!(answer["success"], true);
        seen(&house, text).await;
    }
    house.stop().await;
}

#[tokio::test]
async fn with_the_gateway_down_the_answer_is_the_same_as_quick_and_the_message_comes_later() {
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool");
    // Nothing listens there.
    let service = Service::start("http://127.0.0.1:9", &spool, "zhangsan");
    let (answer, took) = service.add(Some("小红")).await;
    assert_eq!(answer["success"], true);
    assert!(took < Duration::from_secs(1), "{took:?}");
    let log = service.log();
    assert!(log.contains("the gateway is away"), "{log}");
    let house = TestHouse::start().await;
    let service = Service::start(&house.caller.origin, &spool, "zhangsan");
    seen(&house, "新用户已加入：小红").await;
    drop(service);
    house.stop().await;
}

#[tokio::test]
async fn where_wecom_refuses_the_answer_is_the_same_and_the_failure_is_logged() {
    let house = TestHouse::start().await;
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(&house.caller.origin, &folder.path().join("spool"), "ghost");
    let (answer, _) = service.add(Some("小刚")).await;
    assert_eq!(answer["success"], true);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let log = service.log();
    assert!(log.contains("ERROR 企业微信消息发送失败: msg_") && log.contains("failed"), "{log}");
    house.stop().await;
}
