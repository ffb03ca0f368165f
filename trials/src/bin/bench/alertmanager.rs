//! Alertmanager (Debian's), one group per alert, through its WeCom receiver.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use trials::load::{self, Requests, quantile};
use trials::machine;
use trials::program::{Process, free_address, simulator};
use trials::upstream::Upstream;

use crate::hongyan::{MEMBERS, QUIET, sent_to_arrived, until_taken, verify};
use crate::millis;
use crate::options::Options;
use crate::report::Round;

/// Alerts in one request of the burst.
const TOGETHER: u64 = 100;

pub(crate) async fn run(binary: &Path, options: &Options, folder: &Path, round: &mut Round) -> anyhow::Result<()> {
    let (simulated, mut simulator) = simulator(&options.binary, folder).await?;
    simulator.add_members("m", MEMBERS as usize).await?;
    let process = start(binary, &folder.join("burst"), simulated.address).await?;
    let pid = process.id();
    round.set("alertmanager start ms", millis(process.started_in));
    tokio::time::sleep(Duration::from_secs(1)).await;
    round.set("alertmanager idle MB", machine::rss_mb(pid));
    // One ahead, so that the token is there.
    load::burst(process.address, None, 1, (1_000_000, 1), alerts(1)).await?;
    until_taken(&mut simulator, 1, Instant::now()).await?;
    let messages = options.messages / TOGETHER * TOGETHER;
    let cpu = machine::fine_cpu_seconds(pid);
    let started = Instant::now();
    load::burst(process.address, None, 8, (0, messages / TOGETHER), alerts(TOGETHER)).await?;
    let took = until_taken(&mut simulator, messages + 1, started).await?;
    let cpu = machine::fine_cpu_seconds(pid) - cpu;
    round.set("alertmanager /s", messages as f64 / took.as_secs_f64());
    round.set("alertmanager cpu per 10k", cpu * 10_000.0 / messages as f64);
    round.set("alertmanager peak MB", machine::peak_rss_mb(pid));
    verify(&mut simulator, 0..=messages - 1).await?;
    drop(process);
    let upstream = Upstream::start(Duration::ZERO).await?;
    let process = start(binary, &folder.join("quiet"), upstream.address).await?;
    load::burst(process.address, None, 1, (1_000_000, 20), alerts(1)).await?;
    let paced = load::paced(process.address, None, QUIET.0, (1, QUIET.1), alerts(1)).await?;
    let sent = sent_to_arrived(&paced, &upstream).await?;
    round.set("alertmanager quiet p50 ms", millis(quantile(&sent, 0.5)));
    round.set("alertmanager quiet p99 ms", millis(quantile(&sent, 0.99)));
    Ok(())
}

async fn start(binary: &Path, folder: &Path, upstream: std::net::SocketAddr) -> anyhow::Result<Process> {
    std::fs::create_dir_all(folder)?;
    let config = folder.join("alertmanager.yml");
    let text = format!(
        "route: {{ receiver: wecom, group_by: [id], group_wait: 0s, group_interval: 5m, repeat_interval: 4h }}
receivers:
- name: wecom
  wechat_configs:
  - {{ api_url: 'http://{upstream}/cgi-bin/', corp_id: wwdemo0000000001, api_secret: demo-secret, agent_id: '1000002',
       to_user: '{{{{ .CommonLabels.user }}}}', message: '{{{{ .CommonAnnotations.text }}}}', send_resolved: false }}
"
    );
    std::fs::write(&config, text)?;
    let address = free_address()?;
    let mut command = Command::new(binary);
    command.current_dir(folder).args(["--log.level=error", "--cluster.listen-address="]);
    command.arg(format!("--config.file={}", config.display()));
    command.arg(format!("--storage.path={}", folder.join("data").display()));
    command.arg(format!("--web.listen-address={address}"));
    Process::start(command, address, "/-/ready", &folder.join("alertmanager.log")).await
}

/// Requests of so many alerts each; the number of an alert is that of the request times so many, and on.
fn alerts(together: u64) -> Requests {
    Arc::new(move |number| {
        let alerts: Vec<_> = (number * together..(number + 1) * together)
            .map(|number| {
                json!({
                    "labels": { "alertname": "bench", "id": number.to_string(), "user": format!("m{}", number % MEMBERS + 1) },
                    "annotations": { "text": load::text(number, 75) },
                })
            })
            .collect();
        let mut body = String::new();
        let _infallible = write!(body, "{}", serde_json::Value::from(alerts));
        ("/api/v2/alerts".to_owned(), body)
    })
}
