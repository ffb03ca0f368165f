//! The robot channel: a group.

mod render;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{Attempt, CallLimits, Content, Lane, Options, Quota, RecipientSet, Violation};
use pipeline::ports::{Channel, RecallAnswer};
use pipeline::telemetry::{Happening as _, UnknownAnswer};
use wecom::RobotClient;
use wecom::api::robot::RobotMessage;

use crate::verdict;

/// Sends as one robot.
#[derive(Debug)]
pub struct WecomRobot {
    lane: Lane,
    client: RobotClient,
    concurrency: usize,
    quota: Quota,
}

impl WecomRobot {
    /// Makes the channel of the robot configured as `name`.
    pub fn new(name: &str, client: RobotClient, concurrency: usize, quota: Quota) -> Self {
        Self { lane: Lane::new("wecom_robot", name), client, concurrency, quota }
    }
}

#[async_trait]
impl Channel for WecomRobot {
    fn lane(&self) -> &Lane {
        &self.lane
    }

    fn concurrency(&self) -> usize {
        self.concurrency
    }

    fn quota(&self) -> Option<Quota> {
        Some(self.quota)
    }

    fn call_limits(&self) -> CallLimits {
        CallLimits { users: 1, parties: 1, tags: 1 }
    }

    fn duplicate_check(&self) -> Option<Duration> {
        None
    }

    fn render(
        &self,
        content: &Content,
        options: &Options,
        _recipients: &RecipientSet,
        _duplicate_check: bool,
    ) -> Result<Bytes, Vec<Violation>> {
        render::render(content, options)
    }

    async fn attempt(&self, body: Bytes, _recipients: &RecipientSet) -> Attempt {
        match self.client.send_encoded::<RobotMessage>(body).await {
            Ok(answer) => {
                for field in answer.unknown.keys() {
                    UnknownAnswer::Field(field).emit();
                }
                let note = answer.errmsg.filter(|errmsg| errmsg.contains("Warning"));
                Attempt::Sent { refused: Vec::new(), handle: None, note }
            }
            Err(error) => verdict::of(&error),
        }
    }

    async fn recall(&self, _handle: &str) -> Option<RecallAnswer> {
        None
    }

    fn can_recall(&self) -> bool {
        false
    }
}
