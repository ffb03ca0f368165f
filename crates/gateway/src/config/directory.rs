//! `[directory]`: how who is who is brought up to date from WeCom, and whether WeCom is asked on the way.

use std::path::PathBuf;

use anyhow::bail;
use serde::{Deserialize, Serialize};

use super::{Config, DeliveryVia, SecretText, Span};

/// The least time between two syncs: each asks for everybody.
const SHORTEST: u64 = 60;

/// `[directory]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DirectorySection {
    /// With whose secret everybody is asked for; absent: nobody is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<SyncMode>,
    /// How often.
    pub every: Span,
    /// Whether also as soon as the gateway starts.
    pub at_start: bool,
    /// The application that asks, and whose company is meant; default: the default one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// The company, where no application is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corp_id: Option<String>,
    /// The contact-sync secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contacts_secret: Option<SecretText>,
    /// A file that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contacts_secret_file: Option<PathBuf>,
    /// Whether `mobile:` and `email:` that are not known are looked up on the way.
    pub lookup: bool,
}

/// With whose secret everybody is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncMode {
    /// An application's: its visible range.
    App,
    /// Contact sync's: userids and departments of the whole company.
    Contacts,
}

impl Default for DirectorySection {
    fn default() -> Self {
        Self {
            sync: None,
            every: Span::seconds(6 * 3600),
            at_start: true,
            app: None,
            corp_id: None,
            contacts_secret: None,
            contacts_secret_file: None,
            lookup: false,
        }
    }
}

/// The application that asks.
pub(crate) fn app_of(config: &Config) -> Option<String> {
    config.directory.app.clone().or_else(|| crate::app::default_app(config))
}

/// Checks the section; says what its mode is no longer told.
pub(super) fn check(config: &Config, warnings: &mut Vec<String>) -> anyhow::Result<()> {
    let directory = &config.directory;
    if let Some(app) = &directory.app
        && !config.apps.contains_key(app)
    {
        bail!("directory.app: `{app}` is none of the applications: {}", super::check::names(config.apps.keys()));
    }
    let app = app_of(config).and_then(|name| config.apps.get(&name));
    if directory.lookup && config.apps.is_empty() {
        bail!("directory.lookup: members are looked up as an application, and none is configured");
    }
    if directory.lookup && config.delivery.via == DeliveryVia::File {
        warnings.push("directory.lookup: with delivery.via = \"file\" nobody is looked up on the way".to_owned());
    }
    let secret = directory.contacts_secret.as_ref().map(|secret| secret.0.expose().trim()).unwrap_or_default();
    match directory.sync {
        None => {
            if !secret.is_empty() {
                warnings.push(
                    "directory.contacts_secret is given and not used: set directory.sync = \"contacts\"".to_owned(),
                );
            }
            return Ok(());
        }
        Some(SyncMode::App) => {
            if app.is_none() {
                bail!("directory.sync = \"app\" needs an application: name it in directory.app");
            }
            warnings.push(
                "directory.sync = \"app\": WeCom tells of the application's visible range; mobile numbers and mail addresses only to applications made before 2022-06-20 20:00: import them, or set directory.lookup"
                    .to_owned(),
            );
        }
        Some(SyncMode::Contacts) => {
            if secret.is_empty() {
                bail!(
                    "directory.sync = \"contacts\" needs contacts_secret or contacts_secret_file: admin console, 管理工具 → 通讯录同步; an application's secret is refused there"
                );
            }
            if app.is_none() && directory.corp_id.as_ref().is_none_or(|corp_id| corp_id.trim().is_empty()) {
                bail!("directory.sync = \"contacts\" needs directory.corp_id, where no application says the company");
            }
            warnings.push(
                "directory.sync = \"contacts\": WeCom tells userids and departments of the whole company, and since 2022-08-15 no names, mobile numbers or addresses to an IP that is new to it: import them"
                    .to_owned(),
            );
        }
    }
    if directory.every.0.as_secs() < SHORTEST {
        bail!("directory.every: every sync asks for everybody; it must be at least a minute");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(directory: DirectorySection) -> Result<Vec<String>, String> {
        let mut warnings = Vec::new();
        let config = Config { directory, ..Config::default() };
        check(&config, &mut warnings).map(|()| warnings).map_err(|error| error.to_string())
    }

    #[test]
    fn what_a_mode_needs_is_named() {
        let contacts = || DirectorySection { sync: Some(SyncMode::Contacts), ..DirectorySection::default() };
        let secret = Some(SecretText("canary".into()));
        assert_eq!(checked(DirectorySection::default()), Ok(Vec::new()));
        assert!(checked(contacts()).unwrap_err().contains("contacts_secret"));
        let without_corp = DirectorySection { contacts_secret: secret.clone(), ..contacts() };
        assert!(checked(without_corp.clone()).unwrap_err().contains("corp_id"));
        let whole = DirectorySection { corp_id: Some("ww1".into()), ..without_corp };
        assert!(checked(whole.clone()).unwrap()[0].contains("2022-08-15"));
        assert!(checked(DirectorySection { every: Span::seconds(1), ..whole }).unwrap_err().contains("every"));
        let app = DirectorySection { sync: Some(SyncMode::App), ..DirectorySection::default() };
        assert!(checked(app).unwrap_err().contains("directory.app"));
        let unused = DirectorySection { contacts_secret: secret, ..DirectorySection::default() };
        assert!(checked(unused).unwrap()[0].contains("not used"));
        let lookup = DirectorySection { lookup: true, ..DirectorySection::default() };
        assert!(checked(lookup).unwrap_err().contains("lookup"));
    }
}
