//! Isolation: what one target's trouble does to another target's latency.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use hyper::Method;
use trials::load::{self, Requests, quantile, to_members};
use trials::program::{Gateway, KEY, Process};
use trials::upstream::Upstream;

use crate::floor::CONNECTIONS;
use crate::hongyan::{MEMBERS, QUIET, sent_to_arrived};
use crate::millis;
use crate::options::Options;
use crate::report::Round;

/// The application whose calls hang at the upstream.
const HANGING_AGENT: &str = "1000003";
/// Messages to the hanging application, and for the robot.
const HANGING: u64 = 1000;
const WAITING: u64 = 100_000;

pub(crate) async fn run(options: &Options, folder: &Path, round: &mut Round) -> anyhow::Result<()> {
    let names = [
        ("alone", "alone p50 ms", "alone p99 ms"),
        ("hanging", "beside hanging p50 ms", "beside hanging p99 ms"),
        ("waiting", "beside waiting p50 ms", "beside waiting p99 ms"),
    ];
    for (trouble, p50, p99) in names {
        let folder = folder.join(trouble);
        std::fs::create_dir(&folder)?;
        let upstream = Upstream::hanging_for(&format!("\"agentid\":{HANGING_AGENT}")).await?;
        let (gateway, _process) = start(options, &folder, &upstream).await?;
        match trouble {
            "hanging" => {
                load::burst(gateway.address, Some(KEY), CONNECTIONS, (2_000_000, HANGING), to_hanging()).await?;
            }
            "waiting" => many_for_a_robot(&gateway).await?,
            _ => {}
        }
        let paced = load::paced(gateway.address, Some(KEY), QUIET.0, (1, QUIET.1), to_members(MEMBERS)).await?;
        let sent = sent_to_arrived(&paced, &upstream).await?;
        round.set(p50, millis(quantile(&sent, 0.5)));
        round.set(p99, millis(quantile(&sent, 0.99)));
    }
    Ok(())
}

async fn start(options: &Options, folder: &Path, upstream: &Upstream) -> anyhow::Result<(Gateway, Process)> {
    let gateway = Gateway::new(&options.binary, folder, upstream.address)?;
    let second = format!(
        "default_app = \"default\"\n[apps.second]\ncorp_id = \"wwdemo0000000001\"\nagent_id = {HANGING_AGENT}\nsecret = \"demo-secret-2\"\n"
    );
    std::fs::write(folder.join("hongyan.toml"), second)?;
    let process = gateway.start().await?;
    load::burst(gateway.address, Some(KEY), 1, (1_000_000, 20), to_members(MEMBERS)).await?;
    Ok((gateway, process))
}

fn to_hanging() -> Requests {
    Arc::new(|number| {
        let text = load::text(number, 75);
        ("/v1/messages".to_owned(), format!(r#"{{"app":"second","to":{{"users":["m1"]}},"text":"{text}"}}"#))
    })
}

async fn many_for_a_robot(gateway: &Gateway) -> anyhow::Result<()> {
    let mut http = gateway.connection();
    for first in (0..WAITING).step_by(20_000) {
        let mut lines = String::new();
        for number in first..first + 20_000 {
            let text = load::text(3_000_000 + number, 75);
            let _infallible = writeln!(lines, r#"{{"to":{{"robots":["default"]}},"text":"{text}"}}"#);
        }
        let answer = http.request(Method::POST, "/v1/messages/batch", lines).await?;
        ensure!(answer.status.is_success(), "{}", answer.status);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(())
}
