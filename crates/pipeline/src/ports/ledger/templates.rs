//! Templates, in versions that never change; one of each name is active.

use async_trait::async_trait;
use domain::{Template, Timestamp};

use super::LedgerError;

/// A version of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateRecord {
    /// The template.
    pub template: Template,
    /// Whether it is the one that its name stands for.
    pub active: bool,
    /// How often the name stands for it, beside other versions with a weight; 0 where it does not.
    pub weight: u32,
    /// When it was kept.
    pub created_at: Timestamp,
}

/// Keeping templates.
#[async_trait]
pub trait Templates: Send + Sync {
    /// Returns every version of every template, by name, the newest first.
    ///
    /// # Errors
    /// [`LedgerError`] if they could not be read.
    async fn templates(&self) -> Result<Vec<TemplateRecord>, LedgerError>;

    /// Keeps a template as the next version of its name, whatever version it says; returns that version. A name's first
    /// version is active in any case.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not kept.
    async fn put_template(&self, template: Template, activate: bool, now: Timestamp) -> Result<u32, LedgerError>;

    /// Makes a version the one that its name stands for; `false` if there is none such.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was changed.
    async fn activate_template(&self, name: &str, version: u32) -> Result<bool, LedgerError>;

    /// Lets the name stand for several versions, each as often as its weight says; `false` if one of them is not there.
    /// Activating a version ends it.
    ///
    /// # Errors
    /// [`LedgerError`] if nothing was changed.
    async fn split_template(&self, name: &str, weights: Vec<(u32, u32)>) -> Result<bool, LedgerError>;

    /// Forgets a template with all its versions; `false` if there is none such.
    ///
    /// # Errors
    /// [`LedgerError`] if it was not forgotten.
    async fn forget_template(&self, name: &str) -> Result<bool, LedgerError>;
}
