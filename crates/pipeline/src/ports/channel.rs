//! A channel: one way out, of one application or robot.
//!
//! A channel renders, calls once, and says what it met. It knows nothing about the ledger, retries or quotas.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{Attempt, CallLimits, Content, Lane, Options, Quota, Reason, RecipientSet, Violation};

/// One way out, of one application or robot.
#[async_trait]
pub trait Channel: Send + Sync + fmt::Debug {
    /// Returns the lane whose deliveries it takes.
    fn lane(&self) -> &Lane;

    /// Returns how many calls may be under way at once.
    fn concurrency(&self) -> usize;

    /// Returns the quota that the upstream imposes, if any.
    fn quota(&self) -> Option<Quota>;

    /// Returns how many recipients one call takes.
    fn call_limits(&self) -> CallLimits;

    /// Returns how long the upstream recognises a repeat of an identical request, if it can at all.
    fn duplicate_check(&self) -> Option<Duration>;

    /// Renders the request body: a pure function of what was accepted.
    ///
    /// # Errors
    /// Every documented rule that the message breaks, first things first.
    fn render(
        &self,
        content: &Content,
        options: &Options,
        recipients: &RecipientSet,
        duplicate_check: bool,
    ) -> Result<Bytes, Vec<Violation>>;

    /// Makes one call.
    async fn attempt(&self, body: Bytes, recipients: &RecipientSet) -> Attempt;

    /// Withdraws what was sent; `None` if this channel never can.
    async fn recall(&self, handle: &str) -> Option<RecallAnswer>;

    /// Tells whether what it sent can be withdrawn at all.
    fn can_recall(&self) -> bool;
}

/// What became of an attempt to withdraw a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecallAnswer {
    /// It is withdrawn.
    Recalled,
    /// It cannot be withdrawn, ever.
    Refused(Reason),
    /// It was not answered; another try may succeed.
    Unanswered(Reason),
}

/// The channels, by lane.
#[derive(Clone, Debug, Default)]
pub struct Channels {
    by_lane: Arc<BTreeMap<Lane, Arc<dyn Channel>>>,
}

impl Channels {
    /// Collects channels.
    pub fn new(channels: impl IntoIterator<Item = Arc<dyn Channel>>) -> Self {
        let by_lane = channels.into_iter().map(|channel| (channel.lane().clone(), channel)).collect();
        Self { by_lane: Arc::new(by_lane) }
    }

    /// Finds the channel of a lane.
    pub fn get(&self, lane: &Lane) -> Option<&Arc<dyn Channel>> {
        self.by_lane.get(lane)
    }

    /// Returns the accounts of a kind of channel, in alphabetical order.
    pub fn accounts(&self, channel: &str) -> Vec<&str> {
        self.by_lane.keys().filter(|lane| lane.channel() == channel).map(Lane::account).collect()
    }

    /// Iterates over all channels.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Channel>> {
        self.by_lane.values()
    }
}
