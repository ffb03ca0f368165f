//! Links that are counted, and what templates' versions brought.

use async_trait::async_trait;
use domain::{CallerId, MessageId, Timestamp};

use super::LedgerError;

/// What a version of a template brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateFigures {
    /// Which version.
    pub version: u32,
    /// Messages that it made.
    pub messages: u64,
    /// Of them, those that were taken for somebody.
    pub delivered: u64,
    /// Clicks on their links.
    pub clicks: u64,
    /// Messages of which a link was clicked.
    pub clicked: u64,
    /// Presses of their buttons.
    pub presses: u64,
}

/// Keeping links.
#[async_trait]
pub trait Clicks: Send + Sync {
    /// Finds where a link leads.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn link(&self, message: MessageId, number: u16) -> Result<Option<String>, LedgerError>;

    /// Counts a click.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not counted.
    async fn count_click(&self, message: MessageId, number: u16) -> Result<(), LedgerError>;

    /// Returns the links of a message: where each leads, and how often it was clicked.
    ///
    /// # Errors
    /// [`LedgerError`] if they could not be read.
    async fn clicks(&self, message: MessageId) -> Result<Vec<(String, u64)>, LedgerError>;

    /// Returns what each version of a template brought, of messages accepted at or after `since`.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read.
    async fn template_figures(
        &self,
        name: &str,
        caller: Option<&CallerId>,
        since: Timestamp,
    ) -> Result<Vec<TemplateFigures>, LedgerError>;

    /// Returns a secret of the gateway's own; makes it, if there is none yet.
    ///
    /// # Errors
    /// [`LedgerError`] if it could be neither read nor kept.
    async fn own_secret(&self, name: &'static str) -> Result<Vec<u8>, LedgerError>;
}
