//! The program: configuration, wiring, server, command line. It decides nothing; a library only so that tests can start
//! the house.

pub mod app;
pub mod cli;
pub mod config;
mod first_key;
pub mod observe;
mod server;
#[cfg(feature = "trials")]
mod trials;
