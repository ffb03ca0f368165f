//! What smart robots are to the flow: where files that members sent them are, and what answers them over a connection.

use async_trait::async_trait;
use bytes::Bytes;
use domain::{Content, Heard};
use serde_json::{Map, Value};

use super::UpstreamError;

/// The field of what was heard that an answer over a connection refers to. It leaves this program only upstream.
pub const REQ_ID: &str = "req_id";

/// How a smart robot's connection is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConnectionPhase {
    /// The first is being made.
    #[default]
    Connecting,
    /// The robot is told what members write.
    Connected,
    /// It broke, or none could be made; another is tried.
    Away,
    /// WeCom refused the robot's id or secret; it is tried again now and then.
    Refused,
    /// Another program connected as this robot: this one is at rest until the next start.
    Replaced,
}

impl ConnectionPhase {
    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Away => "away",
            Self::Refused => "refused",
            Self::Replaced => "replaced",
        }
    }
}

/// An answer to something that a robot was told over its connection.
#[derive(Clone, Debug, PartialEq)]
pub struct RobotAnswer {
    /// What it was told, as it came, with [`REQ_ID`].
    pub told: Map<String, Value>,
    /// What is answered.
    pub content: Content,
    /// Who sees the other card in place of the pressed one; nobody: everybody.
    pub users: Vec<String>,
}

/// The way back to smart robots.
#[async_trait]
pub trait SmartRobots: Send + Sync {
    /// Fetches the files of something that was heard, names and bytes, or why not: each lies where it is for minutes.
    async fn files(&self, heard: &Heard) -> Vec<Result<(String, Bytes), String>>;

    /// Answers over the connection of a callback's robot.
    ///
    /// # Errors
    /// [`UpstreamError`]; unavailable, too, while there is no connection.
    async fn answer(&self, callback: &str, answer: RobotAnswer) -> Result<(), UpstreamError>;
}
