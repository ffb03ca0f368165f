//! The last attempts to call us back: from where, and why they were refused. In memory, for whoever watches.

use std::collections::VecDeque;
use std::net::IpAddr;

use domain::Timestamp;
use parking_lot::Mutex;
use wecom::callback::Refusal;

/// How many are kept.
const KEPT: usize = 500;

/// An attempt to call us back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackTry {
    /// Counted.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// The callback's name, as it was asked for.
    pub callback: String,
    /// From where.
    pub address: Option<IpAddr>,
    /// `verify`, or what was posted: `text`, `press`, `post` where it could not be opened; `connect` over a connection.
    pub kind: String,
    /// Why it was refused: the code of WeCom's sample library, and what it means; WeCom's errcode for a connection.
    pub refused: Option<(i32, String)>,
}

/// The last attempts.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<(u64, VecDeque<CallbackTry>)>);

impl Attempts {
    pub(super) fn note(
        &self,
        callback: &str,
        address: Option<IpAddr>,
        kind: &str,
        opened: Result<(), Refusal>,
        at: Timestamp,
    ) {
        let refused = opened.err().map(|refusal| (refusal.code(), refusal.to_string()));
        if let Some((code, reason)) = &refused {
            let from = address.map_or_else(|| "an unknown address".to_owned(), |address| address.to_string());
            tracing::warn!(callback, %from, code, "Refused a callback: {reason}");
        }
        self.keep(callback, address, kind, refused, at);
    }

    /// Remembers one without a word to the log.
    pub(super) fn keep(
        &self,
        callback: &str,
        address: Option<IpAddr>,
        kind: &str,
        refused: Option<(i32, String)>,
        at: Timestamp,
    ) {
        let mut kept = self.0.lock();
        kept.0 += 1;
        let number = kept.0;
        // The name comes from outside.
        let callback = callback.chars().take(64).collect();
        kept.1.push_back(CallbackTry { number, at, callback, address, kind: kind.to_owned(), refused });
        if kept.1.len() > KEPT {
            kept.1.pop_front();
        }
    }

    /// Returns those after a number, oldest first.
    pub fn since(&self, number: u64) -> Vec<CallbackTry> {
        self.0.lock().1.iter().filter(|attempt| attempt.number > number).cloned().collect()
    }
}
