//! Calls of WeCom's API that are no messages, made as an application, with whatever path and JSON.

use std::collections::BTreeSet;

use parking_lot::Mutex;
use pipeline::ports::{UpstreamCall, UpstreamError};
use serde_json::Value;
use wecom::{Client, ErrorKind, Method};

use crate::verdict;

/// How many different paths are kept: WeCom has some hundred.
const PATHS: usize = 2000;

/// Makes a call.
pub(crate) async fn call(client: &Client, call: UpstreamCall) -> Result<Value, UpstreamError> {
    let UpstreamCall { path, query, body } = call;
    let path = lasting(&path).ok_or_else(|| UpstreamError::Unavailable("too many different paths".to_owned()))?;
    let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let method = if body.is_some() { Method::Post } else { Method::Get };
    client.raw(method, path, &query, body.as_ref()).await.map_err(|error| match error.kind() {
        ErrorKind::Api { errcode, errmsg } if !error.is_transient() => {
            UpstreamError::Refused { errcode: errcode.0, errmsg: errmsg.clone() }
        }
        _ => UpstreamError::Unavailable(verdict::reason(&error).text),
    })
}

/// The SDK's errors name their path for as long as the program runs; so does this.
fn lasting(path: &str) -> Option<&'static str> {
    static KNOWN: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut known = KNOWN.lock();
    if let Some(path) = known.get(path) {
        return Some(path);
    }
    if known.len() >= PATHS {
        return None;
    }
    let path: &'static str = path.to_owned().leak();
    known.insert(path);
    Some(path)
}
