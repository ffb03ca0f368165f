//! `hongyan broadcast`: messages that go to a list, begun by `hongyan send --csv`; how far they are, rest, go on, end.

use clap::Subcommand;
use serde_json::{Value, json};

use super::gateway::{Gateway, GatewayError, report};
use super::send::exit_code_of;
use super::{Context, DONE, NOT_DELIVERED, PARTLY, REFUSED, chinese, complain, print};

/// Rows of one page of the report.
const PAGE: usize = 1000;

#[derive(Debug, Subcommand)]
pub(super) enum BroadcastCommand {
    /// List the newest
    List,
    /// Show how far one is, and what became of each tier
    Show {
        /// Its id
        id: String,
    },
    /// Print what became of each row as CSV: line, tier, state, message, error
    Report {
        /// Its id
        id: String,
        /// Only the rows that were refused
        #[arg(long)]
        refused: bool,
    },
    /// Let one rest after the group that is under way
    Pause {
        /// Its id
        id: String,
    },
    /// Let one go on
    Resume {
        /// Its id
        id: String,
    },
    /// End one before its end; what was handed in stays
    Cancel {
        /// Its id
        id: String,
    },
}

pub(super) async fn run(command: BroadcastCommand, context: &Context) -> anyhow::Result<u8> {
    let gateway = Gateway::find(&context.load()?)?;
    let path = |id: &str, rest: &str| {
        let id: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
        format!("/v1/broadcasts/{id}{rest}")
    };
    let result = match &command {
        BroadcastCommand::List => gateway.get("/v1/broadcasts").await,
        BroadcastCommand::Show { id } => gateway.get(&path(id, "")).await,
        BroadcastCommand::Report { id, refused } => {
            let page = |after: u64| path(id, &format!("/rows?after={after}&limit={PAGE}&refused={refused}"));
            return report_rows(&gateway, page, context).await;
        }
        BroadcastCommand::Pause { id } => gateway.post(&path(id, "/pause"), None, None).await,
        BroadcastCommand::Resume { id } => gateway.post(&path(id, "/resume"), None, None).await,
        BroadcastCommand::Cancel { id } => gateway.post(&path(id, "/cancel"), None, None).await,
    };
    match result {
        Err(error) => return Ok(report(error, context)),
        Ok(answer) if context.json => print(&answer.to_string()),
        Ok(answer) => match &command {
            BroadcastCommand::List => answer.as_array().into_iter().flatten().for_each(|one| show_line(one, context)),
            BroadcastCommand::Show { .. } => show(&answer, context),
            _ => show_line(&answer, context),
        },
    }
    Ok(DONE)
}

/// Prints every row, page by page: as CSV for people, as NDJSON for programs.
async fn report_rows(gateway: &Gateway, page: impl Fn(u64) -> String, context: &Context) -> anyhow::Result<u8> {
    if !context.json {
        print("line,tier,state,message,error");
    }
    let mut after = 0;
    loop {
        let rows = match gateway.get(&page(after)).await {
            Ok(rows) => rows,
            Err(error @ (GatewayError::Refused { .. } | GatewayError::Unreachable { .. })) => {
                return Ok(report(error, context));
            }
        };
        let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
        for row in rows {
            if context.json {
                print(&row.to_string());
                continue;
            }
            let text = |name: &str| row[name].as_str().unwrap_or_default();
            let cells = [text("tier"), text("state"), text("message"), text("error")].map(quoted);
            print(&format!("{},{}", row["line"], cells.join(",")));
        }
        after = rows.last().and_then(|row| row["position"].as_u64()).unwrap_or(after);
        if rows.len() < PAGE {
            return Ok(DONE);
        }
    }
}

/// A cell of CSV (RFC 4180).
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

/// The word for the state of a broadcast.
fn state<'a>(broadcast: &'a Value, context: &Context) -> &'a str {
    let english = broadcast["state"].as_str().unwrap_or_default();
    let chinese = match english {
        "running" => "进行中",
        "paused" => "已暂停",
        "done" => "已全部提交",
        "cancelled" => "已取消",
        other => other,
    };
    context.language.pick(english, chinese)
}

/// One broadcast, a line.
pub(super) fn show_line(broadcast: &Value, context: &Context) {
    let text = |name: &str| broadcast[name].as_str().unwrap_or_default();
    let mut line =
        format!("{}  {}  {}/{}", text("id"), state(broadcast, context), broadcast["groups_done"], broadcast["groups"]);
    for (name, english, chinese) in
        [("next_at", "next group", "下一组"), ("held_by", "held by", "暂缓原因"), ("name", "", "")]
    {
        if !text(name).is_empty() {
            line.push_str(
                &format!("  {} {}", context.language.pick(english, chinese), text(name)).replace("   ", "  "),
            );
        }
    }
    print(&line);
}

/// One broadcast, tier by tier, and the first rows that were refused.
pub(super) fn show(broadcast: &Value, context: &Context) {
    show_line(broadcast, context);
    let pick = |english, chinese| context.language.pick(english, chinese);
    for tier in broadcast["tiers"].as_array().into_iter().flatten() {
        let mut parts = Vec::new();
        for (name, word) in [("waiting", pick("not handed in", "未提交")), ("refused", pick("refused", "被拒绝"))]
        {
            let rows = tier[name].as_u64().unwrap_or_default();
            if rows > 0 {
                parts.push(format!("{word} {rows}"));
            }
        }
        for (state, rows) in tier["messages"].as_object().into_iter().flatten() {
            parts.push(format!("{} {rows}", pick(state.as_str(), chinese::state(state))));
        }
        let (name, rows) = (tier["name"].as_str().unwrap_or_default(), &tier["rows"]);
        print(&format!("  {} {name}: {rows}  ({})", pick("tier", "级别"), parts.join(", ")));
    }
    for row in broadcast["refused"].as_array().into_iter().flatten() {
        complain(&format!("  {}: {}", row["line"], row["error"].as_str().unwrap_or_default()));
    }
}

/// The exit code of a broadcast that has ended.
pub(super) fn exit_code(broadcast: &Value) -> u8 {
    let tiers = || broadcast["tiers"].as_array().into_iter().flatten();
    if broadcast["state"] != json!("done") {
        return NOT_DELIVERED;
    }
    if tiers().any(|tier| tier["refused"] != json!(0)) {
        return REFUSED;
    }
    let codes: Vec<u8> = tiers()
        .flat_map(|tier| tier["messages"].as_object().into_iter().flatten())
        .map(|(state, _)| exit_code_of(state))
        .collect();
    match codes.first() {
        None => DONE,
        Some(first) if codes.iter().all(|code| code == first) => *first,
        Some(_) if codes.contains(&DONE) => PARTLY,
        Some(_) => NOT_DELIVERED,
    }
}
