//! GET /cgi-bin/appchat/get: a group chat and its members.
//! <https://developer.work.weixin.qq.com/document/path/90247>

use serde::{Deserialize, Serialize};

/// Asks for a group chat that this application created.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GetChat {
    /// The chat.
    pub chatid: String,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatAnswer {
    /// The chat.
    #[serde(default)]
    pub chat_info: ChatInfo,
}

/// A group chat.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatInfo {
    /// Its id.
    #[serde(default)]
    pub chatid: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its owner.
    #[serde(default)]
    pub owner: String,
    /// Its members.
    #[serde(default)]
    pub userlist: Vec<String>,
    /// 0 ordinary, 1 a course's.
    #[serde(default)]
    pub chat_type: i64,
}

endpoint!(GetChat: Get "/cgi-bin/appchat/get" => ChatAnswer, "https://developer.work.weixin.qq.com/document/path/90247", a list);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::asks(&GetChat { chatid: "CHATID".into() }, "chatid=CHATID");
        fixture::answers::<GetChat>("appchat/get");
    }
}
