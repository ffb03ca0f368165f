//! Many messages as one: what waits for one robot or member, merged into as few messages as fit.
//!
//! Each message stays tied to its lines, and to its own record. Knows nothing about when a digest is closed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Content, ContentKind, Mention, Span, Timestamp};

/// When the messages of a route are merged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DigestPolicy {
    /// Only messages of one group are merged; default: the route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// How long a message waits for others; without it only those that must wait anyway are merged.
    #[serde(default = "no_time")]
    pub window: Span,
    /// The most that a message waits for others, where each that comes begins the window anew; default: the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_wait: Option<Span>,
}

fn no_time() -> Span {
    Span(Duration::ZERO)
}

impl DigestPolicy {
    /// Returns the most that a message waits for others.
    pub fn longest(&self) -> Duration {
        self.max_wait.map_or(self.window.0, |longest| longest.0.max(self.window.0))
    }

    /// Says until when a digest whose first message was accepted at `first` waits for more, the last having come at `last`.
    pub fn closes_at(&self, first: Timestamp, last: Timestamp) -> Timestamp {
        (last + self.window.0).min(first + self.longest())
    }
}

/// Several messages as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// What it says.
    pub content: Content,
    /// How many of the messages, from the first, it says.
    pub included: usize,
}

/// Whether a content can be merged with others of its kind.
pub fn can_merge(kind: ContentKind) -> bool {
    kind.is_plain()
}

/// Merges as many of the contents as fit into `limit` bytes, in order; at least the first, as it is.
///
/// Only those of the first's kind are merged: the first that is of another ends the digest.
pub fn merge(contents: &[Content], limit: usize) -> Option<Merged> {
    let first = contents.first()?;
    let same = contents.iter().take_while(|content| content.kind() == first.kind() && can_merge(content.kind()));
    let texts: Vec<String> = same.map_while(Content::plain_content).collect();
    let (mut joined, mut included) = (String::new(), 0);
    for text in &texts {
        let line = format!("{}{}. {}", if included == 0 { "" } else { "\n" }, included + 1, text.trim_end());
        if joined.len() + line.len() > limit {
            break;
        }
        joined.push_str(&line);
        included += 1;
    }
    if included < 2 {
        return Some(Merged { content: first.clone(), included: 1 });
    }
    Some(Merged { content: Content::plain(first.kind(), &joined), included })
}

/// Calls by name whomever any of the messages calls.
pub fn merge_mentions<'a>(mentions: impl IntoIterator<Item = &'a Mention>) -> Mention {
    let mut all = Mention::default();
    for mention in mentions {
        all.all |= mention.all;
        for (known, more) in [(&mut all.users, &mention.users), (&mut all.mobiles, &mention.mobiles)] {
            let new: Vec<_> = more.iter().filter(|name| !known.contains(name)).cloned().collect();
            known.extend(new);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(words: &str) -> Content {
        Content::plain(ContentKind::Text, words)
    }

    #[test]
    fn messages_are_numbered_lines_of_one() {
        let merged = merge(&[text("磁盘满"), text("CPU 高")], 2048).unwrap();
        assert_eq!(merged, Merged { content: text("1. 磁盘满\n2. CPU 高"), included: 2 });
    }

    #[test]
    fn one_alone_stays_as_it_is_and_another_kind_ends_it() {
        assert_eq!(merge(&[text("a")], 10).unwrap(), Merged { content: text("a"), included: 1 });
        let mixed = [text("a"), text("b"), Content::plain(ContentKind::Markdown, "c")];
        assert_eq!(merge(&mixed, 99).unwrap().included, 2);
    }

    #[test]
    fn a_digest_waits_for_more_but_not_for_ever() {
        let policy = DigestPolicy { group: None, window: Span::seconds(10), max_wait: Some(Span::seconds(60)) };
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        assert_eq!(policy.closes_at(at(0), at(5)), at(15));
        assert_eq!(policy.closes_at(at(0), at(58)), at(60));
    }

    proptest! {
        #[test]
        fn no_digest_is_longer_than_its_limit_and_none_leaves_a_fitting_message_out(
            lengths in prop::collection::vec(0_usize..300, 1..60),
            limit in 300_usize..2048,
        ) {
            let contents: Vec<_> = lengths.iter().map(|length| text(&"x".repeat(*length))).collect();
            let merged = merge(&contents, limit).unwrap();
            let said = merged.content.plain_content().unwrap();
            prop_assert!(said.len() <= limit);
            if merged.included < contents.len() && merged.included > 1 {
                let next = lengths[merged.included] + (merged.included + 1).to_string().len() + 3;
                prop_assert!(said.len() + next > limit, "{} and {next} would fit {limit}", said.len());
            }
        }
    }
}
