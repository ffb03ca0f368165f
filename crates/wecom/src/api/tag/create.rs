//! POST /cgi-bin/tag/create: a new tag.
//! <https://developer.work.weixin.qq.com/document/path/90210>

use serde::{Deserialize, Serialize};

/// Creates a tag, which only this application may change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CreateTag {
    /// Unique, at most 32 characters.
    pub tagname: String,
    /// Absent: WeCom makes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tagid: Option<u64>,
}

/// The tag exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagCreated {
    /// Its id.
    #[serde(default)]
    pub tagid: u64,
}

endpoint!(CreateTag: Post "/cgi-bin/tag/create" => TagCreated, "https://developer.work.weixin.qq.com/document/path/90210");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(&CreateTag { tagname: "UI".into(), tagid: Some(12) }, "tag/create");
        fixture::answers::<CreateTag>("tag/create");
    }
}
