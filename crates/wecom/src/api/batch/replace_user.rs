//! POST /cgi-bin/batch/replaceuser: all members are replaced from a table.
//! <https://developer.work.weixin.qq.com/document/path/90981>

use serde::Serialize;

use super::JobCallback;
use crate::MediaId;
use crate::api::JobStarted;

/// Replaces all members from an uploaded CSV; those that it does not name are removed. Needs the contact-sync secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReplaceUsers {
    /// The uploaded CSV.
    pub media_id: MediaId,
    /// Whether WeCom invites new members; default: yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_invite: Option<bool>,
    /// Where the end is announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback: Option<JobCallback>,
}

endpoint!(ReplaceUsers: Post "/cgi-bin/batch/replaceuser" => JobStarted, "https://developer.work.weixin.qq.com/document/path/90981");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(
            &ReplaceUsers {
                media_id: "xxxxxx".into(),
                to_invite: Some(true),
                callback: Some(JobCallback::new("xxx", "xxx", "xxx")),
            },
            "batch/replace_user",
        );
        fixture::answers::<ReplaceUsers>("batch/replace_user");
    }
}
