//! The accepted, durable thing, and what state it is in.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{CallerId, Content, MessageId, RecipientState, Route, TemplateUse, Timestamp};

/// Who goes first when slots are short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Takes the next slot.
    Urgent,
    /// What is not said otherwise.
    #[default]
    Normal,
    /// Goes when nothing else waits.
    Bulk,
}

impl Priority {
    /// Every priority, first to last.
    pub const ALL: [Self; 3] = [Self::Urgent, Self::Normal, Self::Bulk];

    /// Returns the name used in submissions.
    pub fn name(self) -> &'static str {
        match self {
            Self::Urgent => "urgent",
            Self::Normal => "normal",
            Self::Bulk => "bulk",
        }
    }

    /// Returns the place in the order of sending, 0 first.
    pub fn rank(self) -> i64 {
        match self {
            Self::Urgent => 0,
            Self::Normal => 1,
            Self::Bulk => 2,
        }
    }

    /// Reads a rank; anything unknown goes last.
    pub fn from_rank(rank: i64) -> Self {
        match rank {
            0 => Self::Urgent,
            1 => Self::Normal,
            _ => Self::Bulk,
        }
    }
}

/// The text names no priority.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a priority; there are urgent, normal and bulk")]
pub struct UnknownPriority(String);

impl FromStr for Priority {
    type Err = UnknownPriority;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|p| p.name() == text).ok_or_else(|| UnknownPriority(text.to_owned()))
    }
}

/// Whom a robot's message calls by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mention {
    /// Members, by userid.
    pub users: Vec<String>,
    /// Members, by mobile number.
    pub mobiles: Vec<String>,
    /// The whole group.
    pub all: bool,
}

/// What is said about a message besides its content, and changes the request upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// WeCom's confidentiality: 0 shareable, 1 confidential, 2 inside the company.
    pub safe: u8,
    /// Whether WeCom replaces `$userName=ID$` and the like.
    pub id_trans: bool,
    /// Whom a robot calls by name.
    pub mention: Mention,
    /// What is done with content that is longer than a channel takes.
    pub overflow: Overflow,
}

/// What is done with content that is longer than a channel takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Overflow {
    /// It is not accepted.
    #[default]
    Reject,
    /// It is sent in several parts, each with its number.
    Split,
    /// What is too long is left out, and so it says.
    Truncate,
    /// It is sent as a file.
    File,
    /// The gateway keeps it, and a notice with a link is sent: of texts as of files.
    Link,
}

impl Overflow {
    /// Every way.
    pub const ALL: [Self; 5] = [Self::Reject, Self::Split, Self::Truncate, Self::File, Self::Link];

    /// Returns the name used in submissions.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reject => "reject",
            Self::Split => "split",
            Self::Truncate => "truncate",
            Self::File => "file",
            Self::Link => "link",
        }
    }
}

/// An accepted message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its name.
    pub id: MessageId,
    /// Whose it is.
    pub caller: CallerId,
    /// What it says.
    pub content: Content,
    /// How it is to be sent.
    pub options: Options,
    /// Who goes first.
    pub priority: Priority,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Not to be sent before.
    pub send_at: Option<Timestamp>,
    /// Not to be sent at or after.
    pub expires_at: Option<Timestamp>,
    /// For search.
    pub tags: Vec<String>,
    /// The caller's own JSON object, given back as it came.
    pub metadata: Option<Box<str>>,
    /// The message that this one repeats; then it is never sent.
    pub duplicate_of: Option<MessageId>,
    /// Where it goes, step by step; without a route each kind of recipient goes by its own channel.
    pub route: Option<Arc<Route>>,
    /// The failed message that this one was sent in place of.
    pub replay_of: Option<MessageId>,
    /// When somebody acknowledged it.
    pub acknowledged_at: Option<Timestamp>,
    /// The template that made its content, of which version, and of which variables.
    pub template: Option<Box<TemplateUse>>,
    /// The configured webhook that hears what becomes of it.
    pub webhook: Option<Box<str>>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageState {
    /// On disk, not tried yet.
    Accepted,
    /// Being tried.
    Sending,
    /// Taken upstream for every recipient.
    Delivered,
    /// Taken upstream for some recipients.
    PartlyDelivered,
    /// Perhaps taken upstream; nobody can know.
    Uncertain,
    /// Given up for every recipient.
    Failed,
    /// Withdrawn by its caller before it was sent.
    Cancelled,
    /// Its time passed before it was sent.
    Expired,
    /// Withdrawn by its caller after it was sent, or before.
    Recalled,
    /// A repeat of an earlier message, never sent.
    Duplicate,
}

impl MessageState {
    /// Every state.
    pub const ALL: [Self; 10] = [
        Self::Accepted,
        Self::Sending,
        Self::Delivered,
        Self::PartlyDelivered,
        Self::Uncertain,
        Self::Failed,
        Self::Cancelled,
        Self::Expired,
        Self::Recalled,
        Self::Duplicate,
    ];

    /// Returns the name shown to callers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Sending => "sending",
            Self::Delivered => "delivered",
            Self::PartlyDelivered => "partly_delivered",
            Self::Uncertain => "uncertain",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Recalled => "recalled",
            Self::Duplicate => "duplicate",
        }
    }

    /// Tells whether nothing more will happen by itself.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Accepted | Self::Sending)
    }

    /// Sums up the states of all recipients.
    pub fn of(recipients: impl IntoIterator<Item = RecipientState>) -> Self {
        let mut seen = [false; RecipientState::ALL.len()];
        // Who moved on is counted where they are now; a digest's outcome is still open.
        for state in recipients.into_iter().filter(|state| *state != RecipientState::MovedOn) {
            let state = if state == RecipientState::Joined { RecipientState::Sending } else { state };
            seen[state as usize] = true;
        }
        let any = |state: RecipientState| seen[state as usize];
        let only = |state: RecipientState| any(state) && seen.iter().filter(|s| **s).count() == 1;
        match () {
            () if only(RecipientState::Waiting) => Self::Accepted,
            () if any(RecipientState::Waiting) || any(RecipientState::Sending) => Self::Sending,
            () if only(RecipientState::Delivered) => Self::Delivered,
            () if any(RecipientState::Delivered) => Self::PartlyDelivered,
            () if any(RecipientState::Uncertain) => Self::Uncertain,
            () if any(RecipientState::Failed) => Self::Failed,
            () if any(RecipientState::Recalled) => Self::Recalled,
            () if any(RecipientState::Cancelled) => Self::Cancelled,
            () => Self::Expired,
        }
    }
}

impl fmt::Display for MessageState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no message state.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a message state")]
pub struct UnknownState(String);

impl FromStr for MessageState {
    type Err = UnknownState;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|state| state.name() == text).ok_or_else(|| UnknownState(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RecipientState as R;

    #[test]
    fn a_message_is_the_sum_of_its_recipients() {
        for (recipients, expected) in [
            (&[R::Waiting, R::Waiting][..], MessageState::Accepted),
            (&[R::Waiting, R::Delivered], MessageState::Sending),
            (&[R::Sending], MessageState::Sending),
            (&[R::Delivered, R::Delivered], MessageState::Delivered),
            (&[R::Delivered, R::Failed], MessageState::PartlyDelivered),
            (&[R::Delivered, R::Uncertain], MessageState::PartlyDelivered),
            (&[R::Failed, R::Uncertain], MessageState::Uncertain),
            (&[R::Failed, R::Failed], MessageState::Failed),
            (&[R::Cancelled], MessageState::Cancelled),
            (&[R::Expired], MessageState::Expired),
            (&[R::Recalled], MessageState::Recalled),
            (&[R::MovedOn, R::Delivered], MessageState::Delivered),
            (&[R::MovedOn, R::Waiting], MessageState::Accepted),
            (&[R::Joined], MessageState::Sending),
        ] {
            assert_eq!(MessageState::of(recipients.iter().copied()), expected, "{recipients:?}");
        }
    }
}
