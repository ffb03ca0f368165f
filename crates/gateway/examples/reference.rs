//! Prints a generated reference: openapi, cli, metrics or config. `cargo xtask generated` compares them.

use std::fmt::Write as _;

#[expect(clippy::print_stdout, reason = "printing is what it is for")]
fn main() {
    let what = std::env::args().nth(1).unwrap_or_default();
    match what.as_str() {
        "openapi" => println!("{}", ingress::http::description().to_pretty_json().unwrap_or_default()),
        "cli" => print!("{}", command_line()),
        "metrics" => print!("{}", metrics()),
        "config" => print!("{}", hongyan::config::REFERENCE),
        other => println!("`{other}` is not openapi, cli, metrics or config"),
    }
}

fn metrics() -> String {
    let mut text = "# Metrics\nWhat `/metrics` shows, in the Prometheus text format.\n\n| name | kind | meaning |\n| --- | --- | --- |\n".to_owned();
    for (name, kind, meaning) in pipeline::telemetry::METRICS {
        let _infallible = writeln!(text, "| `{name}` | {kind} | {meaning} |");
    }
    text
}

fn command_line() -> String {
    let mut text = "# Command line\nEvery command, as `--help` says it.\n".to_owned();
    let mut command = hongyan::cli::description().term_width(100);
    command.build();
    describe(&mut text, &mut command, "");
    text
}

fn describe(text: &mut String, command: &mut clap::Command, parents: &str) {
    let name = format!("{parents}{}", command.get_name());
    let help = command.render_long_help().to_string();
    let help: Vec<&str> = help.trim_end().lines().map(str::trim_end).collect();
    let _infallible = write!(text, "\n## `{name}`\n```text\n{}\n```\n", help.join("\n"));
    for inner in command.get_subcommands_mut().filter(|inner| inner.get_name() != "help") {
        describe(text, inner, &format!("{name} "));
    }
}
