//! Scripted trouble: what the next calls meet instead of, or after, a proper answer.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Trouble for the next calls that match.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Only calls whose path ends so, such as `message/send`; absent: every call.
    #[serde(default)]
    pub path: Option<String>,
    /// Only calls with this robot key.
    #[serde(default)]
    pub key: Option<String>,
    /// Only calls of this application.
    #[serde(default)]
    pub agentid: Option<i64>,
    /// How many calls; absent: until removed.
    #[serde(default)]
    pub times: Option<u32>,
    /// One call in so many; absent: every one.
    #[serde(default)]
    pub one_in: Option<u32>,
    /// What happens.
    pub trouble: Trouble,
    /// Calls that matched so far.
    #[serde(default)]
    pub met: u32,
}

/// What happens to a call.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Trouble {
    /// An errcode; nothing is taken.
    Errcode {
        /// The errcode.
        errcode: i64,
        /// The errmsg.
        #[serde(default)]
        errmsg: Option<String>,
    },
    /// The proper answer, late.
    Delay {
        /// How late, in milliseconds.
        ms: u64,
    },
    /// The call is taken, and no answer ever comes.
    Hang,
    /// The connection breaks before the call is taken.
    ResetBefore,
    /// The connection breaks after the call was taken.
    ResetAfter,
    /// A proxy's page; nothing is taken.
    Html,
    /// An HTTP status of its own; nothing is taken.
    Status {
        /// The status.
        status: u16,
    },
    /// The call is taken; half the answer comes, then the connection breaks.
    Half,
    /// The call is taken; the answer comes a byte a second.
    Drip,
    /// The call is taken; the headers come, the body never does.
    Stall,
    /// The call is taken; the answer never ends.
    Endless,
    /// The call is taken; the answer claims to be gzip and is not.
    BadGzip,
}

impl Trouble {
    /// Tells whether the call has its effect although the answer is spoilt.
    pub(crate) fn is_taken(&self) -> bool {
        !matches!(self, Self::Errcode { .. } | Self::ResetBefore | Self::Html | Self::Status { .. })
    }
}

impl Fault {
    /// Makes trouble for every call, until removed.
    pub fn new(trouble: Trouble) -> Self {
        Self { path: None, key: None, agentid: None, times: None, one_in: None, trouble, met: 0 }
    }

    /// Answers with an errcode.
    pub fn errcode(errcode: i64) -> Self {
        Self::new(Trouble::Errcode { errcode, errmsg: None })
    }

    /// Answers late.
    pub fn delay(by: Duration) -> Self {
        Self::new(Trouble::Delay { ms: u64::try_from(by.as_millis()).unwrap_or(u64::MAX) })
    }

    /// Limits it to paths that end so.
    #[must_use]
    pub fn on(mut self, path: &str) -> Self {
        self.path = Some(path.to_owned());
        self
    }

    /// Limits it to the robot with this key.
    #[must_use]
    pub fn for_robot(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// Limits it to this application.
    #[must_use]
    pub fn for_agent(mut self, agentid: i64) -> Self {
        self.agentid = Some(agentid);
        self
    }

    /// Limits it to so many calls.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Limits it to one call in `n`.
    #[must_use]
    pub fn one_in(mut self, n: u32) -> Self {
        self.one_in = Some(n);
        self
    }

    fn matches(&self, path: &str, key: Option<&str>, agentid: Option<i64>) -> bool {
        self.path.as_ref().is_none_or(|end| path.ends_with(end.as_str()))
            && self.key.as_ref().is_none_or(|wanted| key == Some(wanted))
            && self.agentid.is_none_or(|wanted| agentid == Some(wanted))
    }
}

/// The faults in force, first come first met.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn list(&self) -> &[Fault] {
        &self.0
    }

    pub(crate) fn meet(&mut self, path: &str, key: Option<&str>, agentid: Option<i64>) -> Option<Trouble> {
        for i in 0..self.0.len() {
            let fault = &mut self.0[i];
            if !fault.matches(path, key, agentid) {
                continue;
            }
            fault.met += 1;
            if fault.one_in.is_some_and(|n| n > 1 && !fault.met.is_multiple_of(n)) {
                continue;
            }
            let trouble = fault.trouble.clone();
            if let Some(times) = &mut fault.times {
                *times = times.saturating_sub(1);
                if *times == 0 {
                    self.0.remove(i);
                }
            }
            return Some(trouble);
        }
        None
    }
}
