//! POST /cgi-bin/user/convert_to_openid: a userid → an openid.
//! <https://developer.work.weixin.qq.com/document/path/90202>

use serde::{Deserialize, Serialize};

/// Converts a userid for WeChat's payments. A member without WeChat is errcode 43004.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ConvertToOpenId {
    /// The member.
    pub userid: String,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenId {
    /// The member, as WeChat knows it.
    #[serde(default)]
    pub openid: String,
}

endpoint!(ConvertToOpenId: Post "/cgi-bin/user/convert_to_openid" => OpenId, "https://developer.work.weixin.qq.com/document/path/90202");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(&ConvertToOpenId { userid: "zhangsan".into() }, "user/convert_to_openid");
        fixture::answers::<ConvertToOpenId>("user/convert_to_openid");
    }
}
