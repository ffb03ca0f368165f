//! Files: up, streamed, and down, in ranges. <https://developer.work.weixin.qq.com/document/path/90252>

mod get;
mod get_upload_by_url_result;
mod upload;
mod upload_by_url;
mod uploadimg;

#[cfg(feature = "smart-robot")]
pub(crate) use get::file_name;
pub use get::{Download, GetMedia};
pub use get_upload_by_url_result::{GetUploadByUrlResult, UploadByUrlResult, UploadDetail};
pub use upload::{UploadKind, UploadMedia, Uploaded};
pub use upload_by_url::UploadByUrl;
pub use uploadimg::{UploadedImage, check_image};
