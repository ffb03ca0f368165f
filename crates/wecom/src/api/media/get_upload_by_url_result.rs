//! POST /cgi-bin/media/get_upload_by_url_result: whether WeCom has fetched a file.
//! <https://developer.work.weixin.qq.com/document/path/96219>

use serde::{Deserialize, Serialize};

use crate::tolerant::number;
use crate::{ErrCode, MediaId};

/// Asks for the result of [`super::UploadByUrl`], for 60 minutes after it began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GetUploadByUrlResult {
    /// The job.
    pub jobid: String,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UploadByUrlResult {
    /// 1 running, 2 done, 3 failed; a text in the page's table.
    #[serde(default, deserialize_with = "number")]
    pub status: i64,
    /// What became of it.
    #[serde(default)]
    pub detail: Option<UploadDetail>,
}

/// What became of an upload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UploadDetail {
    /// 0 if it went well.
    #[serde(default)]
    pub errcode: ErrCode,
    /// For people.
    #[serde(default)]
    pub errmsg: String,
    /// Valid for 3 days.
    #[serde(default)]
    pub media_id: MediaId,
    /// When, in seconds since the epoch.
    #[serde(default)]
    pub created_at: String,
}

endpoint!(GetUploadByUrlResult: Post "/cgi-bin/media/get_upload_by_url_result" => UploadByUrlResult, "https://developer.work.weixin.qq.com/document/path/96219");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(&GetUploadByUrlResult { jobid: "JOBID".into() }, "media/get_upload_by_url_result");
        let answer = fixture::answers::<GetUploadByUrlResult>("media/get_upload_by_url_result");
        assert_eq!(answer.status, 2);
    }
}
