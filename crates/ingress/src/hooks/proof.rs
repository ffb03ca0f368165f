//! Whether a source is who it says: a bearer token, its own header, a signature, or the secret in the path.
//!
//! Everything is compared in constant time. What is wrong is told to the log; the caller hears 401 and no more, and after
//! many wrong tries 429, so that a secret in a path cannot be guessed.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::Timestamp;
use parking_lot::Mutex;
use pipeline::ports::Clock;
use pipeline::signature::{self, Nonces, Signed};
use subtle::ConstantTimeEq as _;
use wecom::Secret;

use super::source::{Posted, Proof};
use crate::http::ApiError;

/// Wrong tries that a hook bears from one address within a minute.
const WRONG_TRIES: usize = 20;
const A_MINUTE: Duration = Duration::from_secs(60);

/// Stands at one hook.
pub(super) struct Doorkeeper {
    secret: Secret,
    proof: Proof,
    clock: Arc<dyn Clock>,
    nonces: Nonces,
    wrong: Mutex<Vec<(Timestamp, Option<IpAddr>)>>,
}

/// Why somebody was not let in, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Refused {
    #[error("there is no secret in it: neither a token, nor a signature, nor one in the path")]
    NoProof,
    #[error("the secret is another")]
    Secret,
    #[error("{0}")]
    Signature(signature::Refused),
}

impl Doorkeeper {
    pub(super) fn new(secret: Secret, proof: Proof, clock: Arc<dyn Clock>) -> Self {
        Self { secret, proof, clock, nonces: Nonces::default(), wrong: Mutex::default() }
    }

    /// Lets a source in that proves itself.
    pub(super) fn check(
        &self,
        hook: &str,
        address: Option<IpAddr>,
        posted: &Posted<'_>,
        in_path: Option<&Secret>,
    ) -> Result<(), ApiError> {
        let now = self.clock.now();
        if self.tired(address, now) {
            return Err(ApiError::too_many_requests("too many wrong secrets; wait a minute", A_MINUTE));
        }
        self.proven(posted, in_path, now).map_err(|refused| {
            self.wrong.lock().push((now, address));
            let from = address.map_or_else(|| "an unknown address".to_owned(), |address| address.to_string());
            tracing::warn!(hook, %from, "Refused a hook's call: {refused}");
            ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", "this hook needs its secret").with_hint(
                "send it as `Authorization: Bearer …`, by the source's own signature, or as the path's last part",
            )
        })
    }

    /// Whether somebody has tried too often: who knows the secret is let in whatever others try.
    fn tired(&self, address: Option<IpAddr>, now: Timestamp) -> bool {
        let mut wrong = self.wrong.lock();
        wrong.retain(|(at, _)| now.since(*at) < A_MINUTE);
        wrong.iter().filter(|(_, from)| *from == address).count() >= WRONG_TRIES
    }

    fn proven(&self, posted: &Posted<'_>, in_path: Option<&Secret>, now: Timestamp) -> Result<(), Refused> {
        if let Some(given) = in_path {
            return self.same(given.expose());
        }
        if let Some(signed) = Signed::of(|name| posted.header(name)) {
            let checked = signed.check(&self.secret_bytes(), b"", posted.body, now, &self.nonces);
            return checked.map_err(Refused::Signature);
        }
        match self.proof {
            Proof::Token { header } => {
                if let Some(token) = posted.header(header) {
                    return self.same(token);
                }
            }
            Proof::Signature { header, prefix, timestamp } => {
                if let Some(given) = posted.header(header) {
                    return self.signed(posted, given.strip_prefix(prefix).unwrap_or(given), timestamp, now);
                }
            }
            Proof::None => {}
        }
        match posted.header(header::AUTHORIZATION.as_str()).and_then(|value| value.split_once(' ')) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => self.same(token.trim()),
            // Alertmanager, Jenkins and Zabbix know user and password: the password is the secret, the user anything.
            Some((scheme, encoded)) if scheme.eq_ignore_ascii_case("basic") => {
                let decoded = STANDARD.decode(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                let password = decoded.as_deref().and_then(|text| text.split_once(':')).map(|(_, password)| password);
                self.same(password.unwrap_or_default())
            }
            _ => Err(Refused::NoProof),
        }
    }

    fn signed(
        &self,
        posted: &Posted<'_>,
        given: &str,
        timestamp: Option<&'static str>,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let at = timestamp.and_then(|header| posted.header(header));
        let before = at.map(|at| format!("{at}:")).unwrap_or_default();
        let expected = signature::of(&self.secret_bytes(), &[before.as_bytes(), posted.body]);
        if !bool::from(expected.as_bytes().ct_eq(given.to_ascii_lowercase().as_bytes())) {
            return Err(Refused::Signature(signature::Refused::Signature));
        }
        let Some(at) = at else { return Ok(()) };
        // Not as it was given: in capitals it would be another, and fit as well.
        signature::is_fresh(at, now).and_then(|()| self.nonces.note(&expected, now)).map_err(Refused::Signature)
    }

    fn same(&self, given: &str) -> Result<(), Refused> {
        let same = self.secret.expose().as_bytes().ct_eq(given.as_bytes());
        if bool::from(same) { Ok(()) } else { Err(Refused::Secret) }
    }

    fn secret_bytes(&self) -> Vec<u8> {
        self.secret.expose().as_bytes().to_vec()
    }
}
