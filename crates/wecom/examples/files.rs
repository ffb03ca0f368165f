//! A file goes up, to a member, and down again in parts.
//!
//! `cargo run -p hongyan-wecom --example files -- http://127.0.0.1:6880` against a running `wecom-sim`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use wecom::api::media::{GetMedia, UploadKind, UploadMedia};
use wecom::api::message::{File, MessageContent, SendMessage};
use wecom::{AgentId, Client, Transport};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    run(&std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:6880".to_owned())).await
}

pub(crate) async fn run(origin: &str) -> Result<(), Box<dyn Error>> {
    let transport = Transport::builder().origin(origin).build()?;
    let client = Client::builder(transport, "wwdemo0000000001", "demo-secret").agent(AgentId(1_000_002)).build();
    let plan = "机台,数量\nA1,300\nB2,150\n";
    let uploaded = client.upload(UploadKind::File, UploadMedia::bytes("生产计划.csv", plan)).await?;
    let file = MessageContent::File(File { media_id: uploaded.media_id.clone() });
    client.send(SendMessage::to_users(["lisi"]).content(file)).await?;

    let mut content = Vec::new();
    let mut total = None;
    while total.is_none_or(|total| (content.len() as u64) < total) {
        let from = content.len() as u64;
        let part = GetMedia::new(uploaded.media_id.clone()).range(from, Some(from + 15));
        total = client.download(&part, &mut content).await?.total;
    }
    assert_eq!(content, plan.as_bytes());
    println!("{} bytes, as they went up", content.len());
    Ok(())
}
