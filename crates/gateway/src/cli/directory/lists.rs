//! `hongyan directory group` and `hongyan directory on-call`.

use clap::Subcommand;
use serde_json::{Value, json};

use super::super::gateway::{Gateway, GatewayError};
use super::super::{Context, DONE, NOT_DELIVERED, print};
use super::escaped;

#[derive(Debug, Subcommand)]
pub(in super::super) enum GroupCommand {
    /// Keep a group, in place of one of its name
    Put {
        /// Its name
        name: String,
        /// Its members: userids, or entries such as emp:1001
        #[arg(required = true)]
        members: Vec<String>,
    },
    /// List the groups, and whom they mean
    List,
    /// Forget a group
    Forget {
        /// Its name
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(in super::super) enum OnCallCommand {
    /// Keep an on-call list, in place of one of its name
    Put {
        /// Its name
        name: String,
        /// Its members, in the order of their turns: userids, or entries such as emp:1001
        #[arg(required = true)]
        members: Vec<String>,
        /// When the first member's turn begins, RFC 3339; default: now
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// How long a turn is: 7d, 24h, 12h
        #[arg(long, default_value = "7d")]
        every: String,
        /// The time zone whose days are meant
        #[arg(long, default_value = "Asia/Shanghai")]
        zone: String,
    },
    /// List the on-call lists, and who is on call
    List,
    /// Forget an on-call list
    Forget {
        /// Its name
        name: String,
    },
    /// Print who is on call
    Now {
        /// The list
        name: String,
        /// At another time, RFC 3339
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
}

pub(super) async fn group(command: GroupCommand, gateway: &Gateway, context: &Context) -> Result<u8, GatewayError> {
    let path = |name: &str| format!("/v1/directory/groups/{}", escaped(name));
    let answer = match &command {
        GroupCommand::Put { name, members } => gateway.put(&path(name), &json!({ "members": members })).await?,
        GroupCommand::List => gateway.get("/v1/directory/groups").await?,
        GroupCommand::Forget { name } => gateway.delete(&path(name)).await?,
    };
    show(&answer, context);
    Ok(DONE)
}

pub(super) async fn on_call(command: OnCallCommand, gateway: &Gateway, context: &Context) -> Result<u8, GatewayError> {
    let path = |name: &str| format!("/v1/directory/on-call/{}", escaped(name));
    let answer = match &command {
        OnCallCommand::Put { name, members, since, every, zone } => {
            let mut list = json!({ "members": members, "every": every, "zone": zone });
            if let Some(since) = since {
                list["since"] = json!(since);
            }
            gateway.put(&path(name), &list).await?
        }
        OnCallCommand::List => gateway.get("/v1/directory/on-call").await?,
        OnCallCommand::Forget { name } => gateway.delete(&path(name)).await?,
        OnCallCommand::Now { name, at } => {
            let at = at.as_deref().map(|at| format!("?at={}", escaped(at))).unwrap_or_default();
            let answer = gateway.get(&format!("{}{at}", path(name))).await?;
            return Ok(show_now(&answer, context));
        }
    };
    show(&answer, context);
    Ok(DONE)
}

/// One list on a line each: its name, its members, whom it means now.
fn show(answer: &Value, context: &Context) {
    if context.json {
        return print(&answer.to_string());
    }
    if answer.is_null() {
        return context.say("done", "完成");
    }
    let several = answer.as_array().cloned().unwrap_or_else(|| vec![answer.clone()]);
    for list in &several {
        let turns = list["every"].as_str().map(|every| format!("  / {every}")).unwrap_or_default();
        let name = list["name"].as_str().unwrap_or_default();
        print(&format!("{name}  {}{turns}  → {}", texts(&list["members"]), now(list)));
    }
}

fn show_now(answer: &Value, context: &Context) -> u8 {
    let userids = answer["now"]["userids"].as_array().cloned().unwrap_or_default();
    if context.json {
        print(&answer.to_string());
    } else if userids.is_empty() {
        print(&now(answer));
    } else {
        userids.iter().filter_map(Value::as_str).for_each(print);
    }
    if userids.is_empty() { NOT_DELIVERED } else { DONE }
}

fn now(list: &Value) -> String {
    match list["now"]["trouble"].as_str() {
        Some(trouble) => trouble.to_owned(),
        None => texts(&list["now"]["userids"]),
    }
}

fn texts(list: &Value) -> String {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
}
