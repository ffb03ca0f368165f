//! One group after another: handing it in, and noting what became of it.

use std::time::Duration;

use domain::{BroadcastRow, Submission, Timestamp, submission_for, told_the_same};
use tokio_util::sync::CancellationToken;

use super::{Broadcaster, message_of};
use crate::accept::{AcceptError, Receipt};
use crate::crash_point;
use crate::ports::{Broadcast, BroadcastRecord, DueGroup, GroupDone, GroupPutOff, LedgerError, RowResult};
use crate::routing::request_hash;
use crate::telemetry::{BroadcastEnded, BroadcastHeld, Happening as _, LedgerFailed, RowsHandedIn};

/// How long it is waited when the ledger is away, or takes nothing more.
const PATIENCE: Duration = Duration::from_secs(5);

/// A row by its position, and what became of it.
type Handled = (u32, RowResult);

/// What keeps a group from being handed in for now.
struct PutOff {
    wait: Duration,
    why: String,
}

/// A group on its way.
struct Group<'a> {
    broadcast: &'a Broadcast,
    message: Submission,
    rows: Vec<(u32, BroadcastRow)>,
}

impl Broadcaster {
    /// Hands in groups until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            let next = tokio::select! {
                next = self.hand_in_what_is_due() => next,
                // A group that is under way is handed in again: its keys find what was accepted.
                () = shutdown.cancelled() => return,
            };
            let next = next.unwrap_or_else(|error| {
                LedgerFailed { error: &error }.emit();
                Some(self.shared.clock.now() + PATIENCE)
            });
            tokio::select! {
                () = self.until(next) => {}
                () = self.shared.changed.notified() => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    async fn until(&self, next: Option<Timestamp>) {
        match next {
            Some(next) => self.shared.clock.sleep_until(next).await,
            None => std::future::pending().await,
        }
    }

    /// Hands in every group that is due; returns when the next is.
    async fn hand_in_what_is_due(&self) -> Result<Option<Timestamp>, LedgerError> {
        let ledger = &self.shared.ledger;
        while let Some(DueGroup { record, rows }) = ledger.due_group(self.shared.clock.now()).await? {
            self.hand_in(record, rows).await?;
        }
        ledger.next_group().await
    }

    async fn hand_in(
        &self,
        record: BroadcastRecord,
        rows: Vec<(u32, Option<BroadcastRow>)>,
    ) -> Result<(), LedgerError> {
        let (id, ledger) = (record.broadcast.id, &self.shared.ledger);
        let (rows, put_off) = self.accept(&record.broadcast, rows).await;
        let taken = rows.iter().filter(|(_, result)| matches!(result, RowResult::Message(_))).count();
        RowsHandedIn { taken, refused: rows.len() - taken }.emit();
        crash_point("broadcast-before-advance");
        let now = self.shared.clock.now();
        if let Some(PutOff { wait, why }) = put_off {
            BroadcastHeld { id, why: &why, until: now + wait }.emit();
            return ledger.put_off_group(GroupPutOff { id, rows, until: now + wait, why }).await;
        }
        let next_at = now + record.broadcast.pace;
        ledger.group_done(GroupDone { id, group: record.done, rows, next_at, now }).await?;
        if record.done + 1 >= record.groups {
            BroadcastEnded { id }.emit();
        }
        Ok(())
    }

    /// Accepts a group as far as that goes now.
    async fn accept(
        &self,
        broadcast: &Broadcast,
        rows: Vec<(u32, Option<BroadcastRow>)>,
    ) -> (Vec<Handled>, Option<PutOff>) {
        let refused = |rows: Vec<(u32, Option<BroadcastRow>)>, why: &str| {
            rows.into_iter().map(|(position, _)| (position, RowResult::Refused(why.to_owned()))).collect::<Vec<_>>()
        };
        let (readable, lost): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(_, row)| row.is_some());
        let message = broadcast.body.as_ref().map(|body| (self.shared.read)(body.as_bytes()));
        let message = match message {
            Some(Ok(message)) => message_of(broadcast.id, message),
            Some(Err(why)) => return (refused(readable.into_iter().chain(lost).collect(), &why), None),
            None => {
                let why = "it cannot be opened: its row is damaged, or the master key that it was sealed with is gone";
                return (refused(readable.into_iter().chain(lost).collect(), why), None);
            }
        };
        let mut handled =
            refused(lost, "it cannot be opened: its row is damaged, or the master key that it was sealed with is gone");
        let rows = readable.into_iter().filter_map(|(position, row)| Some((position, row?))).collect();
        let group = Group { broadcast, message, rows };
        let put_off = self.accept_readable(&group, &mut handled).await;
        (handled, put_off)
    }

    /// Accepts one message for each that are told the same; where it is refused, once more without those whom it is refused for.
    async fn accept_readable(&self, group: &Group<'_>, handled: &mut Vec<Handled>) -> Option<PutOff> {
        let together = told_the_same(&group.rows.iter().map(|(_, row)| row.clone()).collect::<Vec<_>>());
        let asked = together.into_iter().map(|rows| (rows.clone(), rows)).collect();
        let (again, put_off) = self.accept_each(group, asked, handled, false).await;
        if put_off.is_some() {
            return put_off;
        }
        let mut without = Vec::new();
        for rows in again {
            let mut fine = Vec::new();
            for row in &rows {
                let alone = submission_for(&group.message, [&group.rows[*row].1]);
                match self.shared.intake.test_route(&group.broadcast.grant, alone) {
                    Ok(_) => fine.push(*row),
                    Err(why) => handled.push((group.rows[*row].0, RowResult::Refused(why.to_string()))),
                }
            }
            if !fine.is_empty() {
                without.push((rows, fine));
            }
        }
        self.accept_each(group, without, handled, true).await.1
    }

    /// Hands in one message for each set of rows, under a key that names the first of those it was to be for. Returns the
    /// sets of several that are refused, unless this was their last chance.
    async fn accept_each(
        &self,
        group: &Group<'_>,
        asked: Vec<(Vec<usize>, Vec<usize>)>,
        handled: &mut Vec<Handled>,
        last_chance: bool,
    ) -> (Vec<Vec<usize>>, Option<PutOff>) {
        let submissions = asked.iter().map(|(all, rows)| group.submission(all, rows)).collect();
        let results = self.shared.intake.accept_all(&group.broadcast.grant, submissions).await;
        let (mut refused, mut held) = (Vec::new(), None);
        for ((all, rows), result) in asked.into_iter().zip(results) {
            match row_result(result) {
                Err(put_off) => held = Some(put_off),
                Ok(RowResult::Refused(_)) if all.len() > 1 && !last_chance => refused.push(rows),
                Ok(result) => handled.extend(rows.into_iter().map(|row| (group.rows[row].0, result.clone()))),
            }
        }
        (refused, held)
    }
}

impl Group<'_> {
    fn submission(&self, all: &[usize], rows: &[usize]) -> Submission {
        let mut submission = submission_for(&self.message, rows.iter().map(|row| &self.rows[*row].1));
        let first = all.first().map_or(0, |row| self.rows[*row].0);
        let key = format!("broadcast:{}:{first}", self.broadcast.id);
        let hash = request_hash(key.as_bytes());
        submission.idempotency = Some((key, hash));
        submission
    }
}

fn row_result(result: Result<Receipt, AcceptError>) -> Result<RowResult, PutOff> {
    match result {
        Ok(receipt) => Ok(RowResult::Message(receipt.id)),
        Err(error @ AcceptError::TooMany { wait }) => Err(PutOff { wait, why: error.to_string() }),
        Err(error @ (AcceptError::NotStored(_) | AcceptError::Overloaded | AcceptError::Interrupted)) => {
            Err(PutOff { wait: PATIENCE, why: error.to_string() })
        }
        Err(error) => Ok(RowResult::Refused(error.to_string())),
    }
}
