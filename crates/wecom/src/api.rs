//! The calls, in families named as the official documents name them; one file per call.

pub mod media;
pub mod message;
pub mod robot;
pub mod token;

/// Skips what is not set, so that requests look as in the documents.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
