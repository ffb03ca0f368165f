//! `hongyan message`: show, list, retry, cancel, recall, acknowledge.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::gateway::{Gateway, report};
use super::send::wait;
use super::{Context, DONE, UNCERTAIN, chinese, print};

#[derive(Debug, Subcommand)]
pub(super) enum MessageCommand {
    /// Show a message, its recipients and attempts
    Show(One),
    /// List messages, newest first
    List(ListArguments),
    /// Try again what failed or is uncertain
    Retry(One),
    /// Withdraw what was not sent yet
    Cancel(One),
    /// Recall a message in whatever state
    Recall(One),
    /// Say that somebody has seen it and acts on it: it is escalated no further
    Ack(One),
}

#[derive(Debug, Args)]
pub(super) struct One {
    /// The message's id, msg_…
    id: String,
}

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// Only messages in this state
    #[arg(long)]
    state: Option<String>,
    /// Only messages with this tag
    #[arg(long)]
    tag: Option<String>,
    /// Only messages for this recipient, such as user:zhangsan
    #[arg(long)]
    recipient: Option<String>,
    /// Only messages accepted at or after this time
    #[arg(long)]
    since: Option<String>,
    /// How many
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Where an earlier page ended
    #[arg(long)]
    cursor: Option<String>,
}

pub(super) async fn run(command: MessageCommand, context: &Context) -> anyhow::Result<u8> {
    let gateway = Gateway::find(&context.load()?)?;
    let result = match &command {
        MessageCommand::Show(one) => gateway.get(&format!("/v1/messages/{}", one.id)).await,
        MessageCommand::List(arguments) => gateway.get(&list_path(arguments)).await,
        MessageCommand::Retry(one) => gateway.post(&format!("/v1/messages/{}/retry", one.id), None, None).await,
        MessageCommand::Cancel(one) => gateway.post(&format!("/v1/messages/{}/cancel", one.id), None, None).await,
        MessageCommand::Ack(one) => gateway.post(&format!("/v1/messages/{}/ack", one.id), None, None).await,
        MessageCommand::Recall(one) => gateway.post(&format!("/v1/messages/{}/recall", one.id), None, None).await,
    };
    match result {
        Err(error) => return Ok(report(error, context)),
        Ok(answer) if context.json => print(&answer.to_string()),
        Ok(page) if matches!(command, MessageCommand::List(_)) => print_list(&page, context),
        Ok(message) => {
            print_message(&message, context);
            if matches!(command, MessageCommand::Recall(_)) && message["state"] == "uncertain" {
                return Ok(UNCERTAIN);
            }
        }
    }
    Ok(DONE)
}

fn list_path(arguments: &ListArguments) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("limit", &arguments.limit.to_string());
    for (name, value) in [
        ("state", &arguments.state),
        ("tag", &arguments.tag),
        ("recipient", &arguments.recipient),
        ("since", &arguments.since),
        ("cursor", &arguments.cursor),
    ] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    format!("/v1/messages?{}", query.finish())
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn print_list(page: &Value, context: &Context) {
    for message in page["messages"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let state = text(message, "state");
        let state = context.language.pick(state, chinese::state(state));
        print(&format!(
            "{}  {}  {state:<16}  {}",
            text(message, "id"),
            text(message, "accepted_at"),
            text(message, "content_type")
        ));
    }
    if let Some(cursor) = page["next_cursor"].as_str() {
        context.say(format!("more: --cursor {cursor}"), format!("下一页：--cursor {cursor}"));
    }
}

pub(super) fn print_message(message: &Value, context: &Context) {
    let language = context.language;
    let shown = |value: &Value, name: &str| {
        let state = text(value, name);
        language.pick(state, chinese::state(state)).to_owned()
    };
    print(&format!("{}  {}  {}", text(message, "id"), shown(message, "state"), text(message, "accepted_at")));
    print(&format!("  {}  {}", text(message, "content_type"), message["content"]));
    if let Some(linked) = message["linked"].as_object() {
        let said = |name: &str| linked.get(name).and_then(Value::as_str).unwrap_or_default();
        let (name, until) = (said("file_name"), said("expires_at"));
        let (english, chinese) =
            (format!("linked: {name} until {until}"), format!("以链接发送：{name}，有效期至 {until}"));
        print(&format!("  {}", language.pick(&english, &chinese)));
    }
    if let Some(first) = message["duplicate_of"].as_str() {
        print(&format!("  {} {first}", language.pick("repeats", "重复自")));
    }
    if let Some(at) = message["acknowledged_at"].as_str() {
        print(&format!("  {} {at}", language.pick("acknowledged", "已确认处理")));
    }
    for delivery in message["deliveries"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let unconfirmed =
            if delivery["unconfirmed"] == true { language.pick("  unconfirmed", "  未确认") } else { "" };
        print(&format!(
            "  {}:{}  {}{unconfirmed}",
            text(delivery, "channel"),
            text(delivery, "account"),
            shown(delivery, "state")
        ));
        if let Some(digest) = delivery["digest"].as_str() {
            print(&format!("    {} {digest}", language.pick("merged into", "已合并到")));
        }
        if let Some(next) = delivery["next_attempt_at"].as_str() {
            print(&format!("    {} {next}", language.pick("due since or at", "到期时间")));
        }
        for attempt in delivery["attempts"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let reason = attempt["reason"]["message"].as_str().unwrap_or_default();
            let (started, result) = (text(attempt, "started_at"), shown(attempt, "result"));
            print(&format!("    #{} {started} {} ms {result}  {reason}", attempt["number"], attempt["latency_ms"]));
        }
    }
    let delivered = message["recipients"].as_array().map(Vec::as_slice).unwrap_or_default();
    for recipient in delivered.iter().filter(|recipient| recipient["state"] == "delivered") {
        print(&format!("  {} {}", text(recipient, "recipient"), shown(recipient, "state")));
    }
    for line in wait::not_delivered(message, language) {
        print(&format!("  {line}"));
    }
}
