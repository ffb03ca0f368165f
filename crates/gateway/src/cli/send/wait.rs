//! Waiting until a message is delivered or not.

use std::time::Duration;

use serde_json::Value;

use super::exit_code_of;
use crate::cli::gateway::{Gateway, GatewayError, report};
use crate::cli::language::Language;
use crate::cli::{Context, UNCERTAIN, chinese, complain, print};

/// Waits for the end of a message and says how it ended.
pub(in crate::cli) async fn until_final(gateway: &Gateway, id: &str, context: &Context) -> anyhow::Result<u8> {
    if !context.json {
        complain(&format!("{} {id}", context.language.pick("accepted", "已受理")));
    }
    let mut pause = Duration::from_millis(50);
    let message = loop {
        let message = match gateway.get(&format!("/v1/messages/{id}")).await {
            Ok(message) => message,
            Err(error @ GatewayError::Unreachable { .. }) => {
                // It is accepted all the same: only its end is not known here.
                report(error, context);
                return Ok(UNCERTAIN);
            }
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
        context.say(format!("{state} {id}"), format!("{} {id}", chinese::state(state)));
        for recipient in not_delivered(&message, context.language) {
            complain(&recipient);
        }
    }
    Ok(exit_code_of(state))
}

/// Who has not got it, and why.
pub(in crate::cli) fn not_delivered(message: &Value, language: Language) -> Vec<String> {
    let recipients = message["recipients"].as_array().map(Vec::as_slice).unwrap_or_default();
    let failed = recipients.iter().filter(|recipient| recipient["state"] != "delivered");
    failed
        .map(|recipient| {
            let text = |value: &'static str| recipient[value].as_str().unwrap_or_default();
            let reason = &recipient["reason"];
            let why = reason["message"].as_str().unwrap_or_default();
            let code = reason["code"].as_str().unwrap_or_default();
            let hint = reason["hint"].as_str().unwrap_or_default();
            let hint = language.pick(hint, chinese::mend(code).unwrap_or(hint));
            let hint = if hint.is_empty() { String::new() } else { format!("\n  → {hint}") };
            format!("{} {} {why}{hint}", text("recipient"), language.pick(text("state"), chinese::state(text("state"))))
        })
        .collect()
}
