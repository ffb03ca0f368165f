//! Finding and reading: TOML file, `.env`, environment, files of secrets; later ones win.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use channels::Readers;

use super::{AppSection, Config, MailSection, RobotSection, SecretText, Span};

/// Every variable with a short name; secrets also with `_FILE`.
const KNOWN: &[&str] = &[
    "WECHAT_CORP_ID",
    "WECHAT_AGENT_ID",
    "WECHAT_CORP_SECRET",
    "WECHAT_WEBHOOK_KEY",
    "WECHAT_API_BASE",
    "WECHAT_CALLBACK_TOKEN",
    "WECHAT_ENCODING_AES_KEY",
    "HONGYAN_SMTP_URL",
    "HONGYAN_SMTP_FROM",
    "HONGYAN_LISTEN",
    "HONGYAN_DATA_DIR",
    "HONGYAN_API_KEY",
    "HONGYAN_URL",
    "HONGYAN_CONFIG",
];

/// The environment, and what `.env` adds to it. Variables that are set win over the file.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    /// The `.env` file that was read.
    pub file: Option<PathBuf>,
}

/// A configuration, and where it came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// The environment they were completed from.
    pub environment: Environment,
    /// The TOML file that was read.
    pub file: Option<PathBuf>,
}

impl Environment {
    /// Reads the process's environment and the first `.env` of the working directory and the user's config directory.
    ///
    /// # Errors
    /// If a `.env` is there and cannot be read.
    pub fn of_process() -> anyhow::Result<Self> {
        let process: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let mut folders = vec![PathBuf::from(".")];
        folders.extend(user_config_dir(&process));
        let file = folders.into_iter().map(|folder| folder.join(".env")).find(|path| path.is_file());
        let mut variables = BTreeMap::new();
        if let Some(path) = &file {
            for entry in dotenvy::from_path_iter(path).with_context(|| format!("could not read {}", path.display()))? {
                let (name, value) = entry.with_context(|| format!("could not read {}", path.display()))?;
                variables.insert(name, value);
            }
        }
        variables.extend(process);
        Ok(Self { variables, file })
    }

    /// Makes an environment of the given variables alone.
    pub fn of(variables: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self { variables: variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(), file: None }
    }

    /// Returns a variable; an empty one counts as set only where `keep_empty` asks.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Tells whether a variable is set, also to nothing.
    pub fn is_set(&self, name: &str) -> bool {
        self.variables.contains_key(name)
    }

    /// Returns a variable, or the content of the file that `NAME_FILE` names.
    ///
    /// # Errors
    /// If that file cannot be read.
    pub fn secret(&self, name: &str) -> anyhow::Result<Option<SecretText>> {
        if let Some(value) = self.get(name) {
            return Ok(Some(SecretText(value.into())));
        }
        self.get(&format!("{name}_FILE")).map(|path| read_secret(Path::new(path), &format!("{name}_FILE"))).transpose()
    }

    /// Variables that look like ours and are none of ours: typing mistakes.
    pub fn unknown(&self) -> Vec<&str> {
        let ours = |name: &str| {
            name.starts_with("WECHAT_") || (name.starts_with("HONGYAN_") && !name.starts_with("HONGYAN__"))
        };
        let known = |name: &str| KNOWN.contains(&name.strip_suffix("_FILE").unwrap_or(name));
        self.variables.keys().map(String::as_str).filter(|name| ours(name) && !known(name)).collect()
    }

    /// The user's configuration directory for Hongyan.
    pub fn config_dir(&self) -> Option<PathBuf> {
        user_config_dir(&self.variables)
    }
}

fn user_config_dir(variables: &BTreeMap<String, String>) -> Option<PathBuf> {
    let base = match variables.get("XDG_CONFIG_HOME").filter(|path| !path.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => Path::new(variables.get("HOME")?).join(".config"),
    };
    Some(base.join("hongyan"))
}

fn read_secret(path: &Path, option: &str) -> anyhow::Result<SecretText> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{option}: could not read {}", path.display()))?;
    Ok(SecretText(text.trim().into()))
}

/// Reads the configuration: the file given, else `hongyan.toml` of the working directory or of the user's config
/// directory, else nothing; then the environment.
///
/// # Errors
/// Names the file or variable, the option, the value and the mend.
pub fn load(file: Option<&Path>, environment: Environment) -> anyhow::Result<Loaded> {
    let file = match file {
        Some(path) if !path.is_file() => bail!("there is no configuration file {}", path.display()),
        Some(path) => Some(path.to_owned()),
        None => {
            let mut folders = vec![PathBuf::from(".")];
            folders.extend(environment.config_dir());
            folders.into_iter().map(|folder| folder.join("hongyan.toml")).find(|path| path.is_file())
        }
    };
    let mut builder = config::Config::builder();
    if let Some(path) = &file {
        builder = builder.add_source(config::File::from(path.as_path()).format(config::FileFormat::Toml));
    }
    let overrides: HashMap<String, String> = environment.variables.clone().into_iter().collect();
    let overrides =
        config::Environment::with_prefix("HONGYAN").prefix_separator("__").separator("__").source(Some(overrides));
    let read = builder.add_source(overrides).build().context("the configuration cannot be read")?;
    let mut config: Config = read.try_deserialize().context("the configuration cannot be read")?;
    named_variables(&mut config, &environment)?;
    secret_files(&mut config)?;
    if config.data_dir.is_relative() && !config.data_dir.is_dir() && !environment.is_set("HONGYAN_DATA_DIR") {
        // A command run from elsewhere finds the data of a service that was started from the user's config directory.
        let elsewhere = environment.config_dir().map(|folder| folder.join(&config.data_dir));
        if let Some(found) = elsewhere.filter(|path| path.is_dir()) {
            config.data_dir = found;
        }
    }
    Ok(Loaded { config, environment, file })
}

/// The short names, enough by themselves.
fn named_variables(config: &mut Config, environment: &Environment) -> anyhow::Result<()> {
    if let Some(listen) = environment.get("HONGYAN_LISTEN") {
        config.listen = listen
            .parse()
            .with_context(|| format!("HONGYAN_LISTEN: `{listen}` is not an address such as 127.0.0.1:8686"))?;
    }
    if let Some(path) = environment.get("HONGYAN_DATA_DIR") {
        config.data_dir = PathBuf::from(path);
    }
    if let Some(base) = environment.get("WECHAT_API_BASE") {
        base.clone_into(&mut config.wecom.api_base);
    }
    let secret = environment.secret("WECHAT_CORP_SECRET")?;
    let given = [environment.get("WECHAT_CORP_ID"), environment.get("WECHAT_AGENT_ID")];
    match (given, secret) {
        ([Some(corp_id), Some(agent_id)], Some(secret)) => {
            let app = AppSection {
                corp_id: corp_id.to_owned(),
                agent_id: agent_id.to_owned(),
                secret: Some(secret),
                secret_file: None,
                readers: Readers::default(),
                accounts: None,
            };
            config.apps.insert("default".to_owned(), app);
        }
        ([None, None], None) => {}
        ([corp_id, agent_id], secret) => {
            let names = [
                ("WECHAT_CORP_ID", corp_id.is_some()),
                ("WECHAT_AGENT_ID", agent_id.is_some()),
                ("WECHAT_CORP_SECRET", secret.is_some()),
            ];
            let missing: Vec<_> = names.iter().filter(|(_, given)| !given).map(|(name, _)| *name).collect();
            bail!(
                "{} missing: an application needs WECHAT_CORP_ID, WECHAT_AGENT_ID and WECHAT_CORP_SECRET together",
                missing.join(" and ")
            );
        }
    }
    if let Some(key) = environment.secret("WECHAT_WEBHOOK_KEY")? {
        config.robots.insert("default".to_owned(), RobotSection { key: Some(key), key_file: None });
    }
    let (token, aes_key) =
        (environment.secret("WECHAT_CALLBACK_TOKEN")?, environment.secret("WECHAT_ENCODING_AES_KEY")?);
    if token.is_some() || aes_key.is_some() {
        let callback = config.callbacks.entry("default".to_owned()).or_default();
        callback.token = token.or(callback.token.take());
        callback.encoding_aes_key = aes_key.or(callback.encoding_aes_key.take());
    }
    let (url, from) = (environment.secret("HONGYAN_SMTP_URL")?, environment.get("HONGYAN_SMTP_FROM"));
    match (url, from) {
        (Some(url), Some(from)) => {
            let mail = MailSection {
                url: Some(url),
                url_file: None,
                from: from.to_owned(),
                ca_file: None,
                per_minute: None,
                concurrency: 2,
                timeout: Span::seconds(30),
            };
            config.mail.insert("default".to_owned(), mail);
        }
        (None, None) => {}
        (Some(_), None) => bail!("HONGYAN_SMTP_FROM is missing: whom mails come from, such as hongyan@example.com"),
        (None, Some(_)) => bail!("HONGYAN_SMTP_URL is missing, such as smtp://user:password@mail.example.com:587"),
    }
    Ok(())
}

fn secret_files(config: &mut Config) -> anyhow::Result<()> {
    for (name, app) in &mut config.apps {
        if let (None, Some(path)) = (&app.secret, &app.secret_file) {
            app.secret = Some(read_secret(path, &format!("apps.{name}.secret_file"))?);
        }
    }
    for (name, mail) in &mut config.mail {
        if let (None, Some(path)) = (&mail.url, &mail.url_file) {
            mail.url = Some(read_secret(path, &format!("mail.{name}.url_file"))?);
        }
    }
    for (name, hook) in &mut config.hooks {
        if let (None, Some(path)) = (&hook.secret, &hook.secret_file) {
            hook.secret = Some(read_secret(path, &format!("hooks.{name}.secret_file"))?);
        }
    }
    for (name, callback) in &mut config.callbacks {
        if let (None, Some(path)) = (&callback.token, &callback.token_file) {
            callback.token = Some(read_secret(path, &format!("callbacks.{name}.token_file"))?);
        }
        if let (None, Some(path)) = (&callback.encoding_aes_key, &callback.encoding_aes_key_file) {
            callback.encoding_aes_key = Some(read_secret(path, &format!("callbacks.{name}.encoding_aes_key_file"))?);
        }
        if let (None, Some(path)) = (&callback.secret, &callback.secret_file) {
            callback.secret = Some(read_secret(path, &format!("callbacks.{name}.secret_file"))?);
        }
    }
    for (name, webhook) in &mut config.webhooks {
        if let (None, Some(path)) = (&webhook.secret, &webhook.secret_file) {
            webhook.secret = Some(read_secret(path, &format!("webhooks.{name}.secret_file"))?);
        }
    }
    let directory = &mut config.directory;
    if let (None, Some(path)) = (&directory.contacts_secret, &directory.contacts_secret_file) {
        directory.contacts_secret = Some(read_secret(path, "directory.contacts_secret_file")?);
    }
    for (name, robot) in &mut config.robots {
        if let (None, Some(path)) = (&robot.key, &robot.key_file) {
            robot.key = Some(read_secret(path, &format!("robots.{name}.key_file"))?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_from(variables: &[(&'static str, &str)]) -> anyhow::Result<Config> {
        let environment = Environment::of(variables.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let empty = tempfile::NamedTempFile::new().unwrap();
        load(Some(empty.path()), environment).map(|loaded| loaded.config)
    }

    #[test]
    fn four_variables_are_enough() {
        let config = load_from(&[
            ("WECHAT_CORP_ID", "ww0123456789abcdef"),
            ("WECHAT_AGENT_ID", "1000002"),
            ("WECHAT_CORP_SECRET", "s"),
            ("WECHAT_WEBHOOK_KEY", "k"),
        ])
        .unwrap();
        assert_eq!(config.apps["default"].agent_id, "1000002");
        assert!(config.robots.contains_key("default"));
    }

    #[test]
    fn a_number_in_the_environment_stays_the_text_it_is() {
        let config = load_from(&[
            ("HONGYAN__RETRY__ATTEMPTS", "3"),
            ("HONGYAN__WECOM__TIMEOUT", "5s"),
            ("WECHAT_WEBHOOK_KEY", "12345"),
        ])
        .unwrap();
        assert_eq!((config.retry.attempts, config.wecom.timeout), (3, Span::seconds(5)));
    }

    #[test]
    fn what_is_missing_or_misspelt_is_named() {
        let error = |variables: &[(&'static str, &str)]| format!("{:#}", load_from(variables).unwrap_err());
        assert!(error(&[("WECHAT_CORP_ID", "ww1"), ("WECHAT_AGENT_ID", "1")]).contains("WECHAT_CORP_SECRET"));
        assert!(error(&[("HONGYAN_LISTEN", "everywhere")]).contains("HONGYAN_LISTEN: `everywhere`"));
        assert!(error(&[("HONGYAN__RETRY__ATEMPTS", "3")]).contains("atempts"));
        assert!(error(&[("HONGYAN__RETRY__BASE", "soon")]).contains("`soon`"));
    }
}
