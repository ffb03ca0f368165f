//! Log and metrics of the process.

use std::io::IsTerminal as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use pipeline::telemetry::METRICS;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, LogSection};

/// Bounds of the latency histogram, in seconds.
const LATENCIES: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Starts the log on standard error. A second call in one process changes nothing.
///
/// # Errors
/// If the level cannot be read.
pub fn start_log(section: &LogSection) -> anyhow::Result<()> {
    let filter: EnvFilter =
        section.level.parse().map_err(|error| anyhow::anyhow!("log.level: `{}` {error}", section.level))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let log = log.with_ansi(std::io::stderr().is_terminal());
    let _already_started = match section.format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    Ok(())
}

fn recorder() -> Option<&'static PrometheusHandle> {
    static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    RECORDER
        .get_or_init(|| {
            let builder = PrometheusBuilder::new().set_buckets(LATENCIES).ok()?;
            let handle = builder.install_recorder().ok()?;
            for (name, kind, meaning) in METRICS {
                match *kind {
                    "counter" => metrics::describe_counter!(*name, *meaning),
                    "gauge" => metrics::describe_gauge!(*name, *meaning),
                    _ => metrics::describe_histogram!(*name, *meaning),
                }
            }
            for (name, kind, _) in METRICS.iter().filter(|(name, ..)| name.starts_with("wechat_")) {
                // Alert rules on these names must find them before anything happened.
                match *kind {
                    "counter" => metrics::counter!(*name).increment(0),
                    _ => metrics::gauge!(*name).set(0.0),
                }
            }
            Some(handle)
        })
        .as_ref()
}

/// Returns what renders the process's metrics.
pub fn metrics() -> Arc<dyn Fn() -> String + Send + Sync> {
    let recorder = recorder();
    Arc::new(move || recorder.map(PrometheusHandle::render).unwrap_or_default())
}

/// Keeps the histograms small until `shutdown`.
pub(crate) async fn upkeep(shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(5)) => {}
            () = shutdown.cancelled() => return,
        }
        if let Some(recorder) = recorder() {
            recorder.run_upkeep();
        }
    }
}
