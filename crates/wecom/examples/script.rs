//! Without async: a script says that it is done.
//!
//! `cargo run -p hongyan-wecom --features blocking --example script -- http://127.0.0.1:6880` against a running
//! `wecom-sim`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use wecom::api::message::SendMessage;
use wecom::blocking::Client;
use wecom::{AgentId, Transport};

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let origin = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:6880".to_owned());
    run(&origin)
}

pub(crate) fn run(origin: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let transport = Transport::builder().origin(origin).build()?;
    let client = wecom::Client::builder(transport, "wwdemo0000000001", "demo-secret").agent(AgentId(1_000_002));
    let sent = Client::new(client.build())?.send(SendMessage::to_users(["zhangsan"]).text("备份完成"))?;
    println!("{:?}", sent.msgid);
    Ok(())
}
