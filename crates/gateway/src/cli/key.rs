//! `hongyan key`: make, list and revoke API keys, through the running gateway.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::gateway::{Gateway, report};
use super::send::split_list;
use super::{Context, DONE, print};

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Make a key; it is shown this once
    Create(Box<CreateArguments>),
    /// List the keys
    List,
    /// Revoke a key at once
    Revoke {
        /// The key's first characters, as listed
        prefix: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct CreateArguments {
    /// Whose messages it sends and sees
    #[arg(long)]
    caller: String,
    /// Of send, send:all, read, admin
    #[arg(long, default_value = "send,read")]
    scopes: String,
    /// When it stops to work: RFC 3339
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    /// Only these applications; without it all, with an empty list none
    #[arg(long, value_name = "NAMES")]
    apps: Option<String>,
    /// Only these robots; without it all, with an empty list none
    #[arg(long, value_name = "NAMES")]
    robots: Option<String>,
    /// Only these departments; without it all, with an empty list none
    #[arg(long, value_name = "IDS")]
    parties: Option<String>,
    /// Only these tags; without it all, with an empty list none
    #[arg(long, value_name = "IDS")]
    tags: Option<String>,
    /// Only these group chats; without it all, with an empty list none
    #[arg(long, value_name = "NAMES")]
    chats: Option<String>,
    /// Only mailboxes of these domains; without it all, with an empty list none
    #[arg(long, value_name = "DOMAINS")]
    mail_domains: Option<String>,
    /// Only these routes; without it all, with an empty list none
    #[arg(long, value_name = "NAMES")]
    routes: Option<String>,
    /// Only what these templates make; without it anything
    #[arg(long, value_name = "NAMES")]
    templates: Option<String>,
    /// Only these webhooks; without it all, with an empty list none
    #[arg(long, value_name = "NAMES")]
    webhooks: Option<String>,
    /// Only from these networks, such as 10.0.0.0/8; without it from anywhere
    #[arg(long, value_name = "NETWORKS")]
    networks: Option<String>,
    /// How it is shown to be had: bearer (sent with each request), signing (requests are signed with it) or front (a
    /// secret or robot's key under /cgi-bin/)
    #[arg(long, default_value = "bearer")]
    kind: String,
    /// The webhook that hears what becomes of messages that name none
    #[arg(long, value_name = "NAME")]
    webhook: Option<String>,
    /// Messages in any 60 seconds
    #[arg(long, value_name = "N")]
    per_minute: Option<u32>,
    /// Messages a calendar day, in Asia/Shanghai
    #[arg(long, value_name = "N")]
    per_day: Option<u32>,
    /// For kind front: calls of WeCom's that are passed on, with their parameters, such as
    /// 'GET /cgi-bin/user/get?userid,GET /cgi-bin/department/list?id'
    #[arg(long, value_name = "CALLS")]
    forwards: Option<String>,
}

/// The lists that bound a key.
const LISTS: [&str; 11] = [
    "apps",
    "robots",
    "parties",
    "tags",
    "chats",
    "mail_domains",
    "routes",
    "templates",
    "webhooks",
    "networks",
    "forwards",
];

pub(super) async fn run(command: KeyCommand, context: &Context) -> anyhow::Result<u8> {
    let gateway = Gateway::find(&context.load()?)?;
    let result = match &command {
        KeyCommand::Create(arguments) => gateway.post("/v1/keys", Some(&body(arguments)), None).await,
        KeyCommand::List => gateway.get("/v1/keys").await,
        KeyCommand::Revoke { prefix } => gateway.delete(&format!("/v1/keys/{prefix}")).await,
    };
    let answer = match result {
        Ok(answer) => answer,
        Err(error) => return Ok(report(error, context)),
    };
    match &command {
        KeyCommand::Revoke { .. } if !context.json => context.say("Revoked.", "已吊销。"),
        _ if context.json => print(&answer.to_string()),
        KeyCommand::Create(_) => print(answer["key"].as_str().unwrap_or_default()),
        KeyCommand::List | KeyCommand::Revoke { .. } => print_list(&answer, context),
    }
    Ok(DONE)
}

fn body(arguments: &CreateArguments) -> Value {
    let mut body = Map::new();
    body.insert("caller".to_owned(), json!(arguments.caller));
    body.insert("scopes".to_owned(), json!(split_list(Some(&arguments.scopes))));
    if arguments.kind != "bearer" {
        body.insert("kind".to_owned(), json!(arguments.kind));
    }
    if let Some(webhook) = &arguments.webhook {
        body.insert("webhook".to_owned(), json!(webhook));
    }
    for (name, limit) in [("per_minute", arguments.per_minute), ("per_day", arguments.per_day)] {
        if let Some(limit) = limit {
            body.insert(name.to_owned(), json!(limit));
        }
    }
    if let Some(calls) = &arguments.forwards {
        let calls: Vec<&str> = calls.split(',').map(str::trim).filter(|call| !call.is_empty()).collect();
        body.insert("forwards".to_owned(), json!(calls));
    }
    if let Some(end) = &arguments.expires_at {
        body.insert("expires_at".to_owned(), json!(end));
    }
    for (name, list) in [
        ("apps", &arguments.apps),
        ("robots", &arguments.robots),
        ("parties", &arguments.parties),
        ("tags", &arguments.tags),
        ("chats", &arguments.chats),
        ("mail_domains", &arguments.mail_domains),
        ("routes", &arguments.routes),
        ("templates", &arguments.templates),
        ("webhooks", &arguments.webhooks),
        ("networks", &arguments.networks),
    ] {
        if let Some(list) = list {
            body.insert(name.to_owned(), json!(split_list(Some(list))));
        }
    }
    Value::Object(body)
}

fn print_list(keys: &Value, context: &Context) {
    for key in keys.as_array().map(Vec::as_slice).unwrap_or_default() {
        let text = |name: &str| key[name].as_str().unwrap_or_default().to_owned();
        let state = if key["revoked_at"].is_string() {
            context.language.pick("revoked", "已吊销")
        } else if is_over(&key["expires_at"]) {
            context.language.pick("expired", "已过期")
        } else {
            context.language.pick("works", "可用")
        };
        let mut line =
            format!("{}…  {:<8} {:<16}  {:<20}  {state}", text("prefix"), text("kind"), text("caller"), text("scopes"));
        for (name, label) in [("per_minute", "/min"), ("per_day", "/day")] {
            if let Some(limit) = key[name].as_u64() {
                line.extend(["  ", &limit.to_string(), label]);
            }
        }
        for (name, label) in [("expires_at", "expires"), ("last_used_at", "last used")] {
            if key[name].is_string() {
                line.extend(["  ", label, " ", &text(name)]);
            }
        }
        if key["webhook"].is_string() {
            line.extend(["  webhook ", &text("webhook")]);
        }
        for name in LISTS {
            if let Some(only) = key[name].as_array() {
                let only: Vec<_> = only.iter().filter_map(Value::as_str).collect();
                // An empty list allows none, an absent one all.
                let only = if only.is_empty() { "(none)".to_owned() } else { only.join(",") };
                line.extend(["  ", name, "=", &only]);
            }
        }
        print(&line);
    }
}

/// Whether a time is over.
fn is_over(time: &Value) -> bool {
    let time = time.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    time.is_some_and(|time| time <= jiff::Timestamp::now())
}
