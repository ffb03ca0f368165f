//! Access tokens (path/91039): kept until shortly before they expire, fetched by one caller at a time, dropped only
//! while they are still the kept ones, and never fetched in a loop, because WeCom blocks an address that does.

#[cfg(feature = "file-token-store")]
mod file;
mod memory;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};

use crate::api::token::GetToken;
use crate::limits::{EARLY_REFRESH, REFRESH_HOLD, REFRESHES_PER_MINUTE};
use crate::{Class, CorpId, ErrCode, Error, ErrorKind, Secret, Transport};

#[cfg(feature = "file-token-store")]
pub use self::file::FileTokenStore;
pub use self::memory::MemoryTokenStore;

/// Whose token it is: one per company and secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenKey {
    /// The company.
    pub corp_id: CorpId,
    /// The application's secret; stores may derive keys from it, and never keep it.
    pub secret: Secret,
}

/// A token and its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// The token, at most 512 bytes.
    pub value: Secret,
    /// When it was given out.
    pub fetched_at: SystemTime,
    /// When it stops to work, unless WeCom drops it earlier.
    pub expires_at: SystemTime,
}

impl AccessToken {
    /// Tells whether it still works at `now`, and whether it is early enough not to fetch another.
    fn freshness(&self, now: SystemTime) -> Freshness {
        let life = self.expires_at.duration_since(self.fetched_at).unwrap_or_default();
        // A short-lived token (a test's) would otherwise always be about to expire.
        let margin = EARLY_REFRESH.min(life / 10);
        match self.expires_at.duration_since(now) {
            Ok(left) if left > margin => Freshness::Fresh,
            Ok(left) if !left.is_zero() => Freshness::Ending,
            _ => Freshness::Expired,
        }
    }
}

/// How long refreshing ahead of a token's end may hold up a call that has a token that works.
const AHEAD: Duration = Duration::from_secs(2);

#[derive(PartialEq, Eq)]
enum Freshness {
    Fresh,
    Ending,
    Expired,
}

/// The store failed.
#[derive(Debug, thiserror::Error)]
#[error("token store: {what}")]
pub struct TokenStoreError {
    what: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl TokenStoreError {
    /// Says what was attempted, and what stopped it.
    pub fn new(what: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { what: what.into(), source: Some(source.into()) }
    }
}

/// Where tokens are kept between calls, processes or machines.
///
/// A store that fails costs a `gettoken`, never a call: its errors are logged and passed over.
#[async_trait]
pub trait TokenStore: Send + Sync + fmt::Debug {
    /// Returns the token last saved for `key`, if there is one.
    async fn load(&self, key: &TokenKey) -> Result<Option<AccessToken>, TokenStoreError>;

    /// Keeps a token in place of any other.
    async fn save(&self, key: &TokenKey, token: &AccessToken) -> Result<(), TokenStoreError>;
}

/// The tokens of one application.
pub(crate) struct TokenSource {
    transport: Transport,
    key: TokenKey,
    store: Arc<dyn TokenStore>,
    kept: Mutex<Kept>,
    /// Held by the one that fetches.
    fetching: tokio::sync::Mutex<Fetches>,
}

#[derive(Default)]
struct Kept {
    token: Option<AccessToken>,
    /// The last token that WeCom refused: not taken back from the store.
    refused: Option<Secret>,
}

#[derive(Default)]
struct Fetches {
    recent: VecDeque<Instant>,
    held: Option<(Instant, ErrCode)>,
    /// Refusals in a row.
    refusals: u32,
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource").field("corp_id", &self.key.corp_id).finish_non_exhaustive()
    }
}

impl TokenSource {
    pub(crate) fn new(transport: Transport, corp_id: CorpId, secret: Secret, store: Arc<dyn TokenStore>) -> Self {
        let key = TokenKey { corp_id, secret };
        Self { transport, key, store, kept: Mutex::default(), fetching: tokio::sync::Mutex::default() }
    }

    /// Returns a token that works, as far as is known.
    pub(crate) async fn get(&self, deadline: Instant) -> Result<Secret, Error> {
        let ending = match self.kept_token() {
            (Freshness::Fresh, Some(token)) => return Ok(token),
            (Freshness::Ending, ending) => ending,
            (Freshness::Fresh | Freshness::Expired, _) => None,
        };
        if let Some(token) = ending {
            // Refresh ahead of the end: whoever comes first fetches, the others go on with what still works.
            let Ok(mut fetches) = self.fetching.try_lock() else { return Ok(token) };
            // The call itself needs the better part of its time.
            let deadline = deadline.min(Instant::now() + AHEAD);
            return Ok(Box::pin(self.fetch(&mut fetches, deadline)).await.unwrap_or(token));
        }
        let waited = timeout_at(deadline, self.fetching.lock()).await;
        let mut fetches = waited.map_err(|_| Error::new(ErrorKind::Connect, GetToken::PATH))?;
        match self.kept_token() {
            (Freshness::Fresh | Freshness::Ending, Some(token)) => Ok(token),
            // On the heap: fetching is rare, and every call would carry its state.
            _ => Box::pin(self.fetch(&mut fetches, deadline)).await,
        }
    }

    /// Drops a token that WeCom refused, unless another has taken its place.
    pub(crate) fn invalidate(&self, refused: &Secret) {
        let mut kept = self.kept.lock();
        if kept.token.as_ref().is_some_and(|token| token.value == *refused) {
            kept.token = None;
        }
        kept.refused = Some(refused.clone());
    }

    fn kept_token(&self) -> (Freshness, Option<Secret>) {
        let kept = self.kept.lock();
        match &kept.token {
            Some(token) => (token.freshness(now()), Some(token.value.clone())),
            None => (Freshness::Expired, None),
        }
    }

    async fn fetch(&self, fetches: &mut Fetches, deadline: Instant) -> Result<Secret, Error> {
        if let Some(token) = self.stored_token(deadline).await {
            let value = token.value.clone();
            self.kept.lock().token = Some(token);
            return Ok(value);
        }
        fetches.admit()?;
        let token = match GetToken::fetch(&self.transport, &self.key, deadline).await {
            Ok(token) => token,
            Err(error) => {
                // A wrong secret, repeated, gets this address blocked for an hour.
                if let Some(code) = error.errcode()
                    && (code.class() == Class::Config || code == ErrCode::FREQUENCY_LIMIT)
                {
                    fetches.hold(code);
                }
                // Nothing was lost by an unanswered gettoken: the call it was for has not been made.
                return Err(match error.kind() {
                    ErrorKind::NoAnswer => Error::new(ErrorKind::Connect, GetToken::PATH).with_source(error),
                    _ => error,
                });
            }
        };
        let refused_again = self.kept.lock().refused.as_ref() == Some(&token.value);
        if refused_again {
            // WeCom gives out the same token as long as it thinks it valid, and refuses it: asking again changes nothing.
            fetches.hold(ErrCode::INVALID_ACCESS_TOKEN);
        } else {
            fetches.refusals = 0;
        }
        let value = token.value.clone();
        self.kept.lock().token = Some(token.clone());
        match timeout_at(store_deadline(deadline), self.store.save(&self.key, &token)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "Could not keep an access token");
            }
            Err(_) => tracing::warn!("Keeping an access token took too long"),
        }
        Ok(value)
    }

    async fn stored_token(&self, deadline: Instant) -> Option<AccessToken> {
        let loaded = match timeout_at(store_deadline(deadline), self.store.load(&self.key)).await {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "Could not read a kept access token");
                None
            }
            Err(_) => None,
        };
        let kept = self.kept.lock();
        loaded.filter(|token| token.freshness(now()) == Freshness::Fresh && kept.refused.as_ref() != Some(&token.value))
    }
}

/// How long a store may take.
fn store_deadline(deadline: Instant) -> Instant {
    deadline.min(Instant::now() + Duration::from_secs(1))
}

impl Fetches {
    /// Fetches nothing for a while: longer each time the same credential is refused again.
    fn hold(&mut self, code: ErrCode) {
        let wrong = matches!(code, ErrCode::INVALID_CREDENTIAL | ErrCode::INVALID_CORP_ID);
        let longer = if wrong { 1 << self.refusals.min(4) } else { 1 };
        self.refusals += 1;
        self.held = Some((Instant::now() + REFRESH_HOLD * longer, code));
    }

    fn admit(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        let held = |wait, errcode| Err(Error::new(ErrorKind::TokenRefreshHeld { wait, errcode }, GetToken::PATH));
        if let Some((until, code)) = self.held
            && now < until
        {
            return held(until - now, Some(code));
        }
        self.held = None;
        while self.recent.front().is_some_and(|&fetch| now - fetch >= Duration::from_secs(60)) {
            self.recent.pop_front();
        }
        if self.recent.len() >= REFRESHES_PER_MINUTE {
            return held(Duration::from_secs(60) - (now - self.recent[0]), None);
        }
        self.recent.push_back(now);
        Ok(())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the SDK stands alone and has no clock port; a token's end is a calendar time"
)]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_refreshed_ahead_of_its_end() {
        let start = SystemTime::UNIX_EPOCH;
        let token =
            |life| AccessToken { value: "t".into(), fetched_at: start, expires_at: start + Duration::from_secs(life) };
        for (life, after, fresh, works) in [
            (7200, 6899, true, true),
            (7200, 6900, false, true),
            (7200, 7200, false, false),
            (10, 8, true, true),
            (10, 9, false, true),
        ] {
            let freshness = token(life).freshness(start + Duration::from_secs(after));
            assert_eq!(
                (freshness == Freshness::Fresh, freshness != Freshness::Expired),
                (fresh, works),
                "{life} {after}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn fetches_are_capped_and_a_wrong_secret_holds_them() {
        let mut fetches = Fetches::default();
        for _ in 0..REFRESHES_PER_MINUTE {
            fetches.admit().unwrap();
        }
        assert!(matches!(fetches.admit().unwrap_err().kind(), ErrorKind::TokenRefreshHeld { errcode: None, .. }));
        tokio::time::advance(Duration::from_secs(60)).await;
        fetches.admit().unwrap();
        fetches.hold(ErrCode::INVALID_CREDENTIAL);
        assert_eq!(fetches.admit().unwrap_err().errcode(), Some(ErrCode::INVALID_CREDENTIAL));
        tokio::time::advance(REFRESH_HOLD).await;
        fetches.admit().unwrap();
    }
}
