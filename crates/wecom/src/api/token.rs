//! GET /cgi-bin/gettoken: a secret → an access token.
//! <https://developer.work.weixin.qq.com/document/path/91039>

use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use crate::token::now;
use crate::transport::Outgoing;
use crate::{AccessToken, Error, Method, Secret, TokenKey, Transport};

/// Fetches access tokens. [`crate::Client`] does so by itself.
#[derive(Clone, Copy, Debug)]
pub struct GetToken;

#[derive(Deserialize)]
struct GetTokenResponse {
    access_token: String,
    /// A number in the documents; a text of digits is taken too.
    expires_in: serde_json::Value,
}

/// No token is believed to live longer.
const LONGEST_LIFE: u64 = 24 * 3600;

impl GetToken {
    /// The path.
    pub const PATH: &'static str = "/cgi-bin/gettoken";
    /// The official page.
    pub const DOC: &'static str = "https://developer.work.weixin.qq.com/document/path/91039";

    /// Fetches a token. Repeated calls with a wrong secret get the caller's address blocked for an hour.
    ///
    /// # Errors
    /// [`Error`]; `is_auth()` if the secret is refused.
    pub async fn fetch(transport: &Transport, key: &TokenKey, deadline: Instant) -> Result<AccessToken, Error> {
        let query = [("corpid", key.corp_id.as_str()), ("corpsecret", key.secret.expose())];
        let outgoing = Outgoing {
            method: Method::Get,
            path: Self::PATH,
            query: &query,
            content_type: "",
            body: None,
            length: None,
            max_answer: crate::limits::MAX_ANSWER,
        };
        let answer = transport.call(outgoing, deadline).await?;
        let fetched_at = now();
        let token: GetTokenResponse = crate::client::decode_answer(Self::PATH, &answer, true)?;
        let seconds = token.expires_in.as_u64().or_else(|| token.expires_in.as_str()?.parse().ok()).unwrap_or(0);
        let expires_at = fetched_at + Duration::from_secs(seconds.min(LONGEST_LIFE));
        Ok(AccessToken { value: Secret::new(token.access_token), fetched_at, expires_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_official_answer_is_read() {
        let answer = include_bytes!("../../../../fixtures/wecom/token/gettoken.response.json");
        let token: GetTokenResponse = crate::client::decode_answer(GetToken::PATH, answer, false).unwrap();
        assert_eq!((token.access_token.as_str(), token.expires_in), ("accesstoken000001", serde_json::json!(7200)));
    }
}
