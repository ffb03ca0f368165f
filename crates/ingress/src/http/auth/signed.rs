//! Signed requests: the key is never sent, and the signature covers method, path, query and body.
//!
//! `X-Hongyan-Key` names the key by its first characters; the other headers are those of `pipeline::signature`. The simpler
//! scheme of `X-Timestamp`, `X-Nonce` and `X-Signature` is taken where `http.simple_signatures` allows it: it covers only
//! timestamp, nonce and the key itself, not what is asked.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use domain::{Grant, SigningSecret, Timestamp};
use pipeline::signature::{self, Refused, Signed};
use subtle::ConstantTimeEq as _;

use super::{may_come_from_there, unauthorised};
use crate::http::{Api, ApiError, MAX_BATCH, MAX_BODY, MAX_UPLOAD, read_body};

const KEY: &str = "x-hongyan-key";
const SIMPLE_TIMESTAMP: &str = "x-timestamp";
const SIMPLE_NONCE: &str = "x-nonce";
const SIMPLE_SIGNATURE: &str = "x-signature";

/// Tells whether a request is signed.
pub(in crate::http) fn is_signed(request: &Request) -> bool {
    [signature::SIGNATURE, SIMPLE_SIGNATURE].iter().any(|name| request.headers().contains_key(*name))
}

/// Reads a signed request whole, finds whose it is, and gives it back to be answered.
pub(in crate::http) async fn read_signed(api: &Arc<Api>, request: Request) -> Result<(Request, Arc<Grant>), ApiError> {
    let (parts, body) = request.into_parts();
    let limit = match parts.uri.path() {
        "/v1/messages/batch" => MAX_BATCH,
        "/v1/media" => MAX_UPLOAD,
        _ => MAX_BODY,
    };
    let body = read_body(&State(api.clone()), body, limit).await.map_err(|error| {
        let is_large_file = limit == MAX_UPLOAD && error.status() == StatusCode::PAYLOAD_TOO_LARGE;
        let hint = "a signature covers the whole body, which is read first: hand larger files in with the key itself";
        if is_large_file { error.with_hint(hint) } else { error }
    })?;
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let found = find(api, &parts.headers, &parts.method, target, &body).map_err(|refused| {
        tracing::warn!(reason = %refused, "Refused a signed request: {refused}");
        if !api.config.simple_signatures && !parts.headers.contains_key(signature::SIGNATURE) {
            return unauthorised().with_hint(
                "signatures by X-Timestamp, X-Nonce and X-Signature are off: sign by the X-Hongyan-* headers, or set http.simple_signatures = true",
            );
        }
        unauthorised().with_hint(format!("the signature was refused: {refused}"))
    })?;
    let request = Request::from_parts(parts, Body::from(body));
    let grant = may_come_from_there(api, &request, found)?;
    Ok((request, grant))
}

fn find(
    api: &Arc<Api>,
    headers: &HeaderMap,
    method: &Method,
    target: &str,
    body: &[u8],
) -> Result<Arc<Grant>, Refused> {
    let header = |name: &str| headers.get(name)?.to_str().ok();
    let now = api.clock.now();
    let Some(signed) = Signed::of(header) else { return find_simple(api, headers, now) };
    let named = header(KEY).ok_or(Refused::Incomplete)?;
    let scope = format!("{method} {target}\n");
    for key in api.keys.signing(Some(named)) {
        let Some(secret) = key.secret.as_ref().map(SigningSecret::expose) else { continue };
        match signed.check(secret.as_bytes(), scope.as_bytes(), body, now, &api.nonces) {
            Ok(()) => return api.keys.used(&key, now).ok_or(Refused::Signature),
            Err(Refused::Signature) => {}
            Err(refused) => return Err(refused),
        }
    }
    Err(Refused::Signature)
}

/// `HMAC-SHA256(token, "{timestamp}\n{nonce}\n{token}\n")` in hexadecimal.
fn find_simple(api: &Arc<Api>, headers: &HeaderMap, now: Timestamp) -> Result<Arc<Grant>, Refused> {
    if !api.config.simple_signatures {
        return Err(Refused::Incomplete);
    }
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).ok_or(Refused::Incomplete);
    let (timestamp, nonce, given) = (header(SIMPLE_TIMESTAMP)?, header(SIMPLE_NONCE)?, header(SIMPLE_SIGNATURE)?);
    signature::is_fresh(timestamp, now)?;
    for key in api.keys.signing(headers.get(KEY).and_then(|value| value.to_str().ok())) {
        let Some(token) = key.secret.as_ref().map(SigningSecret::expose) else { continue };
        let text = format!("{timestamp}\n{nonce}\n{token}\n");
        let expected = signature::of(token.as_bytes(), &[text.as_bytes()]);
        if bool::from(expected.as_bytes().ct_eq(given.trim().to_ascii_lowercase().as_bytes())) {
            api.nonces.note(nonce, now)?;
            return api.keys.used(&key, now).ok_or(Refused::Signature);
        }
    }
    Err(Refused::Signature)
}
