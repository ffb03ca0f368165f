//! POST /cgi-bin/user/convert_to_userid: an openid → a userid.
//! <https://developer.work.weixin.qq.com/document/path/90202>

use serde::Serialize;

use super::FoundUserId;

/// Converts an openid back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ConvertToUserId {
    /// The member, as WeChat knows it.
    pub openid: String,
}

endpoint!(ConvertToUserId: Post "/cgi-bin/user/convert_to_userid" => FoundUserId, "https://developer.work.weixin.qq.com/document/path/90202");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(&ConvertToUserId { openid: "oDOGms-6yCnGrRovBj2yHij5JL6E".into() }, "user/convert_to_userid");
        fixture::answers::<ConvertToUserId>("user/convert_to_userid");
    }
}
