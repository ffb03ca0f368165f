//! `hongyan audit`: what administrators changed, and whether the record of it is whole.

use clap::Subcommand;
use serde_json::Value;

use super::gateway::{Gateway, report};
use super::{Context, DONE, FAILED, print};

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// List the changes, oldest first
    List,
    /// Print every change as a line of JSON, to be kept elsewhere
    Export,
    /// Look whether an entry was changed or taken away; exit code 1 names the first
    Verify,
}

pub(super) async fn run(command: AuditCommand, context: &Context) -> anyhow::Result<u8> {
    let gateway = Gateway::find(&context.load()?)?;
    if matches!(command, AuditCommand::Verify) {
        let answer = match gateway.get("/v1/audit/verify").await {
            Ok(answer) => answer,
            Err(error) => return Ok(report(error, context)),
        };
        if context.json {
            print(&answer.to_string());
        } else if answer["whole"] == true {
            context.say("the record is whole", "审计记录完整");
        } else {
            let broken = &answer["first_broken"];
            context.say(format!("entry {broken} was changed or is missing"), format!("第 {broken} 条被篡改或缺失"));
        }
        return Ok(if answer["whole"] == true { DONE } else { FAILED });
    }
    let mut after = 0;
    loop {
        let page = match gateway.get(&format!("/v1/audit?after={after}")).await {
            Ok(page) => page,
            Err(error) => return Ok(report(error, context)),
        };
        let entries = page.as_array().cloned().unwrap_or_default();
        let Some(last) = entries.last().and_then(|entry| entry["number"].as_i64()) else { return Ok(DONE) };
        for entry in &entries {
            if context.json || matches!(command, AuditCommand::Export) {
                print(&entry.to_string());
            } else {
                let text = |name: &str| entry[name].as_str().unwrap_or_default();
                let number = entry["number"].as_i64().unwrap_or_default();
                let after = if entry["after"] == Value::Null { String::new() } else { entry["after"].to_string() };
                let after: String = after.chars().take(100).collect();
                print(&format!(
                    "{number:>5}  {}  {}  {} {}  {after}",
                    text("at"),
                    text("who"),
                    text("action"),
                    text("subject")
                ));
            }
        }
        after = last;
    }
}
