//! Ways out, each a [`Channel`](pipeline::ports::Channel): render, call once, say what was met.
//!
//! | channel | reaches | made from |
//! | --- | --- | --- |
//! | `wecom_app` | members, departments, tags | `[apps.NAME]` |
//! | `wecom_robot` | a robot's group | `[robots.NAME]` |
//! | `file` | a folder, instead of WeCom: for development | `delivery.via = "file"` |
//! | `recording` | nobody: it remembers, for tests | in code |
//!
//! Nothing here knows the ledger, retries or quotas' windows.

mod config;
mod content;
mod file;
mod recording;
mod verdict;
mod wecom_app;
mod wecom_robot;

pub use config::{AppConfig, BuildError, Config, RobotConfig, Via, build};
pub use file::FileChannel;
pub use recording::RecordingChannel;
pub use wecom_app::WecomApp;
pub use wecom_robot::WecomRobot;
