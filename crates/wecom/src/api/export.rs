//! The address book as encrypted files. <https://developer.work.weixin.qq.com/document/path/94850>

mod department;
mod get_result;
mod simple_user;
mod taguser;
mod user;

pub use department::ExportDepartments;
pub use get_result::{ExportFile, ExportResult, GetExportResult};
pub use simple_user::ExportUsersInShort;
pub use taguser::ExportTagUsers;
pub use user::ExportUsers;

/// Opens a file of an export: its JSON.
///
/// Whether the file is base64 besides is told differently: both are taken.
///
/// # Errors
/// [`crate::callback::Refusal`] if key and file do not fit.
#[cfg(feature = "callback")]
pub fn open_file(
    key: &crate::callback::EncodingAesKey,
    file: &[u8],
) -> Result<serde_json::Value, crate::callback::Refusal> {
    use base64::Engine as _;

    use crate::callback::Refusal;

    let decoded = base64::engine::general_purpose::STANDARD.decode(file.trim_ascii());
    let plain = match decoded {
        Ok(bytes) => key.open_file(&bytes),
        Err(_) => key.open_file(file),
    }?;
    serde_json::from_slice(&plain).map_err(|_| Refusal::Malformed)
}

#[cfg(all(test, feature = "callback"))]
mod tests {
    use super::*;
    use crate::callback::EncodingAesKey;
    use base64::Engine as _;

    #[test]
    fn a_file_is_opened_raw_and_as_base64() {
        let key = EncodingAesKey::parse("IJUiXNpvGbODwKEBSEsAeOAPAhkqHqNCF6g19t9wfg2").unwrap();
        let sealed = key.seal_file(r#"{"userlist":[{"userid":"zhangsan"}]}"#.as_bytes());
        let text = base64::engine::general_purpose::STANDARD.encode(&sealed);
        for file in [sealed.as_slice(), text.as_bytes()] {
            assert_eq!(open_file(&key, file).unwrap()["userlist"][0]["userid"], "zhangsan");
        }
        assert!(open_file(&key, b"not encrypted").is_err());
    }
}
