//! POST /cgi-bin/user/get_userid_by_email: a mailbox → a userid.
//! <https://developer.work.weixin.qq.com/document/path/95895>

use serde::Serialize;

use super::FoundUserId;

/// Looks up a member by mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GetUserIdByEmail {
    /// The mailbox.
    pub email: String,
    /// 1 the company's (default), 2 the personal one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_type: Option<u8>,
}

endpoint!(GetUserIdByEmail: Post "/cgi-bin/user/get_userid_by_email" => FoundUserId, "https://developer.work.weixin.qq.com/document/path/95895");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(
            &GetUserIdByEmail { email: "zhangsan@gzdev.com".into(), email_type: Some(1) },
            "user/get_userid_by_email",
        );
        fixture::answers::<GetUserIdByEmail>("user/get_userid_by_email");
    }
}
