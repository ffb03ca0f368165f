//! What can go wrong in a call, as an error that answers questions.

use std::fmt;
use std::time::Duration;

use crate::ErrCode;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// A call that did not succeed.
///
/// Ask it, rather than match on its text: [`Self::errcode`], [`Self::is_transient`], [`Self::is_throttled`],
/// [`Self::is_auth`], [`Self::may_have_been_taken`], [`Self::retry_after`], [`Self::hint`].
#[derive(Debug, thiserror::Error)]
#[error("{kind} ({path})")]
pub struct Error {
    kind: ErrorKind,
    path: &'static str,
    source: Option<Source>,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// WeCom answered with an errcode other than 0.
    Api {
        /// The errcode.
        errcode: ErrCode,
        /// The errmsg: for people, never to be matched on.
        errmsg: String,
    },
    /// No connection; nothing was sent.
    Connect,
    /// The deadline passed, or the connection broke, after the request may have been written.
    NoAnswer,
    /// The answer was not WeCom's JSON: a proxy's page, half an answer, an HTTP status of its own.
    NotJson {
        /// The HTTP status.
        status: u16,
        /// The first bytes of the answer.
        body: String,
    },
    /// The answer was larger than the endpoint allows.
    AnswerTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// WeCom's JSON did not have the documented shape.
    Decode {
        /// The path of the field inside the answer.
        field: String,
    },
    /// No more tokens are fetched for now, so that WeCom does not block this address.
    TokenRefreshHeld {
        /// How long.
        wait: Duration,
        /// The errcode that made us hold, if one did.
        errcode: Option<ErrCode>,
    },
    /// The request could not be built.
    Request,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api { errcode, errmsg } => {
                write!(f, "WeCom answered errcode {errcode}: {errmsg}")
            }
            Self::Connect => f.write_str("could not connect to WeCom"),
            Self::NoAnswer => f.write_str("WeCom did not answer in time, or the connection broke"),
            Self::NotJson { status, body } => {
                write!(f, "HTTP {status} with an answer that is not WeCom's JSON: {body:?}")
            }
            Self::AnswerTooLarge { limit } => write!(f, "the answer is larger than {limit} bytes"),
            Self::Decode { field } => write!(f, "the answer has an unexpected shape at `{field}`"),
            Self::TokenRefreshHeld { wait, errcode: Some(code) } => {
                write!(f, "no access token for {} s: WeCom answered errcode {code}", wait.as_secs())
            }
            Self::TokenRefreshHeld { wait, errcode: None } => {
                write!(f, "no new access token for {} s: too many were fetched", wait.as_secs())
            }
            Self::Request => f.write_str("the request could not be built"),
        }
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, path: &'static str) -> Self {
        Self { kind, path, source: None }
    }

    pub(crate) fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Returns what went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// Returns WeCom's errcode, also the one that keeps a token from being fetched.
    pub fn errcode(&self) -> Option<ErrCode> {
        match &self.kind {
            ErrorKind::Api { errcode, .. } => Some(*errcode),
            ErrorKind::TokenRefreshHeld { errcode, .. } => *errcode,
            _ => None,
        }
    }

    /// Tells whether the same call may succeed later without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        match &self.kind {
            ErrorKind::Api { errcode, .. } => errcode.class() == crate::Class::Delay,
            ErrorKind::Connect | ErrorKind::NoAnswer => true,
            ErrorKind::NotJson { status, .. } => *status >= 500 || *status < 300 || *status == 429,
            ErrorKind::TokenRefreshHeld { errcode, .. } => {
                errcode.is_none_or(|code| code.class() == crate::Class::Delay)
            }
            ErrorKind::AnswerTooLarge { .. } | ErrorKind::Decode { .. } | ErrorKind::Request => false,
        }
    }

    /// Tells whether WeCom asks for fewer calls.
    pub fn is_throttled(&self) -> bool {
        matches!(self.errcode(), Some(ErrCode::FREQUENCY_LIMIT | ErrCode::CONCURRENCY_LIMIT))
    }

    /// Tells whether the credential is at fault.
    pub fn is_auth(&self) -> bool {
        self.errcode().is_some_and(|code| {
            code.class() == crate::Class::Token
                || matches!(
                    code,
                    ErrCode::INVALID_CREDENTIAL
                        | ErrCode::INVALID_CORP_ID
                        | ErrCode::INVALID_AGENT_ID
                        | ErrCode::ACCESS_TOKEN_MISSING
                        | ErrCode::APP_DISABLED
                        | ErrCode::IP_NOT_TRUSTED
                        | ErrCode::OTHER_AGENT
                        | ErrCode(40_091 | 41_002 | 41_004 | 41_024 | 45_031 | 2_000_002)
                )
        })
    }

    /// Tells whether WeCom may have taken the request although no success was seen.
    ///
    /// A message that may have been taken must not be sent again without WeCom's duplicate check, or it may be seen twice.
    pub fn may_have_been_taken(&self) -> bool {
        // Fetching a token takes no message.
        if self.path == crate::api::token::GetToken::PATH {
            return false;
        }
        match &self.kind {
            ErrorKind::NoAnswer | ErrorKind::AnswerTooLarge { .. } | ErrorKind::Decode { .. } => true,
            // A redirect or a 4xx is a refusal by whoever answered; anything else may come from a proxy behind which it
            // was taken.
            ErrorKind::NotJson { status, .. } => !(300..500).contains(status),
            ErrorKind::Api { .. } | ErrorKind::Connect | ErrorKind::TokenRefreshHeld { .. } | ErrorKind::Request => {
                false
            }
        }
    }

    /// Returns how long to wait at least, where it is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match &self.kind {
            ErrorKind::Api { errcode: ErrCode::FREQUENCY_LIMIT, .. } => Some(crate::limits::MINUTE_BLOCK),
            ErrorKind::TokenRefreshHeld { wait, .. } => Some(*wait),
            _ => None,
        }
    }

    /// Returns the caller's address as WeCom saw it, where the errmsg tells.
    pub fn caller_ip(&self) -> Option<&str> {
        match &self.kind {
            ErrorKind::Api { errmsg, .. } => {
                errmsg.split("from ip: ").nth(1)?.split([',', ' ']).next().filter(|ip| !ip.is_empty())
            }
            _ => None,
        }
    }

    /// Returns what a person can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match &self.kind {
            ErrorKind::Connect => Some("check network, DNS, proxy and the base URL"),
            ErrorKind::NotJson { .. } => {
                Some("something between here and WeCom answered instead: check proxy and base URL")
            }
            _ => self.errcode()?.hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(code: i64) -> Error {
        let errmsg = "not allow to access from your ip, hint: [1], from ip: 9.30.0.138, more info at x".to_owned();
        Error::new(ErrorKind::Api { errcode: ErrCode(code), errmsg }, "/cgi-bin/message/send")
    }

    #[test]
    fn errors_answer_questions() {
        assert!(api(-1).is_transient() && !api(-1).may_have_been_taken());
        assert!(api(45_009).is_throttled() && api(45_009).retry_after() == Some(Duration::from_secs(60)));
        assert!(api(42_001).is_auth() && api(40_001).is_auth() && !api(40_001).is_transient());
        assert_eq!(api(60_020).caller_ip(), Some("9.30.0.138"));
        let no_answer = Error::new(ErrorKind::NoAnswer, "/x");
        assert!(no_answer.may_have_been_taken() && no_answer.is_transient());
        for (status, taken) in [(200, true), (301, false), (404, false), (502, true)] {
            let error = Error::new(ErrorKind::NotJson { status, body: String::new() }, "/x");
            assert_eq!(error.may_have_been_taken(), taken, "{status}");
        }
    }
}
