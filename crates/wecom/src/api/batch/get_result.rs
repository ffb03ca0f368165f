//! GET /cgi-bin/batch/getresult: what became of an import.
//! <https://developer.work.weixin.qq.com/document/path/90983>

use serde::{Deserialize, Serialize};

use crate::ErrCode;

/// Asks what became of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GetBatchResult {
    /// The job.
    pub jobid: String,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchResult {
    /// 1 started, 2 running, 3 done.
    #[serde(default)]
    pub status: i64,
    /// `sync_user`, `replace_user` or `replace_party`.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// Rows.
    #[serde(default)]
    pub total: u64,
    /// How far it is.
    #[serde(default)]
    pub percentage: u64,
    /// Row by row, once it is done.
    #[serde(default)]
    pub result: Vec<BatchRow>,
}

/// What became of one row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchRow {
    /// The member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userid: Option<String>,
    /// The department.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partyid: Option<u64>,
    /// For departments, added up: 1 created, 2 renamed, 4 moved, 8 reordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<i64>,
    /// 0 if it went well.
    #[serde(default)]
    pub errcode: ErrCode,
    /// For people.
    #[serde(default)]
    pub errmsg: String,
}

endpoint!(GetBatchResult: Get "/cgi-bin/batch/getresult" => BatchResult, "https://developer.work.weixin.qq.com/document/path/90983", a list);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::asks(&GetBatchResult { jobid: "JOBID".into() }, "jobid=JOBID");
        let answer = fixture::answers::<GetBatchResult>("batch/get_result");
        assert_eq!((answer.status, answer.result.len()), (3, 1));
    }
}
