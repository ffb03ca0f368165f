//! GET /cgi-bin/export/get_result: the files of an export.
//! <https://developer.work.weixin.qq.com/document/path/94854>

use serde::{Deserialize, Serialize};

/// Asks for the files of an export. They can be fetched for 2 hours, and opened by [`super::open_file`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GetExportResult {
    /// The job.
    pub jobid: String,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportResult {
    /// 0 not started, 1 running, 2 done, 3 failed.
    #[serde(default)]
    pub status: i64,
    /// The files.
    #[serde(default)]
    pub data_list: Vec<ExportFile>,
}

/// One encrypted file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportFile {
    /// Where it is, for 2 hours.
    pub url: String,
    /// Its bytes, encrypted.
    #[serde(default)]
    pub size: u64,
    /// Of the encrypted bytes.
    #[serde(default)]
    pub md5: String,
}

endpoint!(GetExportResult: Get "/cgi-bin/export/get_result" => ExportResult, "https://developer.work.weixin.qq.com/document/path/94854", a list);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::asks(&GetExportResult { jobid: "jobid_xxxxx".into() }, "jobid=jobid_xxxxx");
        fixture::answers::<GetExportResult>("export/get_result");
    }
}
