//! Which applications and robots there are, and what carries their messages.

use std::path::PathBuf;
use std::sync::Arc;

use domain::Quota;
use pipeline::ports::{Channel, Channels};
use wecom::{AgentId, Client, CorpId, RobotClient, RobotKey, RobotKeyError, Secret, TokenStore, Transport};

use crate::{FileChannel, WecomApp, WecomRobot};

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
    /// What a robot may send.
    pub robot_quota: Quota,
    /// What carries the messages.
    pub via: Via,
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
}

/// Builds a channel for each application and robot.
///
/// # Errors
/// [`BuildError`] names the first that cannot be built.
pub fn build(config: Config) -> Result<Channels, BuildError> {
    let mut channels: Vec<Arc<dyn Channel>> = Vec::new();
    for app in config.apps {
        let client = Client::builder(config.transport.clone(), app.corp_id, app.secret)
            .agent(app.agent_id)
            .token_store(config.token_store.clone())
            .build();
        channels.push(Arc::new(WecomApp::new(&app.name, app.agent_id, client, config.app_concurrency)));
    }
    for robot in config.robots {
        let key = RobotKey::parse(robot.key.expose(), config.transport.origin())
            .map_err(|source| BuildError::RobotKey { robot: robot.name.clone(), source })?;
        let client = RobotClient::new(config.transport.clone(), key);
        channels.push(Arc::new(WecomRobot::new(&robot.name, client, config.robot_concurrency, config.robot_quota)));
    }
    if let Via::File(folder) = config.via {
        let into_files = |inner| Arc::new(FileChannel::new(inner, folder.clone())) as Arc<dyn Channel>;
        channels = channels.into_iter().map(into_files).collect();
    }
    Ok(Channels::new(channels))
}
