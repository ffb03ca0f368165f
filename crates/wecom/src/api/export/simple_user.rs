//! POST /cgi-bin/export/simple_user: all members, in short, as encrypted files.
//! <https://developer.work.weixin.qq.com/document/path/94849>

use serde::Serialize;

use crate::Secret;
use crate::api::JobStarted;

/// Exports all members, in short, as encrypted files. Ask for them by [`super::GetExportResult`].
#[derive(Clone, Debug, Serialize)]
pub struct ExportUsersInShort {
    /// 43 letters and digits that the files are encrypted with.
    #[serde(with = "crate::secret::on_the_wire")]
    pub encoding_aeskey: Secret,
    /// Records a file, 10 000 to 1 000 000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_size: Option<u32>,
}

endpoint!(ExportUsersInShort: Post "/cgi-bin/export/simple_user" => JobStarted, "https://developer.work.weixin.qq.com/document/path/94849");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(
            &ExportUsersInShort {
                encoding_aeskey: "IJUiXNpvGbODwKEBSEsAeOAPAhkqHqNCF6g19t9wfg2".into(),
                block_size: Some(1_000_000),
            },
            "export/simple_user",
        );
        fixture::answers::<ExportUsersInShort>("export/simple_user");
    }
}
