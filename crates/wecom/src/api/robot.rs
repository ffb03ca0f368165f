//! Group robots (消息推送, formerly 群机器人): send, upload. <https://developer.work.weixin.qq.com/document/path/99110>

mod send;
mod upload;

pub use send::{Mentions, RobotContent, RobotImage, RobotMarkdown, RobotMessage, RobotMessageResponse, RobotText};
pub use upload::RobotUploadKind;
