//! `hongyan schedule`: keep messages that are sent again and again, or once at a time; look at them, let them rest.

use clap::{Args, FromArgMatches as _, Subcommand};
use serde_json::{Map, Value, json};

use super::gateway::{Gateway, report};
use super::send::{SendArguments, confirmed, no_recipient};
use super::{Context, DONE, MISUSED, complain, print};

#[derive(Debug, Subcommand)]
pub(super) enum ScheduleCommand {
    /// Keep a schedule, in the place of that of its name; what it sends is tried first, and not sent
    Put(Box<PutArguments>),
    /// List the schedules
    List,
    /// Show a schedule: what it sends, when next, how its last run ended
    Show {
        /// Its name
        name: String,
    },
    /// Let a schedule rest; what falls into its rest is not made up for
    Pause {
        /// Its name
        name: String,
    },
    /// Let a schedule go on
    Resume {
        /// Its name
        name: String,
    },
    /// Send now what a schedule sends, beside its runs
    Run {
        /// Its name
        name: String,
    },
    /// Forget a schedule; what it has sent stays
    Forget {
        /// Its name
        name: String,
    },
    /// Show when a pattern of cron runs next; nothing is kept
    Next {
        /// Five fields, or six with the second: `0 30 8 * * 1-5`
        cron: String,
        /// Its time zone
        #[arg(long, default_value = domain::DEFAULT_ZONE)]
        zone: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct PutArguments {
    /// Its name: a-z, 0-9, `-`, `_`, `.`
    name: String,
    /// Again and again: five fields, or six with the second: `0 30 8 * * 1-5`
    #[arg(long, value_name = "PATTERN", required_unless_present = "at", conflicts_with = "at")]
    cron: Option<String>,
    /// The time zone of --cron
    #[arg(long, default_value = domain::DEFAULT_ZONE)]
    zone: String,
    /// Once, at this time: RFC 3339
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// What becomes of runs that were missed: skip, once (the latest is made up for) or all (at most 100 are)
    #[arg(long, value_name = "POLICY", default_value = "once")]
    missed: String,
    /// Let it rest from the start
    #[arg(long)]
    paused: bool,
    /// Fetch variables of its template here right before each run: a JSON object
    #[arg(long, value_name = "URL", conflicts_with = "variables_file")]
    variables_url: Option<String>,
    /// Read variables of its template from this file of the gateway's, below `schedules.files`
    #[arg(long, value_name = "FILE")]
    variables_file: Option<String>,
    /// What it sends: the arguments of `hongyan send`
    #[arg(last = true, required = true, value_name = "ARGUMENTS OF SEND")]
    send: Vec<String>,
}

pub(super) async fn run(command: ScheduleCommand, context: &Context) -> anyhow::Result<u8> {
    let body = match &command {
        ScheduleCommand::Put(arguments) => match arguments.body(context)? {
            Ok(body) => body,
            Err(code) => return Ok(code),
        },
        _ => Value::Null,
    };
    let gateway = Gateway::find(&context.load()?)?;
    let path = |name: &str, rest: &str| {
        let name: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
        format!("/v1/schedules/{name}{rest}")
    };
    let result = match &command {
        ScheduleCommand::Put(arguments) => gateway.put(&path(&arguments.name, ""), &body).await,
        ScheduleCommand::List => gateway.get("/v1/schedules").await,
        ScheduleCommand::Show { name } => gateway.get(&path(name, "")).await,
        ScheduleCommand::Pause { name } => gateway.post(&path(name, "/pause"), None, None).await,
        ScheduleCommand::Resume { name } => gateway.post(&path(name, "/resume"), None, None).await,
        ScheduleCommand::Run { name } => gateway.post(&path(name, "/run"), None, None).await,
        ScheduleCommand::Forget { name } => gateway.delete(&path(name, "")).await,
        ScheduleCommand::Next { cron, zone } => {
            gateway.post("/v1/schedules/preview", Some(&json!({ "cron": cron, "zone": zone })), None).await
        }
    };
    match result {
        Err(error) => return Ok(report(error, context)),
        Ok(answer) if context.json => print(&answer.to_string()),
        Ok(answer) => match &command {
            ScheduleCommand::List => answer.as_array().into_iter().flatten().for_each(|one| show_line(one, context)),
            ScheduleCommand::Show { .. } => show(&answer, context),
            ScheduleCommand::Put(_) | ScheduleCommand::Pause { .. } | ScheduleCommand::Resume { .. } => {
                show_line(&answer, context);
            }
            ScheduleCommand::Run { .. } => {
                let id = answer["id"].as_str().unwrap_or_default();
                context.say(format!("accepted {id}"), format!("已受理 {id}"));
            }
            ScheduleCommand::Forget { .. } => context.say("done", "完成"),
            ScheduleCommand::Next { .. } => runs(&answer).into_iter().for_each(print),
        },
    }
    Ok(DONE)
}

impl PutArguments {
    /// What is put; or, if the arguments of `send` cannot be used, the exit code that says so.
    fn body(&self, context: &Context) -> anyhow::Result<Result<Value, u8>> {
        let words = clap::Command::new("hongyan schedule put NAME … --").no_binary_name(true);
        let matches = SendArguments::augment_args(words).try_get_matches_from(&self.send);
        let send = match matches.and_then(|matches| SendArguments::from_arg_matches(&matches)) {
            Ok(send) => send,
            Err(error) => {
                complain(error.to_string().trim_end());
                return Ok(Err(MISUSED));
            }
        };
        if !send.whom.names_somebody() {
            complain(no_recipient(context));
            return Ok(Err(MISUSED));
        }
        if send.whom.is_for_everybody() && !send.yes && !confirmed(context)? {
            return Ok(Err(MISUSED));
        }
        let mut body = Map::new();
        body.insert("missed".to_owned(), json!(self.missed));
        body.insert("paused".to_owned(), json!(self.paused));
        body.insert("message".to_owned(), send.for_schedule()?);
        if let Some(cron) = &self.cron {
            body.insert("cron".to_owned(), json!(cron));
            body.insert("zone".to_owned(), json!(self.zone));
        }
        if let Some(at) = &self.at {
            body.insert("at".to_owned(), json!(at));
        }
        for (kind, source) in [("url", &self.variables_url), ("file", &self.variables_file)] {
            if let Some(source) = source {
                body.insert("variables_from".to_owned(), json!({ kind: source }));
            }
        }
        Ok(Ok(Value::Object(body)))
    }
}

fn runs(answer: &Value) -> Vec<&str> {
    answer["next"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Where a schedule stands, in a few words.
fn standing(schedule: &Value, context: &Context) -> String {
    let text = |name: &str| schedule[name].as_str();
    let mut parts = Vec::new();
    if schedule["paused"] == json!(true) {
        parts.push(context.language.pick("paused", "已暂停").to_owned());
    } else if let Some(again) = text("again_at") {
        parts.push(format!("{} {again}", context.language.pick("again at", "重试于")));
    } else if let Some(next) = runs(schedule).first() {
        parts.push(format!("{} {next}", context.language.pick("next", "下次")));
    } else {
        parts.push(context.language.pick("over", "已结束").to_owned());
    }
    if let Some(error) = text("last_error") {
        parts.push(format!("{}: {error}", context.language.pick("failed", "失败")));
    }
    parts.join("  ")
}

/// One schedule, a line.
fn show_line(schedule: &Value, context: &Context) {
    let text = |name: &str| schedule[name].as_str().unwrap_or_default();
    let when = match schedule["cron"].as_str() {
        Some(cron) => format!("{cron} ({})", text("zone")),
        None => text("at").to_owned(),
    };
    print(&format!("{}  {when}  {}", text("name"), standing(schedule, context)));
}

fn show(schedule: &Value, context: &Context) {
    show_line(schedule, context);
    let say = |english: &str, chinese: &str, value: &str| {
        if !value.is_empty() {
            print(&format!("{}: {value}", context.language.pick(english, chinese)));
        }
    };
    let text = |name: &str| schedule[name].as_str().unwrap_or_default();
    say("caller", "调用方", text("caller"));
    say("missed runs", "错过的运行", text("missed"));
    say("next", "接下来", &runs(schedule).join(", "));
    say("last run", "上次运行", text("last_run"));
    say("its message", "所发消息", text("last_message"));
    say("left out", "未补发次数", &schedule["left_out"].to_string());
    if !schedule["variables_from"].is_null() {
        say("variables from", "变量来源", &schedule["variables_from"].to_string());
    }
    say("sends", "内容", &schedule["message"].to_string());
}
