//! POST /cgi-bin/export/taguser: who has a tag, as encrypted files.
//! <https://developer.work.weixin.qq.com/document/path/94853>

use serde::Serialize;

use crate::Secret;
use crate::api::JobStarted;

/// Exports who has a tag, as encrypted files. Ask for them by [`super::GetExportResult`].
#[derive(Clone, Debug, Serialize)]
pub struct ExportTagUsers {
    /// The tag.
    pub tagid: u64,
    /// 43 letters and digits that the files are encrypted with.
    #[serde(with = "crate::secret::on_the_wire")]
    pub encoding_aeskey: Secret,
    /// Records a file, 10 000 to 1 000 000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_size: Option<u32>,
}

endpoint!(ExportTagUsers: Post "/cgi-bin/export/taguser" => JobStarted, "https://developer.work.weixin.qq.com/document/path/94853");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(
            &ExportTagUsers {
                tagid: 1,
                encoding_aeskey: "IJUiXNpvGbODwKEBSEsAeOAPAhkqHqNCF6g19t9wfg2".into(),
                block_size: Some(1_000_000),
            },
            "export/taguser",
        );
        fixture::answers::<ExportTagUsers>("export/taguser");
    }
}
