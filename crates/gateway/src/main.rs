//! `hongyan`: takes a message once and delivers it durably through WeCom.

use std::process::ExitCode;

/// Half of a message's cost in the C library's allocator is gone with this one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hongyan::cli::main()
}
