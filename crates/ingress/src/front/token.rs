//! `gettoken`: a local, opaque token of two hours, of which only the hash is kept.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use domain::{Grant, Timestamp};
use parking_lot::Mutex;
use pipeline::ports::{FrontToken, Keys, LedgerError};

use super::{Answer, FrontCall};
use crate::http::{Api, hash_of};

/// How long a token is good (path/91039).
const LIFE: Duration = Duration::from_secs(7200);
/// A token is handed out again as long as it is good for this much longer: as qyapi does.
const HANDED_OUT_AGAIN: Duration = Duration::from_secs(600);
/// Wrong secrets within a minute, after which nobody is answered.
const WRONG_TRIES: usize = 30;
const A_MINUTE: Duration = Duration::from_secs(60);

/// The tokens that were handed out.
#[derive(Debug, Default)]
pub struct FrontTokens {
    /// By their hash: whose, and until when.
    known: Mutex<HashMap<String, (String, Timestamp)>>,
    /// By key: the token itself, for those that were handed out since the start.
    current: Mutex<HashMap<String, (String, Timestamp)>>,
    wrong: Mutex<Vec<Timestamp>>,
}

impl FrontTokens {
    /// Reads what earlier runs handed out.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    pub async fn load(&self, ledger: &(impl Keys + ?Sized)) -> Result<(), LedgerError> {
        let tokens = ledger.front_tokens().await?;
        *self.known.lock() = tokens.into_iter().map(|token| (token.hash, (token.key, token.expires_at))).collect();
        Ok(())
    }

    fn tired(&self, now: Timestamp) -> bool {
        let mut wrong = self.wrong.lock();
        wrong.retain(|at| now.since(*at) < A_MINUTE);
        wrong.len() >= WRONG_TRIES
    }
}

/// Gives a token for a secret.
pub(super) async fn give(api: &Arc<Api>, call: &FrontCall) -> Result<Response, Answer> {
    let (corp_id, secret) = (call.parameter("corpid"), call.parameter("corpsecret"));
    if corp_id.is_empty() {
        return Err(Answer::refuse(41_002, "corpid missing"));
    }
    if secret.is_empty() {
        return Err(Answer::refuse(41_004, "corpsecret missing"));
    }
    let now = api.clock.now();
    let tokens = &api.front_tokens;
    if tokens.tired(now) {
        return Err(Answer::refuse(45_009, "api freq out of limit").hint("too many wrong secrets; wait a minute"));
    }
    if !api.front.apps.values().any(|(company, _)| company == corp_id) {
        return Err(
            Answer::refuse(40_013, "invalid corpid").hint("it is none of the companies that this gateway knows")
        );
    }
    let Some(grant) = api.keys.front(secret) else {
        tokens.wrong.lock().push(now);
        return Err(Answer::refuse(40_001, "invalid credential").hint(
            "corpsecret is a local secret here, never WeCom's own; make one by `hongyan key create --kind front`",
        ));
    };
    may_come(&grant, call)?;
    let (text, expires_at) = match current(tokens, &grant.key, now) {
        Some(current) => current,
        None => make(api, &grant.key, now).await?,
    };
    let seconds = expires_at.since(now).as_secs();
    Ok(Answer::ok().with("access_token", text).with("expires_in", seconds).into_response())
}

fn current(tokens: &FrontTokens, key: &str, now: Timestamp) -> Option<(String, Timestamp)> {
    tokens.current.lock().get(key).filter(|(_, until)| *until > now + HANDED_OUT_AGAIN).cloned()
}

async fn make(api: &Arc<Api>, key: &str, now: Timestamp) -> Result<(String, Timestamp), Answer> {
    let random: [u8; 48] = rand::random();
    let text = hex::encode(random);
    let (hash, expires_at) = (hash_of(&text), now + LIFE);
    let token = FrontToken { hash: hash.clone(), key: key.to_owned(), expires_at };
    if let Err(error) = api.ledger.put_front_token(token, now).await {
        tracing::error!(error = &error as &dyn std::error::Error, "A token could not be kept");
        return Err(Answer::busy("system busy"));
    }
    let mut known = api.front_tokens.known.lock();
    // Those that ended long ago are no longer told apart from those that never were.
    known.retain(|_, (_, until)| *until + LIFE > now);
    known.insert(hash, (key.to_owned(), expires_at));
    api.front_tokens.current.lock().insert(key.to_owned(), (text.clone(), expires_at));
    Ok((text, expires_at))
}

/// What the token in a call's query allows.
pub(super) fn grant_of(api: &Arc<Api>, call: &FrontCall) -> Result<Arc<Grant>, Answer> {
    let given = call.parameter("access_token");
    if given.is_empty() {
        return Err(Answer::refuse(41_001, "access_token missing"));
    }
    let known = api.front_tokens.known.lock().get(&hash_of(given)).cloned();
    let Some((key, expires_at)) = known else {
        return Err(Answer::refuse(40_014, "invalid access_token")
            .hint("it is not one of this gateway's: get one from /cgi-bin/gettoken here, with a local secret"));
    };
    if expires_at <= api.clock.now() {
        return Err(Answer::refuse(42_001, "access_token expired"));
    }
    let grant = api.keys.by_hash(&key);
    let grant = grant.ok_or_else(|| Answer::refuse(40_014, "invalid access_token").hint("its key was revoked"))?;
    may_come(&grant, call)?;
    Ok(grant)
}

/// Refuses a call that comes from none of its key's networks, as qyapi refuses addresses that are not trusted.
pub(super) fn may_come(grant: &Grant, call: &FrontCall) -> Result<(), Answer> {
    if grant.may_come_from(call.address) {
        return Ok(());
    }
    Err(Answer::refuse(60_020, "not allow to access from your ip").hint("it is in none of this key's networks"))
}
