//! Tries the built programs from outside: as processes of their own, over sockets and signals.
//!
//! Two programs stand on it: `bench` (how fast, against whom) and `faults` (what becomes of it under trouble). It knows
//! the command line, the HTTP API and the simulator's control, and nothing of what is behind them.

pub mod http;
pub mod load;
pub mod machine;
pub mod mail;
pub mod program;
pub mod receiver;
pub mod simulator;
pub mod upstream;

/// Says a line to whoever runs a trial.
#[expect(clippy::print_stdout, reason = "a trial talks to the person who runs it")]
pub fn say(line: &str) {
    println!("{line}");
}
