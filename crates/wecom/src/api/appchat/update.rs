//! POST /cgi-bin/appchat/update: a group chat's name, owner and members.
//! <https://developer.work.weixin.qq.com/document/path/90246>

use serde::Serialize;

use crate::api::Done;

/// Changes a group chat.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UpdateChat {
    /// The chat.
    pub chatid: String,
    /// Its new name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its new owner; needed where the owner leaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Who comes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub add_user_list: Vec<String>,
    /// Who goes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub del_user_list: Vec<String>,
}

endpoint!(UpdateChat: Post "/cgi-bin/appchat/update" => Done, "https://developer.work.weixin.qq.com/document/path/90246");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(
            &UpdateChat {
                chatid: "CHATID".into(),
                name: Some("NAME".into()),
                owner: Some("userid2".into()),
                add_user_list: vec!["userid1".into(), "userid2".into()],
                del_user_list: vec!["userid3".into()],
            },
            "appchat/update",
        );
        fixture::answers::<UpdateChat>("appchat/update");
    }
}
