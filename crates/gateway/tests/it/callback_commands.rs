//! `hongyan callback …`, as an operator uses it while WeCom's console will not save a URL.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wecom_sim::{Options, Running, Simulator};

use crate::kit::process::{Process, command, free_port};

const TOKEN: &str = "canaryCallbackToken";
const KEY: &str = "6qkdMrq68nTKduznJYO1A37W2oEgpkMUvkttRToqhUt";
const NEWER: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
const CORP: &str = "wwdemo0000000001";

/// A folder with a configuration that has a callback.
struct Desk {
    folder: tempfile::TempDir,
    api_base: String,
    url: String,
}

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let toml = format!(
            "[callbacks.default]\ntoken = \"{TOKEN}\"\nencoding_aes_key = \"{KEY}\"\n[[callbacks.default.rules]]\nkeywords = [\"帮助\"]\nreply = \"回复「订单」查询订单\"\n"
        );
        std::fs::write(folder.path().join("hongyan.toml"), toml).unwrap();
        Self { folder, api_base: "http://127.0.0.1:9".to_owned(), url: "http://127.0.0.1:9".to_owned() }
    }

    async fn with_gateway() -> (Self, Process, Running) {
        let simulator = Simulator::start(Options::default()).await.unwrap();
        let desk = Self::new();
        let gateway = Process::start(desk.folder.path(), &simulator.origin, free_port()).await;
        let (api_base, url) = (simulator.origin.clone(), gateway.caller.origin.clone());
        (Self { api_base, url, ..desk }, gateway, simulator)
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    async fn run(&self, arguments: &[&str]) -> Said {
        self.run_with(arguments, "").await
    }

    /// Runs `hongyan callback …` with a text on its standard input.
    async fn run_with(&self, arguments: &[&str], input: &str) -> Said {
        let mut command: Command = command(self.folder.path(), &self.api_base);
        command.env("HONGYAN_URL", &self.url).arg("callback").args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let input = input.to_owned();
        let output = tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().unwrap();
            // Who needs no input may be gone by now.
            let _not_needed = child.stdin.take().unwrap().write_all(input.as_bytes());
            child.wait_with_output().unwrap()
        });
        let output = output.await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// The official samples (path/90968).
struct Vector(Value);

impl Vector {
    fn named(name: &str) -> Self {
        let vectors: Vec<Value> =
            serde_json::from_str(include_str!("../../../../fixtures/wecom/callback/vectors.json")).unwrap();
        Self(vectors.into_iter().find(|vector| vector["name"] == name).unwrap())
    }

    fn get(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap()
    }

    fn keys(&self, desk: &Desk) -> [String; 6] {
        [
            "--token-file".to_owned(),
            desk.file("token", &format!("{}\n", self.get("token"))),
            "--encoding-aes-key-file".to_owned(),
            desk.file("key", self.get("aes_key")),
            "--receive-id".to_owned(),
            self.get("receive_id").to_owned(),
        ]
    }

    fn query(&self) -> [&str; 6] {
        ["--signature", self.get("signature"), "--timestamp", self.get("timestamp"), "--nonce", self.get("nonce")]
    }
}

fn all<'a>(parts: &[&[&'a str]]) -> Vec<&'a str> {
    parts.concat()
}

#[tokio::test]
async fn the_official_samples_are_opened_by_hand() {
    let desk = Desk::new();
    let vector = Vector::named("A");
    let keys = vector.keys(&desk);
    let keys = keys.each_ref().map(String::as_str);
    let echostr = vector.get("encrypt");
    let said = desk.run(&all(&[&["verify"], &vector.query(), &["--echostr", echostr], &keys])).await;
    assert_eq!((said.code, said.out.as_str()), (0, "1616140317555161061\n"), "{}", said.err);
    let encoded: String = url::form_urlencoded::byte_serialize(echostr.as_bytes()).collect();
    let query = format!(
        "https://a.example/callback/default?msg_signature={}&timestamp={}&nonce={}&echostr={encoded}",
        vector.get("signature"),
        vector.get("timestamp"),
        vector.get("nonce")
    );
    let said = desk.run(&all(&[&["verify", "--url", &query], &keys])).await;
    assert_eq!((said.code, said.out.as_str()), (0, "1616140317555161061\n"), "{}", said.err);
    let posted = Vector::named("B");
    let body = format!("<xml><Encrypt><![CDATA[{}]]></Encrypt></xml>", posted.get("encrypt"));
    let said = desk.run_with(&all(&[&["decrypt"], &posted.query(), &keys]), &body).await;
    assert_eq!((said.code, said.out.trim_end()), (0, posted.get("message")), "{}", said.err);
}

#[tokio::test]
async fn each_wrong_thing_is_named_with_its_official_code() {
    let desk = Desk::new();
    let vector = Vector::named("A");
    let right = vector.keys(&desk);
    let echostr = vector.get("encrypt").to_owned();
    let cut = echostr[..60].to_owned();
    let signed = |token: &str, encrypted: &str| {
        let key = wecom::callback::EncodingAesKey::parse(KEY).unwrap();
        let crypto = wecom::callback::Crypto::new(token, key, "");
        crypto.signature(vector.get("timestamp"), vector.get("nonce"), encrypted)
    };
    let (other_token, other_key) = (desk.file("other-token", "OtherToken"), desk.file("other-key", KEY));
    // The padding is two blocks of its own: a bit of the first changes the second.
    let key = wecom::callback::EncodingAesKey::parse(vector.get("aes_key")).unwrap();
    let crypto = wecom::callback::Crypto::new("QDG6eK", key, vector.get("receive_id"));
    let mut bytes = BASE64_STANDARD.decode(crypto.seal(&[b'x'; 26], "1", "n").encrypt).unwrap();
    let at = bytes.len() - 17;
    bytes[at] ^= 0x7f;
    let badly_padded = BASE64_STANDARD.encode(bytes);
    let padding_signature = signed("QDG6eK", &badly_padded);
    let (cut_signature, bad_signature) = (signed("QDG6eK", &cut), signed("QDG6eK", "no_base64!"));
    let upper = vector.get("signature").to_ascii_uppercase();
    for (token, key, receive_id, signature, echo, code, says) in [
        (&other_token, &right[3], &right[5], vector.get("signature"), &echostr, "-40001", "the Token is wrong"),
        (&other_token, &other_key, &right[5], vector.get("signature"), &echostr, "-40001", "neither Token nor"),
        (&right[1], &right[3], &right[5], upper.as_str(), &echostr, "-40001", "upper case"),
        (&right[1], &right[3], &right[5], vector.get("signature"), &cut, "-40001", "cut off"),
        (&right[1], &other_key, &right[5], vector.get("signature"), &echostr, "-40007", "EncodingAESKey is wrong"),
        (&right[1], &right[3], &CORP.to_owned(), vector.get("signature"), &echostr, "-40005", "for wx5823bf96d3bd56c7"),
        (&right[1], &right[3], &right[5], &cut_signature, &cut, "-40007", "whole blocks"),
        (&right[1], &right[3], &right[5], &padding_signature, &badly_padded, "-40007", "padding is wrong"),
        (&right[1], &right[3], &right[5], &bad_signature, &"no_base64!".to_owned(), "-40010", "not base64"),
    ] {
        let arguments = [
            "verify",
            "--signature",
            signature,
            "--timestamp",
            vector.get("timestamp"),
            "--nonce",
            vector.get("nonce"),
            "--echostr",
            echo,
            "--token-file",
            token,
            "--encoding-aes-key-file",
            key,
            "--receive-id",
            receive_id,
        ];
        let said = desk.run(&arguments).await;
        assert!(said.code == 1 && said.err.starts_with(code) && said.err.contains(says), "{says}: {}", said.err);
        assert!(said.out.is_empty() && !said.err.contains("QDG6eK"), "{}", said.out);
    }
    let short = desk.file("short", "abc");
    let said =
        desk.run(&["encrypt", "--token-file", &right[1], "--encoding-aes-key-file", &short, "--receive-id", ""]).await;
    assert!(said.code == 1 && said.err.contains("-40004"), "{}", said.err);
    let said = desk.run_with(&["decrypt", "--signature", "s", "--timestamp", "1", "--nonce", "n"], "hello").await;
    assert!(said.code == 1 && said.err.starts_with("-40002"), "{}", said.err);
    let said = desk.run(&["verify", "--callback", "erp", "--url", "https://a.example/?x"]).await;
    assert!(said.code == 1 && said.err.contains("msg_signature"), "{}", said.err);
    let help = desk.run(&["set", "--help"]).await.out;
    assert!(!help.contains("--token ") && !help.contains("--encoding-aes-key "), "{help}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sealed_by_hand_is_answered_as_wecom_would_be() {
    let (desk, gateway, _simulator) = Desk::with_gateway().await;
    let said = format!(
        "<xml><ToUserName>{CORP}</ToUserName><FromUserName>zhangsan</FromUserName><CreateTime>1</CreateTime><MsgType>text</MsgType><Content>帮助</Content><MsgId>7</MsgId><AgentID>1000002</AgentID></xml>\n"
    );
    let sealed = desk.run_with(&["encrypt", "--json"], &said).await;
    assert_eq!(sealed.code, 0, "{}", sealed.err);
    let sealed: Value = serde_json::from_str(&sealed.out).unwrap();
    let (query, body) = (sealed["query"].as_str().unwrap(), sealed["body"].as_str().unwrap());
    assert!(body.contains("<AgentID>1000002</AgentID>"), "{body}");
    let opened = desk.run_with(&["decrypt", "--url", query], body).await;
    assert_eq!((opened.code, opened.out.as_str()), (0, said.as_str()), "{}", opened.err);
    let answer = gateway.caller.post(&format!("/callback/default?{query}"), body.to_owned()).await;
    assert_eq!(answer.status, 200);
    let reply = desk.run_with(&["decrypt"], &answer.text).await;
    assert!(reply.code == 0 && reply.out.contains("回复「订单」查询订单"), "{} {}", reply.out, reply.err);
    let curl = desk.run_with(&["encrypt", "--url", "http://127.0.0.1:1/callback/default?own=1"], &said).await.out;
    assert!(curl.starts_with("curl -sS 'http://127.0.0.1:1/callback/default?own=1&msg_signature="), "{curl}");
    let robot = desk.run_with(&["encrypt", "--json"], r#"{"msgid": "1", "msgtype": "text"}"#).await.out;
    assert!(robot.contains(r#"{\"encrypt\":"#), "{robot}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_keys_are_live_at_once_and_every_attempt_is_seen() {
    let (desk, gateway, _simulator) = Desk::with_gateway().await;
    assert!(desk.run(&["list"]).await.out.contains("keys from the configuration"));
    assert!(desk.run(&["watch", "--once"]).await.out.contains("nobody"));
    let url = format!("{}/callback/default", gateway.caller.origin);
    let (token, key) = (desk.file("token", "newToken\n"), desk.file("key", &format!("{NEWER}\n")));
    let newer = ["--token-file", token.as_str(), "--encoding-aes-key-file", key.as_str()];
    let before = desk.run(&all(&[&["probe", &url], &newer])).await;
    assert!(before.code == 3 && before.out.contains("403 from the gateway"), "{}", before.out);
    let missing = desk.run(&["set", "default"]).await;
    assert!(missing.code == 1 && missing.err.contains("WECHAT_CALLBACK_TOKEN_FILE"), "{}", missing.err);
    let unknown = desk.run(&all(&[&["set", "erp"], &newer])).await;
    assert_eq!(unknown.code, 3, "{}", unknown.err);
    // Twice: a repeat does not push the keys out that are still in WeCom's console.
    for _ in 0..2 {
        let set = desk.run(&all(&[&["set", "default"], &newer])).await;
        assert!(set.code == 0 && set.out.contains("are live"), "{}{}", set.out, set.err);
    }
    assert!(desk.run(&["list"]).await.out.contains("keys set while it ran"));
    let after = desk.run(&all(&[&["probe", &url], &newer])).await;
    assert!(after.code == 0 && after.err.contains("not a public one"), "{}{}", after.out, after.err);
    assert_eq!(desk.run(&["probe", &url]).await.code, 0, "those before are taken for a day");
    let seen = desk.run(&["watch", "--once"]).await.out;
    let lines: Vec<&str> = seen.lines().collect();
    assert_eq!(lines.len(), 3, "{seen}");
    assert!(lines[0].contains("127.0.0.1") && lines[0].contains("verify"), "{seen}");
    assert!(lines[0].contains("REFUSED -40001") && lines[2].ends_with("ok"), "{seen}");
    assert!(![TOKEN, KEY, NEWER, "newToken"].iter().any(|secret| seen.contains(secret)));
}

/// Answers every request, after a while, with what it is given to answer an echo.
async fn server(after: Duration, answer: impl Fn(&str) -> String + Send + 'static) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/callback/default", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let read = connection.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            let query = request.split(['?', ' ']).nth(2).unwrap_or_default().to_owned();
            let echo = echo_of(&query);
            tokio::time::sleep(after).await;
            let _left = connection.write_all(answer(&echo).as_bytes()).await;
        }
    });
    url
}

fn echo_of(query: &str) -> String {
    let query = wecom::callback::Query::parse(query);
    let key = wecom::callback::EncodingAesKey::parse(KEY).unwrap();
    let receiver = wecom::callback::Receiver::new(wecom::callback::Crypto::new(TOKEN, key, CORP));
    receiver.verify(&query).unwrap_or_default()
}

fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probe_names_what_is_wrong_with_an_answer() {
    let desk = Desk::new();
    let at_once = Duration::ZERO;
    let html = "content-type: text/html\r\n";
    let servers = [
        (server(at_once, |echo| http("200 OK", "", echo)).await, "ok", 0),
        (server(at_once, |_| http("404 Not Found", "", "<html>no</html>")).await, "not_found", 3),
        (server(at_once, move |_| http("200 OK", html, "<!DOCTYPE html>welcome")).await, "html", 3),
        (server(at_once, |echo| http("200 OK", "", &format!("\"{echo}\""))).await, "quoted", 3),
        (server(at_once, |echo| http("200 OK", "", &format!("{echo}\n"))).await, "blanks", 3),
        (server(at_once, |echo| http("200 OK", "", &format!("\u{feff}{echo}"))).await, "bom", 3),
        (server(at_once, |_| http("200 OK", "", "success")).await, "wrong_text", 3),
        (
            server(at_once, |_| http("302 Found", "location: https://login.example/?next=x\r\n", "")).await,
            "redirect",
            3,
        ),
        (server(at_once, |_| http("403 Forbidden", "", "<h1>403</h1>")).await, "forbidden", 3),
        (server(at_once, |_| http("502 Bad Gateway", "", "")).await, "bad_gateway", 3),
        (server(Duration::from_millis(1200), |echo| http("200 OK", "", echo)).await, "slow", 3),
        (server(Duration::from_secs(30), |echo| http("200 OK", "", echo)).await, "timeout", 5),
        (server(at_once, |_| String::new()).await, "broken", 5),
        (format!("http://127.0.0.1:{}/", free_port()), "connect", 5),
        ("https://no-such-host.invalid/callback/default".to_owned(), "dns", 5),
    ];
    for (url, code, exit) in servers {
        let said = desk.run(&["probe", &url, "--json"]).await;
        let line: Value = serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {}", said.err));
        assert_eq!((&line["code"], said.code), (&json!(code), exit), "{line:#}");
        if code == "redirect" {
            assert!(line["text"].as_str().unwrap().contains("https://login.example/,"), "{line}");
        }
    }
    let url = server(at_once, |_| http("200 OK", "", "")).await.replace("http://", "https://");
    let said = desk.run(&["probe", &url, "--json"]).await;
    assert!(said.code == 5 && said.out.contains("\"tls\""), "{}", said.out);
    let zh = desk.run(&["probe", "http://127.0.0.1:9/", "--lang", "zh"]).await;
    assert!(zh.out.contains("无法连接"), "{}", zh.out);
}

#[tokio::test]
async fn doctor_says_whether_the_keys_can_be_used() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let desk = Desk::new();
    let doctor = |desk: &Desk, token: Option<&str>| {
        let mut command = command(desk.folder.path(), &simulator.origin);
        command.arg("doctor");
        if let Some(token) = token {
            command.env("WECHAT_CALLBACK_TOKEN", token);
        }
        tokio::task::spawn_blocking(move || command.output().unwrap())
    };
    let good = doctor(&desk, None).await.unwrap();
    let out = String::from_utf8(good.stdout).unwrap();
    assert!(good.status.success() && out.contains("hongyan callback probe https://HOST/callback/default"), "{out}");
    let bad = doctor(&desk, Some("with-a-dash")).await.unwrap();
    let out = String::from_utf8(bad.stdout).unwrap();
    assert!(!bad.status.success() && out.contains("BAD   callbacks.default: token"), "{out}");
}
