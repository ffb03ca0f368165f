//! The whole house: gateway, simulator, ledger, over HTTP.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod command_line;
mod conservation;
mod crash;
mod flow;
mod idempotency;
mod input;
mod kit;
mod messages;
mod quota;
mod security;
mod starting;
mod trouble;
