//! `bench`: how fast the gateway is, against a floor and against peers, in the same run.
//!
//! Two cores carry load, gateway and upstream, so every figure is a ratio between things measured in turn, the median
//! of several rounds. Everything delivered is looked for at the simulator, by its number.

mod accept;
mod alertmanager;
mod backlog;
mod floor;
mod growth;
mod hongyan;
mod isolation;
mod options;
mod peers;
mod quota;
mod report;
mod sdk;
mod simulator;
mod wechatpy;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use options::{Options, Part};
use report::{Report, Round};
use trials::{machine, say};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, delay] = &arguments[..]
        && command == floor::UPSTREAM
    {
        floor::serve(delay).await;
        return ExitCode::SUCCESS;
    }
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("bench: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &[String]) -> anyhow::Result<()> {
    let options = Options::parse(arguments)?;
    let against = peers::install(&options)?;
    let mut report = Report::default();
    for number in 1..=options.rounds {
        let mut round = Round::default();
        let folder = tempfile::tempdir().context("a folder for the round")?;
        let fdatasync = machine::fdatasync_median(folder.path(), 200)?;
        round.set("fdatasync ms", millis(fdatasync));
        for part in options.parts() {
            let folder = folder.path().join(part.name());
            std::fs::create_dir(&folder)?;
            measure(*part, &options, &against, &folder, &mut round).await.with_context(|| part.name())?;
        }
        if !options.json {
            say(&format!("round {number} of {}: {}", options.rounds, round.line()));
        }
        report.add(round);
    }
    report.print(&options);
    Ok(())
}

async fn measure(
    part: Part,
    options: &Options,
    against: &peers::Peers,
    folder: &Path,
    round: &mut Round,
) -> anyhow::Result<()> {
    match part {
        Part::Floor => floor::run(options, round).await,
        Part::Burst => hongyan::burst(options, folder, round).await,
        Part::Slow => hongyan::slow_upstream(options, folder, round).await,
        Part::Latency => hongyan::latency(options, folder, round).await,
        Part::Alertmanager => match &against.alertmanager {
            Some(binary) => alertmanager::run(binary, options, folder, round).await,
            None => Ok(()),
        },
        Part::Wechatpy => match &against.wechatpy {
            Some(library) => wechatpy::run(library, options, folder, round).await,
            None => Ok(()),
        },
        Part::Growth => growth::run(options, folder, round).await,
        Part::Isolation => isolation::run(options, folder, round).await,
        Part::Backlog => backlog::run(options, folder, round).await,
        Part::Quota => quota::run(options, folder, round).await,
        Part::Sdk => sdk::run(options, round).await,
        Part::Accept => accept::run(options, folder, round).await,
        Part::Simulator => simulator::run(options, folder, round).await,
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
