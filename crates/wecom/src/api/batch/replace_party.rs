//! POST /cgi-bin/batch/replaceparty: all departments are replaced from a table.
//! <https://developer.work.weixin.qq.com/document/path/90982>

use serde::Serialize;

use super::JobCallback;
use crate::MediaId;
use crate::api::JobStarted;

/// Replaces all departments from an uploaded CSV. Needs the contact-sync secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReplaceParties {
    /// The uploaded CSV.
    pub media_id: MediaId,
    /// Where the end is announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback: Option<JobCallback>,
}

endpoint!(ReplaceParties: Post "/cgi-bin/batch/replaceparty" => JobStarted, "https://developer.work.weixin.qq.com/document/path/90982");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(&ReplaceParties { media_id: "xxxxxx".into(), callback: None }, "batch/replace_party");
        fixture::answers::<ReplaceParties>("batch/replace_party");
    }
}
