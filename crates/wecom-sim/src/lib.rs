#![doc = include_str!("../README.md")]

mod callback;
mod clock;
mod control;
mod crypto;
mod event;
mod fault;
mod long_connection;
mod multipart;
mod phone;
mod quota;
mod routes;
mod rules;
mod scenario;
mod seed;
mod server;
mod smart_robot;
mod world;
mod xml;

pub use callback::CallbackAttempt;
pub use control::{Control, Counts};
pub use event::{Press, Said};
pub use fault::{Fault, Trouble};
pub use rules::{Mode, Rules};
pub use scenario::{Scenario, ScenarioError};
pub use server::{Running, Simulator};
pub use smart_robot::{RobotSaid, RobotTold, RobotWhat};
pub use world::{Logged, Sent, Target};

use std::net::SocketAddr;
use std::path::PathBuf;

/// How a simulator starts.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Which answers it chooses where the documents disagree or are silent.
    pub rules: Rules,
    /// A file with the clock's offset in milliseconds, read before each request: for moving time between processes.
    pub clock_file: Option<PathBuf>,
    /// What exists beside the demo company.
    pub scenario: Scenario,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 0).into(),
            rules: Rules::default(),
            clock_file: None,
            scenario: Scenario::default(),
        }
    }
}
