//! GET /cgi-bin/auth/getuserinfo: a code → who it is.
//! <https://developer.work.weixin.qq.com/document/path/91023>

use serde::{Deserialize, Serialize};

use crate::Secret;

/// Asks who came back with a code. A code is good for 5 minutes, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GetUserInfo {
    /// From the redirect.
    #[serde(with = "crate::secret::on_the_wire")]
    pub code: Secret,
}

/// Who it is: a member, or somebody else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserInfo {
    /// A member. Older paths write it `UserId`.
    #[serde(default, alias = "UserId", skip_serializing_if = "Option::is_none")]
    pub userid: Option<String>,
    /// For [`super::GetUserDetail`], for 30 minutes, where the member was asked for private data.
    #[serde(default, with = "crate::secret::maybe_on_the_wire", skip_serializing_if = "Option::is_none")]
    pub user_ticket: Option<Secret>,
    /// Somebody who is no member.
    #[serde(default, alias = "OpenId", skip_serializing_if = "Option::is_none")]
    pub openid: Option<String>,
    /// The same, for customers of the company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_userid: Option<String>,
}

endpoint!(GetUserInfo: Get "/cgi-bin/auth/getuserinfo" => UserInfo, "https://developer.work.weixin.qq.com/document/path/91023");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::asks(&GetUserInfo { code: "CODE".into() }, "code=CODE");
        fixture::answers::<GetUserInfo>("oauth/get_user_info");
    }
}
