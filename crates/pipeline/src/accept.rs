//! The only door in: check → route → render → admit → ring.
//!
//! Every ingress turns what it got into a [`Submission`], calls [`Intake::accept`], and acknowledges its source only
//! when it holds a [`Receipt`]. A receipt means: message and deliveries are on disk, in one transaction with the keys
//! that find repeats. Rendering happens before, so that a message no channel can carry is refused while its caller
//! still listens, and the hash of the request upstream is known for WeCom's duplicate check.
//!
//! When a dispatcher has room at this moment, the same commit that accepts a delivery also claims it ("born leased"),
//! and it goes out without a second look at the ledger. Nothing depends on it: without room it waits in the ledger.

mod to_its_end;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::{
    Dedupe, DedupeBy, Delivery, Grant, InvalidSubmission, Message, MessageId, MessageState, Recipient, RequestHash,
    Scope, Standing, Submission, Timestamp, Violation, divide, each_by_its_own_channel,
};
use sha2::{Digest as _, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::to_its_end::ToItsEnd;
use crate::crash_point;
use crate::dispatch::{DispatcherHandle, Reservation};
use crate::ids::IdSource;
use crate::ports::{
    Accepted, Admission, BornLeased, Channel, Channels, Claimed, Clock, DedupeEntry, Idempotency, Ledger, LedgerError,
};
use crate::telemetry::{
    Happening as _, LedgerFailed, MessageDuplicate, MessageRefused, MessageReplayed, MessagesAccepted,
};

/// What the intake needs to know.
#[derive(Clone, Debug)]
pub struct IntakeConfig {
    /// The application that members are addressed through when a submission names none.
    pub default_app: Option<String>,
    /// How long after its due time a delivery is given up.
    pub deadline: Duration,
    /// How long an idempotency key is kept.
    pub idempotency_window: Duration,
    /// How many submissions may wait to be stored at once.
    pub waiting: usize,
}

/// Proof that a message is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Receipt {
    /// The message.
    pub id: MessageId,
    /// `accepted` or `duplicate`.
    pub state: MessageState,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// The message it repeats.
    pub duplicate_of: Option<MessageId>,
    /// Whether this receipt was given before, for the same request.
    pub replayed: bool,
}

/// A submission was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// It breaks a rule; nothing was stored.
    #[error(transparent)]
    Invalid(#[from] InvalidSubmission),
    /// The caller's key does not allow it; nothing was stored.
    #[error("this key may not address `{recipient}`")]
    Forbidden {
        /// Who may not be addressed.
        recipient: Recipient,
    },
    /// The caller's key has no `send` scope.
    #[error("this key may not send")]
    MayNotSend,
    /// The idempotency key stands for another request; nothing was stored.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// More wait to be stored than the ledger can be given at once; nothing was stored.
    #[error("too many messages wait to be stored")]
    Overloaded,
    /// A fault of our own; nobody knows whether it was stored.
    #[error("accepting was interrupted")]
    Interrupted,
    /// The ledger cannot take it now; nothing was stored.
    #[error("the message could not be stored")]
    NotStored(#[source] Arc<LedgerError>),
}

impl AcceptError {
    /// Returns the stable code shown to callers and counted.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(InvalidSubmission(violation)) => violation.code,
            Self::Forbidden { .. } | Self::MayNotSend => "forbidden",
            Self::KeyReused => "idempotency_key_reused",
            Self::Overloaded => "overloaded",
            Self::Interrupted => "internal",
            Self::NotStored(_) => "not_stored",
        }
    }
}

/// Takes submissions in.
pub struct Intake {
    door: Arc<Door>,
    channels: Channels,
    clock: Arc<dyn Clock>,
    ids: IdSource,
    accepted: MessagesAccepted,
    /// Free places among those that wait to be stored.
    places: Arc<Semaphore>,
    config: IntakeConfig,
}

/// What is behind the checks: the ledger, and the dispatcher that waits there.
struct Door {
    ledger: Arc<dyn Ledger>,
    dispatcher: DispatcherHandle,
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake").field("config", &self.config).finish_non_exhaustive()
    }
}

/// A submission that passed every check, and the places reserved for it at the dispatcher.
struct Prepared {
    admission: Arc<Admission>,
    reservations: Vec<Reserved>,
}

/// A delivery that may start as soon as it is on disk.
struct Reserved {
    index: usize,
    place: Reservation,
    /// Its request, rendered already.
    request: Bytes,
}

/// A delivery and its request.
struct Planned {
    delivery: Delivery,
    request: Bytes,
}

impl Intake {
    /// Makes the door in front of a ledger and a dispatcher.
    pub fn new(
        ledger: Arc<dyn Ledger>,
        channels: Channels,
        dispatcher: DispatcherHandle,
        clock: Arc<dyn Clock>,
        config: IntakeConfig,
    ) -> Self {
        let door = Arc::new(Door { ledger, dispatcher });
        let places = Arc::new(Semaphore::new(config.waiting));
        Self { door, channels, clock, ids: IdSource::new(), accepted: MessagesAccepted::default(), places, config }
    }

    /// Takes one submission in.
    ///
    /// # Errors
    /// [`AcceptError`]; nothing was stored, unless it is [`AcceptError::Interrupted`].
    pub async fn accept(&self, grant: &Grant, submission: Submission) -> Result<Receipt, AcceptError> {
        // Whoever waits would only give up later, and nobody would know whether it was stored.
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            let overloaded = Err(AcceptError::Overloaded);
            self.count(&overloaded);
            return overloaded;
        };
        let mut results = self.admit_all(grant, vec![submission], place).await;
        results.pop().unwrap_or_else(|| unreachable!("one submission has one result"))
    }

    /// Takes many submissions in with as few commits as the ledger needs; one result each, in order.
    ///
    /// Waits for places: a batch is read no faster than it is stored.
    pub async fn accept_all(&self, grant: &Grant, submissions: Vec<Submission>) -> Vec<Result<Receipt, AcceptError>> {
        let wanted = u32::try_from(submissions.len().min(self.config.waiting)).unwrap_or(u32::MAX);
        let Ok(places) = self.places.clone().acquire_many_owned(wanted).await else {
            return submissions.iter().map(|_| Err(AcceptError::Interrupted)).collect();
        };
        self.admit_all(grant, submissions, places).await
    }

    async fn admit_all(
        &self,
        grant: &Grant,
        submissions: Vec<Submission>,
        places: OwnedSemaphorePermit,
    ) -> Vec<Result<Receipt, AcceptError>> {
        let now = self.clock.now();
        let mut results: Vec<Option<Result<Receipt, AcceptError>>> = Vec::with_capacity(submissions.len());
        let mut prepared = Vec::new();
        for submission in submissions {
            let key = submission.idempotency.clone();
            match self.prepare(grant, submission, now) {
                Ok(ready) => {
                    prepared.push((results.len(), ready));
                    results.push(None);
                }
                // The same request was accepted once: that stands, whatever has changed since.
                Err(error) => match self.known(grant, key, now).await {
                    Some(known) => results.push(Some(known)),
                    None => results.push(Some(Err(error))),
                },
            }
        }
        if !prepared.is_empty() {
            let door = self.door.clone();
            let admitting = async move {
                let admitted = door.admit(prepared, now).await;
                drop(places);
                admitted
            };
            for (index, result) in ToItsEnd::of(admitting).await {
                results[index] = Some(result);
            }
        }
        let results: Vec<_> =
            results.into_iter().map(|result| result.unwrap_or(Err(AcceptError::Interrupted))).collect();
        for result in &results {
            self.count(result);
        }
        results
    }

    /// Answers a request whose idempotency key is known.
    async fn known(
        &self,
        grant: &Grant,
        key: Option<(String, RequestHash)>,
        now: Timestamp,
    ) -> Option<Result<Receipt, AcceptError>> {
        let (key, hash) = key?;
        let idempotency = Idempotency { key, hash, not_before: now - self.config.idempotency_window };
        match self.door.ledger.known_key(&grant.caller, &idempotency).await {
            Ok(Some(Accepted::Replayed { id, accepted_at, duplicate_of })) => {
                Some(Ok(replayed(id, accepted_at, duplicate_of)))
            }
            Ok(Some(_)) => Some(Err(AcceptError::KeyReused)),
            Ok(None) => None,
            Err(error) => {
                LedgerFailed { error: &error }.emit();
                Some(Err(AcceptError::NotStored(Arc::new(error))))
            }
        }
    }

    fn prepare(&self, grant: &Grant, submission: Submission, now: Timestamp) -> Result<Prepared, AcceptError> {
        if !grant.scopes.include(Scope::Send) {
            return Err(AcceptError::MayNotSend);
        }
        submission.check(now)?;
        let app = self.app_of(&submission)?;
        if let Some(recipient) = submission.to.iter().find(|recipient| !grant.may_address(recipient, &app)) {
            return Err(AcceptError::Forbidden { recipient: recipient.clone() });
        }
        let id = self.ids.next(now);
        let planned = self.deliveries(&submission, id, &app, now)?;
        let dedupe = submission.dedupe.as_ref().map(|dedupe| dedupe_entry(dedupe, &submission, &app, now));
        let idempotency = submission.idempotency.map(|(key, hash)| Idempotency {
            key,
            hash,
            not_before: now - self.config.idempotency_window,
        });
        let due_now = submission.send_at.is_none_or(|send_at| send_at <= now);
        let (mut deliveries, mut reservations) = (Vec::with_capacity(planned.len()), Vec::new());
        for (index, Planned { delivery, request }) in planned.into_iter().enumerate() {
            if due_now && let Some(place) = self.door.dispatcher.reserve(&delivery.lane) {
                reservations.push(Reserved { index, place, request });
            }
            deliveries.push(delivery);
        }
        let message = Message {
            id,
            caller: grant.caller.clone(),
            content: submission.content,
            options: submission.options,
            priority: submission.priority,
            accepted_at: now,
            send_at: submission.send_at,
            expires_at: submission.expires_at,
            tags: submission.tags,
            metadata: submission.metadata,
            duplicate_of: None,
        };
        let born =
            |reserved: &Reserved| BornLeased { index: reserved.index, equal_since: reserved.place.equal_since(now) };
        let born_leased = reservations.iter().map(born).collect();
        let admission = Arc::new(Admission { message, deliveries, born_leased, idempotency, dedupe });
        Ok(Prepared { admission, reservations })
    }

    /// Finds the application that members are addressed through; robots need none.
    fn app_of(&self, submission: &Submission) -> Result<String, AcceptError> {
        if let Some(app) = &submission.app {
            return Ok(app.clone());
        }
        let needs_app = submission.to.iter().any(|recipient| recipient.channel() == "wecom_app");
        match (&self.config.default_app, needs_app) {
            (Some(app), _) => Ok(app.clone()),
            (None, false) => Ok(String::new()),
            (None, true) => Err(invalid(
                Violation::new("missing", "app", "is missing, and no default application is configured").with_hint(
                    match self.channels.accounts("wecom_app")[..] {
                        [] => "configure one: WECHAT_CORP_ID, WECHAT_AGENT_ID and WECHAT_CORP_SECRET".to_owned(),
                        _ => format!("name one of the configured applications: {}", self.names("wecom_app")),
                    },
                ),
            )),
        }
    }

    fn deliveries(
        &self,
        submission: &Submission,
        id: MessageId,
        app: &str,
        now: Timestamp,
    ) -> Result<Vec<Planned>, AcceptError> {
        let due_at = submission.send_at.unwrap_or(now).max(now);
        let mut deliveries = Vec::new();
        for step in each_by_its_own_channel(&submission.to, app) {
            let channel = self.channels.get(&step.lane).ok_or_else(|| self.unknown_account(&step.lane))?;
            for recipients in divide(&step.recipients, channel.call_limits()) {
                let position = u16::try_from(deliveries.len() + 1).map_err(|_| too_many_calls())?;
                let request = render(channel.as_ref(), submission, &recipients)?;
                let delivery = Delivery {
                    id: id.delivery(position),
                    lane: step.lane.clone(),
                    recipients,
                    priority: submission.priority,
                    due_at,
                    expires_at: submission.expires_at,
                    give_up_at: due_at + self.config.deadline,
                    request_hash: request_hash(&request),
                };
                deliveries.push(Planned { delivery, request });
            }
        }
        Ok(deliveries)
    }

    fn count(&self, result: &Result<Receipt, AcceptError>) {
        match result {
            Ok(Receipt { replayed: true, .. }) => MessageReplayed.emit(),
            Ok(Receipt { duplicate_of: Some(_), .. }) => MessageDuplicate.emit(),
            Ok(_) => self.accepted.count(),
            Err(error) => MessageRefused { code: error.code() }.emit(),
        }
    }

    fn unknown_account(&self, lane: &domain::Lane) -> AcceptError {
        let (field, what) =
            if lane.channel() == "wecom_robot" { ("to.robots", "robot") } else { ("app", "application") };
        let message = format!("names `{}`, which is not a configured {what}", lane.account());
        let hint = format!("configured are: {}", self.names(lane.channel()));
        invalid(Violation::new("unknown_account", field, message).with_hint(hint))
    }

    fn names(&self, channel: &str) -> String {
        let names = self.channels.accounts(channel);
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}

impl Door {
    async fn admit(
        self: Arc<Self>,
        prepared: Vec<(usize, Prepared)>,
        now: Timestamp,
    ) -> Vec<(usize, Result<Receipt, AcceptError>)> {
        let admissions = prepared.iter().map(|(_, ready)| ready.admission.clone()).collect();
        crash_point("accept-before-commit");
        match self.ledger.accept(admissions).await {
            Ok(accepted) => {
                crash_point("accept-after-commit");
                let admitted = prepared.into_iter().zip(accepted);
                admitted.map(|((index, ready), accepted)| (index, self.hand_over(ready, accepted, now))).collect()
            }
            Err(error) => {
                LedgerFailed { error: &error }.emit();
                let error = Arc::new(error);
                prepared.into_iter().map(|(index, _)| (index, Err(AcceptError::NotStored(error.clone())))).collect()
            }
        }
    }

    /// Hands born-leased deliveries to the dispatcher, rings for the rest, and writes the receipt.
    fn hand_over(&self, ready: Prepared, accepted: Accepted, now: Timestamp) -> Result<Receipt, AcceptError> {
        let Prepared { admission, reservations } = ready;
        let receipt = |id, state, accepted_at, duplicate_of, replayed| {
            Ok(Receipt { id, state, accepted_at, duplicate_of, replayed })
        };
        match accepted {
            Accepted::New { leases } => {
                let (id, sole) = (admission.message.id, admission.deliveries.len() == 1);
                let mut waiting: Vec<bool> = vec![true; admission.deliveries.len()];
                for Reserved { index, place, request } in reservations {
                    let delivery = admission.deliveries[index].clone();
                    // Without its lease the reservation is given back by being dropped.
                    let Some(lease) = leases.iter().find(|lease| lease.delivery == delivery.id) else {
                        continue;
                    };
                    waiting[index] = false;
                    place.start(Claimed {
                        delivery,
                        caller: admission.message.caller.clone(),
                        lease: *lease,
                        standing: Standing { duplicate_check: lease.duplicate_check, ..Standing::default() },
                        content: Some(admission.message.content.clone()),
                        options: admission.message.options.clone(),
                        frozen: None,
                        rendered: Some(request),
                        sole,
                    });
                }
                for (delivery, waits) in admission.deliveries.iter().zip(waiting) {
                    if waits {
                        self.dispatcher.ring(&delivery.lane);
                    }
                }
                receipt(id, MessageState::Accepted, now, None, false)
            }
            Accepted::Duplicate { of } => receipt(admission.message.id, MessageState::Duplicate, now, Some(of), false),
            Accepted::Replayed { id, accepted_at, duplicate_of } => Ok(replayed(id, accepted_at, duplicate_of)),
            Accepted::KeyReused => Err(AcceptError::KeyReused),
        }
    }
}

fn replayed(id: MessageId, accepted_at: Timestamp, duplicate_of: Option<MessageId>) -> Receipt {
    let state = if duplicate_of.is_some() { MessageState::Duplicate } else { MessageState::Accepted };
    Receipt { id, state, accepted_at, duplicate_of, replayed: true }
}

fn invalid(violation: Violation) -> AcceptError {
    AcceptError::Invalid(InvalidSubmission(violation))
}

fn too_many_calls() -> AcceptError {
    let message = format!("needs more than {} calls upstream", u16::MAX);
    invalid(
        Violation::new("too_many", "to", message).with_hint("address a department or a tag, or divide the submission"),
    )
}

/// Renders the request once, to find out whether it can be sent at all, and to know its hash.
fn render(
    channel: &dyn Channel,
    submission: &Submission,
    recipients: &domain::RecipientSet,
) -> Result<Bytes, AcceptError> {
    let body = channel.render(&submission.content, &submission.options, recipients, true);
    body.map_err(|violations| {
        let unexplained =
            || Violation::new("invalid", submission.content.kind().name(), "cannot be sent by this channel");
        invalid(violations.into_iter().next().unwrap_or_else(unexplained))
    })
}

/// The hash that finds equal requests.
pub(crate) fn request_hash(body: &[u8]) -> RequestHash {
    RequestHash::new(Sha256::digest(body).into())
}

fn dedupe_entry(dedupe: &Dedupe, submission: &Submission, app: &str, now: Timestamp) -> DedupeEntry {
    let key = match &dedupe.by {
        DedupeBy::Key(key) => format!("key {key}"),
        DedupeBy::Content => {
            let parts = [
                &submission.to.to_stored(),
                app,
                &submission.content.to_stored(),
                &format!("{:?}", submission.options),
            ];
            format!("content {}", request_hash(parts.join("\0").as_bytes()))
        }
    };
    DedupeEntry { key, until: now + dedupe.window }
}
