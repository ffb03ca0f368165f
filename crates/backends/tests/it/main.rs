//! The story every ledger lives through, on each engine; and what a file that is not a ledger meets.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod directory;
mod opening;
mod pii;
mod sealing;
mod story;
