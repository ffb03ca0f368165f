//! Who asks: bearer keys, of which only hashes are kept; and signed requests, whose keys are never sent.

mod signed;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use domain::{ApiKeyRecord, CallerId, Grant, KeyKind, Scope, SigningSecret, Timestamp};
use pipeline::ports::{Clock, Ledger, LedgerError};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

pub(super) use self::signed::{is_signed, read_signed};
use super::{Api, ApiError, address, comes_from_this_machine};

/// How old `last_used_at` may be before it is written again.
const USE_NOTED_EVERY: std::time::Duration = std::time::Duration::from_secs(60);
/// How many characters of a key are shown to tell keys apart.
const PREFIX: usize = 11;

/// The keys that work, held in memory and kept in the ledger.
pub struct KeyRing {
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    /// The key of the environment or of the first start's file: an administrator's.
    first: (String, Arc<Grant>),
    kept: parking_lot::RwLock<Vec<ApiKeyRecord>>,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing").finish_non_exhaustive()
    }
}

/// A key that was just made: the only time its text is seen.
#[derive(Clone)]
pub struct NewKey {
    /// The key.
    pub text: String,
    /// What is kept of it.
    pub record: ApiKeyRecord,
}

impl std::fmt::Debug for NewKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewKey").field("prefix", &self.record.prefix).finish_non_exhaustive()
    }
}

/// The keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRingError {
    /// The first key is empty: everybody could call.
    #[error("the API key is empty; set HONGYAN_API_KEY to a long random text, or leave it out to have one made")]
    EmptyKey,
    /// The ledger's keys cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Returns what is kept of a key: SHA-256 in hexadecimal.
pub fn hash_of(key: &str) -> String {
    hex::encode(Sha256::digest(key.as_bytes()))
}

/// Makes a key of 256 random bits.
pub fn new_key(kind: KeyKind, grant: Grant, now: Timestamp, expires_at: Option<Timestamp>) -> NewKey {
    let random: [u8; 32] = rand::random();
    let begins = match kind {
        KeyKind::Bearer => "hk_",
        KeyKind::Signing => "hs_",
        KeyKind::Front => "hf_",
    };
    let text = random.iter().fold(begins.to_owned(), |key, byte| key + &format!("{byte:02x}"));
    let grant = Grant { key: hash_of(&text), ..grant };
    let record = ApiKeyRecord {
        kind,
        secret: (kind == KeyKind::Signing).then(|| SigningSecret::new(text.as_str())),
        prefix: text[..PREFIX].to_owned(),
        hash: hash_of(&text),
        grant,
        created_at: now,
        expires_at,
        revoked_at: None,
        last_used_at: None,
    };
    NewKey { text, record }
}

impl KeyRing {
    /// Reads the keys of the ledger and adds the first one.
    ///
    /// # Errors
    /// [`KeyRingError::EmptyKey`] if the first key is empty.
    pub async fn open(ledger: Arc<dyn Ledger>, clock: Arc<dyn Clock>, first_key: &str) -> Result<Self, KeyRingError> {
        if first_key.trim().is_empty() {
            return Err(KeyRingError::EmptyKey);
        }
        let grant = Grant::new(CallerId::new("default"), [Scope::Admin]);
        let first = (hash_of(first_key), Arc::new(grant));
        let kept = parking_lot::RwLock::new(ledger.keys().await?);
        Ok(Self { ledger, clock, first, kept })
    }

    /// Returns every key of the ledger.
    pub fn list(&self) -> Vec<ApiKeyRecord> {
        self.kept.read().clone()
    }

    /// Keeps a new key.
    ///
    /// # Errors
    /// [`LedgerError`]; the key does not work.
    pub async fn add(&self, record: ApiKeyRecord) -> Result<(), LedgerError> {
        self.ledger.put_key(record.clone()).await?;
        self.kept.write().push(record);
        Ok(())
    }

    /// Revokes every key that begins so; from now on, none of them works. Returns how many.
    ///
    /// # Errors
    /// [`LedgerError`]; some may still work.
    pub async fn revoke(&self, prefix: &str) -> Result<usize, LedgerError> {
        let now = self.clock.now();
        let chosen: Vec<_> =
            self.list().into_iter().filter(|key| key.prefix == prefix && key.revoked_at.is_none()).collect();
        for key in &chosen {
            let revoked = ApiKeyRecord { revoked_at: Some(now), ..key.clone() };
            // In memory first: it stops at once, whatever becomes of the request that asks for it.
            self.replace(revoked.clone());
            self.ledger.put_key(revoked).await?;
        }
        Ok(chosen.len())
    }

    fn replace(&self, record: ApiKeyRecord) {
        if let Some(kept) = self.kept.write().iter_mut().find(|kept| kept.hash == record.hash) {
            *kept = record;
        }
    }

    /// Finds what a presented key allows. Compares with every key, in constant time.
    fn grant_of(self: &Arc<Self>, presented: &str) -> Option<Arc<Grant>> {
        let hash = hash_of(presented);
        let now = self.clock.now();
        let matches = |kept: &str| bool::from(kept.as_bytes().ct_eq(hash.as_bytes()));
        let (first, grant) = &self.first;
        if matches(first) {
            return Some(grant.clone());
        }
        let is_it = |key: &&ApiKeyRecord| key.kind == KeyKind::Bearer && matches(&key.hash);
        let found = self.kept.read().iter().rfind(is_it).cloned()?;
        self.used(&found, now)
    }

    /// Finds what a secret or robot's key of the drop-in front allows.
    pub(crate) fn front(self: &Arc<Self>, presented: &str) -> Option<Arc<Grant>> {
        let hash = hash_of(presented);
        let is_it =
            |key: &&ApiKeyRecord| key.kind == KeyKind::Front && bool::from(key.hash.as_bytes().ct_eq(hash.as_bytes()));
        let found = self.kept.read().iter().rfind(is_it).cloned()?;
        self.used(&found, self.clock.now())
    }

    /// Finds what the key of this hash allows, if it still works.
    pub(crate) fn by_hash(&self, hash: &str) -> Option<Arc<Grant>> {
        let now = self.clock.now();
        let found = self.kept.read().iter().find(|key| key.hash == hash && key.is_live(now)).cloned()?;
        Some(Arc::new(found.grant))
    }

    /// Returns the keys that sign: all, or the one that is named by its first characters.
    fn signing(&self, prefix: Option<&str>) -> Vec<ApiKeyRecord> {
        let kept = self.kept.read();
        let named =
            |key: &&ApiKeyRecord| key.kind == KeyKind::Signing && prefix.is_none_or(|prefix| key.prefix == prefix);
        kept.iter().filter(named).cloned().collect()
    }

    /// Notes that a key was used, if it works.
    fn used(self: &Arc<Self>, found: &ApiKeyRecord, now: Timestamp) -> Option<Arc<Grant>> {
        if !found.is_live(now) {
            return None;
        }
        let grant = Arc::new(found.grant.clone());
        if found.last_used_at.is_none_or(|last| now.since(last) >= USE_NOTED_EVERY) {
            // Only this field: a revocation that happens meanwhile must not be undone.
            if let Some(kept) = self.kept.write().iter_mut().find(|kept| kept.hash == found.hash) {
                kept.last_used_at = Some(now);
            }
            let (ring, hash) = (self.clone(), found.hash.clone());
            tokio::spawn(async move {
                if let Err(error) = ring.ledger.note_key_use(&hash, now).await {
                    tracing::warn!(error = &error as &dyn std::error::Error, "Could not note the use of an API key");
                }
            });
        }
        Some(grant)
    }
}

fn presented(request: &Request) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

pub(super) fn unauthorised() -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", "this needs an API key that works")
        .with_hint("send `Authorization: Bearer hk_…`; a key in the URL is never read")
}

/// Finds what the key of a request allows.
pub(super) fn grant_of(api: &Api, request: &Request) -> Result<Arc<Grant>, ApiError> {
    let grant = presented(request).and_then(|key| api.keys.grant_of(key)).ok_or_else(unauthorised)?;
    may_come_from_there(api, request, grant)
}

/// Refuses a request that comes from none of its key's networks.
pub(super) fn may_come_from_there(api: &Api, request: &Request, grant: Arc<Grant>) -> Result<Arc<Grant>, ApiError> {
    let address = address::of(request, &api.config.trusted_proxies);
    if !grant.may_come_from(address) {
        return Err(ApiError::ip_not_allowed(address, "this key's networks"));
    }
    Ok(grant)
}

/// Lets pass requests with a key that may read, and those from this machine where that is configured.
pub(super) async fn require_key_or_this_machine(
    State(api): State<Arc<Api>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if api.config.metrics_open && comes_from_this_machine(&request) {
        return Ok(next.run(request).await);
    }
    let refused =
        || unauthorised().with_hint("send a key with the scope read, or set metrics.open = true for this machine");
    let grant = grant_of(&api, &request).map_err(|error| if error.is_unauthorised() { refused() } else { error })?;
    need(&grant, Scope::Read)?;
    Ok(next.run(request).await)
}

/// Refuses a caller without a scope.
pub(super) fn need(grant: &Grant, scope: Scope) -> Result<(), ApiError> {
    if grant.scopes.include(scope) {
        return Ok(());
    }
    let message = format!("this key has no scope {}", scope.name());
    Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", message).with_hint("use a key that has it"))
}
