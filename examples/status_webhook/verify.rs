//! Tells whether a webhook is Hongyan's, is fresh, and was not taken before.
//!
//! One file: copy it, and `cargo add hmac@0.13 sha2@0.11 subtle@2 hex@0.4`. It knows nothing of what the webhook says.
//! To try it, with a secret made for that, on a body from standard input (each further NOW, in Unix seconds, is the
//! same request once more):
//!
//! ```sh
//! verify SECRET TIMESTAMP NONCE SIGNATURE [NOW...] < body
//! ```

use std::collections::{HashSet, VecDeque};
use std::io::Read as _;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// How far a timestamp may be from our clock, in seconds.
const WINDOW: u64 = 300;
/// How long a nonce is remembered, in seconds: as long as its timestamp may be taken, were it 300 s ahead.
const REMEMBERED: i64 = 600;
/// The longest timestamp, in digits.
const TIMESTAMP_MAX: usize = 12;
/// The longest nonce, in bytes.
const NONCE_MAX: usize = 128;

/// Why a webhook is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no secret, and everybody can sign with an empty one.
    Secret,
    /// A header is missing or cannot be read.
    Incomplete,
    /// It was signed too long ago, or ahead of time.
    Old,
    /// The secret or the body is another.
    Signature,
    /// It was taken already.
    Seen,
}

/// The nonces that were taken lately; beyond a cap the oldest are forgotten.
#[derive(Debug)]
pub struct Seen {
    cap: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    set: HashSet<String>,
    in_order: VecDeque<(i64, String)>,
}

impl Seen {
    pub fn new(cap: usize) -> Self {
        Self { cap, taken: Mutex::default() }
    }

    /// Notes a nonce; false if it is there already.
    fn note(&self, nonce: &str, now: i64) -> bool {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let Taken { set, in_order } = &mut *taken;
        while in_order.front().is_some_and(|(at, _)| now - at > REMEMBERED) {
            in_order.pop_front().map(|(_, old)| set.remove(&old));
        }
        if set.contains(nonce) {
            return false;
        }
        if in_order.len() >= self.cap {
            in_order.pop_front().map(|(_, old)| set.remove(&old));
        }
        set.insert(nonce.to_owned());
        in_order.push_back((now, nonce.to_owned()));
        true
    }
}

/// Tells whether the webhook may be taken. `timestamp`, `nonce` and `signature` are the headers `X-Hongyan-Timestamp`,
/// `X-Hongyan-Nonce` and `X-Hongyan-Signature`, or empty; `now` is in Unix seconds.
///
/// # Errors
/// [`Refused`]; the nonce is used up only by a signature that fits.
pub fn verify(
    secret: &[u8],
    [timestamp, nonce, signature]: [&str; 3],
    body: &[u8],
    now: i64,
    seen: &Seen,
) -> Result<(), Refused> {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return Err(Refused::Secret) };
    if secret.is_empty() {
        return Err(Refused::Secret);
    }
    let is_timestamp = timestamp.len() <= TIMESTAMP_MAX && timestamp.bytes().all(|byte| byte.is_ascii_digit());
    let is_nonce = (1..=NONCE_MAX).contains(&nonce.len()) && nonce.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if !is_timestamp || !is_nonce || signature.is_empty() {
        return Err(Refused::Incomplete);
    }
    let at: i64 = timestamp.parse().map_err(|_| Refused::Incomplete)?;
    if now.abs_diff(at) > WINDOW {
        return Err(Refused::Old);
    }
    for part in [timestamp.as_bytes(), b"\n", nonce.as_bytes(), b"\n", body] {
        mac.update(part);
    }
    let expected = format!("v1={}", hex::encode(mac.finalize().into_bytes()));
    // Several while the secret is rotated.
    if !signature.split(',').any(|given| given.trim().as_bytes().ct_eq(expected.as_bytes()).into()) {
        return Err(Refused::Signature);
    }
    if !seen.note(nonce, now) {
        return Err(Refused::Seen);
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [secret, timestamp, nonce, signature, times @ ..] = &arguments[..] else {
        eprintln!("usage: verify SECRET TIMESTAMP NONCE SIGNATURE [NOW...] < body");
        return ExitCode::from(2);
    };
    let mut body = Vec::new();
    if let Err(error) = std::io::stdin().read_to_end(&mut body) {
        eprintln!("the body cannot be read: {error}");
        return ExitCode::from(2);
    }
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let clock = [clock.to_string()];
    let seen = Seen::new(100_000);
    let mut code = ExitCode::SUCCESS;
    for now in if times.is_empty() { &clock } else { times } {
        let Ok(now) = now.parse() else {
            eprintln!("`{now}` is no time");
            return ExitCode::from(2);
        };
        match verify(secret.as_bytes(), [timestamp, nonce, signature], &body, now, &seen) {
            Ok(()) => println!("ok"),
            Err(why) => {
                println!("{}", format!("{why:?}").to_lowercase());
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}
