//! `[callbacks.NAME]`: what WeCom calls back, with which keys, and what follows.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::bail;
use domain::FeedbackRule;
use ingress::callback::CallbackKind;
use serde::{Deserialize, Serialize};
use wecom::callback::EncodingAesKey;

use super::{Config, SecretText};

/// `[callbacks.NAME]`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallbackSection {
    /// `app`, `contacts` or `smart_robot`.
    #[serde(default)]
    pub kind: CallbackKind,
    /// The application that it is about; default: the one of the callback's name, else the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// The company; default: that of the application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corp_id: Option<String>,
    /// The Token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretText>,
    /// A file that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// The `EncodingAESKey`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding_aes_key: Option<SecretText>,
    /// A file that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding_aes_key_file: Option<PathBuf>,
    /// The Token before: taken, too, while it is changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_before: Option<SecretText>,
    /// The `EncodingAESKey` before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding_aes_key_before: Option<SecretText>,
    /// A smart robot's `BotID`: it is told over its long connection instead of by URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot_id: Option<String>,
    /// Its Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretText>,
    /// A file that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// The webhook that is told of everything that no rule tells another of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// Whose the files are that people send; default: `callback:NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// What follows: the first that fits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<FeedbackRule>,
}

impl CallbackSection {
    /// The application that it is about, if it is about one.
    pub(crate) fn app_of(&self, name: &str, config: &Config) -> Option<String> {
        if self.kind != CallbackKind::App {
            return self.app.clone();
        }
        let by_name = || config.apps.contains_key(name).then(|| name.to_owned());
        self.app.clone().or_else(by_name).or_else(|| crate::app::default_app(config))
    }

    /// For whom messages must be.
    pub(crate) fn receive_id(&self, name: &str, config: &Config) -> Option<String> {
        if self.kind == CallbackKind::SmartRobot {
            return Some(String::new());
        }
        let of_app = || {
            let app = self.app_of(name, config).or_else(|| crate::app::default_app(config))?;
            Some(config.apps.get(&app)?.corp_id.trim().to_owned())
        };
        self.corp_id.clone().or_else(of_app)
    }
}

/// Checks what a smart robot is connected with; tells whether it is.
fn check_connection(name: &str, callback: &CallbackSection) -> anyhow::Result<bool> {
    let is_blank = |text: &str| text.trim().is_empty();
    let (bot_id, secret) = (callback.bot_id.as_deref(), callback.secret.as_ref().map(|secret| secret.0.expose()));
    match (bot_id, secret) {
        (None, None) => return Ok(false),
        (Some(bot_id), _) if is_blank(bot_id) || bot_id.trim().contains(char::is_whitespace) => {
            bail!("callbacks.{name}.bot_id: is no BotID; copy it from the robot's page, API模式 → 长连接")
        }
        (Some(_), Some(secret)) if !is_blank(secret) => {}
        (Some(_), _) => bail!(
            "callbacks.{name}.secret is missing: give secret or secret_file; it stands beside the BotID on the robot's page"
        ),
        (None, Some(_)) => {
            bail!("callbacks.{name}.bot_id is missing: it stands beside the Secret on the robot's page")
        }
    }
    if callback.kind != CallbackKind::SmartRobot {
        bail!("callbacks.{name}.bot_id: only a smart robot has a long connection; set kind = \"smart_robot\"");
    }
    if callback.token.is_some() || callback.encoding_aes_key.is_some() {
        bail!(
            "callbacks.{name}: has bot_id and a token or encoding_aes_key; a smart robot is told over its connection or by URL, as its page says: leave the others out"
        );
    }
    Ok(true)
}

/// Checks that no two connect as one robot: each would take the other's place.
fn check_places(config: &Config) -> anyhow::Result<()> {
    let mut places = BTreeMap::new();
    for (name, callback) in &config.callbacks {
        let Some(bot_id) = &callback.bot_id else { continue };
        if let Some(other) = places.insert(bot_id.trim(), name) {
            bail!("callbacks.{name}.bot_id: is that of callbacks.{other}, too; WeCom keeps one connection a robot");
        }
    }
    let url = &config.wecom.smart_robot_url;
    if let Err(error) = wecom::smart_robot::ConnectionSettings::new("", "").url(url).check_url() {
        bail!("wecom.smart_robot_url: {error}");
    }
    Ok(())
}

/// Checks every callback.
pub(super) fn check(config: &Config, warnings: &mut Vec<String>) -> anyhow::Result<()> {
    check_places(config)?;
    for (name, callback) in &config.callbacks {
        if callback.receive_id(name, config).is_none() {
            bail!("callbacks.{name}: corp_id is missing, and no application says it");
        }
        if let Some(app) = &callback.app
            && !config.apps.contains_key(app)
        {
            bail!(
                "callbacks.{name}.app: `{app}` is none of the applications: {}",
                super::check::names(config.apps.keys())
            );
        }
        for (option, key) in [
            ("encoding_aes_key", &callback.encoding_aes_key),
            ("encoding_aes_key_before", &callback.encoding_aes_key_before),
        ] {
            if key.as_ref().is_some_and(|key| EncodingAesKey::parse(key.0.expose()).is_err()) {
                bail!("callbacks.{name}.{option}: is not 43 letters and digits; copy it from WeCom's console");
            }
        }
        let by_connection = check_connection(name, callback)?;
        match (&callback.token, &callback.encoding_aes_key) {
            (Some(_), Some(_)) => {}
            (None, None) if by_connection => {}
            (None, None) => warnings.push(format!(
                "callbacks.{name}: has no token and encoding_aes_key yet; `hongyan callback set {name}` sets them while the gateway runs"
            )),
            (Some(_), None) => bail!("callbacks.{name}.encoding_aes_key is missing: both are on the same page of WeCom's console"),
            (None, Some(_)) => bail!("callbacks.{name}.token is missing: both are on the same page of WeCom's console"),
        }
        let named = callback.webhook.iter().chain(callback.rules.iter().filter_map(|rule| rule.webhook.as_ref()));
        for webhook in named {
            if !config.webhooks.contains_key(webhook) {
                bail!(
                    "callbacks.{name}: `{webhook}` is none of the webhooks: {}",
                    super::check::names(config.webhooks.keys())
                );
            }
        }
        for (i, rule) in callback.rules.iter().enumerate() {
            if rule.button.is_some() && callback.kind == CallbackKind::SmartRobot {
                bail!(
                    "callbacks.{name}.rules[{i}].button: a smart robot's card is changed as a whole; give a template that makes the other card"
                );
            }
            let answers = [rule.reply.is_some(), rule.template.is_some(), rule.button.is_some()];
            if answers.into_iter().filter(|given| *given).count() > 1 {
                bail!("callbacks.{name}.rules[{i}]: give one of reply, template and button");
            }
            if answers == [false; 3] && rule.webhook.is_none() && !rule.acknowledge {
                bail!(
                    "callbacks.{name}.rules[{i}]: nothing follows; give reply, template, button, webhook or acknowledge"
                );
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(toml: &str) -> Result<Vec<String>, String> {
        let config: Config = toml::from_str(toml).map_err(|error| error.to_string())?;
        let mut warnings = Vec::new();
        check(&config, &mut warnings).map_err(|error| error.to_string())?;
        Ok(warnings)
    }

    #[test]
    fn what_a_smart_robot_cannot_be_connected_with_is_named() {
        let robot = |more: &str| format!("[callbacks.planner]\nkind = \"smart_robot\"\n{more}");
        let good = robot("bot_id = \"aib\"\nsecret = \"s\"");
        assert_eq!(checked(&good), Ok(Vec::new()));
        for (toml, expected) in [
            (robot("bot_id = \"aib\""), "callbacks.planner.secret is missing"),
            (robot("bot_id = \"aib\"\nsecret = \" \""), "callbacks.planner.secret is missing"),
            (robot("secret = \"s\""), "callbacks.planner.bot_id is missing"),
            (robot("bot_id = \"a b\"\nsecret = \"s\""), "callbacks.planner.bot_id: is no BotID"),
            (robot("bot_id = \"aib\"\nsecret = \"s\"\ntoken = \"t\""), "leave the others out"),
            (good.replace("smart_robot", "contacts") + "\ncorp_id = \"ww1\"", "only a smart robot"),
            (
                format!("{good}\n{}", good.replace("planner", "second")),
                "callbacks.second.bot_id: is that of callbacks.planner",
            ),
            (format!("{good}\n[[callbacks.planner.rules]]\nbutton = \"好\""), "rules[0].button"),
            (format!("[wecom]\nsmart_robot_url = \"ws://example.com\"\n{good}"), "wecom.smart_robot_url"),
        ] {
            let error = checked(&toml).unwrap_err();
            assert!(error.contains(expected), "{toml}\n{error}");
        }
        assert!(checked(&robot("")).unwrap()[0].contains("has no token"), "by URL, keys may come later");
    }
}
