//! GET /cgi-bin/tag/list: all tags.
//! <https://developer.work.weixin.qq.com/document/path/90216>

use serde::{Deserialize, Serialize};

/// Asks for the tags that the caller may see.
#[derive(Clone, Debug, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ListTags {}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tags {
    /// The tags.
    #[serde(default)]
    pub taglist: Vec<Tag>,
}

/// A tag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// Its id.
    pub tagid: u64,
    /// Its name.
    #[serde(default)]
    pub tagname: String,
}

endpoint!(ListTags: Get "/cgi-bin/tag/list" => Tags, "https://developer.work.weixin.qq.com/document/path/90216", a list);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::asks(&ListTags {}, "");
        fixture::answers::<ListTags>("tag/list");
    }
}
