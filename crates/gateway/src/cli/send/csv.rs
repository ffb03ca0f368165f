//! `hongyan send --csv`: one message for a list, tier after tier, a group at a time.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};

use super::SendArguments;
use crate::cli::broadcast::{exit_code, show, show_line};
use crate::cli::gateway::{Gateway, report};
use crate::cli::{Context, DONE, REFUSED, complain, print};

/// How often it is looked how far a broadcast is.
const LOOK: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
pub(in crate::cli) struct ListArguments {
    /// Send to everybody in a table: `to` says whom, `tier` in which order, other columns are variables of the template
    #[arg(long, value_name = "FILE", conflicts_with_all = ["to", "party", "tag", "robot", "chat", "email", "person", "direct", "batch", "send_at"])]
    pub(super) csv: Option<PathBuf>,
    /// With --csv: how long it is waited after each group
    #[arg(long, value_name = "TIME", default_value = "2.5s", requires = "csv")]
    pace: String,
    /// With --csv: how many people a group has, 1 to 1000
    #[arg(long, value_name = "NUMBER", default_value_t = 100, requires = "csv")]
    group: usize,
    /// With --csv: a name for people, shown in lists
    #[arg(long, value_name = "NAME", requires = "csv")]
    name: Option<String>,
    /// With --csv: only say what would become of the list
    #[arg(long, requires = "csv")]
    dry_run: bool,
    /// With --csv: leave out the rows that are refused; without it nothing is sent if one is
    #[arg(long, requires = "csv")]
    partial: bool,
    /// With --csv: let it rest until `hongyan broadcast resume`
    #[arg(long, requires = "csv")]
    paused: bool,
}

pub(super) async fn run(arguments: &SendArguments, file: &Path, context: &Context) -> anyhow::Result<u8> {
    let list = &arguments.list;
    if arguments.wait && (list.paused || list.dry_run) {
        bail!("--wait would wait for ever: nothing is sent with --paused or --dry-run");
    }
    let mut message = arguments.submission()?;
    if let Some(message) = message.as_object_mut() {
        message.remove("to");
    }
    let mut body = Map::new();
    body.insert("message".to_owned(), message);
    body.insert("pace".to_owned(), json!(list.pace));
    body.insert("group_size".to_owned(), json!(list.group));
    body.insert("paused".to_owned(), json!(list.paused));
    if let Some(name) = &list.name {
        body.insert("name".to_owned(), json!(name));
    }
    let content = std::fs::read(file).with_context(|| format!("could not read {}", file.display()))?;
    let gateway = Gateway::find(&context.load()?)?;
    let path = format!("/v1/broadcasts?dry_run={}&partial={}", list.dry_run, list.partial);
    let form = (("broadcast", &Value::Object(body)), ("people", content));
    let answer = match gateway.post_with_file(&path, form.0, form.1, arguments.idempotency_key.as_deref()).await {
        Ok(answer) => answer,
        Err(error) => return Ok(report(error, context)),
    };
    if list.dry_run {
        return Ok(show_dry_run(&answer, context));
    }
    if arguments.wait {
        return until_handed_in(&gateway, answer, context).await;
    }
    if context.json {
        print(&answer.to_string());
    } else {
        show_line(&answer, context);
    }
    Ok(DONE)
}

fn show_dry_run(tried: &Value, context: &Context) -> u8 {
    if context.json {
        print(&tried.to_string());
    } else {
        let number = |name: &str| tried[name].as_u64().unwrap_or_default();
        let (rows, messages, groups) = (number("rows"), number("messages"), number("groups"));
        let (refused, takes) = (number("refused"), tried["takes"].as_str().unwrap_or_default());
        context.say(
            format!("{rows} people, {messages} messages in {groups} groups, {takes} at least; {refused} refused"),
            format!("{rows} 人，{messages} 条消息，分 {groups} 组，至少 {takes}；拒绝 {refused} 行"),
        );
        for line in tried["lines"].as_array().into_iter().flatten() {
            complain(&format!("{}: {}", line["line"], line["message"].as_str().unwrap_or_default()));
        }
    }
    if tried["refused"] == json!(0) { DONE } else { REFUSED }
}

/// Waits until every group was handed in and every message has ended, with a progress bar for people.
async fn until_handed_in(gateway: &Gateway, begun: Value, context: &Context) -> anyhow::Result<u8> {
    let id = begun["id"].as_str().unwrap_or_default().to_owned();
    let groups = begun["groups"].as_u64().unwrap_or_default();
    let progress = if context.json { ProgressBar::hidden() } else { ProgressBar::new(groups) };
    progress.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {eta}")?);
    let ended = loop {
        let broadcast = match gateway.get(&format!("/v1/broadcasts/{id}")).await {
            Ok(broadcast) => broadcast,
            Err(error) => return Ok(report(error, context)),
        };
        progress.set_position(broadcast["groups_done"].as_u64().unwrap_or_default());
        let under_way = broadcast["tiers"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|tier| !tier["messages"]["accepted"].is_null() || !tier["messages"]["sending"].is_null());
        if !broadcast["ended_at"].is_null() && !under_way {
            break broadcast;
        }
        tokio::time::sleep(LOOK).await;
    };
    progress.finish_and_clear();
    if context.json {
        print(&ended.to_string());
    } else {
        show(&ended, context);
    }
    Ok(exit_code(&ended))
}
