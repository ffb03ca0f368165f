//! `hongyan send`: one message, or many from a file; through a gateway, or directly with one call upstream.

mod content;
mod csv;
mod direct;
pub(super) mod wait;
mod way;
mod whom;

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

pub(super) use self::whom::Whom;
use super::gateway::{Gateway, report};
use super::variables::VariableArguments;
use super::{Context, DONE, MISUSED, NOT_DELIVERED, PARTLY, REFUSED, complain, print};

/// Lines of a bulk send that go in together.
const TOGETHER: usize = 500;

#[derive(Debug, Args)]
pub(super) struct SendArguments {
    #[command(flatten)]
    pub(super) whom: Whom,
    /// Plain text; without any content it is read from standard input
    #[arg(long, value_name = "TEXT", group = "content")]
    text: Option<String>,
    /// Markdown
    #[arg(long, value_name = "MARKDOWN", group = "content")]
    markdown: Option<String>,
    /// A file of markdown; `-` is standard input
    #[arg(long, value_name = "FILE", group = "content")]
    markdown_file: Option<PathBuf>,
    /// A file with robots' larger markdown; `-` is standard input
    #[arg(long, value_name = "FILE", group = "content")]
    markdown_v2_file: Option<PathBuf>,
    /// A file with a template card, or a whole submission's content, as JSON; `-` is standard input
    #[arg(long, value_name = "FILE", group = "content")]
    card: Option<PathBuf>,
    /// A template that makes the content
    #[arg(long, value_name = "NAME", group = "content", conflicts_with = "direct")]
    template: Option<String>,
    /// Its version; default: the active one
    #[arg(long, value_name = "NUMBER", requires = "template")]
    template_version: Option<u32>,
    #[command(flatten)]
    variables: VariableArguments,
    /// Send every line of a file of NDJSON submissions; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["content", "to", "party", "tag", "robot", "direct", "wait"])]
    batch: Option<PathBuf>,
    #[command(flatten)]
    list: csv::ListArguments,
    /// What is too long or too large: reject, split, truncate, file or link
    #[arg(long, value_name = "WAY")]
    overflow: Option<String>,
    /// Make harmless what a stranger may have typed
    #[arg(long)]
    escape: bool,
    /// Not before: RFC 3339
    #[arg(long, value_name = "TIME")]
    send_at: Option<String>,
    /// Not at or after: RFC 3339
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    /// A key under which a repeat of this command is not sent again
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Wait until it is delivered or not; the exit code tells
    #[arg(long, conflicts_with = "direct")]
    wait: bool,
    /// Without a gateway: one call upstream, nothing kept; the exit code tells
    #[arg(long)]
    direct: bool,
    /// With --direct: a file with the robot's key or whole webhook URL; `-` is standard input
    #[arg(long, value_name = "FILE", requires = "direct", conflicts_with = "robot")]
    robot_key_file: Option<PathBuf>,
    /// Do not ask before sending to everybody
    #[arg(long, short)]
    pub(super) yes: bool,
}

/// Reads 0, 1, true, false.
///
/// # Errors
/// Anything else.
pub fn parse_flag(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "true" => Ok(true),
        "0" | "false" | "" => Ok(false),
        _ => Err("0, 1, true or false".to_owned()),
    }
}

/// Asks a gateway where a message would go, and why.
pub(super) async fn test_route(arguments: &SendArguments, context: &Context) -> anyhow::Result<u8> {
    let gateway = Gateway::find(&context.load()?)?;
    match gateway.post("/v1/routes/test", Some(&arguments.submission()?), None).await {
        Ok(way) if context.json => print(&way.to_string()),
        Ok(way) => way::show(&way, context),
        Err(error) => return Ok(report(error, context)),
    }
    Ok(DONE)
}

pub(super) async fn run(arguments: SendArguments, context: &Context) -> anyhow::Result<u8> {
    if let Some(file) = &arguments.batch {
        return send_batch(file, context).await;
    }
    if let Some(file) = &arguments.list.csv {
        return csv::run(&arguments, file, context).await;
    }
    if !arguments.whom.names_somebody() && arguments.robot_key_file.is_none() {
        complain(no_recipient(context));
        return Ok(MISUSED);
    }
    if arguments.whom.is_for_everybody() && !arguments.yes && !confirmed(context)? {
        return Ok(MISUSED);
    }
    let submission = arguments.submission()?;
    if arguments.direct {
        return direct::run(&arguments, &submission, context).await;
    }
    let gateway = Gateway::find(&context.load()?)?;
    let receipt = match gateway.post("/v1/messages", Some(&submission), arguments.idempotency_key.as_deref()).await {
        Ok(receipt) => receipt,
        Err(error) => return Ok(report(error, context)),
    };
    if arguments.wait {
        return wait::until_final(&gateway, receipt["id"].as_str().unwrap_or_default(), context).await;
    }
    if context.json {
        print(&receipt.to_string());
    } else {
        let id = receipt["id"].as_str().unwrap_or_default();
        context.say(format!("accepted {id}"), format!("已受理 {id}"));
    }
    Ok(DONE)
}

/// What is said to somebody who names no recipient.
pub(super) fn no_recipient(context: &Context) -> &'static str {
    context.language.pick(
        "error: no recipient: name --to, --person, --party, --tag, --robot, --chat, --email or --route; nothing is ever sent to everybody by default",
        "错误：没有接收者：请用 --to、--person、--party、--tag、--robot、--chat、--email 或 --route 指定；默认绝不会发给所有人",
    )
}

pub(super) fn confirmed(context: &Context) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Ok(true);
    }
    complain(context.language.pick("Send to everybody? [y/N] ", "确定发给所有人？[y/N] "));
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    let yes = matches!(answer.trim(), "y" | "Y" | "yes" | "是");
    if !yes {
        complain(context.language.pick("Nothing was sent.", "未发送。"));
    }
    Ok(yes)
}

/// Divides a list by `,`, `|` or their full-width forms.
pub(super) fn split_list(list: Option<&str>) -> Vec<&str> {
    let parts = list.unwrap_or_default().split([',', '|', '，', ' ', '\n', '\t']);
    parts.map(str::trim).filter(|part| !part.is_empty()).collect()
}

impl SendArguments {
    /// The submission that a schedule keeps: what is for one call or for now has no place in it.
    ///
    /// # Errors
    /// Names an argument that is not for a schedule.
    pub(super) fn for_schedule(&self) -> anyhow::Result<Value> {
        for (name, given) in [
            ("--batch", self.batch.is_some()),
            ("--csv", self.list.csv.is_some()),
            ("--direct", self.direct),
            ("--wait", self.wait),
            ("--send-at", self.send_at.is_some()),
            ("--idempotency-key", self.idempotency_key.is_some()),
        ] {
            if given {
                bail!("{name} is not for a schedule; leave it out");
            }
        }
        self.submission()
    }

    fn submission(&self) -> anyhow::Result<Value> {
        let mut submission = self.whom.submission();
        content::add_to(&mut submission, self)?;
        for (name, value) in
            [("send_at", &self.send_at), ("expires_at", &self.expires_at), ("overflow", &self.overflow)]
        {
            if let Some(value) = value {
                submission.insert(name.to_owned(), json!(value));
            }
        }
        if self.escape {
            submission.insert("escape".to_owned(), json!(true));
        }
        Ok(Value::Object(submission))
    }
}

/// Reads a file; `-` is standard input.
pub(super) fn read_text(path: &Path) -> anyhow::Result<String> {
    if path == Path::new("-") {
        return std::io::read_to_string(std::io::stdin()).context("could not read standard input");
    }
    std::fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))
}

/// Hands in a file of NDJSON, some lines at a time, with a progress bar for people.
async fn send_batch(file: &Path, context: &Context) -> anyhow::Result<u8> {
    let gateway = Gateway::find(&context.load()?)?;
    let text = read_text(file)?;
    let lines: Vec<&str> = text.lines().collect();
    if lines.is_empty() {
        bail!("{} has no lines", file.display());
    }
    let progress = if context.json { ProgressBar::hidden() } else { ProgressBar::new(lines.len() as u64) };
    progress.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} {eta}")?);
    let (mut accepted, mut refused) = (0_usize, 0_usize);
    for (chunk, lines) in lines.chunks(TOGETHER).enumerate() {
        let results = match gateway.batch(lines.join("\n")).await {
            Ok(results) => results,
            Err(error) => return Ok(report(error, context)),
        };
        for mut result in results {
            let line = result["line"].as_u64().unwrap_or_default() + (chunk * TOGETHER) as u64;
            result["line"] = json!(line);
            if result["status"] == json!(202) {
                accepted += 1;
            } else {
                refused += 1;
                if !context.json {
                    progress.suspend(|| complain(&format!("{line}: {}", super::gateway::describe(&result))));
                }
            }
            if context.json {
                print(&result.to_string());
            }
        }
        progress.inc(lines.len() as u64);
    }
    progress.finish_and_clear();
    if !context.json {
        context.say(
            format!("{accepted} accepted, {refused} refused (--json lists the ids)"),
            format!("受理 {accepted} 条，拒绝 {refused} 条（--json 列出编号）"),
        );
    }
    Ok(if refused == 0 { DONE } else { REFUSED })
}

/// The exit code of a message's state.
pub(super) fn exit_code_of(state: &str) -> u8 {
    match state {
        "delivered" | "duplicate" => DONE,
        "partly_delivered" => PARTLY,
        "uncertain" => super::UNCERTAIN,
        _ => NOT_DELIVERED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_take_commas_bars_and_blanks() {
        assert_eq!(split_list(Some("zhangsan,lisi| wangwu，zhaoliu")), ["zhangsan", "lisi", "wangwu", "zhaoliu"]);
        assert_eq!(split_list(Some("13800138000, 13900139000")), ["13800138000", "13900139000"]);
        assert!(split_list(Some("")).is_empty() && split_list(None).is_empty());
    }

    #[test]
    fn flags_are_0_1_true_or_false() {
        for (text, flag) in [("1", true), ("0", false), ("true", true), ("False", false)] {
            assert_eq!(parse_flag(text), Ok(flag), "{text}");
        }
        assert!(parse_flag("maybe").is_err());
    }
}
