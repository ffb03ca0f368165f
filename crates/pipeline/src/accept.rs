//! The only door in: check → route → render → admit → ring.
//!
//! Every ingress turns what it got into a [`Submission`], calls [`Intake::accept`], and acknowledges its source only
//! when it holds a [`Receipt`]. A receipt means: message and deliveries are on disk, in one transaction with the keys
//! that find repeats. Rendering happens before, so that a message no channel can carry is refused while its caller
//! still listens, and the hash of the request upstream is known for WeCom's duplicate check.
//!
//! When a dispatcher has room at this moment, the same commit that accepts a delivery also claims it ("born leased"),
//! and it goes out without a second look at the ledger. Nothing depends on it: without room it waits in the ledger.

mod allowance;
mod content;
mod files;
mod overflow;
mod people;
mod to_its_end;
mod way;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::{
    Content, Dedupe, DedupeBy, Grant, InvalidSubmission, Message, MessageId, MessageState, Options, Recipient,
    RecipientSet, RequestHash, Standing, Submission, Timestamp, Violation,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use self::allowance::Allowances;
use self::content::Ready;
pub use self::files::IncomingFile;
use self::to_its_end::ToItsEnd;
use self::way::Drawn;
pub use self::way::Way;
use crate::crash_point;
use crate::dispatch::{DispatcherHandle, Reservation};
use crate::file_links::FileLinks;
use crate::ids::IdSource;
use crate::links::Links;
use crate::media::Fetch;
use crate::ports::{Accepted, Admission, BornLeased, Claimed, Clock, DedupeEntry, Idempotency, Ledger, LedgerError};
use crate::routing::{Planned, Planner, request_hash};
use crate::telemetry::{
    FileLinked, Happening as _, LedgerFailed, MessageDuplicate, MessageRefused, MessageReplayed, MessagesAccepted,
};
use crate::templates::TemplateBook;

/// What the intake needs to know.
#[derive(Clone, Debug)]
pub struct IntakeConfig {
    /// How long an idempotency key is kept.
    pub idempotency_window: Duration,
    /// How many submissions may wait to be stored at once.
    pub waiting: usize,
    /// Puts redirects in the place of links that are counted; without it none are.
    pub links: Option<Links>,
    /// Links to files that the gateway keeps; without it there are none.
    pub file_links: Option<FileLinks>,
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
    /// Whom it does not go to although they were named, and why.
    pub warnings: Vec<String>,
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
    /// The caller's key does not allow the route; nothing was stored.
    #[error("this key may not take the route `{route}`")]
    ForbiddenRoute {
        /// Which.
        route: String,
    },
    /// The caller's key does not allow the template, or content without one; nothing was stored.
    #[error("this key may not use {template}")]
    ForbiddenTemplate {
        /// Which, in words.
        template: String,
    },
    /// The caller's key does not allow the webhook; nothing was stored.
    #[error("this key may not tell the webhook `{webhook}`")]
    ForbiddenWebhook {
        /// Which.
        webhook: String,
    },
    /// The caller's key has no `send` scope.
    #[error("this key may not send")]
    MayNotSend,
    /// The idempotency key stands for another request; nothing was stored.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The caller's key has sent as much as it may; nothing was stored.
    #[error("this key has sent as much as it may for now")]
    TooMany {
        /// How long until it may send again.
        wait: Duration,
    },
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
            Self::Forbidden { .. }
            | Self::ForbiddenRoute { .. }
            | Self::ForbiddenTemplate { .. }
            | Self::ForbiddenWebhook { .. }
            | Self::MayNotSend => "forbidden",
            Self::KeyReused => "idempotency_key_reused",
            Self::TooMany { .. } => "too_many_requests",
            Self::Overloaded => "overloaded",
            Self::Interrupted => "internal",
            Self::NotStored(_) => "not_stored",
        }
    }
}

/// Takes submissions in.
pub struct Intake {
    door: Arc<Door>,
    planner: Planner,
    fetch: Arc<dyn Fetch>,
    templates: TemplateBook,
    clock: Arc<dyn Clock>,
    ids: IdSource,
    accepted: MessagesAccepted,
    /// What keys with limits have sent.
    allowances: Allowances,
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
    warnings: Vec<String>,
}

/// A delivery that may start as soon as it is on disk.
struct Reserved {
    index: usize,
    place: Reservation,
    /// Its request, rendered already.
    request: Bytes,
}

impl Intake {
    /// Makes the door in front of a ledger and a dispatcher.
    pub fn new(
        ledger: Arc<dyn Ledger>,
        dispatcher: DispatcherHandle,
        clock: Arc<dyn Clock>,
        (fetch, templates, allowances): (Arc<dyn Fetch>, TemplateBook, Allowances),
        config: IntakeConfig,
    ) -> Self {
        let planner = dispatcher.planner().clone();
        let door = Arc::new(Door { ledger, dispatcher });
        let places = Arc::new(Semaphore::new(config.waiting));
        let accepted = MessagesAccepted::default();
        Self { door, planner, fetch, templates, clock, ids: IdSource::new(), accepted, allowances, places, config }
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
        // Kept apart: whoever calls this holds a pointer, and not the kilobytes of all that is waited for, which every layer of
        // a server would copy once more.
        let mut results = Box::pin(self.admit_all(grant, vec![submission], place)).await;
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
        // Whose place was taken: others have none to give back.
        let mut placed = vec![false; submissions.len()];
        for submission in submissions {
            let key = submission.idempotency.clone();
            let ready = match self.with_content(grant, submission, now).await {
                Ok(ready) => self.prepare(grant, ready, now),
                Err(error) => Err(error),
            };
            let ready = ready.and_then(|ready| match self.allowances.take(grant, now) {
                Ok(()) => Ok(ready),
                Err(until) => Err(AcceptError::TooMany { wait: until.since(now) }),
            });
            match ready {
                Ok(ready) => {
                    placed[results.len()] = true;
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
        for (result, placed) in results.iter().zip(placed) {
            self.count(result);
            let is_new = !matches!(
                result,
                Ok(Receipt { replayed: true, .. }) | Err(AcceptError::KeyReused | AcceptError::NotStored(_))
            );
            if placed && !is_new {
                self.allowances.give_back(grant);
            }
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

    /// Makes the id of a broadcast.
    pub(crate) fn fresh_broadcast(&self, now: Timestamp) -> domain::BroadcastId {
        self.ids.next_broadcast(now)
    }

    fn prepare(&self, grant: &Grant, mut ready: Ready, now: Timestamp) -> Result<Prepared, AcceptError> {
        let id = self.ids.next(now);
        // Two messages that say the same are the same, whatever their links are called.
        let said = ready.content.clone().with_link(None);
        let links = self.count_links(&mut ready, id);
        let idempotency = ready.submission.idempotency.clone().map(|(key, hash)| Idempotency {
            key,
            hash,
            not_before: now - self.config.idempotency_window,
        });
        let (Drawn { way, ready, app }, planned) = self.draw(grant, ready, id, now)?;
        let Ready { submission, content, template } = ready;
        let said = (&said, &submission.options);
        let dedupe = submission.dedupe.as_ref().map(|dedupe| dedupe_entry(dedupe, said, &way.to, &app, now));
        let (mut deliveries, mut reservations) = (Vec::with_capacity(planned.len()), Vec::new());
        for (index, Planned { delivery, request }) in planned.into_iter().enumerate() {
            if delivery.due_at <= now
                && let Some(place) = self.door.dispatcher.reserve(&delivery.lane)
            {
                reservations.push(Reserved { index, place, request });
            }
            deliveries.push(delivery);
        }
        let message = Message {
            id,
            caller: grant.caller.clone(),
            content,
            options: submission.options,
            priority: submission.priority,
            accepted_at: now,
            send_at: submission.send_at,
            expires_at: submission.expires_at,
            tags: submission.tags,
            metadata: submission.metadata,
            duplicate_of: None,
            route: way.route,
            replay_of: submission.replay_of,
            acknowledged_at: None,
            template: template.map(Box::new),
            webhook: submission.webhook.map(Into::into),
        };
        let born =
            |reserved: &Reserved| BornLeased { index: reserved.index, equal_since: reserved.place.equal_since(now) };
        let born_leased = reservations.iter().map(born).collect();
        let admission = Arc::new(Admission { message, deliveries, born_leased, idempotency, dedupe, links });
        Ok(Prepared { admission, reservations, warnings: way.warnings })
    }

    /// Puts redirects in the place of the links of a template that counts them; returns where they lead.
    fn count_links(&self, ready: &mut Ready, id: MessageId) -> Vec<String> {
        let (Some(links), Some(made_by)) = (&self.config.links, &ready.template) else { return Vec::new() };
        if !self.templates.tracks_clicks(&made_by.name, made_by.version) {
            return Vec::new();
        }
        let (redirected, targets) = links.redirect(&ready.content, id);
        ready.content = redirected;
        targets
    }

    fn count(&self, result: &Result<Receipt, AcceptError>) {
        match result {
            Ok(Receipt { replayed: true, .. }) => MessageReplayed.emit(),
            Ok(Receipt { duplicate_of: Some(_), .. }) => MessageDuplicate.emit(),
            Ok(_) => self.accepted.count(),
            Err(error) => MessageRefused { code: error.code() }.emit(),
        }
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
        let Prepared { admission, reservations, warnings } = ready;
        let receipt = |id, state, accepted_at, duplicate_of, replayed| {
            Ok(Receipt { id, state, accepted_at, duplicate_of, replayed, warnings })
        };
        match accepted {
            Accepted::New { leases } => {
                if admission.message.content.link().is_some() {
                    FileLinked.emit();
                }
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
                        route: admission.message.route.clone(),
                        digest_of: None,
                        handle: None,
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
    Receipt { id, state, accepted_at, duplicate_of, replayed: true, warnings: Vec::new() }
}

fn invalid(violation: Violation) -> AcceptError {
    AcceptError::Invalid(InvalidSubmission(violation))
}

fn dedupe_entry(
    dedupe: &Dedupe,
    (content, options): (&Content, &Options),
    to: &RecipientSet,
    app: &str,
    now: Timestamp,
) -> DedupeEntry {
    let key = match &dedupe.by {
        DedupeBy::Key(key) => format!("key {key}"),
        DedupeBy::Content => {
            let parts = [&to.to_stored(), app, &content.to_stored(), &format!("{options:?}")];
            format!("content {}", request_hash(parts.join("\0").as_bytes()))
        }
    };
    DedupeEntry { key, until: now + dedupe.window }
}
