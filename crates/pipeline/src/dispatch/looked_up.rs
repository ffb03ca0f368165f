//! Who was looked up on the way: they go on to the application, in the transaction that settles the look-up; and a member's
//! name where a userid was meant.

use domain::{
    Attempt, Delivery, FailureClass, InvalidSubmission, Outcome, Reason, Recipient, RecipientState, Timestamp, Wanted,
};

use super::Shared;
use crate::ports::Claimed;
use crate::routing::Parcel;
use crate::telemetry::{Happening as _, LedgerFailed};

/// The channel that asks WeCom.
const CHANNEL: &str = "directory";
/// What WeCom calls a userid that it does not know, and a call of nothing but such (path/90236).
const NOT_USERIDS: [&str; 2] = ["invaliduser", "81013"];

/// Whether a delivery is one that only looks somebody up.
pub(super) fn is_lookup(claimed: &Claimed) -> bool {
    claimed.delivery.lane.channel() == CHANNEL
}

/// Remembers what WeCom answered.
pub(super) async fn note(shared: &Shared, claimed: &Claimed, attempt: &Attempt, now: Timestamp) {
    let Some(Recipient::Person(entry)) = claimed.delivery.recipients.iter().next() else { return };
    let found = match attempt {
        Attempt::Sent { handle: Some(userid), .. } => Some(userid.as_str()),
        Attempt::Refused { reason, .. } if reason.code == "no_such_person" => None,
        _ => return,
    };
    let Some(wanted) = Wanted::of(entry) else { return };
    // It is remembered in memory all the same: at worst WeCom is asked once more.
    if let Err(error) = shared.planner.directory.note(shared.ledger.as_ref(), &wanted, found, now).await {
        LedgerFailed { error: &error }.emit();
    }
}

/// Sends on whom the look-up found, along the message's route from its first step; whom it did not find, nobody can reach.
pub(super) fn decide(shared: &Shared, claimed: &Claimed, outcome: Outcome, now: Timestamp) -> (Outcome, Vec<Delivery>) {
    let (Outcome::Final { state: RecipientState::Delivered, handle: Some(userid), .. }, Some(content)) =
        (&outcome, &claimed.content)
    else {
        return (outcome, Vec::new());
    };
    let parcel = Parcel {
        id: claimed.delivery.id.message(),
        content,
        options: &claimed.options,
        priority: claimed.delivery.priority,
        expires_at: claimed.delivery.expires_at,
        route: claimed.route.as_deref(),
    };
    match shared.planner.found(parcel, userid, claimed.delivery.lane.account(), now) {
        Ok(next) => {
            let moved = Outcome::Final {
                state: RecipientState::MovedOn,
                refused: Vec::new(),
                handle: None,
                unconfirmed: false,
                reason: Some(Reason::new("looked_up", format!("WeCom knows the person as userid `{userid}`"))),
            };
            (moved, next)
        }
        Err(InvalidSubmission(violation)) => {
            let reason = Reason::new(violation.code, format!("`{}` {}", violation.field, violation.message));
            (Outcome::dead(Reason { hint: violation.hint, ..reason }), Vec::new())
        }
    }
}

/// Puts an answer into context: whom a userid that WeCom does not know may have meant, for many write a member's name there;
/// and that nothing is uncertain about a look-up.
pub(super) fn in_context(shared: &Shared, claimed: &Claimed, mut attempt: Attempt) -> Attempt {
    if is_lookup(claimed)
        && let Attempt::Uncertain { reason } = attempt
    {
        // A question that was not answered left nothing behind that anybody could see.
        return Attempt::Deferred { class: FailureClass::Unreachable, reason, retry_after: None };
    }
    let meant = |recipient: &Recipient| {
        let Recipient::User(userid) = recipient else { return None };
        let directory = shared.planner.directory.read();
        let meant = directory.only_one_called(userid)?;
        Some(format!("did you mean userid {}? `{userid}` is a member's name", meant.userid))
    };
    match &mut attempt {
        Attempt::Sent { refused, .. } => {
            for refusal in refused.iter_mut().filter(|refusal| NOT_USERIDS.contains(&refusal.reason.code.as_str())) {
                if let Some(hint) = meant(&refusal.recipient) {
                    refusal.reason.hint = Some(hint);
                }
            }
        }
        Attempt::Refused { reason, .. } if NOT_USERIDS.contains(&reason.code.as_str()) => {
            let mut recipients = claimed.delivery.recipients.iter();
            // One reason stands for all: only where there is one recipient it can name whom.
            if let (Some(only), None) = (recipients.next(), recipients.next())
                && let Some(hint) = meant(only)
            {
                reason.hint = Some(hint);
            }
        }
        _ => {}
    }
    attempt
}
