//! POST /cgi-bin/tag/deltagusers: members and departments lose a tag.
//! <https://developer.work.weixin.qq.com/document/path/90215>

use serde::Serialize;

use super::TagChanged;

/// Takes a tag from up to 1000 members and 100 departments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RemoveTagUsers {
    /// Which tag.
    pub tagid: u64,
    /// Who.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub userlist: Vec<String>,
    /// Which departments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub partylist: Vec<u64>,
}

endpoint!(RemoveTagUsers: Post "/cgi-bin/tag/deltagusers" => TagChanged, "https://developer.work.weixin.qq.com/document/path/90215");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(
            &RemoveTagUsers { tagid: 12, userlist: vec!["user1".into(), "user2".into()], partylist: vec![2, 4] },
            "tag/deltagusers",
        );
        fixture::answers::<RemoveTagUsers>("tag/deltagusers");
    }
}
