//! Recall in every state: queued is never sent, in flight is recalled once sent, sent is recalled upstream.
//!
//! The wish is written to the ledger first; carrying it out upstream follows, here or at the next sweep, so that a crash
//! between the two loses no wish.

use std::sync::Arc;

use domain::{CallerId, DeliveryState, MessageId, Reason, RecipientState};

use crate::api_calls::ApiCalls;
use crate::crash_point;
use crate::ports::{
    ApiCall, Channel, Channels, Clock, Ledger, LedgerError, MessageRecord, PendingRecall, RecallAnswer,
};
use crate::telemetry::{Happening as _, LedgerFailed};

/// How many wishes one sweep carries out.
const AT_ONCE: usize = 100;

/// Recalls messages.
#[derive(Clone)]
pub struct Recaller {
    ledger: Arc<dyn Ledger>,
    channels: Channels,
    clock: Arc<dyn Clock>,
    api_calls: ApiCalls,
}

impl std::fmt::Debug for Recaller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recaller").finish_non_exhaustive()
    }
}

/// What became of a wish to recall.
#[derive(Clone, Debug)]
pub struct Recalled {
    /// The message as it is now.
    pub record: MessageRecord,
    /// Whether a part is still in flight, or WeCom has not answered: the recall will be carried out later.
    pub pending: bool,
}

/// A message cannot be recalled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecallError {
    /// There is no such message of this caller.
    #[error("there is no such message")]
    Unknown,
    /// Nothing of it can be recalled, and this is why.
    #[error("nothing of the message can be recalled: {}", .0.text)]
    NotRecallable(Reason),
    /// The ledger cannot be reached.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Recaller {
    pub(crate) fn new(ledger: Arc<dyn Ledger>, channels: Channels, clock: Arc<dyn Clock>, api_calls: ApiCalls) -> Self {
        Self { ledger, channels, clock, api_calls }
    }

    /// Recalls a message.
    ///
    /// # Errors
    /// [`RecallError::NotRecallable`] if all of it was sent and none of that can be withdrawn.
    pub async fn recall(&self, id: MessageId, caller: Option<&CallerId>) -> Result<Recalled, RecallError> {
        let before = self.ledger.message(id, caller).await?.ok_or(RecallError::Unknown)?;
        if let Some(reason) = self.hopeless(&before) {
            return Err(RecallError::NotRecallable(reason));
        }
        if !self.ledger.want_recall(id, caller, self.clock.now()).await? {
            return Err(RecallError::Unknown);
        }
        let (mut refusal, mut withdrawn) = (None, false);
        for pending in self.ledger.pending_recalls(Some(id), AT_ONCE).await? {
            match self.carry_out(&pending).await? {
                RecallAnswer::Refused(reason) => refusal = Some(reason),
                RecallAnswer::Recalled => withdrawn = true,
                RecallAnswer::Unanswered(_) => {}
            }
        }
        let record = self.ledger.message(id, caller).await?.ok_or(RecallError::Unknown)?;
        let still_pending = !self.ledger.pending_recalls(Some(id), 1).await?.is_empty();
        let in_flight = record.deliveries.iter().any(|d| DeliveryState::from(d.state) == DeliveryState::Leased);
        withdrawn |= record.deliveries.iter().any(|d| d.state == RecipientState::Recalled);
        match refusal {
            Some(reason) if !withdrawn && !still_pending && !in_flight => Err(RecallError::NotRecallable(reason)),
            _ => Ok(Recalled { record, pending: still_pending || in_flight }),
        }
    }

    /// Tells why nothing of a message can be recalled, if so, before anything is changed.
    fn hopeless(&self, record: &MessageRecord) -> Option<Reason> {
        let open = |delivery: &crate::ports::DeliveryRecord| match delivery.state {
            // Others are in it.
            _ if delivery.digest_of.is_some() => false,
            RecipientState::Waiting | RecipientState::Sending | RecipientState::Recalled => true,
            RecipientState::Delivered | RecipientState::Uncertain | RecipientState::MovedOn => {
                delivery.handle.is_some()
                    && self.channels.get(&delivery.delivery.lane.main()).is_none_or(|channel| channel.can_recall())
            }
            RecipientState::Joined | RecipientState::Failed | RecipientState::Cancelled | RecipientState::Expired => {
                false
            }
        };
        if record.deliveries.iter().any(open) {
            return None;
        }
        let sent = record
            .deliveries
            .iter()
            .any(|d| matches!(d.state, RecipientState::Delivered | RecipientState::Uncertain | RecipientState::Joined));
        Some(if sent {
            not_recallable()
        } else {
            Reason::new("nothing_to_recall", "nothing of it was sent, and nothing waits")
        })
    }

    /// Carries out the wishes about one message; failures are left to the sweep.
    pub(crate) async fn carry_out_of(&self, id: MessageId) {
        self.carry_out_all(Some(id)).await;
    }

    /// Carries out every wish that is open.
    pub(crate) async fn carry_out_pending(&self) {
        self.carry_out_all(None).await;
    }

    async fn carry_out_all(&self, of: Option<MessageId>) {
        let result = async {
            for pending in self.ledger.pending_recalls(of, AT_ONCE).await? {
                self.carry_out(&pending).await?;
            }
            Ok::<_, LedgerError>(())
        };
        if let Err(error) = result.await {
            LedgerFailed { error: &error }.emit();
        }
    }

    async fn carry_out(&self, pending: &PendingRecall) -> Result<RecallAnswer, LedgerError> {
        crash_point("recall-wanted");
        let answer = match (self.channels.get(&pending.lane.main()), &pending.handle) {
            (Some(channel), Some(handles)) => self.recall_each(channel.as_ref(), handles).await,
            _ => None,
        };
        let answer = answer.unwrap_or_else(|| RecallAnswer::Refused(not_recallable()));
        crash_point("recall-after-call");
        match &answer {
            // An unconfirmed id may be that of a swallowed repeat: then the message people see is still there.
            RecallAnswer::Recalled if pending.unconfirmed => {
                let reason = Reason::new("unconfirmed", "recalled, but perhaps only a repeat that nobody saw");
                self.ledger.recall_ended(pending.delivery, Some(RecipientState::Uncertain), Some(reason)).await?;
            }
            RecallAnswer::Recalled => {
                self.ledger.recall_ended(pending.delivery, Some(RecipientState::Recalled), None).await?;
            }
            RecallAnswer::Refused(reason) => {
                self.ledger.recall_ended(pending.delivery, None, Some(reason.clone())).await?;
            }
            RecallAnswer::Unanswered(_) => {}
        }
        Ok(answer)
    }

    /// Withdraws every part of a message; the first that is not withdrawn says what became of it.
    async fn recall_each(&self, channel: &dyn Channel, handles: &str) -> Option<RecallAnswer> {
        let mut answer = None;
        for handle in handles.split('|') {
            let made = self.api_calls.make_now(channel.api(ApiCall::Recall), channel.recall(handle)).await;
            answer = match made {
                Ok(answer) => answer,
                Err(attempt) => attempt.reason().cloned().map(RecallAnswer::Unanswered),
            };
            if answer != Some(RecallAnswer::Recalled) {
                break;
            }
        }
        answer
    }
}

fn not_recallable() -> Reason {
    let text =
        "what a robot, a group chat, a mail or a digest carried cannot be withdrawn, nor a message without a msgid";
    Reason::new("not_recallable", text).with_hint("only application messages of the last 24 hours can be recalled")
}
