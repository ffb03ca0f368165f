//! `hongyan demo`: gateway and simulator in one process, and sample traffic from HTTP to simulated phones.
//!
//! With `--exit` it ends after the sample traffic with a summary, and fails if anything did not arrive.

mod traffic;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use pipeline::ports::SystemClock;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use wecom_sim::{Fault, Options, Simulator};

use super::gateway::Gateway;
use super::{Context, DONE, NOT_DELIVERED, print, serve};
use crate::app::House;
use channels::Readers;

use crate::config::{AppSection, Config, RobotSection, SecretText, Span};
use crate::observe;

/// How long the sample traffic may take to arrive.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the running demo sends another message.
const TRICKLE: Duration = Duration::from_secs(6);

#[derive(Debug, Args)]
pub(super) struct DemoArguments {
    /// End after the sample traffic with a summary; fail if anything did not arrive
    #[arg(long)]
    exit: bool,
}

pub(super) async fn run(arguments: &DemoArguments, context: &Context) -> anyhow::Result<u8> {
    let folder = DemoFolder::make()?;
    let simulator = Simulator::start(Options { listen: preferred(6880).await, ..Options::default() }).await?;
    let config = config(&simulator.origin, folder.path());
    // The sample traffic includes trouble; its warnings would only hide what the demo says.
    observe::start_log(&crate::config::LogSection { level: "error".to_owned(), ..config.log.clone() })?;
    let listener = TcpListener::bind(preferred(8686).await).await.context("could not listen")?;
    let house = House::start(&config, None, listener, Arc::new(SystemClock::new())).await?;
    let gateway = Gateway::at(house.origin(), house.first_key.text().into())?;
    if !context.json {
        welcome(context, &house, &simulator.origin);
    }
    simulator.control.fault(Fault::errcode(-1).on("message/send").times(2));
    let summary = sample(&gateway, context).await?;
    let arrived = summary.iter().filter(|line| line.arrived).count();
    let expected: u64 = traffic::samples().iter().map(|sample| sample.seen).sum();
    let on_phones = simulator.control.counts().seen;
    if context.json {
        let lines: Vec<Value> = summary
            .iter()
            .map(|line| json!({ "what": line.what, "id": line.id, "state": line.state, "ok": line.arrived }))
            .collect();
        print(
            &json!({ "messages": lines, "arrived": arrived, "of": summary.len(), "seen_on_phones": on_phones })
                .to_string(),
        );
    } else {
        context.say(
            format!("{arrived} of {} messages ended as they should; {on_phones} are on the phones.", summary.len()),
            format!("{} 条消息中 {arrived} 条结果符合预期；手机上可见 {on_phones} 条。", summary.len()),
        );
    }
    let code = if arrived == summary.len() && on_phones == expected { DONE } else { NOT_DELIVERED };
    if !arguments.exit {
        context.say("\nIt goes on sending; Ctrl-C ends it.", "\n演示将持续发送消息，按 Ctrl-C 结束。");
        trickle(&gateway).await?;
    }
    house.stop().await;
    simulator.stop().await;
    Ok(if arguments.exit { code } else { DONE })
}

/// The usual port if it is free, else any.
async fn preferred(port: u16) -> SocketAddr {
    let usual: SocketAddr = ([127, 0, 0, 1], port).into();
    match TcpListener::bind(usual).await {
        Ok(_) => usual,
        Err(_) => ([127, 0, 0, 1], 0).into(),
    }
}

/// A data directory that goes away with the demo.
struct DemoFolder(PathBuf);

impl DemoFolder {
    fn make() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("hongyan-demo-{}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("could not make {}", path.display()))?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for DemoFolder {
    fn drop(&mut self) {
        let _left_behind = std::fs::remove_dir_all(&self.0);
    }
}

fn config(origin: &str, folder: &Path) -> Config {
    let app = |agent_id: &str, secret: &str| AppSection {
        corp_id: "wwdemo0000000001".to_owned(),
        agent_id: agent_id.to_owned(),
        secret: Some(SecretText(secret.into())),
        secret_file: None,
        readers: Readers::default(),
        accounts: None,
    };
    let robot = |number: u32| {
        let key = format!("00000000-0000-4000-8000-{number:012}");
        RobotSection { key: Some(SecretText(key.as_str().into())), key_file: None }
    };
    let robots =
        [("default", 1), ("planning", 2), ("alerts", 3)].map(|(name, number)| (name.to_owned(), robot(number)));
    let mut config = Config {
        data_dir: folder.to_owned(),
        apps: [
            ("default".to_owned(), app("1000002", "demo-secret")),
            ("alerts".to_owned(), app("1000003", "demo-secret-2")),
        ]
        .into(),
        robots: BTreeMap::from(robots),
        loopback_hosts_only: true,
        ..Config::default()
    };
    origin.clone_into(&mut config.wecom.api_base);
    config.retry.base = Span(Duration::from_millis(200));
    config.metrics.open = true;
    config
}

fn welcome(context: &Context, house: &House, simulator: &str) {
    let (gateway, key) = (house.origin(), house.first_key.text());
    context.say(
        "Hongyan demo: a gateway, and a simulated WeCom to send to.\n",
        "鸿雁演示：网关，以及一个可供发送的模拟企业微信。\n",
    );
    context.say(
        format!("  phones   {simulator}/            what members and groups see"),
        format!("  手机     {simulator}/            成员与群看到的消息"),
    );
    context.say(format!("  API      {gateway}/docs"), format!("  接口     {gateway}/docs"));
    context.say(format!("  metrics  {gateway}/metrics\n"), format!("  指标     {gateway}/metrics\n"));
    context.say("Send one yourself:\n", "自己发一条：\n");
    print(&format!(
        "  curl {gateway}/v1/messages -H 'Authorization: Bearer {key}' \\\n       -d '{{\"to\": {{\"users\": [\"zhangsan\"]}}, \"text\": \"DFB-2000内胆：7月19日完成\"}}'\n"
    ));
    print(&format!(
        "  HONGYAN_URL={gateway} HONGYAN_API_KEY={key} hongyan send --to zhangsan,lisi --text '…' --wait\n"
    ));
}

/// One message of the sample traffic, and what became of it.
struct Line {
    what: &'static str,
    id: String,
    state: String,
    arrived: bool,
}

async fn sample(gateway: &Gateway, context: &Context) -> anyhow::Result<Vec<Line>> {
    let mut waiting = Vec::new();
    for sample in traffic::samples() {
        let receipt = gateway.post("/v1/messages", Some(&sample.submission), sample.idempotency_key).await?;
        waiting.push((sample, receipt["id"].as_str().unwrap_or_default().to_owned()));
    }
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut lines = Vec::new();
    for (sample, id) in waiting {
        let state = loop {
            let message = gateway.get(&format!("/v1/messages/{id}")).await?;
            let state = message["state"].as_str().unwrap_or_default().to_owned();
            if !matches!(state.as_str(), "accepted" | "sending") || tokio::time::Instant::now() > deadline {
                break state;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let line = Line { what: sample.what, id, arrived: state == sample.ends_as, state };
        if !context.json {
            let state = context.language.pick(&line.state, super::chinese::state(&line.state));
            let mark = if line.arrived { " " } else { "!" };
            print(&format!("{mark} {state:<18} {}  {}", line.id, line.what));
        }
        lines.push(line);
    }
    Ok(lines)
}

async fn trickle(gateway: &Gateway) -> anyhow::Result<()> {
    let mut number = 0_u64;
    loop {
        tokio::select! {
            () = tokio::time::sleep(TRICKLE) => {}
            result = serve::stop_signal() => return Ok(result?),
        }
        number += 1;
        gateway.post("/v1/messages", Some(&traffic::another(number)), None).await?;
    }
}
