//! POST /cgi-bin/tag/update: a tag's name.
//! <https://developer.work.weixin.qq.com/document/path/90211>

use serde::Serialize;

use crate::api::Done;

/// Renames a tag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UpdateTag {
    /// Which.
    pub tagid: u64,
    /// Its new name.
    pub tagname: String,
}

endpoint!(UpdateTag: Post "/cgi-bin/tag/update" => Done, "https://developer.work.weixin.qq.com/document/path/90211");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(&UpdateTag { tagid: 12, tagname: "UI design".into() }, "tag/update");
        fixture::answers::<UpdateTag>("tag/update");
    }
}
