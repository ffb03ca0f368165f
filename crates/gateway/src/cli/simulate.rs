//! `hongyan simulate`: the WeCom simulator.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use wecom_sim::{Mode, Options, Rules, Scenario, Simulator};

use super::{DONE, print, serve};

#[derive(Debug, Args)]
pub(super) struct SimulateArguments {
    /// Where to listen; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:6880")]
    listen: SocketAddr,
    /// Which answers to choose where WeCom's documents disagree
    #[arg(long, value_enum, default_value = "documented")]
    mode: ModeArgument,
    /// A file with the clock's offset in milliseconds, read before each call
    #[arg(long)]
    clock_file: Option<PathBuf>,
    /// A TOML file with companies, people, robots, rules and faults
    #[arg(long)]
    scenario: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ModeArgument {
    Documented,
    Strict,
    Lenient,
}

pub(super) async fn run(arguments: &SimulateArguments) -> anyhow::Result<u8> {
    let mode = match arguments.mode {
        ModeArgument::Documented => Mode::Documented,
        ModeArgument::Strict => Mode::Strict,
        ModeArgument::Lenient => Mode::Lenient,
    };
    let scenario = arguments.scenario.as_deref().map(Scenario::read).transpose()?.unwrap_or_default();
    let options = Options {
        listen: arguments.listen,
        rules: Rules::of(mode),
        clock_file: arguments.clock_file.clone(),
        scenario,
    };
    let running =
        Simulator::start(options).await.with_context(|| format!("could not listen on {}", arguments.listen))?;
    print(&format!("WeCom simulator: {0}  (phone page: {0}/, control: {0}/_sim/)", running.origin));
    serve::stop_signal().await?;
    running.stop().await;
    Ok(DONE)
}
