//! What is refused, with which errcode, and which answer is chosen where the documents disagree or are silent.

pub(crate) mod app_content;
pub(crate) mod card;
pub(crate) mod recipients;
pub(crate) mod robot_content;

use serde::{Deserialize, Serialize};

/// A set of choices by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The documents' word, and the likelier reading where they disagree.
    #[default]
    Documented,
    /// Every documented limit and type is an error.
    Strict,
    /// Whatever live WeCom was seen to accept.
    Lenient,
}

/// One switch per point on which the documents are silent or disagree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// An application's text over 2048 bytes is cut, not refused (45002).
    pub cut_long_text: bool,
    /// An application's markdown over 2048 bytes is cut, not refused (45002).
    pub cut_long_markdown: bool,
    /// Fields of the wrong JSON type are read as well as can be, with a warning, not refused (40058).
    pub warn_wrong_types: bool,
    /// The most bytes of a robot's text.
    pub robot_text_bytes: usize,
    /// A repeated gettoken answers the seconds left, not the full life.
    pub remaining_expires_in: bool,
    /// Seconds a token lives.
    pub token_seconds: i64,
    /// A swallowed duplicate is answered with a fresh msgid.
    pub fresh_msgid_for_duplicates: bool,
    /// A `duplicate_check_interval` over four hours is taken for four hours, not refused (40058).
    pub clamp_duplicate_interval: bool,
    /// Uploaded pictures and voice clips must be what they claim.
    pub check_file_formats: bool,
    /// Wrong secrets from one address within an hour that block it for an hour (45009).
    pub wrong_secrets_block_after: usize,
    /// An untrusted address is refused by gettoken, too, not only by the calls after it.
    pub gettoken_checks_address: bool,
    /// Personal fields of members are kept from applications, as from those made after 2022-06-20.
    pub hide_personal_fields: bool,
    /// A member may be given a department that is not there, and waits for it; otherwise it is refused (60123).
    pub unknown_departments_wait: bool,
    /// Contact sync calls from an address that it did not use lately: most reads are refused (48009).
    pub contact_sync_from_new_address: bool,
    /// Hours that a code from a card's event is good: 24 on the event's page, 72 on the update's.
    pub event_code_hours: i64,
    /// A smart robot's stream may carry a card over the long connection: the page's introduction says so, its table not.
    pub stream_with_card_on_connection: bool,
    /// Minutes within which a smart robot's stream must be finished: 6 on the page, 10 in later sources.
    pub stream_minutes: i64,
    /// How often a callback that was not answered with 200 is posted again.
    pub callback_retries: u32,
    /// Milliseconds before it is posted again; not documented.
    pub callback_retry_ms: u64,
}

impl Rules {
    /// Returns the choices of a mode.
    pub fn of(mode: Mode) -> Self {
        let documented = Self {
            cut_long_text: true,
            cut_long_markdown: false,
            warn_wrong_types: true,
            robot_text_bytes: 2048,
            remaining_expires_in: true,
            token_seconds: 7200,
            fresh_msgid_for_duplicates: true,
            clamp_duplicate_interval: true,
            check_file_formats: false,
            wrong_secrets_block_after: 30,
            gettoken_checks_address: false,
            hide_personal_fields: false,
            unknown_departments_wait: true,
            contact_sync_from_new_address: false,
            event_code_hours: 24,
            stream_with_card_on_connection: true,
            stream_minutes: 6,
            callback_retries: 3,
            callback_retry_ms: 1000,
        };
        match mode {
            Mode::Documented => documented,
            Mode::Strict => Self {
                cut_long_text: false,
                warn_wrong_types: false,
                clamp_duplicate_interval: false,
                check_file_formats: true,
                hide_personal_fields: true,
                stream_with_card_on_connection: false,
                ..documented
            },
            Mode::Lenient => Self { cut_long_markdown: true, robot_text_bytes: 5120, ..documented },
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::of(Mode::Documented)
    }
}

/// A refusal: errcode and the text before the hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) errcode: i64,
    pub(crate) errmsg: String,
}

pub(crate) fn refuse<T>(errcode: i64, errmsg: impl Into<String>) -> Result<T, Refused> {
    Err(Refused { errcode, errmsg: errmsg.into() })
}
