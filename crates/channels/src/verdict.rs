//! What a failed call means: the SDK's error → an attempt's result, with a reason for people.

use domain::{Attempt, FailureClass, Reason};
use pipeline::telemetry::{Happening as _, UnknownAnswer};
use wecom::{Class, ErrCode, Error, ErrorKind};

/// Settings and credentials of a whole account: every message of the lane meets the same until an operator acts.
/// The other codes of [`Class::Config`] are about one message, or can never be mended for it.
const ACCOUNT_WIDE: &[i64] = &[
    40_001, 40_013, 40_056, 40_091, 40_141, 41_001, 41_002, 41_004, 41_024, 45_024, 45_031, 48_001, 48_006, 48_010,
    50_003, 50_006, 60_020, 60_031, 301_002, 301_007, 301_042, 2_000_002,
];

pub(crate) fn of(error: &Error) -> Attempt {
    let reason = reason(error);
    if error.may_have_been_taken() {
        return Attempt::Uncertain { reason };
    }
    // How long a throttled lane rests is the breaker's to say; only a held token knows a time of its own.
    let retry_after = matches!(error.kind(), ErrorKind::TokenRefreshHeld { .. }).then(|| error.retry_after()).flatten();
    let deferred = |class| Attempt::Deferred { class, reason: reason.clone(), retry_after };
    match error.kind() {
        ErrorKind::Api { errcode, .. } => match (errcode.class(), *errcode) {
            (Class::Delay, ErrCode::FREQUENCY_LIMIT) => deferred(FailureClass::Throttled),
            (Class::Delay, ErrCode::CONCURRENCY_LIMIT) => deferred(FailureClass::Congested),
            (Class::Delay, _) => deferred(FailureClass::Busy),
            // The token was refreshed once already.
            (Class::Token, _) => deferred(FailureClass::Misconfigured),
            (Class::Config, code) if ACCOUNT_WIDE.contains(&code.0) => deferred(FailureClass::Misconfigured),
            (Class::Reupload, _) => Attempt::Gone { reason },
            (Class::Config | Class::Permanent, _) => Attempt::Refused { class: FailureClass::Rejected, reason },
            (Class::Success | Class::Unknown, code) => {
                UnknownAnswer::Errcode(code.0).emit();
                // An answer, so nothing against the lane; but perhaps not the last word on the message.
                deferred(FailureClass::Rejected)
            }
        },
        ErrorKind::Connect => deferred(FailureClass::Unreachable),
        ErrorKind::NotJson { status: 429, .. } => deferred(FailureClass::Throttled),
        // Whoever answered is not WeCom: a wrong base URL, or a proxy that refuses.
        ErrorKind::NotJson { .. } => deferred(FailureClass::Misconfigured),
        ErrorKind::TokenRefreshHeld { errcode: Some(ErrCode::FREQUENCY_LIMIT), .. } => {
            deferred(FailureClass::Throttled)
        }
        ErrorKind::TokenRefreshHeld { errcode: Some(_), .. } => deferred(FailureClass::Misconfigured),
        ErrorKind::TokenRefreshHeld { errcode: None, .. } => deferred(FailureClass::Busy),
        _ => Attempt::Refused { class: FailureClass::Internal, reason },
    }
}

/// Says why, in words that name the errcode, and what to do.
pub(crate) fn reason(error: &Error) -> Reason {
    let (code, text) = match error.kind() {
        ErrorKind::Api { errcode, errmsg } => {
            let errmsg = errmsg.split(", hint: [").next().unwrap_or_default();
            let text = match errcode.meaning() {
                Some(meaning) if meaning.contains(errmsg) => format!("errcode {errcode}: {meaning}"),
                Some(meaning) => format!("errcode {errcode} ({errmsg}): {meaning}"),
                None => format!("errcode {errcode}: {errmsg}"),
            };
            (errcode.to_string(), text)
        }
        ErrorKind::TokenRefreshHeld { errcode: Some(code), .. } => (code.to_string(), error.to_string()),
        ErrorKind::TokenRefreshHeld { .. } => ("token_held".to_owned(), error.to_string()),
        ErrorKind::Connect => ("unreachable".to_owned(), error.to_string()),
        ErrorKind::NoAnswer => ("no_answer".to_owned(), error.to_string()),
        ErrorKind::NotJson { .. } => ("not_wecom".to_owned(), error.to_string()),
        ErrorKind::AnswerTooLarge { .. } | ErrorKind::Decode { .. } => {
            ("unreadable_answer".to_owned(), error.to_string())
        }
        _ => ("internal".to_owned(), error.to_string()),
    };
    let reason = Reason::new(code, text);
    match (error.caller_ip(), error.hint()) {
        (Some(ip), Some(hint)) if error.errcode() == Some(ErrCode::IP_NOT_TRUSTED) => {
            reason.with_hint(format!("{hint}; the address is {ip}"))
        }
        (_, Some(hint)) => reason.with_hint(hint),
        (_, None) => reason,
    }
}
