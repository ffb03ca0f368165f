//! GET /cgi-bin/tag/get: the members and departments of a tag.
//! <https://developer.work.weixin.qq.com/document/path/90213>

use serde::{Deserialize, Serialize};

/// Asks who has a tag.
#[derive(Clone, Debug, Copy, Default, PartialEq, Eq, Serialize)]
pub struct GetTag {
    /// Which.
    pub tagid: u64,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagMembers {
    /// The tag's name.
    #[serde(default)]
    pub tagname: String,
    /// Its members that the caller may see.
    #[serde(default)]
    pub userlist: Vec<TagUser>,
    /// Its departments that the caller may see.
    #[serde(default)]
    pub partylist: Vec<u64>,
}

/// A member with a tag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagUser {
    /// The id.
    pub userid: String,
    /// The name.
    #[serde(default)]
    pub name: String,
}

endpoint!(GetTag: Get "/cgi-bin/tag/get" => TagMembers, "https://developer.work.weixin.qq.com/document/path/90213", a list);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::asks(&GetTag { tagid: 12 }, "tagid=12");
        fixture::answers::<GetTag>("tag/get");
    }
}
