//! Waiting until a message is delivered or not.

use std::time::Duration;

use serde_json::Value;

use super::exit_code_of;
use crate::cli::gateway::{Gateway, report};
use crate::cli::{Context, complain, print};

pub(in crate::cli) async fn until_final(gateway: &Gateway, id: &str, context: &Context) -> anyhow::Result<u8> {
    let mut pause = Duration::from_millis(50);
    let message = loop {
        let message = match gateway.get(&format!("/v1/messages/{id}")).await {
            Ok(message) => message,
            Err(error) => return Ok(report(error, context)),
        };
        if !matches!(message["state"].as_str(), Some("accepted" | "sending")) {
            break message;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    };
    let state = message["state"].as_str().unwrap_or_default();
    if context.json {
        print(&message.to_string());
    } else {
        context.say(format!("{state} {id}"), format!("{} {id}", chinese(state)));
        for recipient in not_delivered(&message) {
            complain(&recipient);
        }
    }
    Ok(exit_code_of(state))
}

/// Who has not got it, and why.
pub(in crate::cli) fn not_delivered(message: &Value) -> Vec<String> {
    let recipients = message["recipients"].as_array().map(Vec::as_slice).unwrap_or_default();
    let failed = recipients.iter().filter(|recipient| recipient["state"] != "delivered");
    failed
        .map(|recipient| {
            let reason = &recipient["reason"];
            let text = reason["message"].as_str().unwrap_or_default();
            let hint = reason["hint"].as_str().map(|hint| format!("\n  {hint}")).unwrap_or_default();
            format!(
                "{} {} {text}{hint}",
                recipient["recipient"].as_str().unwrap_or_default(),
                recipient["state"].as_str().unwrap_or_default()
            )
        })
        .collect()
}

/// The Chinese word for a state.
pub(in crate::cli) fn chinese(state: &str) -> &str {
    match state {
        "accepted" => "已受理",
        "sending" => "发送中",
        "delivered" => "已送达企业微信",
        "partly_delivered" => "部分送达",
        "uncertain" => "结果不确定",
        "failed" => "失败",
        "cancelled" => "已取消",
        "expired" => "已过期",
        "recalled" => "已撤回",
        "duplicate" => "重复",
        other => other,
    }
}
