//! The directory: who is who. Business identities (`emp:1001`, `mobile:138…`, `name:张三`) → WeCom's userids; groups and
//! on-call lists of one's own.
//!
//! Knows nothing about where people are kept, and nothing about how WeCom is asked for them.

mod merge;
mod on_call;
mod person;
mod resolve;
mod wanted;

pub use self::merge::{Changes, merge};
pub use self::on_call::{Group, InvalidList, OnCall, is_list_name};
pub use self::person::{Identity, InvalidPerson, Person, PersonChange, PersonSource, PersonStatus, normal_mobile};
pub use self::resolve::{Directory, Resolution};
pub use self::wanted::Wanted;
