//! Accepting alone: one by one, in batches, by template. Everything is for later, so that nothing goes out meanwhile.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use hyper::Method;
use serde_json::json;
use trials::load::{self, Requests};
use trials::machine;
use trials::program::{Gateway, KEY};
use trials::upstream::Upstream;

use crate::floor::CONNECTIONS;
use crate::hongyan::MEMBERS;
use crate::options::Options;
use crate::report::Round;

/// Messages of each way, and lines of a batch.
const MESSAGES: u64 = 20_000;
const LINES: u64 = 500;
/// Batches at once.
const BATCHES: usize = 4;
/// When they would go out.
const LATER: &str = "2099-01-01T00:00:00Z";

pub(crate) async fn run(options: &Options, folder: &Path, round: &mut Round) -> anyhow::Result<()> {
    let upstream = Upstream::start(Duration::ZERO).await?;
    let gateway = Gateway::new(&options.binary, folder, upstream.address)?;
    let process = gateway.start().await?;
    let template = json!({
        "makes": "text",
        "source": "No. {{ number }}: production order {{ order }} released, {{ who | default('all') }} please confirm.",
    });
    let kept = gateway.connection().request(Method::PUT, "/v1/templates/order", template.to_string()).await?;
    ensure!(kept.status.is_success(), "{}: {:?}", kept.status, kept.body);
    let pid = process.id();
    let ways: [(&str, &str, usize, u64, Requests); 3] = [
        ("single accepts /s", "single accept cpu", CONNECTIONS, 1, Arc::new(|n| ("/v1/messages".into(), plain(n)))),
        (
            "template accepts /s",
            "template accept cpu",
            CONNECTIONS,
            1,
            Arc::new(|n| ("/v1/messages".into(), by_template(n))),
        ),
        ("batch accepts /s", "batch accept cpu", BATCHES, LINES, Arc::new(|n| ("/v1/messages/batch".into(), batch(n)))),
    ];
    for (rate, cpu, connections, each, requests) in ways {
        // The first of a kind warm it up.
        load::burst(gateway.address, Some(KEY), connections, (0, 4), requests.clone()).await?;
        let before = machine::fine_cpu_seconds(pid);
        let burst = load::burst(gateway.address, Some(KEY), connections, (1, MESSAGES / each), requests).await?;
        round.set(rate, burst.rate() * each as f64);
        round.set(cpu, (machine::fine_cpu_seconds(pid) - before) * 10_000.0 / MESSAGES as f64);
    }
    ensure!(upstream.count() == 0, "something went out before its time");
    Ok(())
}

fn plain(number: u64) -> String {
    format!(
        r#"{{"to":{{"users":["m{}"]}},"send_at":"{LATER}","text":"No. {number}: production order PO-{number} released, Zhang San please confirm."}}"#,
        number % MEMBERS + 1
    )
}

fn by_template(number: u64) -> String {
    format!(
        r#"{{"to":{{"users":["m{}"]}},"send_at":"{LATER}","template":"order","variables":{{"number":{number},"order":"PO-{number}","who":"Zhang San"}}}}"#,
        number % MEMBERS + 1
    )
}

fn batch(number: u64) -> String {
    let mut lines = String::new();
    for line in 0..LINES {
        // Writing into a text cannot fail.
        let _ = writeln!(lines, "{}", plain(number * LINES + line));
    }
    lines
}
