//! A server that WeCom calls back: echoes what members write, thanks for pressed buttons.
//!
//! `cargo run -p hongyan-wecom --features axum --example callback_server`, then let the simulator call it:
//! `curl -X PUT http://127.0.0.1:6880/_sim/apps/1000002/callback -d '{"url": "http://127.0.0.1:8090/callback",
//! "token": "demo-token", "aes_key": "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"}'` and
//! `curl http://127.0.0.1:6880/_sim/say -d '{"agentid": 1000002, "userid": "zhangsan", "text": "你好"}'`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use tokio::net::TcpListener;
use wecom::callback::axum::{Posted, verify};
use wecom::callback::{Content, Crypto, EncodingAesKey, Event, Passive, Receiver};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    run(TcpListener::bind("127.0.0.1:8090").await?).await
}

pub(crate) async fn run(listener: TcpListener) -> Result<(), Box<dyn Error>> {
    let key = EncodingAesKey::parse("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG")?;
    let receiver = Receiver::new(Crypto::new("demo-token", key, "wwdemo0000000001"));
    let app = Router::new().route("/callback", get(verify).post(receive)).with_state(receiver);
    Ok(axum::serve(listener, app).await?)
}

async fn receive(posted: Posted) -> Response {
    let callback = &posted.callback;
    // What is answered with 200 is never posted again: a real program keeps it here, once per key.
    println!("{} ({}): {:?}", callback.from_user, callback.dedupe_key(), callback.content);
    match &callback.content {
        Content::Text { content } => posted.reply(&Passive::text(format!("收到：{content}"))),
        Content::Event(Event::TemplateCard(_)) => {
            posted.reply(&Passive::UpdateButton { replace_name: "谢谢".into() })
        }
        _ => posted.nothing(),
    }
}
