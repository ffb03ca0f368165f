//! `[webhooks.NAME]`: business systems that hear what becomes of messages, and what people write and press.

use std::path::PathBuf;

use anyhow::bail;
use serde::{Deserialize, Serialize};

use wecom::fetch::{FetchError, Reach};

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
        match wecom::fetch::check(url, Reach::Operator) {
            Ok(()) => {}
            Err(FetchError::Forbidden(_)) => bail!(
                "webhooks.{name}.url: `{}` is an address that is never posted to, such as one where clouds keep the secrets of their machines; give the address of the business system",
                masked(url)
            ),
            Err(_) => bail!(
                "webhooks.{name}.url: `{}` is no web address without user and password; leave these out: the receiver knows what is ours by its signature",
                masked(url)
            ),
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

/// A URL without what may be secret in it: user, password, path and query.
fn masked(url: &str) -> String {
    let Ok(url) = url::Url::parse(url) else { return "***".to_owned() };
    let user = if url.username().is_empty() && url.password().is_none() { "" } else { "***@" };
    format!("{}://{user}{}/***", url.scheme(), url.host_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_never_be_posted_to_is_refused_and_no_secret_shown() {
        let checked = |url: &str| {
            let text = format!("[webhooks.erp]\nurl = \"{url}\"\nsecret = \"long enough\"\n");
            check(&toml::from_str(&text).unwrap()).map_err(|error| error.to_string())
        };
        for (url, shown) in [
            ("http://169.254.169.254/canary", "`http://169.254.169.254/***`"),
            ("http://0xa9fea9fe/canary", "`http://169.254.169.254/***`"),
            ("http://100.100.100.200/canary", "`http://100.100.100.200/***`"),
            ("http://[fd00:ec2::254]/canary", "`http://[fd00:ec2::254]/***`"),
            ("https://canary:canary@erp.example.com/x?canary", "`https://***@erp.example.com/***`"),
        ] {
            let refused = checked(url).unwrap_err();
            assert!(refused.contains("webhooks.erp.url") && refused.contains(shown), "{refused}");
            assert!(!refused.contains("canary"), "{refused}");
        }
        for url in ["http://10.0.0.7:8080/hongyan", "http://127.0.0.1/x", "https://erp.example.com/x"] {
            assert_eq!(checked(url), Ok(()), "{url}");
        }
    }
}
