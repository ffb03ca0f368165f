//! The drop-in front and those whom it is for: libraries as published on `PyPI`, what articles print, and Debian's
//! Alertmanager. In each, the base URL is changed and nothing else; `tests/front_clients/` has a script for each.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::Timestamp;
use hongyan::config::{ChatSection, Config};
use pipeline::ports::HandClock;
use serde_json::{Value, json};
use wecom_sim::{Sent, Target};

use crate::kit::{Caller, TestHouse, python};

const CORP: &str = "wwdemo0000000001";

/// A local secret.
async fn secret(house: &TestHouse, name: &str, more: Value) -> String {
    let mut body = json!({ "kind": "front" });
    body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    house.caller(name, body).await.key
}

/// The command that runs a script, and the folder that it works in.
fn script(house: &TestHouse, name: &str, secret: &str, robot: &str) -> (Command, tempfile::TempDir) {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/front_clients");
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("python3");
    command.arg(scripts.join(name)).current_dir(folder.path());
    command.env("PYTHONPATH", python::libraries(&scripts.join("requirements.txt")));
    command.envs([("PYTHONDONTWRITEBYTECODE", "1"), ("PYTHONUTF8", "1"), ("NO_PROXY", "127.0.0.1")]);
    command.env("FRONT_ORIGIN", house.house.origin()).env("FRONT_FOLDER", folder.path());
    command.env("FRONT_SECRET", secret).env("FRONT_ROBOT", robot);
    (command, folder)
}

/// Runs a script to its end; returns what it said, and what was answered.
async fn run(house: &TestHouse, name: &str, secret: &str, robot: &str) -> (String, Value) {
    let (mut command, _folder) = script(house, name, secret, robot);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    let answers = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    (said, answers)
}

fn types(sent: &[Sent]) -> Vec<&str> {
    sent.iter().map(|sent| sent.msgtype.as_str()).collect()
}

fn planners(config: &mut Config) {
    let members = vec!["zhangsan".to_owned(), "lisi".to_owned()];
    let chat = ChatSection { app: None, title: None, chatid: Some("planning".to_owned()), owner: None, members };
    config.chats.insert("planners".to_owned(), chat);
}

#[tokio::test]
async fn wechatpy_sends_each_kind_uploads_and_reads_what_its_key_lists() {
    let house = TestHouse::start().await;
    let secret = secret(&house, "scripts", json!({ "forwards": ["GET /cgi-bin/user/get?userid"] })).await;
    let (_, answers) = run(&house, "wechatpy_client.py", &secret, "").await;
    let sent = house.simulator.control.outbox();
    let kinds = ["text", "markdown", "textcard", "news", "file", "image", "mpnews", "template_card"];
    assert_eq!(types(&sent), kinds);
    for kind in kinds {
        assert_eq!(answers[kind]["errcode"], 0, "{answers:#}");
        assert!(answers[kind]["msgid"].as_str().unwrap().starts_with("msg_"), "{answers:#}");
    }
    assert_eq!(answers["text"]["invaliduser"], "nobody");
    assert_eq!((sent[0].text(), &sent[0].body["touser"]), (Some("文字"), &json!("zhangsan|nobody")));
    assert_eq!(sent[3].body["news"]["articles"][0]["picurl"], "https://example.com/a.png");
    assert_eq!(sent[5].body["safe"], 1);
    let card = &sent[7].body;
    assert_eq!((&card["template_card"]["main_title"]["title"], &card["toparty"]), (&json!("停机通知"), &json!("2")));
    assert!(answers["template_card"]["response_code"].as_str().unwrap().starts_with("rc_msg_"));
    assert_eq!((&answers["downloaded"], &answers["passed on"]), (&json!("0123456789"), &json!("张三")));
    let refused = |name: &str| answers[name]["errcode"].as_i64();
    assert_eq!(refused("all refused"), Some(81_013), "{answers:#}");
    assert_eq!(refused("not listed"), Some(48_002), "{answers:#}");
    assert_eq!(refused("another agent"), Some(301_002), "{answers:#}");
    house.stop().await;
}

/// A script that is told when to go on.
struct Paused {
    child: Child,
    answers: Box<dyn Iterator<Item = String> + Send>,
}

impl Paused {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(|line| line.unwrap());
        Self { child, answers: Box::new(lines.filter(|line| !line.is_empty())) }
    }

    /// What it says next.
    async fn answer(mut self) -> (Self, Value) {
        tokio::task::spawn_blocking(move || {
            let line = self.answers.next().expect("it ended");
            (self, serde_json::from_str(&line).unwrap())
        })
        .await
        .unwrap()
    }

    async fn go_on(mut self) -> (Self, Value) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        self.answer().await
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[tokio::test]
async fn wechatpy_gets_itself_a_new_token_when_the_old_one_ended_and_none_when_its_key_did() {
    let clock = Arc::new(HandClock::new(Timestamp::from_millis(1_790_000_000_000)));
    let house = TestHouse::start_at(clock.clone(), |_| {}).await;
    let secret = secret(&house, "scripts", json!({})).await;
    let (command, _folder) = script(&house, "wechatpy_tokens.py", &secret, "");
    let (client, answer) = Paused::start(command).answer().await;
    assert_eq!(answer, json!({ "errcode": 0, "fetched": 1 }));
    let (client, answer) = client.go_on().await;
    assert_eq!(answer, json!({ "errcode": 0, "fetched": 1 }), "the token is good for more than one");
    clock.advance(Duration::from_secs(7201));
    let (client, answer) = client.go_on().await;
    assert_eq!(answer, json!({ "errcode": 0, "fetched": 2 }), "42001 is what it knows");
    let keys = house.caller.get("/v1/keys").await.json();
    let prefix = keys[0]["prefix"].as_str().unwrap().to_owned();
    house.caller.request(reqwest::Method::DELETE, &format!("/v1/keys/{prefix}"), None, &[]).await;
    let (_client, answer) = client.go_on().await;
    assert_eq!(answer, json!({ "errcode": 40_001, "fetched": 3 }));
    assert_eq!(house.simulator.control.outbox().len(), 3);
    house.stop().await;
}

#[tokio::test]
async fn corpwechatbot_sends_for_an_application_to_a_group_chat_and_for_a_robot() {
    let house = TestHouse::start_with(planners).await;
    let secret = secret(&house, "scripts", json!({})).await;
    let robot = self::secret(&house, "robot", json!({ "robots": ["robot2"] })).await;
    let (_, answers) = run(&house, "corpwechatbot_both.py", &secret, &robot).await;
    let sent = house.simulator.control.outbox();
    let of_app = ["text", "markdown", "textcard", "news", "file", "image"];
    for kind in of_app {
        assert_eq!(
            (&answers[kind]["errcode"], &answers[kind]["invaliduser"]),
            (&json!(0), &json!("nobody")),
            "{answers:#}"
        );
    }
    for kind in ["text", "markdown", "image", "news", "file"] {
        assert_eq!(answers["robot"][kind], json!({ "errcode": 0, "errmsg": "ok" }), "{answers:#}");
    }
    let once = answers["twice"][0]["msgid"].clone();
    assert_eq!((&answers["twice"][1]["errcode"], &answers["twice"][1]["msgid"]), (&json!(0), &once), "{answers:#}");
    assert_eq!(answers["chat"]["errcode"], 0, "{answers:#}");
    let more = ["text", "text", "text", "markdown", "image", "news", "file"];
    assert_eq!(types(&sent), [&of_app[..], &more[..]].concat());
    assert!(matches!(sent[7].target, Target::Chat { .. }), "{:?}", sent[7].target);
    let mentions = &sent[8].body["text"];
    assert_eq!(mentions["mentioned_list"], json!(["zhangsan"]), "{mentions}");
    assert_eq!(mentions["mentioned_mobile_list"], json!(["13800138000"]), "{mentions}");
    house.stop().await;
}

#[tokio::test]
async fn wecom_sdk_sends_null_for_what_there_is_not_and_recalls() {
    let house = TestHouse::start().await;
    let secret = secret(&house, "scripts", json!({ "forwards": ["GET /cgi-bin/user/get?userid"] })).await;
    let (_, answers) = run(&house, "wecom_sdk_client.py", &secret, "").await;
    let sent = house.simulator.control.outbox();
    assert_eq!(types(&sent), ["text", "markdown", "textcard"]);
    assert_eq!((&answers["recalled"], sent[0].recalled), (&json!(true), true), "{answers:#}");
    assert_eq!(answers["user"], "李四");
    assert!(answers["refused"].as_str().unwrap().contains("81013"), "{answers:#}");
    house.stop().await;
}

#[tokio::test]
async fn apprise_and_onepush_tell_through_applications_and_robots() {
    let house = TestHouse::start().await;
    let secret = secret(&house, "scripts", json!({})).await;
    let robot = self::secret(&house, "robot", json!({ "robots": ["robot2"] })).await;
    let (_, answers) = run(&house, "many_services.py", &secret, &robot).await;
    for told in ["apprise", "apprise markdown", "apprise robot"] {
        assert_eq!(answers[told], true, "{told}: {answers:#}");
    }
    assert_eq!(answers["apprise refused"], false);
    for told in ["onepush", "onepush markdown", "onepush robot"] {
        assert_eq!(answers[told]["errcode"], 0, "{told}: {answers:#}");
    }
    let sent = house.simulator.control.outbox();
    let kinds = ["text", "markdown", "text", "text", "markdown", "markdown_v2"];
    assert_eq!(types(&sent), kinds);
    let to = &sent[0].body;
    assert_eq!((&to["touser"], &to["toparty"], &to["totag"]), (&json!("zhangsan"), &json!("2"), &json!("1")));
    house.stop().await;
}

#[tokio::test]
async fn robots_libraries_send_texts_pictures_news_and_files() {
    let house = TestHouse::start().await;
    let robot = secret(&house, "robot", json!({ "robots": ["robot3"] })).await;
    let (_, answers) = run(&house, "robots.py", "", &robot).await;
    for kind in ["text", "markdown", "image", "news", "file"] {
        assert_eq!(answers[kind], json!({ "errcode": 0, "errmsg": "ok" }), "{kind}: {answers:#}");
    }
    assert_eq!(answers["wrong"]["errcode"], 93_000);
    let sent = house.simulator.control.outbox();
    assert_eq!(types(&sent), ["text", "markdown", "image", "news", "file", "text", "markdown", "image", "news"]);
    assert_eq!(sent[0].body["text"]["mentioned_list"], json!(["@all"]));
    house.stop().await;
}

#[tokio::test]
async fn what_articles_print_works_with_another_base_url() {
    let house = TestHouse::start().await;
    let secret = secret(&house, "scripts", json!({})).await;
    let robot = self::secret(&house, "robot", json!({ "robots": ["default"] })).await;
    let (said, _) = run(&house, "articles.py", &secret, &robot).await;
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "企业微信消息发送成功", "{said}");
    assert!(lines[1].starts_with("企业微信消息发送失败: invalid access_token, hint: ["), "{said}");
    assert_eq!(lines[2..6], ["信息：企业微信机器人推送成功。"; 4], "{said}");
    assert!(lines[6].starts_with("错误：93000 invalid webhook url"), "{said}");
    let sent = house.simulator.control.outbox();
    house.simulator.control.assert_seen("lisi", "新用户已加入：小明");
    let mentioned: Vec<&Value> = sent[1..].iter().map(|sent| &sent.body["text"]["mentioned_mobile_list"]).collect();
    let wanted = [json!([]), json!(["@all"]), json!(["13800138000", "13900139000"]), json!(["13800138000", "@all"])];
    // An empty list is as good as none.
    let given: Vec<Value> =
        mentioned.into_iter().map(|list| if list.is_null() { json!([]) } else { list.clone() }).collect();
    assert_eq!(given, wanted);
    house.stop().await;
}

/// Debian's Alertmanager, as a process of our own.
struct Alertmanager {
    process: Child,
    origin: String,
    _folder: tempfile::TempDir,
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

impl Alertmanager {
    /// Starts it with its own receiver of WeCom pointed at a front.
    async fn start(front: &str, secret: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "route: {{ receiver: wecom, group_by: [alertname], group_wait: 0s, group_interval: 1s }}
receivers:
- name: wecom
  wechat_configs:
  - {{ api_url: '{front}/cgi-bin/', corp_id: {CORP}, api_secret: {secret}, agent_id: '1000002', to_user: zhangsan,
       message: '{{{{ .CommonAnnotations.summary }}}}', message_type: markdown, send_resolved: true }}
"
        );
        std::fs::write(folder.path().join("alertmanager.yml"), config).unwrap();
        // Nothing else listens there: it is let go a moment before it is taken.
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new(Self::binary());
        command.current_dir(folder.path()).args(["--log.level=error", "--cluster.listen-address="]);
        command.args(["--config.file=alertmanager.yml", "--storage.path=data"]);
        command.arg(format!("--web.listen-address={address}")).env("NO_PROXY", "127.0.0.1");
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let process = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let started = Self { process, origin: format!("http://{address}"), _folder: folder };
        let deadline = Instant::now() + Duration::from_secs(30);
        let ready = || async {
            let answer = crate::kit::http().get(format!("{}/-/ready", started.origin)).send().await;
            answer.is_ok_and(|answer| answer.status().is_success())
        };
        while !ready().await {
            let log = || std::fs::read_to_string(started._folder.path().join("log")).unwrap();
            assert!(Instant::now() < deadline, "Alertmanager does not start: {}", log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        started
    }

    /// The machine's own, or what `cargo xtask test` unpacked.
    fn binary() -> PathBuf {
        let program = "usr/bin/prometheus-alertmanager";
        let unpacked = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../servers").join(program);
        let found = [Path::new("/").join(program), unpacked].into_iter().find(|path| path.exists());
        found.expect("Alertmanager is needed: cargo xtask test unpacks it")
    }

    async fn tell(&self, alert: Value) {
        let nobody = Caller { http: crate::kit::http(), origin: self.origin.clone(), key: String::new() };
        let body = json!([alert]).to_string();
        let headers = [("content-type", "application/json")];
        let answer = nobody.request(reqwest::Method::POST, "/api/v2/alerts", Some(body), &headers).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
}

async fn arrived(house: &TestHouse, count: usize) -> Vec<Sent> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let sent = house.simulator.control.outbox();
        if sent.len() >= count {
            return sent;
        }
        assert!(Instant::now() < deadline, "{sent:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn alertmanagers_own_receiver_delivers_and_is_recorded() {
    let house = TestHouse::start().await;
    let secret = secret(&house, "alertmanager", json!({})).await;
    let alertmanager = Alertmanager::start(&house.house.origin(), &secret).await;
    let alert = json!({ "labels": { "alertname": "DiskFull" }, "annotations": { "summary": "磁盘空间不足 **95 %**" } });
    alertmanager.tell(alert.clone()).await;
    let sent = arrived(&house, 1).await;
    assert_eq!((sent[0].msgtype.as_str(), &sent[0].body["touser"]), ("markdown", &json!("zhangsan")));
    assert_eq!(sent[0].body["markdown"]["content"], "磁盘空间不足 **95 %**");
    let mut resolved = alert;
    resolved["endsAt"] = json!("2026-01-01T00:00:00Z");
    resolved["startsAt"] = json!("2025-12-31T00:00:00Z");
    alertmanager.tell(resolved).await;
    arrived(&house, 2).await;
    let messages = house.caller.get("/v1/messages").await;
    assert_eq!(messages.status, 200, "{}", messages.text);
    assert_eq!(messages.json()["messages"].as_array().map(Vec::len), Some(2), "{}", messages.text);
    drop(alertmanager);
    house.stop().await;
}
