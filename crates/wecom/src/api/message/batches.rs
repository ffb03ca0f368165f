//! One message to more recipients than a call takes: split into calls, and their answers merged.

use super::SendMessage;
use crate::limits::{PARTIES_PER_CALL, TAGS_PER_CALL, USERS_PER_CALL};
use crate::{Client, Error, MsgId};

/// What became of a message that was sent in several calls.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct SentInBatches {
    /// One a call that was taken.
    pub msgids: Vec<MsgId>,
    /// Members that do not exist or are out of the visible range, of all calls.
    pub invaliduser: Vec<String>,
    /// Departments likewise.
    pub invalidparty: Vec<String>,
    /// Tags likewise.
    pub invalidtag: Vec<String>,
    /// Members without a basic API licence.
    pub unlicenseduser: Vec<String>,
    /// Calls that did not succeed, with what they were to send: once more is up to the caller.
    pub failed: Vec<(SendMessage, Error)>,
}

impl SendMessage {
    /// Splits the message into as many as its recipients need: 1000 members, 100 departments and 100 tags a call.
    #[must_use]
    pub fn batches(self) -> Vec<Self> {
        if self.touser == "@all" {
            return vec![self];
        }
        let (users, parties, tags) = (
            chunks(&self.touser, USERS_PER_CALL),
            chunks(&self.toparty, PARTIES_PER_CALL),
            chunks(&self.totag, TAGS_PER_CALL),
        );
        let calls = users.len().max(parties.len()).max(tags.len()).max(1);
        let nth = |chunks: &[String], n: usize| chunks.get(n).cloned().unwrap_or_default();
        let call = |n| {
            let mut one = self.clone();
            (one.touser, one.toparty, one.totag) = (nth(&users, n), nth(&parties, n), nth(&tags, n));
            one
        };
        (0..calls).map(call).collect()
    }
}

fn chunks(joined: &str, size: usize) -> Vec<String> {
    let ids: Vec<&str> = joined.split('|').filter(|id| !id.is_empty()).collect();
    ids.chunks(size).map(|chunk| chunk.join("|")).collect()
}

impl Client {
    /// Sends a message in as many calls as its recipients need, one after the other, and merges what was answered.
    ///
    /// A call that fails does not keep the others from being made.
    pub async fn send_in_batches(&self, message: SendMessage) -> SentInBatches {
        let mut merged = SentInBatches::default();
        for batch in message.batches() {
            match self.send(batch.clone()).await {
                Ok(sent) => {
                    merged.msgids.extend(sent.msgid);
                    merged.invaliduser.extend(sent.invaliduser);
                    merged.invalidparty.extend(sent.invalidparty);
                    merged.invalidtag.extend(sent.invalidtag);
                    merged.unlicenseduser.extend(sent.unlicenseduser);
                }
                Err(error) => merged.failed.push((batch, error)),
            }
        }
        merged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_has_more_than_it_may_and_nobody_is_lost() {
        let users = |count: usize| (0..count).map(|i| format!("u{i}"));
        for (count, calls) in [(1, 1), (1000, 1), (1001, 2), (2500, 3)] {
            let batches = SendMessage::to_users(users(count)).text("x").batches();
            assert_eq!(batches.len(), calls);
            assert!(batches.iter().all(|batch| batch.check().is_empty()));
            let all: Vec<String> = batches.iter().flat_map(|b| b.touser.split('|').map(str::to_owned)).collect();
            assert_eq!(all, users(count).collect::<Vec<_>>());
        }
        let mixed = SendMessage::to_users(users(10)).and_parties((0..250).map(|i| i.to_string())).text("x").batches();
        assert_eq!((mixed.len(), mixed[1].touser.as_str()), (3, ""));
        assert_eq!(SendMessage::to_all().text("x").batches().len(), 1);
    }
}
