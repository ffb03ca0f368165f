//! What can be watched of a client's calls: for metrics, beside the `tracing` events that the crate emits.

use std::fmt;
use std::time::Duration;

use crate::{ErrCode, Error};

/// One HTTP exchange with WeCom, as it ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Exchange<'a> {
    /// The path, without its credential.
    pub path: &'static str,
    /// How long it took.
    pub took: Duration,
    /// Bytes of the answer's body; 0 where there was none.
    pub answered_bytes: usize,
    /// Why it did not succeed.
    pub error: Option<&'a Error>,
}

impl Exchange<'_> {
    /// Returns the errcode; `None` where no errcode was answered at all.
    pub fn errcode(&self) -> Option<ErrCode> {
        self.error.map_or(Some(ErrCode::OK), Error::errcode)
    }
}

/// Watches calls. It is told of each one that ended, and must not take long.
///
/// ```
/// use wecom::{Exchange, Observer, Transport};
///
/// #[derive(Debug)]
/// struct Printer;
///
/// impl Observer for Printer {
///     fn exchanged(&self, exchange: &Exchange<'_>) {
///         println!("{} {:?} in {:?}", exchange.path, exchange.errcode(), exchange.took);
///     }
/// }
///
/// # fn main() -> Result<(), wecom::InvalidOrigin> {
/// let transport = Transport::builder().observer(Printer).build()?;
/// # Ok(()) }
/// ```
pub trait Observer: fmt::Debug + Send + Sync {
    /// An exchange has ended.
    fn exchanged(&self, exchange: &Exchange<'_>);
}
