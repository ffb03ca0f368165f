//! `hongyan directory`: who is who. `hongyan media`: files that messages carry.

mod lists;
mod table;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::gateway::{Gateway, GatewayError, report};
use super::{Context, DONE, NOT_DELIVERED, print};

#[derive(Debug, Subcommand)]
pub(super) enum DirectoryCommand {
    /// List who is known
    List {
        /// Only who has left the company
        #[arg(long)]
        left: bool,
    },
    /// Keep what is said about a member; what is not said stays as it was
    Put(PutArguments),
    /// Forget a member
    Forget {
        /// The userid
        userid: String,
    },
    /// Forget who a recipient was, in every message that has ended, and in the directory
    Erase {
        /// Such as user:zhangsan or email:li@example.com
        recipient: String,
    },
    /// Import people from a file: CSV (UTF-8 or GB18030) or JSON; all or nothing
    Import {
        /// The file; `-` is standard input
        file: PathBuf,
        /// Only say what would be kept
        #[arg(long)]
        dry_run: bool,
        /// Keep what can be kept, though lines are refused
        #[arg(long)]
        partial: bool,
    },
    /// Print who is known as CSV: `userid,name,department,mobile,email,status,sync_time`
    Export {
        /// utf-8, utf-8-bom or gb18030: the last two for spreadsheets
        #[arg(long, default_value = "utf-8")]
        encoding: String,
    },
    /// Ask WeCom for everybody, as `[directory]` says
    Sync,
    /// Find whom a name, a number, an address or an identity means
    Lookup(LookupArguments),
    /// Keep groups: `group:NAME`
    #[command(subcommand)]
    Group(lists::GroupCommand),
    /// Keep on-call lists: `oncall:NAME`
    #[command(subcommand)]
    OnCall(lists::OnCallCommand),
}

#[derive(Debug, Args)]
pub(super) struct PutArguments {
    /// The userid
    userid: String,
    /// The mailbox
    email: Option<String>,
    /// The name
    #[arg(long)]
    name: Option<String>,
    /// The mobile number
    #[arg(long)]
    mobile: Option<String>,
    /// All departments, divided by commas
    #[arg(long, value_delimiter = ',')]
    department: Option<Vec<String>>,
    /// `activated`, `disabled`, `not_activated` or `left`
    #[arg(long)]
    status: Option<String>,
    /// All identities of your own, divided by commas: emp:1001,login:zs
    #[arg(long, value_delimiter = ',')]
    identity: Option<Vec<String>>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct LookupArguments {
    /// A name
    #[arg(long)]
    name: Option<String>,
    /// A mobile number
    #[arg(long)]
    mobile: Option<String>,
    /// A mail address
    #[arg(long)]
    email: Option<String>,
    /// Any entry of to.people, such as emp:1001
    #[arg(long)]
    person: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum MediaCommand {
    /// Hand a file in; prints the id that messages name it by
    Upload {
        /// The file
        file: PathBuf,
    },
}

/// Writes a text so that it can stand in a path or a query.
fn escaped(text: &str) -> String {
    // A blank is `%20` in either.
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

pub(super) async fn run(command: DirectoryCommand, context: &Context) -> anyhow::Result<u8> {
    let gateway = Gateway::find(&context.load()?)?;
    let done = match command {
        DirectoryCommand::Group(command) => lists::group(command, &gateway, context).await,
        DirectoryCommand::OnCall(command) => lists::on_call(command, &gateway, context).await,
        DirectoryCommand::Import { file, dry_run, partial } => {
            let content = read_bytes(&file)?;
            table::import(&gateway, content, (dry_run, partial), context).await
        }
        DirectoryCommand::Export { encoding } => table::export(&gateway, &encoding).await,
        DirectoryCommand::Lookup(arguments) => lookup(&arguments, &gateway, context).await,
        other => plain(other, &gateway, context).await,
    };
    Ok(done.unwrap_or_else(|error| report(error, context)))
}

/// What asks once, and shows the answer.
async fn plain(command: DirectoryCommand, gateway: &Gateway, context: &Context) -> Result<u8, GatewayError> {
    let answer = match &command {
        DirectoryCommand::List { left: false } => gateway.get("/v1/directory/people").await?,
        DirectoryCommand::List { left: true } => gateway.get("/v1/directory/leavers").await?,
        DirectoryCommand::Put(arguments) => gateway.put("/v1/directory/people", &json!([arguments.body()])).await?,
        DirectoryCommand::Forget { userid } => {
            gateway.delete(&format!("/v1/directory/people/{}", escaped(userid))).await?
        }
        DirectoryCommand::Erase { recipient } => {
            gateway.delete(&format!("/v1/recipients/{}", escaped(recipient))).await?
        }
        _ => gateway.post("/v1/directory/sync", None, None).await?,
    };
    if context.json {
        print(&answer.to_string());
        return Ok(DONE);
    }
    match &command {
        DirectoryCommand::List { .. } => {
            answer.as_array().into_iter().flatten().for_each(|person| print(&shown(person)));
        }
        DirectoryCommand::Erase { .. } => {
            let messages = &answer["messages"];
            context.say(format!("erased from {messages} messages"), format!("已从 {messages} 条消息中抹除"));
        }
        DirectoryCommand::Put(_) | DirectoryCommand::Forget { .. } => context.say("done", "完成"),
        _ => table::show_sync(&answer, context),
    }
    Ok(DONE)
}

/// A person on a line: what is known, without blanks for what is not.
fn shown(person: &Value) -> String {
    let list = |name: &str| {
        let list = person[name].as_array().into_iter().flatten().filter_map(Value::as_str);
        list.collect::<Vec<_>>().join(",")
    };
    let text = |name: &str| person[name].as_str().unwrap_or_default().to_owned();
    let all = [
        text("userid"),
        text("name"),
        list("departments"),
        text("mobile"),
        text("email"),
        list("identities"),
        text("status"),
    ];
    all.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("  ")
}

impl PutArguments {
    fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("userid".to_owned(), json!(self.userid));
        for (name, value) in
            [("email", &self.email), ("name", &self.name), ("mobile", &self.mobile), ("status", &self.status)]
        {
            if let Some(value) = value {
                body.insert(name.to_owned(), json!(value));
            }
        }
        for (name, list) in [("departments", &self.department), ("identities", &self.identity)] {
            if let Some(list) = list {
                let list: Vec<&str> = list.iter().map(|text| text.trim()).filter(|text| !text.is_empty()).collect();
                body.insert(name.to_owned(), json!(list));
            }
        }
        Value::Object(body)
    }
}

async fn lookup(arguments: &LookupArguments, gateway: &Gateway, context: &Context) -> Result<u8, GatewayError> {
    let LookupArguments { name, mobile, email, person } = arguments;
    let named = [("name", name), ("mobile", mobile), ("email", email), ("person", person)];
    let body: Map<String, Value> =
        named.into_iter().filter_map(|(kind, value)| Some((kind.to_owned(), json!(value.as_ref()?)))).collect();
    let answer = gateway.post("/v1/directory/lookup", Some(&Value::Object(body)), None).await?;
    let list = |name: &str| -> Vec<String> {
        answer[name].as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
    };
    if context.json {
        print(&answer.to_string());
    } else {
        list("userids").iter().for_each(|userid| print(userid));
        let (left, several) = (list("left").join(", "), list("ambiguous").join(", "));
        if !left.is_empty() {
            context.say(format!("has left the company: {left}"), format!("已离职：{left}"));
        }
        if !several.is_empty() {
            context.say(format!("may be any of: {several}"), format!("可能是其中之一：{several}"));
        }
        if let Some(hint) = answer["hint"].as_str() {
            context.say(format!("not known: {hint}"), format!("查无此人：{hint}"));
        }
    }
    Ok(if answer["found"] == json!(true) { DONE } else { NOT_DELIVERED })
}

fn read_bytes(file: &std::path::Path) -> anyhow::Result<Vec<u8>> {
    if file == std::path::Path::new("-") {
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin(), &mut content).context("could not read standard input")?;
        return Ok(content);
    }
    std::fs::read(file).with_context(|| format!("could not read {}", file.display()))
}

pub(super) async fn media(command: MediaCommand, context: &Context) -> anyhow::Result<u8> {
    let MediaCommand::Upload { file } = command;
    let unreadable = || format!("could not read {}", file.display());
    let content = tokio::fs::File::open(&file).await.with_context(unreadable)?;
    let size = content.metadata().await.with_context(unreadable)?.len();
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let gateway = Gateway::find(&context.load()?)?;
    match gateway.put_file(&name, content, size).await {
        Ok(answer) if context.json => print(&answer.to_string()),
        Ok(answer) => print(answer["id"].as_str().unwrap_or_default()),
        Err(error) => return Ok(report(error, context)),
    }
    Ok(DONE)
}
