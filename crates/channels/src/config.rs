//! Which applications and robots there are, and what carries their messages.

use std::path::PathBuf;
use std::sync::Arc;

use std::time::Duration;

use domain::Quota;
use pipeline::ports::{Channel, Channels, PeopleQuota};
use serde::{Deserialize, Serialize};
use wecom::{AgentId, Client, CorpId, RobotClient, RobotKey, RobotKeyError, Secret, TokenStore, Transport};

use crate::{
    ChatConfig, CompanyApis, DirectoryLookup, Email, FileChannel, MailServer, MailServerError, WecomApp,
    WecomAppConfig, WecomAppchat, WecomFinder, WecomRobot,
};

/// What to build.
#[derive(Clone, Debug)]
pub struct Config {
    /// The connections to WeCom.
    pub transport: Transport,
    /// Where access tokens are kept.
    pub token_store: Arc<dyn TokenStore>,
    /// The applications.
    pub apps: Vec<AppConfig>,
    /// The robots.
    pub robots: Vec<RobotConfig>,
    /// Calls under way at once, for each application.
    pub app_concurrency: usize,
    /// Calls under way at once, for each robot.
    pub robot_concurrency: usize,
    /// The group chats.
    pub chats: Vec<ChatsConfig>,
    /// The mail servers.
    pub mail: Vec<MailConfig>,
    /// Whether members are looked up by mobile number or address on the way.
    pub lookup: bool,
    /// What may be sent.
    pub quotas: Quotas,
    /// How many people departments, tags and everybody are counted as.
    pub audience: Audience,
    /// What carries the messages.
    pub via: Via,
}

/// What may be sent, by WeCom's figures or one's own (path/90312).
#[derive(Clone, Debug)]
pub struct Quotas {
    /// A robot's messages.
    pub robot: Quota,
    /// An application's messages to each member.
    pub members: Vec<Quota>,
    /// Messages to one group chat.
    pub chat: Quota,
    /// Person-times of all group chats of a company.
    pub chats_of_company: Vec<Quota>,
    /// Calls of each API of a company but sending.
    pub base: Vec<Quota>,
    /// Group chats that a company may make.
    pub chat_creations: Quota,
    /// Changes of a company's group chats.
    pub chat_updates: Quota,
}

/// How many people a recipient is counted as that is more than one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audience {
    /// A department.
    pub party: u32,
    /// A tag.
    pub tag: u32,
    /// Everybody.
    pub all: u32,
}

/// Where an application's messages are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Readers {
    /// In WeCom.
    #[default]
    Wecom,
    /// In the WeChat plugin, which shows no markdown, no cards and no mini-program notices.
    Wechat,
    /// In either.
    Both,
}

/// A group chat of an application's.
#[derive(Clone, Debug)]
pub struct ChatsConfig {
    /// Its name in submissions.
    pub name: String,
    /// The application, by its name.
    pub app: String,
    /// Its id at WeCom; absent: made of its name.
    pub chatid: Option<String>,
    /// What its members see as its name.
    pub title: String,
    /// Who owns it.
    pub owner: Option<String>,
    /// Its members.
    pub members: Vec<String>,
}

/// A mail server.
#[derive(Clone, Debug)]
pub struct MailConfig {
    /// Its name in routes.
    pub name: String,
    /// Where it is, and as whom it is spoken to.
    pub server: MailServer,
    /// Connections at once.
    pub concurrency: usize,
    /// What it may be sent.
    pub quota: Quota,
    /// How long one mail may take.
    pub timeout: Duration,
}

/// What carries the messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Via {
    /// WeCom.
    #[default]
    Wecom,
    /// Files in this folder: for development.
    File(PathBuf),
}

/// An application.
#[derive(Clone, Debug)]
pub struct AppConfig {
    /// Its name in submissions.
    pub name: String,
    /// The company.
    pub corp_id: CorpId,
    /// Its id.
    pub agent_id: AgentId,
    /// Its secret.
    pub secret: Secret,
    /// Where its messages are read.
    pub readers: Readers,
    /// Person-times a day: what WeCom allows, if it is known.
    pub day: Option<u32>,
}

/// A robot.
#[derive(Clone, Debug)]
pub struct RobotConfig {
    /// Its name in submissions.
    pub name: String,
    /// Its key, or its whole webhook URL.
    pub key: Secret,
}

/// A channel cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A robot's key is none.
    #[error("robots.{robot}.key cannot be used")]
    RobotKey {
        /// The robot.
        robot: String,
        /// Why.
        #[source]
        source: RobotKeyError,
    },
    /// A group chat names an application that is not configured.
    #[error("chats.{chat}.app: `{app}` is not a configured application")]
    ChatApp {
        /// The chat.
        chat: String,
        /// The application.
        app: String,
    },
    /// A mail server cannot be used.
    #[error("mail.{mail} cannot be used")]
    Mail {
        /// The server.
        mail: String,
        /// Why.
        #[source]
        source: MailServerError,
    },
}

/// Builds a channel for each application, robot, group chat and mail server. Needs a runtime for the latter.
///
/// # Errors
/// [`BuildError`] names the first that cannot be built.
pub fn build(config: Config) -> Result<Channels, BuildError> {
    let mut channels: Vec<Arc<dyn Channel>> = Vec::new();
    for app in &config.apps {
        let people_quota = PeopleQuota { members: config.quotas.members.clone(), day: app.day, shared: None };
        let app_config = WecomAppConfig {
            agent: app.agent_id,
            concurrency: config.app_concurrency,
            readers: app.readers,
            people_quota,
            audience: config.audience,
            apis: apis(&config, app),
        };
        let channel: Arc<dyn Channel> = Arc::new(WecomApp::new(&app.name, client(&config, app), app_config));
        // Files are written for what is known; nobody is asked then.
        if config.lookup && config.via == Via::Wecom {
            let (finder, quota) = (WecomFinder::new(client(&config, app)), config.quotas.base.first().copied());
            channels.push(Arc::new(DirectoryLookup::new(&app.name, channel.clone(), finder, quota)));
        }
        channels.push(channel);
    }
    for chat in &config.chats {
        let app = config.apps.iter().find(|app| app.name == chat.app);
        let app = app.ok_or_else(|| BuildError::ChatApp { chat: chat.name.clone(), app: chat.app.clone() })?;
        let shared = Some((format!("appchat:{}", app.corp_id), config.quotas.chats_of_company.clone()));
        let people_quota = PeopleQuota { shared, ..PeopleQuota::default() };
        let own = ChatConfig {
            chatid: chat.chatid.clone().unwrap_or_else(|| chatid_of(&chat.name)),
            title: chat.title.clone(),
            owner: chat.owner.clone(),
            members: chat.members.clone(),
        };
        let limits = (config.robot_concurrency, config.quotas.chat, people_quota);
        channels.push(Arc::new(WecomAppchat::new(&chat.name, client(&config, app), own, apis(&config, app), limits)));
    }
    for robot in &config.robots {
        let key = RobotKey::parse(robot.key.expose(), config.transport.origin())
            .map_err(|source| BuildError::RobotKey { robot: robot.name.clone(), source })?;
        let client = RobotClient::new(config.transport.clone(), key);
        channels.push(Arc::new(WecomRobot::new(&robot.name, client, config.robot_concurrency, config.quotas.robot)));
    }
    for mail in &config.mail {
        let limits = (mail.concurrency, mail.quota, mail.timeout);
        let built = Email::new(&mail.name, &mail.server, limits);
        let channel = built.map_err(|source| BuildError::Mail { mail: mail.name.clone(), source })?;
        channels.push(Arc::new(channel));
    }
    if let Via::File(folder) = config.via {
        let into_files = |inner| Arc::new(FileChannel::new(inner, folder.clone())) as Arc<dyn Channel>;
        channels = channels.into_iter().map(into_files).collect();
    }
    Ok(Channels::new(channels))
}

fn client(config: &Config, app: &AppConfig) -> Client {
    Client::builder(config.transport.clone(), app.corp_id.clone(), app.secret.clone())
        .agent(app.agent_id)
        .token_store(config.token_store.clone())
        .build()
}

fn apis(config: &Config, app: &AppConfig) -> CompanyApis {
    let Quotas { base, chat_creations, chat_updates, .. } = config.quotas.clone();
    CompanyApis { company: app.corp_id.to_string(), base, chat_creations, chat_updates }
}

/// A chat's id at WeCom, the same in every run: at most 32 letters and digits (path/90245).
fn chatid_of(name: &str) -> String {
    use sha2::Digest as _;
    let hash = sha2::Sha256::digest(format!("hongyan {name}"));
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
