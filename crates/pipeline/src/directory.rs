//! The directory at work: read from memory when a message is accepted, changed by one at a time, brought up to date from
//! WeCom.
//!
//! - [`DirectoryBook`] is what is known, at hand: whoever resolves or looks for a mailbox reads there and waits for nobody.
//! - [`DirectoryKeeper`] changes it: compares, writes to the ledger, reads the book anew. Two changes never cross.
//! - [`DirectorySync`] asks WeCom for everybody, now and then. Half an answer adds and changes, and takes nobody for gone.
//!
//! Knows nothing about how WeCom is asked, and nothing about what is made of a resolution.

mod book;
mod keeper;
mod sync;

pub use self::book::DirectoryBook;
pub(crate) use self::keeper::nobody;
pub use self::keeper::{DirectoryKeeper, Found, LookupError, MemberChange, Put};
pub use self::sync::{DirectorySync, SyncError, SyncReport};
