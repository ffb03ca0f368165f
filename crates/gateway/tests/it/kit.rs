//! A house for tests: a gateway and a simulator in this process, and a client that speaks HTTP to it.

pub(crate) mod mail;
pub(crate) mod process;
pub(crate) mod python;

use std::sync::Arc;
use std::time::{Duration, Instant};

use hongyan::app::House;
use hongyan::config::{AppSection, Config, LedgerEngine, Pii, RobotSection, SecretText, Span};
use pipeline::ports::{Clock, SystemClock};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use wecom_sim::{Options, Running, Simulator};

pub(crate) const KEY: &str = "hk_canary-first-key-0123456789abcdef";
pub(crate) const SECRET: &str = "demo-secret";
pub(crate) const ROBOT: &str = "00000000-0000-4000-8000-000000000001";

/// A gateway, its simulator, and a key to it.
pub(crate) struct TestHouse {
    pub(crate) house: House,
    pub(crate) simulator: Running,
    pub(crate) caller: Caller,
    pub(crate) config: Config,
    _folder: tempfile::TempDir,
}

/// Speaks HTTP to a gateway with one key.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) http: reqwest::Client,
    pub(crate) origin: String,
    pub(crate) key: String,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn error(&self) -> (u16, String, String) {
        let error = &self.json()["error"];
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        (self.status, text("code"), text("field"))
    }
}

pub(crate) fn http() -> reqwest::Client {
    let _first = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// The option by which a whole run of the tests has what names people sealed: `HONGYAN__ENCRYPTION__PII=sealed`.
pub(crate) const PII: &str = "HONGYAN__ENCRYPTION__PII";

#[expect(clippy::disallowed_methods, reason = "a switch of the tests, which have no configuration of their own")]
pub(crate) fn people_are_sealed() -> bool {
    std::env::var(PII).is_ok_and(|pii| pii == "sealed")
}

/// A configuration that is as quick as a test wants it.
pub(crate) fn config(origin: &str, data_dir: &std::path::Path) -> Config {
    let app = |agent_id: &str, secret: &str| AppSection {
        corp_id: "wwdemo0000000001".to_owned(),
        agent_id: agent_id.to_owned(),
        secret: Some(SecretText(secret.into())),
        secret_file: None,
        readers: Default::default(),
        accounts: None,
    };
    let robot = |number: u32| {
        let key = format!("00000000-0000-4000-8000-{number:012}");
        RobotSection { key: Some(SecretText(key.as_str().into())), key_file: None }
    };
    let mut config = Config {
        data_dir: data_dir.to_owned(),
        apps: [("default".to_owned(), app("1000002", SECRET)), ("second".to_owned(), app("1000003", "demo-secret-2"))]
            .into(),
        robots: (1..=8).map(|n| (if n == 1 { "default".to_owned() } else { format!("robot{n}") }, robot(n))).collect(),
        ..Config::default()
    };
    origin.clone_into(&mut config.wecom.api_base);
    config.wecom.smart_robot_url = origin.replacen("http", "ws", 1);
    if people_are_sealed() {
        config.encryption.pii = Pii::Sealed;
    }
    let millis = |millis| Span(Duration::from_millis(millis));
    config.wecom.timeout = millis(1500);
    config.retry.base = millis(50);
    config.retry.cap = millis(200);
    config.retry.attempts = 30;
    config.circuit_breaker.probe_every = millis(100);
    config.circuit_breaker.throttled_for = millis(200);
    config.circuit_breaker.misconfigured_for = millis(200);
    config.dispatch.sweep_every = millis(200);
    config
}

impl TestHouse {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_at(Arc::new(SystemClock::new()), change).await
    }

    pub(crate) async fn start_at(clock: Arc<dyn Clock>, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let simulator = Simulator::start(Options::default()).await.unwrap();
        let mut config = config(&simulator.origin, folder.path());
        change(&mut config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let house = House::start(&config, Some(KEY), listener, clock).await.unwrap();
        let caller = Caller { http: http(), origin: house.origin(), key: KEY.to_owned() };
        Self { house, simulator, caller, config, _folder: folder }
    }

    /// Stops the gateway and starts another over the same data, beside the same simulator.
    pub(crate) async fn restart(self, clock: Arc<dyn Clock>) -> Self {
        let Self { house, simulator, mut caller, config, _folder } = self;
        house.stop().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let house = House::start(&config, Some(KEY), listener, clock).await.unwrap();
        caller.origin = house.origin();
        Self { house, simulator, caller, config, _folder }
    }

    pub(crate) async fn in_memory() -> Self {
        Self::start_with(|config| config.ledger.engine = LedgerEngine::Memory).await
    }

    /// Makes a key and returns a caller with it.
    pub(crate) async fn caller(&self, name: &str, more: Value) -> Caller {
        let mut body = json!({ "caller": name });
        body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        let answer = self.caller.post("/v1/keys", body.to_string()).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        Caller { key: answer.json()["key"].as_str().unwrap().to_owned(), ..self.caller.clone() }
    }

    /// Waits until a lane's quotas look as wanted; the first lane of a channel is meant.
    pub(crate) async fn quota_of(&self, channel: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let lanes = self.caller.get("/v1/quotas").await.json();
            let lane = lanes.as_array().unwrap().iter().find(|lane| lane["channel"] == channel).cloned();
            let lane = lane.unwrap_or_default();
            if wanted(&lane) {
                return lane;
            }
            assert!(Instant::now() < deadline, "{lane:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn stop(self) {
        self.house.stop().await;
        self.simulator.stop().await;
    }
}

impl Caller {
    pub(crate) async fn request(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<String>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = self.http.request(method, format!("{}{path}", self.origin));
        if !self.key.is_empty() {
            request = request.bearer_auth(&self.key);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Answer { status, headers, text: answer.text().await.unwrap() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request(reqwest::Method::GET, path, None, &[]).await
    }

    pub(crate) async fn post(&self, path: &str, body: String) -> Answer {
        self.request(reqwest::Method::POST, path, Some(body), &[]).await
    }

    pub(crate) async fn submit(&self, body: Value) -> Answer {
        self.post("/v1/messages", body.to_string()).await
    }

    /// Hands a file in and returns its id.
    pub(crate) async fn upload(&self, name: &str, content: &[u8]) -> String {
        let part = reqwest::multipart::Part::bytes(content.to_vec()).file_name(name.to_owned());
        let form = reqwest::multipart::Form::new().part("media", part);
        let request = self.http.post(format!("{}/v1/media", self.origin)).bearer_auth(&self.key).multipart(form);
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        assert_eq!(status, 201, "{text}");
        serde_json::from_str::<Value>(&text).unwrap()["id"].as_str().unwrap().to_owned()
    }

    /// Hands a message in and returns its id.
    pub(crate) async fn accepted(&self, body: Value) -> String {
        let answer = self.submit(body).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn message(&self, id: &str) -> Value {
        self.get(&format!("/v1/messages/{id}")).await.json()
    }

    /// Waits until nothing more will happen to a message by itself.
    pub(crate) async fn settled(&self, id: &str) -> Value {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let message = self.message(id).await;
            if !matches!(message["state"].as_str(), Some("accepted" | "sending")) {
                return message;
            }
            assert!(Instant::now() < deadline, "still open: {message:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Hands a message in and waits for its end.
    pub(crate) async fn delivered(&self, body: Value) -> Value {
        let id = self.accepted(body).await;
        self.settled(&id).await
    }
}

pub(crate) fn text_to(users: &[&str], text: &str) -> Value {
    json!({ "to": { "users": users }, "text": text })
}

/// The state and reason code of each recipient.
pub(crate) fn recipients(message: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let recipients = message["recipients"].as_array().cloned().unwrap_or_default();
    recipients.iter().map(|r| (text(&r["recipient"]), text(&r["state"]), text(&r["reason"]["code"]))).collect()
}

/// How much memory this process has.
pub(crate) fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
