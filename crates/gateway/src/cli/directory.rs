//! `hongyan directory`: where mail reaches members. `hongyan media`: files that messages carry.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::json;

use super::gateway::{Gateway, report};
use super::{Context, DONE, print};

#[derive(Debug, Subcommand)]
pub(super) enum DirectoryCommand {
    /// List whose addresses are known
    List,
    /// Keep the address of a member
    Put {
        /// The userid
        userid: String,
        /// The mailbox
        email: String,
    },
    /// Forget the address of a member
    Forget {
        /// The userid
        userid: String,
    },
    /// Forget who a recipient was, in every message that has ended
    Erase {
        /// Such as user:zhangsan or email:li@example.com
        recipient: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum MediaCommand {
    /// Hand a file in; prints the id that messages name it by
    Upload {
        /// The file
        file: PathBuf,
    },
}

pub(super) async fn run(command: DirectoryCommand, context: &Context) -> anyhow::Result<u8> {
    let gateway = Gateway::find(&context.load()?)?;
    let escaped = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let result = match &command {
        DirectoryCommand::List => gateway.get("/v1/directory/people").await,
        DirectoryCommand::Put { userid, email } => {
            gateway.put("/v1/directory/people", &json!([{ "userid": userid, "email": email }])).await
        }
        DirectoryCommand::Forget { userid } => {
            gateway.delete(&format!("/v1/directory/people/{}", escaped(userid))).await
        }
        DirectoryCommand::Erase { recipient } => {
            gateway.delete(&format!("/v1/recipients/{}", escaped(recipient))).await
        }
    };
    match result {
        Err(error) => return Ok(report(error, context)),
        Ok(answer) if context.json => print(&answer.to_string()),
        Ok(answer) => match &command {
            DirectoryCommand::List => {
                for person in answer.as_array().into_iter().flatten() {
                    let text = |name: &str| person[name].as_str().unwrap_or_default().to_owned();
                    print(&format!("{}  {}", text("userid"), text("email")));
                }
            }
            DirectoryCommand::Erase { .. } => {
                let messages = &answer["messages"];
                context.say(format!("erased from {messages} messages"), format!("已从 {messages} 条消息中抹除"));
            }
            DirectoryCommand::Put { .. } | DirectoryCommand::Forget { .. } => context.say("done", "完成"),
        },
    }
    Ok(DONE)
}

pub(super) async fn media(command: MediaCommand, context: &Context) -> anyhow::Result<u8> {
    let MediaCommand::Upload { file } = command;
    let content = std::fs::read(&file).with_context(|| format!("could not read {}", file.display()))?;
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let gateway = Gateway::find(&context.load()?)?;
    match gateway.put_file(&name, content).await {
        Ok(answer) if context.json => print(&answer.to_string()),
        Ok(answer) => print(answer["id"].as_str().unwrap_or_default()),
        Err(error) => return Ok(report(error, context)),
    }
    Ok(DONE)
}
