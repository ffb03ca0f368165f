//! `hongyan`: takes a message once and delivers it durably through WeCom.

use std::process::ExitCode;

fn main() -> ExitCode {
    hongyan::cli::main()
}
