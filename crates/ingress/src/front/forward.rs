//! Calls that are passed on: those that a key lists, by exact method and path, with the parameters that it lists.
//!
//! The query is made anew, so that no token, `debug` or parameter that nobody thought of goes up. An answer that holds a
//! token or a ticket does not come down: whoever has it could act as the company.

use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use domain::{Grant, Lane};
use pipeline::ports::{UpstreamCall, UpstreamError};
use serde_json::{Map, Value};

use super::{Answer, FrontCall, message};
use crate::http::Api;

/// Passes a call on.
pub(super) async fn forward(api: &Arc<Api>, call: &FrontCall, grant: &Arc<Grant>) -> Result<Response, Answer> {
    let listed = may_forward(grant, call)?;
    let body = match call.method.as_str() {
        "GET" => None,
        _ => {
            let body = if call.body.is_empty() { Ok(Value::Object(Map::new())) } else { crate::json::read(&call.body) };
            Some(body.map_err(|_| Answer::refuse(47_001, "data format error"))?)
        }
    };
    let empty = Map::new();
    let named = body.as_ref().and_then(Value::as_object).unwrap_or(&empty);
    let app = message::app_of(api, grant, named)?;
    let channel = api.front.channels.get(&Lane::new("wecom_app", &app));
    let channel = channel.ok_or_else(|| Answer::refuse(40_056, "invalid agentid"))?;
    let query = call.query.iter().filter(|(name, _)| listed.contains(&name.as_str())).cloned().collect();
    match channel.call(UpstreamCall { path: call.path.clone(), query, body }).await {
        Ok(answer) if holds_credentials(&answer) => Err(Answer::refuse(48_002, "api forbidden")
            .hint("the answer holds a token or ticket, which does not leave this gateway")),
        Ok(Value::Object(fields)) => {
            let answer = Answer::ok();
            let fields = fields.into_iter().filter(|(name, _)| name != "errcode" && name != "errmsg");
            Ok(fields.fold(answer, |answer, (name, value)| answer.with(&name, value)).into_response())
        }
        Ok(_) => Err(Answer::busy("system busy")),
        Err(UpstreamError::Refused { errcode, errmsg }) => Err(Answer::refuse(errcode, errmsg)),
        Err(UpstreamError::Unavailable(_)) => Err(Answer::busy("system busy")),
    }
}

/// The parameters with which a key may pass a call on.
pub(super) fn may_forward<'a>(grant: &'a Grant, call: &FrontCall) -> Result<Vec<&'a str>, Answer> {
    grant.forwarded_parameters(&call.method, &call.path).ok_or_else(|| {
        Answer::refuse(48_002, "api forbidden").hint(format!(
            "this local key may not pass on `{} {}`; make one with --forwards that lists it",
            call.method, call.path
        ))
    })
}

/// Whether a name in an answer speaks of a credential, at any depth.
fn holds_credentials(answer: &Value) -> bool {
    match answer {
        Value::Object(fields) => fields.iter().any(|(name, value)| {
            let name = name.to_ascii_lowercase();
            let names_one = ["token", "ticket", "secret", "aeskey", "aes_key"].iter().any(|word| name.contains(word));
            names_one || holds_credentials(value)
        }),
        Value::Array(items) => items.iter().any(holds_credentials),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn no_credential_comes_down() {
        for (answer, held) in [
            (json!({ "userid": "li" }), false),
            (json!({ "ticket": "x" }), true),
            (json!({ "list": [{ "deep": { "suite_access_token": "x" } }] }), true),
            (json!({ "Session_Ticket": "x" }), true),
        ] {
            assert_eq!(holds_credentials(&answer), held, "{answer}");
        }
    }
}
