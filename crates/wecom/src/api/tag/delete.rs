//! GET /cgi-bin/tag/delete: a tag is removed.
//! <https://developer.work.weixin.qq.com/document/path/90212>

use serde::Serialize;

use crate::api::Done;

/// Removes a tag.
#[derive(Clone, Debug, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DeleteTag {
    /// Which.
    pub tagid: u64,
}

endpoint!(DeleteTag: Get "/cgi-bin/tag/delete" => Done, "https://developer.work.weixin.qq.com/document/path/90212");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::asks(&DeleteTag { tagid: 12 }, "tagid=12");
        fixture::answers::<DeleteTag>("tag/delete");
    }
}
