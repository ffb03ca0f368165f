//! Group chats that an application owns (应用发送消息到群聊会话). <https://developer.work.weixin.qq.com/document/path/90244>
//!
//! Only for applications that see the root department, and only in chats that they created themselves.

mod create;
mod get;
mod send;
mod update;

pub use create::{ChatCreated, CreateChat};
pub use get::{ChatAnswer, ChatInfo, GetChat};
pub use send::{ChatContent, ChatText, SendChatMessage};
pub use update::UpdateChat;
