//! A smart robot on its long connection: answers each question with a text that grows.
//!
//! `cargo run -p hongyan-wecom --example smart_robot -- ws://127.0.0.1:6880` against a running `wecom-sim`, then ask it:
//! `curl http://127.0.0.1:6880/_sim/smart-robots/tell -d '{"bot_id": "aibdemo", "userid": "zhangsan",
//! "what": {"text": "排产进度？"}}'`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use wecom::Transport;
use wecom::smart_robot::{ConnectionEvent, ConnectionSettings, LongConnection, Reply, RobotContent, RobotEvent};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:6880".to_owned());
    run(&url, usize::MAX).await
}

pub(crate) async fn run(url: &str, questions: usize) -> Result<(), Box<dyn Error>> {
    let settings = ConnectionSettings::new("aibdemo", "demo-bot-secret").url(url);
    let mut robot = LongConnection::open(Transport::builder().build()?, settings).await?;
    let sender = robot.sender();
    let mut answered = 0;
    while let Some(event) = robot.next().await {
        let told = match event {
            ConnectionEvent::Told(told) => told,
            other => {
                println!("{other:?}");
                continue;
            }
        };
        match &told.callback.content {
            RobotContent::Text(question) => {
                let mut answer = sender.stream(&told);
                answer.show("<think>查一下排产表</think>").await?;
                answer.finish(format!("“{question}”：已完成 **80%**。")).await?;
                answered += 1;
            }
            RobotContent::Event(RobotEvent::EnterChat) => sender.reply(&told, &Reply::Text("你好".into())).await?,
            other => println!("{other:?}"),
        }
        if answered >= questions {
            break;
        }
    }
    Ok(())
}
