//! `[hooks.NAME]`: which system posts there, what it proves itself by, where its messages go.

use std::path::PathBuf;

use anyhow::bail;
use domain::{Priority, Recipient};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{Config, SecretText, Span};

/// The shortest secret that is taken without a warning.
const SHORT: usize = 16;

/// `[hooks.NAME]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookSection {
    /// `alertmanager`, `grafana`, `github` …
    pub source: String,
    /// What the source proves itself by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretText>,
    /// A file that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// For whom: `robot:ops`, `user:zhangsan`, `party:2`; a route may say it instead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// Which way its messages go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The application that members are addressed through; default: the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// The template; default: `hooks.SOURCE`, which is built in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Default: as urgent as the source says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Tags besides those of the source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Networks that it may be called from; default: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<IpNet>,
    /// How long the same notice is a repeat: less than the source waits before it reminds.
    #[serde(default = "five_minutes")]
    pub repeats: Span,
    /// Whose messages these are; default: `hook:NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
}

fn five_minutes() -> Span {
    Span::seconds(300)
}

/// Checks every hook.
pub(super) fn check(config: &Config, warnings: &mut Vec<String>) -> anyhow::Result<()> {
    for (name, hook) in &config.hooks {
        let sources = ingress::hooks::sources();
        if !sources.contains(&hook.source.as_str()) {
            bail!("hooks.{name}.source: `{}` is no source; there are {}", hook.source, sources.join(", "));
        }
        match hook.secret.as_ref().map(|secret| secret.0.expose().trim()) {
            None | Some("") => bail!(
                "hooks.{name}: secret and secret_file are missing; give a long random text, such as `openssl rand -hex 24` prints"
            ),
            Some(secret) if secret.len() < SHORT => warnings.push(format!(
                "hooks.{name}.secret is shorter than {SHORT} characters: whoever guesses it can send messages"
            )),
            Some(_) => {}
        }
        for (i, to) in hook.to.iter().enumerate() {
            if let Err(error) = to.parse::<Recipient>() {
                bail!("hooks.{name}.to[{i}]: {error}");
            }
        }
        if hook.to.is_empty() && hook.route.is_none() {
            warnings.push(format!("hooks.{name}: without `to` and `route`, the rules must say where its messages go"));
        }
        if let Some(route) = &hook.route
            && !config.routes.contains_key(route)
        {
            bail!("hooks.{name}.route: `{route}` is none of the routes: {}", super::check::names(config.routes.keys()));
        }
        if let Some(app) = &hook.app
            && !config.apps.contains_key(app)
        {
            bail!("hooks.{name}.app: `{app}` is none of the applications: {}", super::check::names(config.apps.keys()));
        }
        if hook.source == "generic" && hook.template.is_none() {
            bail!(
                "hooks.{name}.template is missing: only you know what is posted there; `hongyan template put` keeps one"
            );
        }
    }
    Ok(())
}
