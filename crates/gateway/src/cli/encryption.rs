//! `hongyan encryption`: the master keys that seal what is kept, through the running gateway.

use clap::Subcommand;
use serde_json::Value;

use super::gateway::{Gateway, report};
use super::{Context, DONE, print};

#[derive(Debug, Subcommand)]
pub(super) enum EncryptionCommand {
    /// Show the master keys by number, and how far everything is sealed under the newest
    Show,
    /// Make a new master key; what older ones sealed is sealed anew while everything runs
    Rotate,
    /// Take all master keys but the newest away, once nothing needs them
    Retire,
}

pub(super) async fn run(command: EncryptionCommand, context: &Context) -> anyhow::Result<u8> {
    let gateway = Gateway::find(&context.load()?)?;
    let result = match command {
        EncryptionCommand::Show => gateway.get("/v1/encryption").await,
        EncryptionCommand::Rotate => gateway.post("/v1/encryption/rotate", None, None).await,
        EncryptionCommand::Retire => gateway.post("/v1/encryption/retire", None, None).await,
    };
    let state = match result {
        Ok(state) => state,
        Err(error) => return Ok(report(error, context)),
    };
    if context.json {
        print(&state.to_string());
        return Ok(DONE);
    }
    let keys: Vec<String> = state["keys"].as_array().into_iter().flatten().map(Value::to_string).collect();
    let (keys, waiting) = (keys.join(", "), &state["waiting"]);
    if state["done"] == true {
        context.say(
            format!("master keys: {keys}; everything is sealed under the last"),
            format!("主密钥：{keys}；全部内容已用最新密钥加密"),
        );
    } else {
        context.say(
            format!("master keys: {keys}; {waiting} messages wait to be sealed under the last"),
            format!("主密钥：{keys}；还有 {waiting} 条消息等待用最新密钥重新加密"),
        );
    }
    Ok(DONE)
}
