//! Ways in: translate, accept, acknowledge.
//!
//! Every ingress turns what it got into a `Submission`, calls `Intake::accept`, and acknowledges its source only when it
//! holds a `Receipt`. Knows nothing about channels or databases.

pub mod callback;
mod click;
mod file_link;
mod files;
pub mod front;
#[cfg(fuzzing)]
pub mod fuzzed;
pub mod hooks;
pub mod http;
mod json;
