//! POST /cgi-bin/batch/invite: members are invited to WeCom.
//! <https://developer.work.weixin.qq.com/document/path/90975>

use serde::{Deserialize, Serialize};

/// Invites members who have not joined yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct InviteUsers {
    /// At most 1000.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub user: Vec<String>,
    /// At most 100.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub party: Vec<u64>,
    /// At most 100.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tag: Vec<u64>,
}

/// Who could not be invited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invited {
    /// Members.
    #[serde(default)]
    pub invaliduser: Vec<String>,
    /// Departments.
    #[serde(default)]
    pub invalidparty: Vec<u64>,
    /// Tags.
    #[serde(default)]
    pub invalidtag: Vec<u64>,
}

endpoint!(InviteUsers: Post "/cgi-bin/batch/invite" => Invited, "https://developer.work.weixin.qq.com/document/path/90975");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(
            &InviteUsers { user: vec!["UserID1".into(), "UserID2".into()], party: vec![1], tag: vec![2] },
            "batch/invite",
        );
        fixture::answers::<InviteUsers>("batch/invite");
    }
}
