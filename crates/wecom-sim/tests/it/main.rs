//! The simulator, met by the SDK, by the documents' own examples, and by clients nobody here wrote.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod apps;
mod callbacks;
mod endpoint_coverage;
mod examples;
mod fixtures;
mod foreign_clients;
mod people;
mod scenario;
mod sdk_meets_sim;
mod smart_robots;
mod tokens;
mod trouble;

use wecom_sim::{Options, Running, Simulator};

const CORP: &str = "wwdemo0000000001";
const ROBOT: &str = "00000000-0000-4000-8000-000000000001";

async fn start() -> Running {
    Simulator::start(Options::default()).await.unwrap()
}

fn transport(simulator: &Running) -> wecom::Transport {
    wecom::Transport::builder().origin(&simulator.origin).timeout(std::time::Duration::from_secs(2)).build().unwrap()
}

fn client(simulator: &Running) -> wecom::Client {
    wecom::Client::builder(transport(simulator), CORP, "demo-secret").agent(wecom::AgentId(1_000_002)).build()
}

fn robot(simulator: &Running) -> wecom::RobotClient {
    let transport = transport(simulator);
    let key = wecom::RobotKey::parse(ROBOT, transport.origin()).unwrap();
    wecom::RobotClient::new(transport, key)
}

/// A plain HTTP client, as a script would use it.
async fn post(simulator: &Running, path_and_query: &str, body: impl Into<reqwest::Body>) -> serde_json::Value {
    let url = format!("{}{path_and_query}", simulator.origin);
    let answer = plain_client().post(url).body(body).send().await.unwrap();
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

async fn get(simulator: &Running, path_and_query: &str) -> serde_json::Value {
    let answer = plain_client().get(format!("{}{path_and_query}", simulator.origin)).send().await.unwrap();
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

fn plain_client() -> reqwest::Client {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap()
}

async fn token(simulator: &Running) -> String {
    let answer = get(simulator, &format!("/cgi-bin/gettoken?corpid={CORP}&corpsecret=demo-secret")).await;
    answer["access_token"].as_str().unwrap().to_owned()
}
