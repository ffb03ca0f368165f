//! `hongyan dead-letter`: what was given up, and sending it again.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::gateway::{Gateway, report};
use super::message::print_message;
use super::{Context, DONE, complain, print};

#[derive(Debug, Subcommand)]
pub(super) enum DeadLetterCommand {
    /// List what was given up, newest first, with the reasons
    List(Filter),
    /// Send what was given up again, all that the filter finds
    Replay(ReplayArguments),
}

#[derive(Debug, Args)]
pub(super) struct Filter {
    /// Only with this tag
    #[arg(long)]
    tag: Option<String>,
    /// Only for this recipient, such as user:zhangsan
    #[arg(long)]
    recipient: Option<String>,
    /// Only accepted at or after this time
    #[arg(long)]
    since: Option<String>,
    /// Only accepted before this time
    #[arg(long)]
    until: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ReplayArguments {
    /// These messages, msg_…; else the filter says
    ids: Vec<String>,
    #[command(flatten)]
    filter: Filter,
    /// How many a second are made due; without it all at once
    #[arg(long, value_name = "PER_SECOND")]
    rate: Option<f64>,
    /// Only say which they are
    #[arg(long)]
    dry_run: bool,
}

impl Filter {
    fn pairs(&self) -> Vec<(&'static str, &String)> {
        let all = [("tag", &self.tag), ("recipient", &self.recipient), ("since", &self.since), ("until", &self.until)];
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))).collect()
    }
}

pub(super) async fn run(command: DeadLetterCommand, context: &Context) -> anyhow::Result<u8> {
    let gateway = Gateway::find(&context.load()?)?;
    let result = match &command {
        DeadLetterCommand::List(filter) => {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            filter.pairs().into_iter().for_each(|(name, value)| _ = query.append_pair(name, value));
            gateway.get(&format!("/v1/dead-letters?{}", query.finish())).await
        }
        DeadLetterCommand::Replay(replay) => {
            let mut filter = Map::new();
            filter.extend(replay.filter.pairs().into_iter().map(|(name, value)| (name.to_owned(), json!(value))));
            if !replay.ids.is_empty() {
                filter.insert("ids".to_owned(), json!(replay.ids));
            }
            let body = json!({ "filter": filter, "dry_run": replay.dry_run, "rate": replay.rate });
            gateway.post("/v1/messages/replay", Some(&body), None).await
        }
    };
    match result {
        Err(error) => return Ok(report(error, context)),
        Ok(answer) if context.json => print(&answer.to_string()),
        Ok(page) if matches!(command, DeadLetterCommand::List(_)) => {
            let messages = page["messages"].as_array().cloned().unwrap_or_default();
            messages.iter().for_each(|message| print_message(message, context));
        }
        Ok(answer) => print_replayed(&answer, context),
    }
    Ok(DONE)
}

fn print_replayed(answer: &Value, context: &Context) {
    let number = |name: &str| answer[name].as_u64().unwrap_or_default();
    let (matched, done) = (number("matched"), number("done"));
    context.say(format!("{matched} found, {done} due again"), format!("找到 {matched} 条，重新发送 {done} 条"));
    for refused in answer["refused"].as_array().cloned().unwrap_or_default() {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        complain(&format!("{}: {}", text(&refused["id"]), text(&refused["error"]["message"])));
    }
    if answer["more"] == true {
        context.say("there are more: run it again", "还有更多，请再次运行");
    }
}
