//! A text, a card with a button, and both withdrawn.
//!
//! `cargo run -p hongyan-wecom --example send_message -- http://127.0.0.1:6880` against a running `wecom-sim`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use wecom::api::message::{Button, CardKind, RecallMessage, SendMessage, TemplateCard, UpdateTemplateCard};
use wecom::{AgentId, Client, Transport};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    run(&std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:6880".to_owned())).await
}

pub(crate) async fn run(origin: &str) -> Result<(), Box<dyn Error>> {
    let transport = Transport::builder().origin(origin).build()?;
    let client = Client::builder(transport, "wwdemo0000000001", "demo-secret").agent(AgentId(1_000_002)).build();

    let message = SendMessage::to_users(["zhangsan", "nobody"]).text("三号产线停机");
    assert!(message.check().is_empty(), "what breaks a documented limit is told before anything is sent");
    let sent = client.send(message).await?;
    println!("sent as {:?}, not reached: {:?}", sent.msgid, sent.invaliduser);

    let mut card = TemplateCard::new(CardKind::ButtonInteraction, "停机申请");
    card.task_id = Some(format!("stop-{:x}", std::process::id()));
    card.button_list = vec![Button { text: "同意".into(), key: Some("yes".into()), ..Button::default() }];
    let sent_card = client.send(SendMessage::to_users(["zhangsan"]).template_card(card)).await?;
    if let Some(code) = sent_card.response_code {
        client.send(UpdateTemplateCard::button(code, "已过期").for_all()).await?;
        println!("the card's button is disabled");
    }

    for msgid in [sent.msgid, sent_card.msgid].into_iter().flatten() {
        client.send(RecallMessage { msgid }).await?;
    }
    println!("both withdrawn");
    Ok(())
}
