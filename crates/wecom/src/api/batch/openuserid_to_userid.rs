//! POST /cgi-bin/batch/openuserid_to_userid: encrypted ids of smart robots → userids.
//! <https://developer.work.weixin.qq.com/document/path/101521>

use serde::{Deserialize, Serialize};

/// Converts up to 1000 encrypted userids, as smart robots see them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ConvertOpenUserIds {
    /// The encrypted ids.
    pub open_userid_list: Vec<String>,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConvertedUserIds {
    /// Those that could be converted.
    #[serde(default)]
    pub userid_list: Vec<ConvertedUserId>,
    /// Those that could not.
    #[serde(default)]
    pub invalid_open_userid_list: Vec<String>,
}

/// One pair.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConvertedUserId {
    /// The encrypted id.
    pub open_userid: String,
    /// The member.
    pub userid: String,
}

endpoint!(ConvertOpenUserIds: Post "/cgi-bin/batch/openuserid_to_userid" => ConvertedUserIds, "https://developer.work.weixin.qq.com/document/path/101521", a list);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(
            &ConvertOpenUserIds { open_userid_list: vec!["wo1".into(), "wo2".into()] },
            "batch/openuserid_to_userid",
        );
        fixture::answers::<ConvertOpenUserIds>("batch/openuserid_to_userid");
    }
}
