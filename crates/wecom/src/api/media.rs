//! Uploads, streamed. <https://developer.work.weixin.qq.com/document/path/90253>

mod upload;

pub use upload::{UploadKind, UploadMedia, Uploaded};
