//! One message over one channel to a set of recipients: what the dispatcher claims, tries and settles.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::{DeliveryId, Priority, RecipientSet, RequestHash, Timestamp};

/// One queue of deliveries: a channel and the account it goes through, printed as `wecom_robot:ops`.
///
/// Breaker, concurrency and quota belong to a lane, so that one that is dead or full leaves the others alone. What is
/// held for one member queues on a side lane, `wecom_app:default#zhangsan`: everything but the queue is its main lane's.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane(Arc<str>);

impl Lane {
    /// Names the lane of `account` on `channel`.
    pub fn new(channel: &str, account: &str) -> Self {
        Self(format!("{channel}:{account}").into())
    }

    /// Reads what was stored.
    pub fn from_stored(text: &str) -> Self {
        Self(text.into())
    }

    /// Returns the printed form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the side lane of one member.
    #[must_use]
    pub fn of_member(&self, member: &str) -> Self {
        Self(format!("{}#{}", self.main().0, member.to_ascii_lowercase()).into())
    }

    /// Returns the member whose side lane this is.
    pub fn member(&self) -> Option<&str> {
        self.0.split_once('#').map(|(_, member)| member)
    }

    /// Returns the lane itself, or the one that this is a side lane of.
    #[must_use]
    pub fn main(&self) -> Self {
        self.0.split_once('#').map_or_else(|| self.clone(), |(main, _)| Self(main.into()))
    }

    /// Returns the channel, such as `wecom_robot`.
    pub fn channel(&self) -> &str {
        self.0.split_once(':').map_or(&*self.0, |(channel, _)| channel)
    }

    /// Returns the configured name of the app or robot.
    pub fn account(&self) -> &str {
        let account = self.0.split_once(':').map_or("", |(_, account)| account);
        account.split_once('#').map_or(account, |(account, _)| account)
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One message over one channel to a set of recipients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its name.
    pub id: DeliveryId,
    /// Where it goes out.
    pub lane: Lane,
    /// For whom.
    pub recipients: RecipientSet,
    /// Who goes first on the lane.
    pub priority: Priority,
    /// When it may be tried next.
    pub due_at: Timestamp,
    /// When it is too late to send.
    pub expires_at: Option<Timestamp>,
    /// When it is given up if nothing succeeded.
    pub give_up_at: Timestamp,
    /// The upstream request's hash: finds equal requests for WeCom's duplicate check.
    pub request_hash: RequestHash,
    /// Where it goes, if that is not said by its recipients: the mailboxes of a mail.
    pub address: Option<Box<str>>,
    /// Which step of its message's route this is, and when it moves on to the next.
    pub step: Option<Placed>,
    /// The group in which it may be merged with others.
    pub digest: Option<Box<str>>,
    /// How many of its parts were sent.
    pub part: u16,
}

/// The place of an escalation: after all steps, and none of them.
pub const ESCALATION: u8 = u8::MAX;

/// A delivery's place in its route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The step, from 0.
    pub index: u8,
    /// When it moves on to a later step if nothing succeeded; `None` if there is none.
    pub moves_at: Option<Timestamp>,
    /// The share of the lane's quota, in percent, beyond which it moves on.
    pub budget: Option<u8>,
}

/// What happened to a delivery before the attempt at hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Attempts made, of any kind.
    pub attempts: u16,
    /// Attempts that count against the retry policy.
    pub tries: u16,
    /// The first attempt since which nobody knows whether the message was taken.
    pub uncertain_since: Option<Timestamp>,
    /// Whether every attempt so far carried the upstream's duplicate check; fixed at the first.
    pub duplicate_check: bool,
}

/// What became of a recipient; a delivery's own state is that of the recipients without one of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecipientState {
    /// Not being tried.
    Waiting,
    /// Being tried.
    Sending,
    /// Taken upstream.
    Delivered,
    /// Perhaps taken upstream.
    Uncertain,
    /// Refused or given up.
    Failed,
    /// Withdrawn before it was sent.
    Cancelled,
    /// Its time passed before it was sent.
    Expired,
    /// Withdrawn.
    Recalled,
    /// Given on to a later step of the route, whose state counts.
    MovedOn,
    /// Merged into a digest, whose outcome will be its own.
    Joined,
}

impl RecipientState {
    /// Every state.
    pub const ALL: [Self; 10] = [
        Self::Waiting,
        Self::Sending,
        Self::Delivered,
        Self::Uncertain,
        Self::Failed,
        Self::Cancelled,
        Self::Expired,
        Self::Recalled,
        Self::MovedOn,
        Self::Joined,
    ];

    /// Returns the name shown to callers and stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sending => "sending",
            Self::Delivered => "delivered",
            Self::Uncertain => "uncertain",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Recalled => "recalled",
            Self::MovedOn => "moved_on",
            Self::Joined => "sending",
        }
    }

    /// Tells whether nothing more will happen by itself.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Waiting | Self::Sending | Self::Joined)
    }
}

impl fmt::Display for RecipientState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for RecipientState {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|state| state.name() == text).ok_or(())
    }
}

/// The state of a delivery as shown: what its recipients' state means for the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// In the queue.
    Waiting,
    /// Claimed by a dispatcher.
    Leased,
    /// Settled.
    Done,
    /// Given on to a later step of the route.
    MovedOn,
    /// Given up: a dead letter.
    Dead,
}

impl DeliveryState {
    /// Returns the name shown to callers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Leased => "leased",
            Self::Done => "done",
            Self::MovedOn => "moved_on",
            Self::Dead => "dead",
        }
    }
}

impl From<RecipientState> for DeliveryState {
    fn from(state: RecipientState) -> Self {
        match state {
            RecipientState::Waiting => Self::Waiting,
            RecipientState::Sending | RecipientState::Joined => Self::Leased,
            RecipientState::MovedOn => Self::MovedOn,
            RecipientState::Failed => Self::Dead,
            RecipientState::Delivered
            | RecipientState::Uncertain
            | RecipientState::Cancelled
            | RecipientState::Expired
            | RecipientState::Recalled => Self::Done,
        }
    }
}

/// A message as its upstream calls it, with the code by which its card can be changed: neither has a line break.
pub fn handle_with_code(msgid: &str, code: &str) -> String {
    format!("{msgid}\n{code}")
}

/// What of a handle names the message.
pub fn msgid_of(handle: &str) -> &str {
    handle.split('\n').next().unwrap_or_default()
}

/// What of a handle changes the card.
pub fn response_code(handle: &str) -> Option<&str> {
    handle.split_once('\n').map(|(_, code)| code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_lane_is_its_main_lanes_but_for_the_queue() {
        let main = Lane::new("wecom_app", "default");
        let side = main.of_member("ZhangSan");
        assert_eq!(side.as_str(), "wecom_app:default#zhangsan");
        assert_eq!((side.channel(), side.account(), side.member()), ("wecom_app", "default", Some("zhangsan")));
        assert_eq!((side.main(), main.main(), main.member()), (main.clone(), main.clone(), None));
    }
}
