//! POST /cgi-bin/auth/getuserdetail: a ticket → what the member let be seen.
//! <https://developer.work.weixin.qq.com/document/path/95833>

use serde::{Deserialize, Serialize};

use crate::Secret;

/// Asks for what a member let be seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GetUserDetail {
    /// From [`super::GetUserInfo`].
    #[serde(with = "crate::secret::on_the_wire")]
    pub user_ticket: Secret,
}

/// What a member let be seen; the rest is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserDetail {
    /// The member.
    #[serde(default)]
    pub userid: String,
    /// `0` unknown, `1` male, `2` female.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gender: Option<String>,
    /// Picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
    /// Code for adding the member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qr_code: Option<String>,
    /// Mobile number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mobile: Option<String>,
    /// Personal mailbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Mailbox of the company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub biz_mail: Option<String>,
    /// Address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

endpoint!(GetUserDetail: Post "/cgi-bin/auth/getuserdetail" => UserDetail, "https://developer.work.weixin.qq.com/document/path/95833");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(&GetUserDetail { user_ticket: "USER_TICKET".into() }, "oauth/get_user_detail");
        fixture::answers::<GetUserDetail>("oauth/get_user_detail");
    }
}
