//! POST /cgi-bin/user/getuserid: a mobile number → a userid.
//! <https://developer.work.weixin.qq.com/document/path/95402>

use serde::{Deserialize, Serialize};

/// Looks up a member by mobile number. Too many misses block the caller for a day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GetUserIdByMobile {
    /// 5 to 32 bytes.
    pub mobile: String,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundUserId {
    /// The member; not found is errcode 46004.
    #[serde(default)]
    pub userid: String,
}

endpoint!(GetUserIdByMobile: Post "/cgi-bin/user/getuserid" => FoundUserId, "https://developer.work.weixin.qq.com/document/path/95402");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(&GetUserIdByMobile { mobile: "13430388888".into() }, "user/getuserid");
        fixture::answers::<GetUserIdByMobile>("user/getuserid");
    }
}
