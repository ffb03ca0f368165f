//! POST /cgi-bin/batch/syncuser: members are changed from a table, none removed.
//! <https://developer.work.weixin.qq.com/document/path/90980>

use serde::Serialize;

use super::JobCallback;
use crate::MediaId;
use crate::api::JobStarted;

/// Changes members from an uploaded CSV; those that it does not name stay. Needs the contact-sync secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SyncUsers {
    /// The uploaded CSV.
    pub media_id: MediaId,
    /// Whether WeCom invites new members; default: yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_invite: Option<bool>,
    /// Where the end is announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback: Option<JobCallback>,
}

endpoint!(SyncUsers: Post "/cgi-bin/batch/syncuser" => JobStarted, "https://developer.work.weixin.qq.com/document/path/90980");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(
            &SyncUsers {
                media_id: "xxxxxx".into(),
                to_invite: Some(true),
                callback: Some(JobCallback::new("xxx", "xxx", "xxx")),
            },
            "batch/sync_user",
        );
        fixture::answers::<SyncUsers>("batch/sync_user");
    }
}
