//! The application itself. <https://developer.work.weixin.qq.com/document/path/90226>

mod get;
mod list;
mod set;

pub use get::{Agent, AllowedParties, AllowedTags, AllowedUser, AllowedUsers, GetAgent};
pub use list::{AgentInShort, Agents, ListAgents};
pub use set::SetAgent;
