//! What a group robot says: text with mentions, markdown, and what happens beyond its quota.
//!
//! `cargo run -p hongyan-wecom --example group_robot -- http://127.0.0.1:6880` against a running `wecom-sim`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use wecom::api::robot::RobotMessage;
use wecom::{RobotClient, RobotKey, Transport};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    run(&std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:6880".to_owned())).await
}

pub(crate) async fn run(origin: &str) -> Result<(), Box<dyn Error>> {
    let transport = Transport::builder().origin(origin).build()?;
    let key = RobotKey::parse("00000000-0000-4000-8000-000000000002", transport.origin())?;
    let robot = RobotClient::new(transport, key);
    robot.send(RobotMessage::text("磁盘快满了").mention_all()).await?;
    // A text that is too long goes in parts, none of which tears a link or a character.
    let report = "# 日报\n".to_owned() + &"- 产线 [详情](https://example.com/line)\n".repeat(100);
    for part in wecom::split::markdown(&report, wecom::limits::ROBOT_MARKDOWN_BYTES) {
        robot.send(RobotMessage::markdown(part)).await?;
    }
    println!("said");
    for _ in 0..30 {
        if let Err(error) = robot.send(RobotMessage::text("again")).await {
            println!("{error}; wait {:?}: {}", error.retry_after(), error.hint().unwrap_or_default());
            assert!(error.is_throttled());
            break;
        }
    }
    Ok(())
}
