//! `hongyan template`: keep, try, switch and forget templates.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::gateway::{Gateway, report};
use super::send::read_text;
use super::variables::VariableArguments;
use super::{Context, DONE, print};

#[derive(Debug, Subcommand)]
pub(super) enum TemplateCommand {
    /// List the templates and their versions
    List,
    /// Keep the next version of a template
    Put {
        /// Its name: a-z, 0-9, `-`, `_`, `.`
        name: String,
        /// A file in Jinja2's language; `-` is standard input
        file: PathBuf,
        /// What it makes
        #[arg(long, value_enum, default_value_t = Makes::Markdown)]
        makes: Makes,
        /// A file that declares its variables: `[{"name": "order", "kind": "string", "example": "DFB-2000"}]`
        #[arg(long, value_name = "FILE")]
        declare: Option<PathBuf>,
        /// Let a missing variable be nothing instead of an error
        #[arg(long)]
        lenient: bool,
        /// Count clicks on its links; the gateway needs `public_url`
        #[arg(long)]
        track_clicks: bool,
        /// Leave the version active that is
        #[arg(long)]
        keep_active: bool,
    },
    /// Show what a template makes; nothing is sent
    Preview {
        /// Its name
        name: String,
        /// Which version; default: the active one
        #[arg(long, value_name = "NUMBER")]
        template_version: Option<u32>,
        #[command(flatten)]
        variables: VariableArguments,
    },
    /// Let the name stand for a version; an earlier one rolls back
    Activate {
        /// Its name
        name: String,
        /// Which version
        #[arg(value_name = "VERSION")]
        template_version: u32,
    },
    /// Let the name stand for several versions, each as often as its weight says; activating one ends it
    Split {
        /// Its name
        name: String,
        /// Such as 2=1 3=1: version and weight
        #[arg(required = true, value_name = "VERSION=WEIGHT")]
        weights: Vec<String>,
    },
    /// Compare what its versions brought in the last 30 days: delivered, clicked, pressed
    Figures {
        /// Its name
        name: String,
    },
    /// Forget a template with all its versions
    Forget {
        /// Its name
        name: String,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Makes {
    /// JSON with `msgtype`, as WeCom writes it
    Message,
    /// A text
    Text,
    /// Markdown
    Markdown,
    /// Robots' larger markdown
    #[value(name = "markdown_v2")]
    MarkdownV2,
}

impl Makes {
    fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Text => "text",
            Self::Markdown => "markdown",
            Self::MarkdownV2 => "markdown_v2",
        }
    }
}

pub(super) async fn run(command: TemplateCommand, context: &Context) -> anyhow::Result<u8> {
    let gateway = Gateway::find(&context.load()?)?;
    let path = |name: &str, rest: &str| {
        let name: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
        format!("/v1/templates/{name}{rest}")
    };
    let result = match &command {
        TemplateCommand::List => gateway.get("/v1/templates").await,
        TemplateCommand::Put { name, file, makes, declare, lenient, track_clicks, keep_active } => {
            let variables: Value = match declare {
                Some(path) => serde_json::from_str(&read_text(path)?)
                    .with_context(|| format!("{} is not JSON", path.display()))?,
                None => json!([]),
            };
            let source = read_text(file)?;
            let source = source.strip_suffix('\n').unwrap_or(&source);
            let body = json!({
                "makes": makes.name(), "source": source, "variables": variables, "lenient": lenient,
                "track_clicks": track_clicks, "activate": !keep_active,
            });
            gateway.put(&path(name, ""), &body).await
        }
        TemplateCommand::Preview { name, template_version, variables } => {
            let body = json!({ "version": template_version, "variables": variables.read()? });
            gateway.post(&path(name, "/preview"), Some(&body), None).await
        }
        TemplateCommand::Activate { name, template_version } => {
            gateway.post(&path(name, "/activate"), Some(&json!({ "version": template_version })), None).await
        }
        TemplateCommand::Split { name, weights } => {
            gateway.post(&path(name, "/split"), Some(&json!({ "versions": versions(weights)? })), None).await
        }
        TemplateCommand::Figures { name } => gateway.get(&path(name, "/figures")).await,
        TemplateCommand::Forget { name } => gateway.delete(&path(name, "")).await,
    };
    match result {
        Err(error) => return Ok(report(error, context)),
        Ok(answer) if context.json => print(&answer.to_string()),
        Ok(answer) => match &command {
            TemplateCommand::List => answer.as_array().into_iter().flatten().for_each(|version| show(version, context)),
            TemplateCommand::Put { .. } | TemplateCommand::Activate { .. } => show(&answer, context),
            TemplateCommand::Preview { .. } => print(&shown(&answer)),
            TemplateCommand::Figures { .. } => {
                answer.as_array().into_iter().flatten().for_each(|one| brought(one, context));
            }
            TemplateCommand::Split { .. } | TemplateCommand::Forget { .. } => context.say("done", "完成"),
        },
    }
    Ok(DONE)
}

/// `2=1 3=1`: versions and their weights.
fn versions(weights: &[String]) -> anyhow::Result<Vec<Value>> {
    let read = |text: &String| {
        let (version, weight) = text.split_once('=')?;
        Some(json!({ "version": version.parse::<u32>().ok()?, "weight": weight.parse::<u32>().ok()? }))
    };
    weights
        .iter()
        .map(|text| read(text).with_context(|| format!("`{text}` is no version and weight such as 2=1")))
        .collect()
}

/// What a version brought, a line.
fn brought(one: &Value, context: &Context) {
    let share = |part: &Value| {
        let (part, of) = (part.as_f64().unwrap_or(0.0), one["delivered"].as_f64().unwrap_or(0.0));
        if of > 0.0 { format!("{:.1}%", 100.0 * part / of) } else { "–".to_owned() }
    };
    let (version, messages, delivered) = (&one["version"], &one["messages"], &one["delivered"]);
    // Messages, not clicks: a message to many, or with many links, counts once.
    let (clicks, presses, clicked, part) = (&one["clicks"], &one["presses"], &one["clicked"], share(&one["clicked"]));
    context.say(
        format!("v{version}  {messages} messages, {delivered} delivered, {clicks} clicks on {clicked} messages ({part} of those delivered), {presses} presses"),
        format!("v{version}  {messages} 条消息，送达 {delivered}，{clicked} 条消息被点击共 {clicks} 次（与送达消息数之比 {part}），按钮 {presses} 次"),
    );
}

/// One version, a line.
fn show(version: &Value, context: &Context) {
    let text = |name: &str| version[name].as_str().unwrap_or_default();
    let active = if version["active"] == json!(true) { context.language.pick("  active", "  启用") } else { "" };
    let uses: Vec<&str> = version["uses"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    // Beside others: how often the name stands for it.
    let weight = match version["weight"].as_u64() {
        Some(weight) if weight > 0 => format!("  {} {weight}", context.language.pick("weight", "权重")),
        _ => String::new(),
    };
    print(&format!(
        "{}  v{}  {}{active}{weight}  {}",
        text("name"),
        version["version"],
        text("makes"),
        uses.join(", ")
    ));
}

/// What a preview says: the text itself where it is one.
fn shown(preview: &Value) -> String {
    let content = &preview["content"];
    match content["content"].as_str() {
        Some(text) => text.to_owned(),
        None => serde_json::to_string_pretty(content).unwrap_or_default(),
    }
}
