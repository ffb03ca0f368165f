//! Answers in qyapi's shape: HTTP 200, `errcode`, `errmsg`, and the two headers that repeat them.

use std::fmt::Write as _;
use std::net::IpAddr;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

const ERROR_CODE: HeaderName = HeaderName::from_static("error-code");
const ERROR_MSG: HeaderName = HeaderName::from_static("error-msg");

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(super) errcode: i64,
    errmsg: String,
    hint: Option<String>,
    from: Option<IpAddr>,
    more: Map<String, Value>,
}

impl Answer {
    /// Success.
    pub(crate) fn ok() -> Self {
        Self { errcode: 0, errmsg: "ok".to_owned(), hint: None, from: None, more: Map::new() }
    }

    /// A refusal.
    pub(crate) fn refuse(errcode: i64, errmsg: impl Into<String>) -> Self {
        Self { errcode, errmsg: errmsg.into(), ..Self::ok() }
    }

    /// WeCom, or the ledger, is away: the client is to try again.
    pub(crate) fn busy(errmsg: impl Into<String>) -> Self {
        Self::refuse(-1, errmsg)
    }

    /// Adds what to do about it.
    #[must_use]
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Adds where the call came from, as qyapi's refusals do.
    #[must_use]
    pub(crate) fn from(self, address: Option<IpAddr>) -> Self {
        Self { from: address, ..self }
    }

    /// Adds a field.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// Leaves fields out.
    pub(super) fn forget(&mut self, names: &[&str]) {
        names.iter().for_each(|name| drop(self.more.remove(*name)));
    }

    fn text(&self) -> String {
        if self.errcode == 0 {
            return self.errmsg.clone();
        }
        let mut text = self.errmsg.clone();
        if let Some(hint) = &self.hint {
            text.push_str(", hint: [");
            text.push_str(hint);
            text.push(']');
        }
        if let Some(from) = self.from {
            let _infallible = write!(text, ", from ip: {from}");
        }
        let _infallible =
            write!(text, ", more info at https://open.work.weixin.qq.com/devtool/query?e={}", self.errcode);
        text
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let errmsg = self.text();
        let mut body = json!({ "errcode": self.errcode, "errmsg": errmsg });
        if let Some(object) = body.as_object_mut() {
            object.extend(self.more);
        }
        let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"))];
        let mut response = (StatusCode::OK, json, body.to_string()).into_response();
        response.headers_mut().insert(ERROR_CODE, HeaderValue::from(self.errcode));
        if let Ok(errmsg) = HeaderValue::from_str(&errmsg) {
            response.headers_mut().insert(ERROR_MSG, errmsg);
        }
        response
    }
}
