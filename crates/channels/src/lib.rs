//! Ways out, each a [`Channel`](pipeline::ports::Channel): render, call once, say what was met.
//!
//! | channel | reaches | made from |
//! | --- | --- | --- |
//! | `wecom_app` | members, departments, tags | `[apps.NAME]` |
//! | `wecom_robot` | a robot's group | `[robots.NAME]` |
//! | `wecom_appchat` | a group chat of an application's | `[chats.NAME]` |
//! | `email` | mailboxes | `[mail.NAME]` |
//! | `directory` | nobody: it finds members by mobile number or address | `[directory] lookup` |
//! | `file` | a folder, instead of WeCom: for development | `delivery.via = "file"` |
//! | `recording` | nobody: it remembers, for tests | in code |
//!
//! A channel names the quotas that its upstream has; nothing here knows their windows, the ledger or retries.

mod company;
mod config;
mod content;
mod directory;
mod directory_source;
mod email;
mod fetch;
mod file;
mod fit;
mod notice;
mod post;
mod recording;
mod upstream;
mod verdict;
mod wecom_app;
mod wecom_appchat;
mod wecom_robot;

pub use company::CompanyApis;
pub use config::{
    AppConfig, Audience, BuildError, ChatsConfig, Config, MailConfig, Quotas, Readers, RobotConfig, Via, build,
};
pub use directory::{DirectoryLookup, WecomFinder};
pub use directory_source::{AppDirectory, ContactsDirectory};
pub use email::{Email, MailServer, MailServerError};
pub use fetch::{FolderFetch, GuardedFetch};
pub use file::FileChannel;
pub use post::GuardedPost;
pub use recording::RecordingChannel;
pub use wecom_app::{WecomApp, WecomAppConfig};
pub use wecom_appchat::{ChatConfig, WecomAppchat};
pub use wecom_robot::WecomRobot;
