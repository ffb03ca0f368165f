//! Signatures over requests: HMAC-SHA256 with a timestamp and a nonce, so that none is taken twice or late.
//!
//! One scheme for everything of ours that is signed: webhooks to business systems, hooks from them, and callers'
//! requests. Three headers: `X-Hongyan-Timestamp` (seconds since the epoch), `X-Hongyan-Nonce` (any text),
//! `X-Hongyan-Signature: v1=HEX`, where HEX is the HMAC of `TIMESTAMP LF NONCE LF SCOPE BODY`. The scope is empty for
//! webhooks and hooks; for callers' requests it is `METHOD PATH-AND-QUERY LF`, so that none fits elsewhere.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use domain::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use parking_lot::Mutex;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// The header with the seconds since the epoch.
pub const TIMESTAMP: &str = "x-hongyan-timestamp";
/// The header with the text that is never used twice.
pub const NONCE: &str = "x-hongyan-nonce";
/// The header with the signature.
pub const SIGNATURE: &str = "x-hongyan-signature";
/// How far a timestamp may be from our clock.
pub const WINDOW: Duration = Duration::from_secs(300);
/// How long a nonce is remembered: longer than any timestamp is taken.
const REMEMBERED: Duration = Duration::from_secs(660);
/// How many nonces are remembered at most; beyond, the oldest are forgotten.
const NONCES: usize = 100_000;
/// The longest nonce.
const NONCE_BYTES: usize = 128;

/// A signed request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A header is missing or cannot be read.
    #[error("a timestamp, nonce or signature is missing or cannot be read")]
    Incomplete,
    /// It was signed too long ago, or ahead of time.
    #[error("the timestamp is more than five minutes from this clock")]
    Time,
    /// The secret or the body is another.
    #[error("the signature is another")]
    Signature,
    /// It was taken already.
    #[error("the nonce was used before")]
    Repeated,
}

/// Returns the HMAC-SHA256 of parts, one after another, in hexadecimal.
pub fn of(secret: &[u8], parts: &[&[u8]]) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret).unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
    for part in parts {
        mac.update(part);
    }
    hex::encode(mac.finalize().into_bytes())
}

/// The headers that sign a body: name and value.
pub fn headers(secrets: &[&[u8]], nonce: &str, body: &[u8], now: Timestamp) -> [(&'static str, String); 3] {
    let timestamp = (now.as_millis() / 1000).to_string();
    let before = format!("{timestamp}\n{nonce}\n");
    let signatures: Vec<String> =
        secrets.iter().map(|secret| format!("v1={}", of(secret, &[before.as_bytes(), body]))).collect();
    [(TIMESTAMP, timestamp), (NONCE, nonce.to_owned()), (SIGNATURE, signatures.join(", "))]
}

/// Tells whether a timestamp in seconds is near our clock.
///
/// # Errors
/// [`Refused::Incomplete`] or [`Refused::Time`].
pub fn is_fresh(timestamp: &str, now: Timestamp) -> Result<(), Refused> {
    let seconds: i64 = timestamp.trim().parse().map_err(|_| Refused::Incomplete)?;
    let window = i64::try_from(WINDOW.as_secs()).unwrap_or(i64::MAX);
    if (now.as_millis() / 1000).saturating_sub(seconds).saturating_abs() > window {
        return Err(Refused::Time);
    }
    Ok(())
}

/// What the three headers of a request say.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    timestamp: &'a str,
    nonce: &'a str,
    signature: &'a str,
}

impl<'a> Signed<'a> {
    /// Reads the headers; `None` if there is no signature.
    pub fn of(header: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let signature = header(SIGNATURE)?;
        let text = |name| header(name).unwrap_or_default();
        Some(Self { timestamp: text(TIMESTAMP), nonce: text(NONCE), signature })
    }

    /// Tells whether a body was signed so, lately, and not before.
    ///
    /// # Errors
    /// [`Refused`]; the nonce is used up only by a signature that fits.
    pub fn check(
        &self,
        secret: &[u8],
        scope: &[u8],
        body: &[u8],
        now: Timestamp,
        nonces: &Nonces,
    ) -> Result<(), Refused> {
        if self.nonce.is_empty() || self.nonce.len() > NONCE_BYTES {
            return Err(Refused::Incomplete);
        }
        is_fresh(self.timestamp, now)?;
        let before = format!("{}\n{}\n", self.timestamp, self.nonce);
        let expected = of(secret, &[before.as_bytes(), scope, body]);
        let fits = |given: &str| {
            let given = given.trim().strip_prefix("v1=").unwrap_or_default().to_ascii_lowercase();
            bool::from(given.as_bytes().ct_eq(expected.as_bytes()))
        };
        if !self.signature.split(',').any(fits) {
            return Err(Refused::Signature);
        }
        nonces.note(self.nonce, now)
    }
}

/// The nonces that were used lately.
#[derive(Debug, Default)]
pub struct Nonces(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    set: HashSet<String>,
    in_order: VecDeque<(Timestamp, String)>,
}

impl Nonces {
    /// Uses a nonce up.
    ///
    /// # Errors
    /// [`Refused::Repeated`].
    pub fn note(&self, nonce: &str, now: Timestamp) -> Result<(), Refused> {
        let mut seen = self.0.lock();
        while seen.in_order.len() >= NONCES || seen.in_order.front().is_some_and(|(at, _)| now.since(*at) > REMEMBERED)
        {
            if let Some((_, old)) = seen.in_order.pop_front() {
                seen.set.remove(&old);
            }
        }
        if !seen.set.insert(nonce.to_owned()) {
            return Err(Refused::Repeated);
        }
        seen.in_order.push_back((now, nonce.to_owned()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"whsec_example";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn check(headers: &[(&'static str, String); 3], body: &[u8], now: i64, nonces: &Nonces) -> Result<(), Refused> {
        let find = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
        Signed::of(find).unwrap().check(SECRET, b"", body, at(now), nonces)
    }

    #[test]
    fn what_is_signed_is_taken_once_and_soon() {
        let nonces = Nonces::default();
        let headers = headers(&[b"an older secret", SECRET], "n1", b"{}", at(1_000_000));
        assert_eq!(check(&headers, b"{} ", 1_000_000, &nonces), Err(Refused::Signature));
        assert_eq!(check(&headers, b"{}", 1_000_301, &nonces), Err(Refused::Time));
        assert_eq!(check(&headers, b"{}", 999_699, &nonces), Err(Refused::Time));
        assert_eq!(check(&headers, b"{}", 1_000_300, &nonces), Ok(()));
        assert_eq!(check(&headers, b"{}", 1_000_300, &nonces), Err(Refused::Repeated));
    }

    #[test]
    fn the_scheme_is_what_the_documents_say() {
        // printf '1700000000\nn-1\n{"a":1}' | openssl dgst -sha256 -hmac whsec_example
        let expected = "6cdc77f3ba6f6976395da6bb889dc18b56d49c4be9d5cd3f56bdd635f8335cfd";
        let made = headers(&[SECRET], "n-1", br#"{"a":1}"#, at(1_700_000_000));
        assert_eq!(made[2].1, format!("v1={expected}"));
    }

    #[test]
    fn nonces_are_bounded_and_forgotten_in_time() {
        let nonces = Nonces::default();
        for i in 0..NONCES + 10 {
            nonces.note(&i.to_string(), at(0)).unwrap();
        }
        assert_eq!(nonces.0.lock().set.len(), NONCES);
        nonces.note("later", at(10_000)).unwrap();
        assert_eq!(nonces.0.lock().set.len(), 1);
    }
}
