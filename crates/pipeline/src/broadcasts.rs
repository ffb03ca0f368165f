//! Broadcasts: one message for a list, handed in tier after tier, a group at a time.
//!
//! A group is accepted like any request, under idempotency keys that name the broadcast and the row; then the ledger notes
//! what became of it and when the next is due. Whoever dies in between hands the group in again, and is answered with the
//! first receipts: no row makes two messages. Those of a group who are told the same are told by one message. Knows nothing
//! about how a list or a submission is written: whoever does hands in a reader.

mod run;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::{
    BroadcastId, BroadcastRow, BroadcastState, Grant, Submission, SubmissionContent, Violation, in_groups,
    submission_for, told_the_same,
};
use tokio::sync::Notify;

use crate::accept::{AcceptError, Intake};
use crate::ports::{Broadcast, BroadcastRecord, Clock, Ledger, LedgerError, RowRecord, TierCount};
use crate::schedules::ReadSubmission;

/// The most rows of one broadcast.
pub const MOST_ROWS: usize = 100_000;
/// The most rows of a group: as many as WeCom takes in one call (path/90236).
pub const LARGEST_GROUP: usize = 1000;
/// The longest that is waited after a group.
const LONGEST_PACE: Duration = Duration::from_secs(24 * 3600);
/// The longest name of a broadcast or a tier, in characters.
const LONGEST_NAME: usize = 100;
/// How many refused rows are named.
const NAMED: usize = 100;
/// After how many rows others have their turn.
const BREATH: usize = 64;

/// What a caller wants sent.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The broadcast; its id is made when it is begun.
    pub broadcast: Broadcast,
    /// The submission that its body says, without recipients.
    pub message: Submission,
    /// The list, in no groups yet.
    pub rows: Vec<BroadcastRow>,
    /// How many rows a group has.
    pub group_size: usize,
    /// Whether it rests from the start.
    pub paused: bool,
    /// Whether it is begun although rows of it are refused.
    pub partial: bool,
}

/// What would become of a list, or what of it was begun.
#[derive(Debug)]
pub struct Tried {
    /// How many rows there are.
    pub rows: usize,
    /// How many groups they make.
    pub groups: u32,
    /// How many messages they make.
    pub messages: usize,
    /// How many rows are refused.
    pub refused: usize,
    /// The first of them by line, and why.
    pub named: Vec<(u32, AcceptError)>,
}

/// A broadcast was not begun, or not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BroadcastError {
    /// It breaks a rule.
    #[error("`{}` {}", .0.field, .0.message)]
    Invalid(Violation),
    /// A row of it would not be accepted.
    #[error("line {line} would not be accepted")]
    Row {
        /// Which, as its caller counts.
        line: u32,
        /// Why.
        source: AcceptError,
    },
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// There is none of this id that the caller may see.
    #[error("there is no such broadcast")]
    Unknown,
    /// It has ended.
    #[error("it has ended: it is {}", .0.name())]
    Ended(BroadcastState),
    /// The ledger could not do it.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// A broadcast was begun, or had been by the same request.
#[derive(Debug)]
pub struct Begun {
    /// The broadcast.
    pub record: BroadcastRecord,
    /// Whether it had been begun before.
    pub replayed: bool,
}

/// Keeps broadcasts, and hands in their groups. Cheap to clone.
#[derive(Clone)]
pub struct Broadcaster {
    shared: Arc<Shared>,
}

struct Shared {
    ledger: Arc<dyn Ledger>,
    intake: Arc<Intake>,
    clock: Arc<dyn Clock>,
    read: Box<ReadSubmission>,
    changed: Notify,
}

impl std::fmt::Debug for Broadcaster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broadcaster").finish_non_exhaustive()
    }
}

impl Broadcaster {
    /// Makes a broadcaster; [`Self::run`] sets it to work.
    pub fn new(intake: Arc<Intake>, ledger: Arc<dyn Ledger>, clock: Arc<dyn Clock>, read: Box<ReadSubmission>) -> Self {
        Self { shared: Arc::new(Shared { ledger, intake, clock, read, changed: Notify::new() }) }
    }

    /// Says what would become of a list, without beginning anything.
    ///
    /// # Errors
    /// [`BroadcastError::Invalid`] if it is no list that could be begun.
    pub async fn dry_run(&self, mut wanted: Wanted) -> Result<Tried, BroadcastError> {
        check(&wanted)?;
        wanted.rows = in_groups(wanted.rows, wanted.group_size);
        Ok(self.try_rows(&wanted).await.0)
    }

    /// Begins a broadcast. Every row must be such that it would be accepted now, unless those that are not may be left out.
    ///
    /// # Errors
    /// [`BroadcastError`]; nothing was begun.
    pub async fn begin(&self, mut wanted: Wanted) -> Result<Begun, BroadcastError> {
        let Shared { ledger, clock, changed, .. } = self.shared.as_ref();
        if let Some((key, _)) = &wanted.broadcast.idempotency {
            let known = ledger.broadcast_by_key(&wanted.broadcast.grant.caller, key).await?;
            if let Some(begun) = self.replayed(&wanted.broadcast, known).await? {
                return Ok(begun);
            }
        }
        check(&wanted)?;
        wanted.rows = in_groups(wanted.rows, wanted.group_size);
        let (tried, mut refused) = self.try_rows(&wanted).await;
        if let Some((line, source)) = tried.named.into_iter().next()
            && (!wanted.partial || tried.refused == wanted.rows.len())
        {
            return Err(BroadcastError::Row { line, source });
        }
        let Wanted { mut broadcast, rows, paused, .. } = wanted;
        let now = clock.now();
        broadcast.id = self.shared.intake.fresh_broadcast(now);
        broadcast.created_at = now;
        let rows = rows.into_iter().enumerate().map(|(index, row)| (row, refused.remove(&index))).collect();
        let known = ledger.begin_broadcast(broadcast.clone(), rows, (!paused).then_some(now)).await?;
        if let Some(begun) = self.replayed(&broadcast, known).await? {
            return Ok(begun);
        }
        changed.notify_one();
        let record = self.find(&broadcast.grant, broadcast.id).await?;
        Ok(Begun { record, replayed: false })
    }

    /// What the same request began before, if there is such.
    async fn replayed(
        &self,
        broadcast: &Broadcast,
        known: Option<(BroadcastId, domain::RequestHash)>,
    ) -> Result<Option<Begun>, BroadcastError> {
        let (Some((id, hash)), Some((_, wanted))) = (known, &broadcast.idempotency) else { return Ok(None) };
        if hash != *wanted {
            return Err(BroadcastError::KeyReused);
        }
        let record = self.find(&broadcast.grant, id).await?;
        Ok(Some(Begun { record, replayed: true }))
    }

    /// Tries each row; returns what it found, and why rows are refused by their place.
    async fn try_rows(&self, wanted: &Wanted) -> (Tried, BTreeMap<usize, String>) {
        let (mut tried, mut refused) =
            (Tried { rows: wanted.rows.len(), groups: 0, messages: 0, refused: 0, named: Vec::new() }, BTreeMap::new());
        let message = message_of(wanted.broadcast.id, wanted.message.clone());
        let grant = &wanted.broadcast.grant;
        let mut first = 0;
        for group in wanted.rows.chunk_by(|one, two| one.group == two.group) {
            for (number, together) in told_the_same(group).into_iter().enumerate() {
                if number % BREATH == 0 {
                    tokio::task::yield_now().await;
                }
                let submission = submission_for(&message, together.iter().map(|index| &group[*index]));
                if self.shared.intake.test_route(grant, submission).is_ok() {
                    tried.messages += 1;
                    continue;
                }
                // Which of them it is that cannot be told is known by trying each alone.
                let before = refused.len();
                for index in &together {
                    let alone = submission_for(&message, [&group[*index]]);
                    if let Err(why) = self.shared.intake.test_route(grant, alone) {
                        refused.insert(first + index, why.to_string());
                        if tried.named.len() < NAMED {
                            tried.named.push((group[*index].line, why));
                        }
                    }
                }
                if refused.len() - before < together.len() {
                    tried.messages += 1;
                }
            }
            first += group.len();
            tried.groups += 1;
        }
        tried.refused = refused.len();
        tried.named.sort_by_key(|(line, _)| *line);
        (tried, refused)
    }

    /// Returns the newest broadcasts that a caller may see.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn list(&self, grant: &Grant, limit: usize) -> Result<Vec<BroadcastRecord>, LedgerError> {
        self.shared.ledger.broadcasts(grant.reads(), limit).await
    }

    /// Finds a broadcast that a caller may see.
    ///
    /// # Errors
    /// [`BroadcastError::Unknown`] if there is none such, or it is another caller's.
    pub async fn find(&self, grant: &Grant, id: BroadcastId) -> Result<BroadcastRecord, BroadcastError> {
        let found = self.shared.ledger.broadcast(id).await?;
        let may_see =
            |record: &BroadcastRecord| grant.reads().is_none_or(|caller| *caller == record.broadcast.grant.caller);
        found.filter(may_see).ok_or(BroadcastError::Unknown)
    }

    /// Counts the rows of a broadcast by tier and by what they have come to.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn counts(&self, id: BroadcastId) -> Result<Vec<TierCount>, LedgerError> {
        self.shared.ledger.tier_counts(id).await
    }

    /// Returns rows after a position, and what became of them; those that were refused only, if wanted.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn rows(
        &self,
        id: BroadcastId,
        after: u32,
        limit: usize,
        refused_only: bool,
    ) -> Result<Vec<RowRecord>, LedgerError> {
        self.shared.ledger.broadcast_rows(id, after, limit, refused_only).await
    }

    /// Lets a broadcast rest, go on, or end. What was handed in stays as it is.
    ///
    /// # Errors
    /// [`BroadcastError`]; nothing was changed.
    pub async fn move_to(
        &self,
        grant: &Grant,
        id: BroadcastId,
        to: BroadcastState,
    ) -> Result<BroadcastRecord, BroadcastError> {
        let record = self.find(grant, id).await?;
        if record.state != to && !self.shared.ledger.move_broadcast(id, to, self.shared.clock.now()).await? {
            return Err(BroadcastError::Ended(self.find(grant, id).await?.state));
        }
        self.shared.changed.notify_one();
        self.find(grant, id).await
    }
}

/// What is handed in for a broadcast, but for whom: it can be found by its tag.
fn message_of(id: BroadcastId, mut message: Submission) -> Submission {
    message.tags.push(format!("broadcast:{id}"));
    message
}

fn check(wanted: &Wanted) -> Result<(), BroadcastError> {
    let wrong = |field: &str, message: String, hint: &str| {
        Err(BroadcastError::Invalid(Violation::new("invalid", field, message).with_hint(hint)))
    };
    let Wanted { broadcast, message, rows, group_size, .. } = wanted;
    if rows.is_empty() {
        return wrong(
            "tiers",
            "name nobody".to_owned(),
            "give people: `\"tiers\": [{\"people\": [{\"to\": \"zhangsan\"}]}]`",
        );
    }
    if rows.len() > MOST_ROWS {
        let message = format!("name {} people; the limit is {MOST_ROWS}", rows.len());
        return wrong("tiers", message, "divide the list, or address departments or tags");
    }
    if !(1..=LARGEST_GROUP).contains(group_size) {
        let message = format!("is {group_size}, and not 1 to {LARGEST_GROUP}");
        return wrong("group_size", message, "100 is the default");
    }
    if broadcast.pace > LONGEST_PACE {
        return wrong("pace", "is longer than a day".to_owned(), "2.5s is the default; 0s leaves no pause");
    }
    let too_long = |name: &&String| name.chars().count() > LONGEST_NAME;
    if let Some(name) = std::iter::once(&broadcast.name).chain(&broadcast.tiers).find(too_long) {
        let message = format!("{name:?} is longer than {LONGEST_NAME} characters");
        return wrong("name", message, "shorten it");
    }
    for (field, given) in [
        ("message.send_at", message.send_at.is_some()),
        ("message.dedupe", message.dedupe.is_some()),
        ("message.idempotency_key", message.idempotency.is_some()),
    ] {
        if given {
            return wrong(
                field,
                "is not for a broadcast".to_owned(),
                "leave it out; a schedule begins things at a time",
            );
        }
    }
    if !message.to.is_empty() || !message.people.is_empty() {
        return wrong("message.to", "stands beside the list".to_owned(), "whom it is for is said by `tiers`");
    }
    let says_more = rows.iter().find(|row| !row.variables.is_empty());
    if let (SubmissionContent::Ready(_), Some(row)) = (&message.content, says_more) {
        let said = row.variables.keys().next().cloned().unwrap_or_default();
        let message = format!("brings `{said}`, and no template takes it");
        return wrong(
            &format!("line {}", row.line),
            message,
            "name the template: `\"message\": {\"template\": \"…\"}`",
        );
    }
    Ok(())
}
