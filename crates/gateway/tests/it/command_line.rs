//! The command line, as a person and a script use it.

use std::process::{Command, Output};

use serde_json::Value;
use wecom_sim::{Options, Running, Simulator};

use crate::kit::process::{Process, command, free_port};
use crate::kit::{KEY, ROBOT, SECRET};

pub(crate) struct Desk {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) simulator: Running,
    _gateway: Process,
    url: String,
}

pub(crate) async fn desk() -> Desk {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let gateway = Process::start(folder.path(), &simulator.origin, free_port()).await;
    let url = gateway.caller.origin.clone();
    Desk { folder, simulator, _gateway: gateway, url }
}

impl Desk {
    pub(crate) fn command(&self) -> Command {
        let mut command = command(self.folder.path(), &self.simulator.origin);
        command.env("HONGYAN_URL", &self.url);
        command
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        self.run_with(arguments, |_| {}).await
    }

    pub(crate) async fn run_with(
        &self,
        arguments: &[&str],
        change: impl FnOnce(&mut Command),
    ) -> (i32, String, String) {
        let mut command = self.command();
        command.args(arguments).stdin(std::process::Stdio::null());
        change(&mut command);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        shown(&output)
    }
}

pub(crate) fn shown(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_sent_shown_listed_and_recalled() {
    let desk = desk().await;
    let (code, out, err) = desk.run(&["send", "--to", "zhangsan|lisi", "--text", "hello", "--wait", "--json"]).await;
    assert_eq!(code, 0, "{err}");
    let message: Value = serde_json::from_str(&out).unwrap();
    let id = message["id"].as_str().unwrap();
    assert!(desk.run(&["message", "show", id]).await.1.contains("delivered"));
    assert!(desk.run(&["message", "list", "--recipient", "user:lisi"]).await.1.contains(id));
    assert_eq!(desk.run(&["message", "recall", id]).await.0, 0);
    assert!(desk.simulator.control.outbox()[0].recalled);
    assert_eq!(desk.run(&["message", "cancel", id]).await.0, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exit_codes_tell_programs() {
    let desk = desk().await;
    assert_eq!(desk.run(&["send", "--text", "nobody"]).await.0, 2);
    assert_eq!(desk.run(&["send", "--to", "ghost", "--text", "x", "--wait"]).await.0, 4);
    assert_eq!(desk.run(&["send", "--to", "ghost,lisi", "--text", "x", "--wait"]).await.0, 7);
    let (code, _, err) = desk.run(&["send", "--email", "a@example.com", "--text", "x"]).await;
    assert!(code == 3 && err.contains("mail server"), "{err}");
    let gone = |command: &mut Command| _ = command.env("HONGYAN_URL", "http://127.0.0.1:9");
    assert_eq!(desk.run_with(&["send", "--to", "lisi", "--text", "x"], gone).await.0, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipe_a_card_and_a_batch_are_sent() {
    let desk = desk().await;
    let folder = desk.folder.path();
    std::fs::write(folder.join("text"), "from a pipe\n").unwrap();
    let piped = |command: &mut Command| _ = command.stdin(std::fs::File::open(folder.join("text")).unwrap());
    assert_eq!(desk.run_with(&["send", "--to", "zhangsan", "--wait"], piped).await.0, 0);
    let card = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/cards/approval.json");
    assert_eq!(desk.run(&["send", "--to", "zhangsan", "--card", card, "--wait"]).await.0, 0);
    let lines: String = (0..600)
        .map(|i| {
            format!("{{\"to\":{{\"users\":[\"zhangsan\"]}},\"text\":\"n{i}\",\"send_at\":\"2099-01-01T00:00:00Z\"}}\n")
        })
        .collect();
    std::fs::write(folder.join("batch"), lines + "nonsense\n").unwrap();
    let (code, out, err) = desk.run(&["send", "--batch", folder.join("batch").to_str().unwrap()]).await;
    assert!(code == 3 && out.starts_with("600 accepted, 1 refused"), "{out} {err}");
    assert!(err.contains("601: "), "{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_direct_send_needs_no_gateway_and_speaks_both_languages() {
    let desk = desk().await;
    let zh = |command: &mut Command| _ = command.env("LANG", "zh_CN.UTF-8");
    let (code, out, _) = desk
        .run_with(
            &[
                "send",
                "--direct",
                "--robot",
                "default",
                "--text",
                "x",
                "--at-all",
                "1",
                "--at-mobile",
                "13800138000, 13900139000",
            ],
            zh,
        )
        .await;
    assert_eq!((code, out.trim()), (0, "信息：企业微信机器人推送成功。"));
    let body = desk.simulator.control.outbox()[0].body["text"].clone();
    assert_eq!(
        (&body["mentioned_list"][0], &body["mentioned_mobile_list"][1]),
        (&Value::from("@all"), &Value::from("13900139000"))
    );
    let (code, out, _) = desk.run_with(&["send", "--direct", "--to", "zhangsan", "--text", "x"], zh).await;
    assert_eq!((code, out.trim()), (0, "企业微信消息发送成功"));
    let (code, _, err) = desk.run_with(&["send", "--direct", "--to", "ghost", "--text", "x"], zh).await;
    assert!(code == 4 && err.contains("81013"), "{err}");
    std::fs::write(
        desk.folder.path().join("hook"),
        format!("{}/cgi-bin/webhook/send?key={ROBOT}\n", desk.simulator.origin),
    )
    .unwrap();
    let (code, _, err) = desk.run(&["send", "--direct", "--robot-key-file", "hook", "--text", "x"]).await;
    assert_eq!(code, 0, "{err}");
    // Twenty runs cost one token, which a restart of the gateway uses, too.
    let before = desk.simulator.control.counts().gettoken;
    for _ in 0..20 {
        desk.run(&["send", "--direct", "--to", "lisi", "--text", "cron"]).await;
    }
    assert_eq!(desk.simulator.control.counts().gettoken, before);
    let nobody = |command: &mut Command| _ = command.env("WECHAT_API_BASE", "http://127.0.0.1:9");
    let (code, _, err) = desk.run_with(&["send", "--direct", "--robot", "default", "--text", "x"], nobody).await;
    assert!(code == 5 && err.contains("network fault"), "{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_names_what_is_wrong_and_how_to_mend_it() {
    let desk = desk().await;
    let (code, out, _) = desk.run(&["doctor"]).await;
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("visible range") && out.contains("robots.default key: works"), "{out}");
    let sent = desk.simulator.control.outbox().len();
    assert_eq!(sent, 0, "doctor sends nothing");
    let wrong = |name: &'static str, value: &'static str| move |command: &mut Command| _ = command.env(name, value);
    for (name, value, expected) in [
        ("WECHAT_AGENT_ID", "1000003", "301002"),
        ("WECHAT_WEBHOOK_KEY", "no-such-key", "93000"),
        ("WECHAT_CORP_ID", "ww9999999999999999", "40013"),
        ("WECHAT_API_BASE", "http://127.0.0.1:9", "cannot be reached"),
        ("WECHAT_AGENT_ID", "ww0123456789abcdef", "looks like a corp id"),
    ] {
        let (code, out, _) = desk.run_with(&["doctor"], wrong(name, value)).await;
        assert!(code == 1 && out.contains(expected) && out.contains('→'), "{name}={value}: {out}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_looks_at_the_key_file_and_says_what_to_do() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = desk().await;
    let folder = tempfile::tempdir().unwrap();
    let key_file = folder.path().join("master-key");
    let doctor = || {
        let at = |command: &mut Command| _ = command.env("HONGYAN_DATA_DIR", folder.path());
        desk.run_with(&["doctor"], at)
    };
    let (code, out, _) = doctor().await;
    assert!(code == 0 && out.contains("is made at the first start"), "{out}");
    let clock = std::sync::Arc::new(pipeline::ports::SystemClock::new());
    backends::SqliteLedger::open(&backends::Config::new(folder.path()), clock).await.unwrap();
    let (code, out, _) = doctor().await;
    assert!(code == 0 && out.contains("key 1 seals"), "{out}");
    std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (code, out, _) = doctor().await;
    assert!(code == 1 && out.contains("mode 644") && out.contains("→ chmod 600"), "{out}");
    std::fs::write(&key_file, format!("1 {}\n", "ab".repeat(32))).unwrap();
    let (code, out, _) = doctor().await;
    assert!(code == 1 && out.contains("its key 1 is another"), "{out}");
    std::fs::remove_file(&key_file).unwrap();
    let (code, out, _) = doctor().await;
    assert!(code == 1 && out.contains("master-key is missing") && out.contains("encryption.key_file"), "{out}");
    assert!(!key_file.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_tries_the_mail_server_and_sends_nothing() {
    let desk = desk().await;
    let server = crate::kit::mail::MailServer::plain();
    let url = server.plain_section().url.unwrap();
    let with = |url: String| {
        move |command: &mut Command| {
            command.env("HONGYAN_SMTP_URL", &url).env("HONGYAN_SMTP_FROM", "pmc@example.com");
        }
    };
    let (code, out, _) = desk.run_with(&["doctor"], with(url.0.expose().to_owned())).await;
    assert!(code == 0 && out.contains("mail.default: can be reached"), "{out}");
    assert!(server.mails().is_empty());
    let (code, out, _) = desk.run_with(&["doctor"], with("smtp://127.0.0.1:9?tls=none".to_owned())).await;
    assert!(code == 1 && out.contains("BAD   mail.default") && out.contains('→'), "{out}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_made_listed_and_revoked() {
    let desk = desk().await;
    let (code, out, err) = desk.run(&["key", "create", "--caller", "erp", "--robots", "default"]).await;
    assert_eq!(code, 0, "{err}");
    let key = out.trim().to_owned();
    let with_it = |command: &mut Command| _ = command.env("HONGYAN_API_KEY", &key);
    assert_eq!(desk.run_with(&["send", "--robot", "default", "--text", "x"], with_it).await.0, 0);
    assert!(desk.run(&["key", "list"]).await.1.contains("erp"));
    let bounds = ["--templates", "t", "--networks", "127.0.0.0/8", "--chats", "", "--per-minute", "7"];
    let soon = (jiff::Timestamp::now() + std::time::Duration::from_secs(2)).to_string();
    let over = [&["key", "create", "--caller", "over", "--expires-at", &soon], &bounds[..]].concat();
    let (code, _, err) = desk.run(&over).await;
    assert_eq!(code, 0, "{err}");
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let listed = desk.run(&["key", "list"]).await.1;
    let line = listed.lines().find(|line| line.contains("over")).unwrap();
    for part in ["expired", "bearer", "7/min", "templates=t", "networks=127.0.0.0/8", "chats=(none)"] {
        assert!(line.contains(part) && !line.contains("  works"), "{part}: {line}");
    }
    assert_eq!(desk.run(&["key", "revoke", &key[..11]]).await.0, 0);
    assert_eq!(desk.run_with(&["send", "--robot", "default", "--text", "x"], with_it).await.0, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_configuration_is_checked_and_shown_without_secrets() {
    let desk = desk().await;
    assert_eq!(desk.run(&["config", "check"]).await.0, 0);
    let (_, out, _) = desk.run(&["config", "show"]).await;
    assert!(out.contains("[secret]") && ![KEY, SECRET, ROBOT].iter().any(|secret| out.contains(secret)), "{out}");
    std::fs::write(desk.folder.path().join("hongyan.toml"), "[retry]\natempts = 3\n").unwrap();
    let (code, _, err) = desk.run(&["config", "check"]).await;
    assert!(code == 1 && err.contains("atempts"), "{err}");
    std::fs::remove_file(desk.folder.path().join("hongyan.toml")).unwrap();
    let empty =
        |command: &mut Command| _ = command.arg("serve").env("HONGYAN_API_KEY", "").env("HONGYAN_DATA_DIR", "other");
    let (code, _, err) = desk.run_with(&[], empty).await;
    assert!(code == 1 && err.contains("HONGYAN_API_KEY is empty"), "{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_stands_in_the_list_of_processes() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let gateway = Process::start(folder.path(), &simulator.origin, free_port()).await;
    let line = std::fs::read(format!("/proc/{}/cmdline", gateway.id())).unwrap();
    let line = String::from_utf8_lossy(&line);
    assert!(![KEY, SECRET, ROBOT].iter().any(|secret| line.contains(secret)), "{line}");
    let help = shown(&Command::new(env!("CARGO_BIN_EXE_hongyan")).args(["send", "--help"]).output().unwrap()).1;
    assert!(!help.contains("--secret") && !help.contains("--key "), "{help}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_start_writes_a_private_key_file() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let port = free_port();
    let mut serve = command(folder.path(), &simulator.origin);
    serve.arg("serve").env_remove("HONGYAN_API_KEY").env("HONGYAN_LISTEN", format!("127.0.0.1:{port}"));
    let mut child = serve.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let path = folder.path().join("data/api-key");
    for _ in 0..200 {
        if path.exists() && std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let mut send = command(folder.path(), &simulator.origin);
    send.args(["send", "--to", "zhangsan", "--text", "x", "--wait"])
        .env_remove("HONGYAN_API_KEY")
        .env("HONGYAN_LISTEN", format!("127.0.0.1:{port}"));
    let output = tokio::task::spawn_blocking(move || send.output().unwrap()).await.unwrap();
    assert_eq!(shown(&output).0, 0, "{}", shown(&output).2);
    child.kill().unwrap();
    child.wait().unwrap();
}
