//! Taking messages in: what is admitted, and what becomes of it.

use std::sync::Arc;

use async_trait::async_trait;
use domain::{CallerId, Delivery, Message, MessageId, RequestHash, Timestamp};

use super::{Lease, LedgerError};

/// A submission that passed every check, ready to be made durable.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The message.
    pub message: Message,
    /// Its deliveries, in order of position.
    pub deliveries: Vec<Delivery>,
    /// The deliveries that are claimed by the same commit, because a dispatcher waits for them.
    pub born_leased: Vec<BornLeased>,
    /// The caller's idempotency key.
    pub idempotency: Option<Idempotency>,
    /// What makes a later submission a repeat of this one.
    pub dedupe: Option<DedupeEntry>,
    /// Where the links of its content lead that are counted.
    pub links: Vec<String>,
}

/// A delivery that is claimed by the commit that accepts it.
#[derive(Clone, Copy, Debug)]
pub struct BornLeased {
    /// Its position in the admission, from 0.
    pub index: usize,
    /// As in [`Claim`](super::Claim).
    pub equal_since: Option<Timestamp>,
}

/// An idempotency key and the request it stands for.
#[derive(Clone, Debug)]
pub struct Idempotency {
    /// The caller's key.
    pub key: String,
    /// Hash over method, path and raw bytes.
    pub hash: RequestHash,
    /// Keys older than this have expired.
    pub not_before: Timestamp,
}

/// What makes a later submission a repeat.
#[derive(Clone, Debug)]
pub struct DedupeEntry {
    /// The caller's key, or the content's hash.
    pub key: String,
    /// Until when.
    pub until: Timestamp,
}

/// What became of an admission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is on disk.
    New {
        /// The leases of the deliveries that were born leased.
        leases: Vec<Lease>,
    },
    /// The same request was admitted before under the same idempotency key.
    Replayed {
        /// That message.
        id: MessageId,
        /// When it was accepted.
        accepted_at: Timestamp,
        /// What it repeated, if it did.
        duplicate_of: Option<MessageId>,
    },
    /// It is recorded as a repeat of another message and will not be sent.
    Duplicate {
        /// The first message.
        of: MessageId,
    },
    /// The idempotency key stands for another request. Nothing was stored.
    KeyReused,
}

/// Taking messages in.
#[async_trait]
pub trait Admissions: Send + Sync {
    /// Makes submissions durable, each on its own: one never fails another.
    ///
    /// # Errors
    /// [`LedgerError`] if none of them could be stored.
    async fn accept(&self, admissions: Vec<Arc<Admission>>) -> Result<Vec<Accepted>, LedgerError>;

    /// Looks up what an idempotency key stands for, if it is known: [`Accepted::Replayed`] or [`Accepted::KeyReused`].
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn known_key(&self, caller: &CallerId, idempotency: &Idempotency) -> Result<Option<Accepted>, LedgerError>;
}
