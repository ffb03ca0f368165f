//! `[webhooks.NAME]`: business systems that hear what becomes of messages, and what people write and press.

use std::path::PathBuf;

use anyhow::bail;
use serde::{Deserialize, Serialize};

use super::{Config, SecretText, Span};

/// `[webhooks.NAME]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSection {
    /// Where it is posted; it may be private, and may hold a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<SecretText>,
    /// What it is signed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretText>,
    /// A file that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// The secret before: both sign while it is changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_before: Option<SecretText>,
    /// How long an answer may take.
    #[serde(default = "five_seconds")]
    pub timeout: Span,
    /// Events posted at once, of different messages.
    #[serde(default = "eight")]
    pub concurrency: usize,
    /// How long an event is tried before it is given up.
    #[serde(default = "three_days")]
    pub give_up_after: Span,
}

fn five_seconds() -> Span {
    Span::seconds(5)
}

fn eight() -> usize {
    8
}

fn three_days() -> Span {
    Span::seconds(3 * 24 * 3600)
}

/// Checks every webhook.
pub(super) fn check(config: &Config) -> anyhow::Result<()> {
    for (name, webhook) in &config.webhooks {
        let url = webhook.url.as_ref().map(|url| url.0.expose().trim()).unwrap_or_default();
        if !url.starts_with("https://") && !url.starts_with("http://") {
            bail!("webhooks.{name}.url is missing or no web address, such as https://erp.example.com/hongyan");
        }
        if webhook.secret.as_ref().is_none_or(|secret| secret.0.expose().trim().is_empty()) {
            bail!(
                "webhooks.{name}: secret and secret_file are missing; give a long random text, such as `openssl rand -hex 24` prints"
            );
        }
        if webhook.concurrency == 0 || webhook.timeout.0.is_zero() {
            bail!("webhooks.{name}: concurrency and timeout must be more than 0");
        }
    }
    Ok(())
}
