//! `examples/add_user`: a service that tells whom it added, and never waits for that. The example itself is run.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::kit::{KEY, TestHouse};

/// The example's service. Its spool and its log are in a folder that outlives it.
struct Service {
    process: Child,
    origin: String,
    log: PathBuf,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

impl Service {
    fn start(gateway: &str, folder: &Path, to: &str) -> Self {
        let log = folder.join("log");
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/add_user/server.py");
        let mut process = Command::new("python3")
            .args([script.as_os_str(), "0".as_ref()])
            .envs([("HONGYAN_URL", gateway), ("HONGYAN_API_KEY", KEY), ("NOTIFY_USERS", to)])
            .env("HONGYAN_SPOOL", folder.join("spool"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let origin = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Self { process, origin, log }
    }

    /// Adds a user; returns the answer and how long it took.
    async fn add(&self, username: Option<&str>) -> (Value, Duration) {
        let started = Instant::now();
        let user = username.map_or(json!({}), |name| json!({ "username": name }));
        let request = reqwest::Client::new().post(format!("{}/add_user", self.origin)).json(&json!({ "user": user }));
        let answer = request.send().await.unwrap().json().await.unwrap();
        (answer, started.elapsed())
    }

    /// Waits until it has logged something.
    async fn logs(&self, part: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let log = fs::read_to_string(&self.log).unwrap();
            if log.contains(part) {
                return;
            }
            assert!(Instant::now() < deadline, "`{part}` is not in {log}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
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
    let service = Service::start(&house.caller.origin, folder.path(), "zhangsan,lisi");
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
    // Nothing listens there.
    let service = Service::start("http://127.0.0.1:9", folder.path(), "zhangsan");
    let (answer, took) = service.add(Some("小红")).await;
    assert_eq!(answer["success"], true);
    assert!(took < Duration::from_secs(1), "{took:?}");
    service.logs("the gateway is away").await;
    drop(service);
    // A process that died while it wrote a line hides none of the others.
    let mut spool = fs::OpenOptions::new().append(true).open(folder.path().join("spool")).unwrap();
    spool.write_all(b"{\"event\": \"half").unwrap();
    let house = TestHouse::start().await;
    let service = Service::start(&house.caller.origin, folder.path(), "zhangsan");
    seen(&house, "新用户已加入：小红").await;
    drop(service);
    house.stop().await;
}

#[tokio::test]
async fn where_wecom_refuses_the_answer_is_the_same_and_the_failure_is_logged() {
    let house = TestHouse::start().await;
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(&house.caller.origin, folder.path(), "ghost");
    let (answer, _) = service.add(Some("小刚")).await;
    assert_eq!(answer["success"], true);
    service.logs("ERROR 企业微信消息发送失败: msg_").await;
    house.stop().await;
}

#[tokio::test]
async fn an_event_is_any_text_and_no_line_of_the_log_is_of_its_making() {
    const SCRIPT: &str = "
import logging, os, sys, time
sys.path.insert(0, sys.argv[1])
from hongyan import Hongyan
logging.basicConfig(stream=sys.stderr, level=logging.INFO)
hongyan = Hongyan(to=sys.argv[2].split(','), spool=os.environ['HONGYAN_SPOOL'])
hongyan.notify('新用户已加入', event='新用户-1')
hongyan.notify('两行', event='two\\nERROR lines')
deadline = time.monotonic() + 20
while hongyan.waiting and time.monotonic() < deadline:
    time.sleep(0.02)
sys.exit(len(hongyan.waiting))
";
    let house = TestHouse::start().await;
    let folder = tempfile::tempdir().unwrap();
    let example = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/add_user");
    let run = |to: &'static str| {
        let mut command = Command::new("python3");
        command.args(["-c".as_ref(), SCRIPT.as_ref(), example.as_os_str(), to.as_ref()]);
        command.envs([("HONGYAN_URL", house.caller.origin.as_str()), ("HONGYAN_API_KEY", KEY)]);
        command.env("HONGYAN_SPOOL", folder.path().join("spool")).env("PYTHONDONTWRITEBYTECODE", "1");
        tokio::task::spawn_blocking(move || command.output().unwrap())
    };
    let told = run("zhangsan").await.unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    seen(&house, "新用户已加入").await;
    seen(&house, "两行").await;
    // The same event for somebody else is refused, and that is logged.
    let refused = run("lisi").await.unwrap();
    let log = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.success() && log.contains("two%0AERROR lines"), "{log}");
    assert!(!log.lines().any(|line| line.starts_with("ERROR lines")), "{log}");
    house.stop().await;
}
