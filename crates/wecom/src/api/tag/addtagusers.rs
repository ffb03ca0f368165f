//! POST /cgi-bin/tag/addtagusers: members and departments get a tag.
//! <https://developer.work.weixin.qq.com/document/path/90214>

use serde::{Deserialize, Serialize};

use crate::tolerant::{id_list, joined};

/// Tags up to 1000 members and 100 departments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AddTagUsers {
    /// Which tag.
    pub tagid: u64,
    /// Who.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub userlist: Vec<String>,
    /// Which departments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub partylist: Vec<u64>,
}

/// What could not be tagged, though the errcode is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagChanged {
    /// Members, which WeCom joins by `|`.
    #[serde(default, deserialize_with = "id_list", serialize_with = "joined", skip_serializing_if = "Vec::is_empty")]
    pub invalidlist: Vec<String>,
    /// Departments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub invalidparty: Vec<u64>,
}

endpoint!(AddTagUsers: Post "/cgi-bin/tag/addtagusers" => TagChanged, "https://developer.work.weixin.qq.com/document/path/90214");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(
            &AddTagUsers { tagid: 12, userlist: vec!["user1".into(), "user2".into()], partylist: vec![4] },
            "tag/addtagusers",
        );
        let answer = fixture::answers::<AddTagUsers>("tag/addtagusers");
        assert_eq!(answer.invalidlist, ["usr1", "usr2"]);
    }
}
