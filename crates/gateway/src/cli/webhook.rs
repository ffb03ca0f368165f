//! `hongyan webhook`: what waits for business systems, through the running gateway.

use clap::Subcommand;

use super::gateway::{Gateway, report};
use super::{Context, DONE, print};

#[derive(Debug, Subcommand)]
pub(super) enum WebhookCommand {
    /// Show how much waits for each business system, and why
    List,
    /// Try again what was given up for one
    Retry {
        /// Its configured name
        name: String,
    },
}

pub(super) async fn run(command: WebhookCommand, context: &Context) -> anyhow::Result<u8> {
    let gateway = Gateway::find(&context.load()?)?;
    let result = match &command {
        WebhookCommand::List => gateway.get("/v1/webhooks").await,
        WebhookCommand::Retry { name } => gateway.post(&format!("/v1/webhooks/{name}/retry"), None, None).await,
    };
    let answer = match result {
        Ok(answer) => answer,
        Err(error) => return Ok(report(error, context)),
    };
    if context.json {
        print(&answer.to_string());
        return Ok(DONE);
    }
    match command {
        WebhookCommand::List => {
            let waiting = answer.as_array().cloned().unwrap_or_default();
            for one in &waiting {
                let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
                print(&format!(
                    "{:<16} {:>6} waiting {:>6} dead  {}  {}",
                    text("name"),
                    one["waiting"],
                    one["dead"],
                    text("oldest"),
                    text("error")
                ));
            }
            if waiting.is_empty() {
                context.say("nothing waits", "没有等待投递的事件");
            }
        }
        WebhookCommand::Retry { .. } => {
            let events = &answer["events"];
            context.say(format!("{events} events are due again"), format!("{events} 个事件将重新投递"));
        }
    }
    Ok(DONE)
}
