//! `wecom-sim --listen 127.0.0.1:6880`: the simulator as a program.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use wecom_sim::{Mode, Options, Rules, Scenario, Simulator};

/// Pretends to be WeCom (企业微信), so that anyone can develop and test without an account.
#[derive(Parser)]
#[command(version, name = "wecom-sim")]
struct Arguments {
    /// Where to listen; port 0 picks a free one.
    #[arg(long, default_value = "127.0.0.1:6880")]
    listen: SocketAddr,
    /// Which answers to choose where the documents disagree: documented, strict or lenient.
    #[arg(long, default_value = "documented", value_parser = parse_mode)]
    mode: Mode,
    /// A file with the clock's offset in milliseconds, read before each call.
    #[arg(long)]
    clock_file: Option<PathBuf>,
    /// A TOML file with companies, people, robots, rules and faults (docs/simulator.md).
    #[arg(long)]
    scenario: Option<PathBuf>,
}

fn parse_mode(text: &str) -> Result<Mode, String> {
    match text {
        "documented" => Ok(Mode::Documented),
        "strict" => Ok(Mode::Strict),
        "lenient" => Ok(Mode::Lenient),
        _ => Err("there are documented, strict and lenient".to_owned()),
    }
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "a program that says where it listens")]
async fn main() -> anyhow::Result<()> {
    let Arguments { listen, mode, clock_file, scenario } = Arguments::parse();
    let scenario = scenario.as_deref().map(Scenario::read).transpose()?.unwrap_or_default();
    let running = Simulator::start(Options { listen, rules: Rules::of(mode), clock_file, scenario }).await?;
    println!("WeCom simulator: {origin}  (phone page: {origin}/, control: {origin}/_sim/)", origin = running.origin);
    println!("corp wwdemo0000000001, app 1000002 / demo-secret, robot 00000000-0000-4000-8000-000000000001");
    tokio::select! {
        result = tokio::signal::ctrl_c() => result?,
        () = running.wait() => {}
    }
    Ok(())
}
