//! POST /cgi-bin/appchat/create: a group chat owned by the application.
//! <https://developer.work.weixin.qq.com/document/path/90245>

use serde::{Deserialize, Serialize};

/// Creates a group chat. The application must see the root department; a new chat shows once something is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CreateChat {
    /// At most 50 characters; longer is cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its owner, one of the members; absent: any of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// 2 to 2000 members.
    pub userlist: Vec<String>,
    /// Unique, at most 32 letters and digits; absent: WeCom makes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chatid: Option<String>,
}

/// The chat exists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatCreated {
    /// What messages are sent to.
    #[serde(default)]
    pub chatid: String,
}

endpoint!(CreateChat: Post "/cgi-bin/appchat/create" => ChatCreated, "https://developer.work.weixin.qq.com/document/path/90245");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(
            &CreateChat {
                name: Some("NAME".into()),
                owner: Some("userid1".into()),
                userlist: vec!["userid1".into(), "userid2".into(), "userid3".into()],
                chatid: Some("CHATID".into()),
            },
            "appchat/create",
        );
        let answer = fixture::answers::<CreateChat>("appchat/create");
        assert_eq!(answer.chatid, "CHATID");
    }
}
