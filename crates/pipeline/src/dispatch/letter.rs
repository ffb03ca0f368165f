//! What is written: a claimed delivery → the request of one call.
//!
//! What was frozen at an earlier attempt is repeated byte for byte. Otherwise: messages that wait with it are merged, a
//! content of several parts gives its next, files get the names they have upstream, and all of it is rendered.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use domain::{
    Attempt, Content, Options, Outcome, Overflow, Reason, RecipientSet, Timestamp, Uncertain, Violation, merge,
    merge_mentions,
};

use super::Shared;
use super::attempt::panic_text;
use crate::crash_point;
use crate::ports::{Channel, Claimed, ClosedDigest, Companion, DigestClosing};
use crate::routing::request_hash;
use crate::telemetry::{Happening as _, LedgerFailed};

/// How much of the duplicate check's interval is left to the call itself.
const INTERVAL_MARGIN: std::time::Duration = std::time::Duration::from_secs(15);
/// The most messages of one digest.
const MERGED: usize = 200;

/// A request, ready to be sent.
pub(super) struct Letter {
    pub(super) claimed: Claimed,
    pub(super) channel: Arc<dyn Channel>,
    pub(super) body: Bytes,
    /// Whether the upstream recognises a repeat of it.
    pub(super) protected: bool,
    /// Whether nothing of the message is left after it.
    pub(super) last_part: bool,
    /// What it says, with files by our names.
    pub(super) content: Content,
}

/// What became of the writing.
pub(super) enum Written {
    /// It can be sent.
    Letter(Letter),
    /// It cannot, and this is what follows.
    Not(Claimed, Outcome),
}

pub(super) async fn write(shared: &Arc<Shared>, channel: Arc<dyn Channel>, claimed: Claimed) -> Written {
    let Some(whole) = claimed.content.clone() else {
        return Written::Not(claimed, Outcome::dead(Reason::new("unreadable", "what is stored cannot be read")));
    };
    let now = shared.clock.now();
    let uncertain = claimed.route.as_ref().and_then(|route| route.uncertain).unwrap_or(shared.config.uncertain);
    let rather_lost = uncertain == Uncertain::Lose;
    // Only a whole request is protected: one that was frozen, or that still is what it was when it was accepted.
    let known = claimed.frozen.clone().or_else(|| {
        let plain = claimed.delivery.digest.is_none() && claimed.options.overflow == Overflow::Reject;
        let usable = plain && claimed.standing.duplicate_check && !crate::media::names_own(&whole);
        claimed.rendered.clone().filter(|_| usable)
    });
    let (content, last_part) = match one_part(channel.as_ref(), &whole, &claimed) {
        Ok(part) => part,
        Err(violations) => return cannot_render(claimed, &violations),
    };
    if let Some(body) = known {
        let protected = claimed.delivery.part == 0;
        return protect(Letter { claimed, channel, body, protected, last_part, content }, now, rather_lost);
    }
    // A message of several parts is never part of a digest.
    if claimed.delivery.digest.is_some() && claimed.standing.attempts == 0 && last_part && claimed.delivery.part == 0 {
        match gather(shared, channel.as_ref(), &claimed, &content, now).await {
            Gathered::Alone => {}
            Gathered::Wait(outcome) => return Written::Not(claimed, outcome),
            Gathered::Closed { body, checked } => {
                let claimed = as_digest(claimed, checked);
                return Written::Letter(Letter {
                    claimed,
                    channel,
                    body,
                    protected: checked,
                    last_part: true,
                    content,
                });
            }
        }
    }
    let names_files = crate::media::names_own(&content);
    let resolved = if names_files {
        match shared.uploader.resolve(channel.as_ref(), &content).await {
            Ok(resolved) => resolved,
            Err(attempt) => return not_uploaded(shared, claimed, attempt),
        }
    } else {
        content.clone()
    };
    // The check was decided by the hash of the first part.
    let check = claimed.standing.duplicate_check && claimed.delivery.part == 0;
    let body = match render(channel.as_ref(), &resolved, &claimed.options, (&claimed, check)) {
        Ok(body) => body,
        Err(violations) => return cannot_render(claimed, &violations),
    };
    // An earlier version may have rendered otherwise: then WeCom would not recognise the repeat. What is written for the
    // first time is frozen with this attempt.
    let first = claimed.standing.uncertain_since.is_none();
    let protected = check && (first || request_hash(&body).short() == claimed.delivery.request_hash.short());
    protect(Letter { claimed, channel, body, protected, last_part, content }, now, rather_lost)
}

/// What holds for the one that carries the others: it is not its own message's any more.
fn as_digest(mut claimed: Claimed, checked: bool) -> Claimed {
    claimed.digest_of = Some(claimed.delivery.id);
    claimed.delivery.expires_at = None;
    claimed.standing.duplicate_check = checked;
    claimed
}

/// Says whether the upstream recognises a repeat of a letter. One that it did recognise and no longer will is not sent;
/// nor is one that it does not, if an earlier call may have been taken and the route would rather lose it.
fn protect(letter: Letter, now: Timestamp, rather_lost: bool) -> Written {
    let Letter { claimed, channel, .. } = &letter;
    let standing = &claimed.standing;
    let protected = letter.protected && standing.duplicate_check && channel.duplicate_check().is_some();
    if let (Some(since), Some(interval), true) = (standing.uncertain_since, channel.duplicate_check(), protected)
        && now + INTERVAL_MARGIN >= since + interval
    {
        let text = "an earlier call was never answered, and the time in which a repeat is recognised has passed";
        let outcome = Outcome::uncertain(Reason::new("no_answer", text));
        return Written::Not(letter.claimed, outcome);
    }
    if standing.uncertain_since.is_some() && !protected && rather_lost {
        let text = "an earlier call was never answered, and its route would rather lose a message than repeat it";
        return Written::Not(letter.claimed, Outcome::uncertain(Reason::new("no_answer", text)));
    }
    Written::Letter(Letter { protected, ..letter })
}

/// The part of a content that is next, and whether it is the last.
fn one_part(channel: &dyn Channel, content: &Content, claimed: &Claimed) -> Result<(Content, bool), Vec<Violation>> {
    if claimed.options.overflow == Overflow::Reject {
        return Ok((content.clone(), true));
    }
    let parts = channel.parts(content, &claimed.options)?;
    let next = usize::from(claimed.delivery.part);
    let is_last = next + 1 >= parts.len();
    let part = parts.into_iter().nth(next).unwrap_or_else(|| content.clone());
    Ok((part, is_last))
}

enum Gathered {
    /// Nothing waits with it.
    Alone,
    /// It waits for more.
    Wait(Outcome),
    /// It is a digest, and this is its request, with the upstream's duplicate check or without.
    Closed { body: Bytes, checked: bool },
}

/// Merges what waits for the same recipient in the same group; closing the digest freezes its bytes.
async fn gather(
    shared: &Shared,
    channel: &dyn Channel,
    claimed: &Claimed,
    content: &Content,
    now: Timestamp,
) -> Gathered {
    let Some(limit) = channel.longest(content.kind()) else { return Gathered::Alone };
    let mut companions = match shared.ledger.companions(&claimed.delivery, now, MERGED).await {
        Ok(companions) => companions,
        Err(error) => {
            LedgerFailed { error: &error }.emit();
            return Gathered::Alone;
        }
    };
    if let (Some(policy), Some(last)) =
        (claimed.route.as_ref().and_then(|route| route.digest.as_ref()), companions.last())
    {
        let closes_at = policy.closes_at(claimed.delivery.id.message().time(), last.accepted_at);
        if closes_at > now {
            let reason = Reason::new("digest", "it waits for others to be merged with");
            return Gathered::Wait(Outcome::Held { at: closes_at, lane: None, stays: false, reason });
        }
    }
    while !companions.is_empty() {
        let Some(merged) = merged(channel, claimed, content, &companions, limit) else { return Gathered::Alone };
        let joining = companions[..merged.included - 1].iter().map(|companion| companion.delivery).collect();
        let (lease, leader) = (claimed.lease, claimed.delivery.clone());
        let Merged { body, checked, .. } = merged;
        let closing = DigestClosing { lease, leader, companions: joining, body, checked, now };
        crash_point("digest-before-close");
        match shared.ledger.close_digest(closing).await {
            Ok(ClosedDigest::Closed { body, checked }) => {
                crash_point("digest-after-close");
                return Gathered::Closed { body, checked };
            }
            Ok(ClosedDigest::Gone(gone)) => companions.retain(|companion| !gone.contains(&companion.delivery)),
            Ok(ClosedDigest::Stale) => return Gathered::Alone,
            Err(error) => {
                LedgerFailed { error: &error }.emit();
                return Gathered::Alone;
            }
        }
    }
    Gathered::Alone
}

/// Several messages as one request.
struct Merged {
    /// How many, the first included.
    included: usize,
    body: Bytes,
    checked: Option<Bytes>,
}

/// As many of the messages as fit. `None` if only the first does.
fn merged(
    channel: &dyn Channel,
    claimed: &Claimed,
    content: &Content,
    companions: &[Companion],
    limit: usize,
) -> Option<Merged> {
    let contents: Vec<Content> =
        std::iter::once(content.clone()).chain(companions.iter().map(|companion| companion.content.clone())).collect();
    let merged = merge(&contents, limit)?;
    if merged.included < 2 {
        return None;
    }
    let others = companions[..merged.included - 1].iter().map(|companion| &companion.options);
    let safe = others.clone().map(|options| options.safe).chain([claimed.options.safe]).max().unwrap_or(0);
    let mentions = std::iter::once(&claimed.options).chain(others).map(|options| &options.mention);
    let options = Options { safe, mention: merge_mentions(mentions), ..claimed.options.clone() };
    let rendered = |check| render(channel, &merged.content, &options, (claimed, check)).ok();
    let checked = channel.duplicate_check().and_then(|_| rendered(true));
    Some(Merged { included: merged.included, body: rendered(false)?, checked })
}

/// Renders; a panic of the channel is a violation like any other.
fn render(
    channel: &dyn Channel,
    content: &Content,
    options: &Options,
    (claimed, duplicate_check): (&Claimed, bool),
) -> Result<Bytes, Vec<Violation>> {
    let recipients: &RecipientSet = &claimed.delivery.recipients;
    let rendering = || channel.render(content, options, recipients, duplicate_check);
    std::panic::catch_unwind(AssertUnwindSafe(rendering)).unwrap_or_else(|panic| {
        tracing::error!(delivery = %claimed.delivery.id, text = panic_text(panic.as_ref()), "A channel panicked");
        Err(vec![Violation::new("internal", content.kind().name(), "made the channel fail")])
    })
}

fn cannot_render(claimed: Claimed, violations: &[Violation]) -> Written {
    let text = violations.first().map_or_else(String::new, |v| format!("`{}` {}", v.field, v.message));
    let outcome = Outcome::ended_after(claimed.standing.uncertain_since, Reason::new("cannot_render", text));
    Written::Not(claimed, outcome)
}

/// A file that could not be uploaded: nothing was sent, and the upload's own trouble says what follows.
fn not_uploaded(shared: &Shared, claimed: Claimed, attempt: Attempt) -> Written {
    let standing = &claimed.standing;
    let situation = domain::Situation {
        now: shared.clock.now(),
        started_at: shared.clock.now(),
        tries: standing.tries,
        probe: false,
        uncertain_since: standing.uncertain_since,
        protected_for: None,
        give_up_at: claimed.delivery.give_up_at,
        expires_at: claimed.delivery.expires_at,
        moves_at: claimed.delivery.step.and_then(|step| step.moves_at),
        rather_lost: false,
        random: rand::random(),
    };
    // An upload that was not answered leaves nothing behind that anybody could see.
    let attempt = match attempt {
        Attempt::Uncertain { reason } | Attempt::Gone { reason } => {
            Attempt::Deferred { class: domain::FailureClass::Unreachable, reason, retry_after: None }
        }
        other => other,
    };
    let outcome = domain::judge(attempt, &situation, &shared.config.retry);
    Written::Not(claimed, outcome)
}
