//! POST /cgi-bin/media/upload_by_url: a large file that WeCom fetches itself.
//! <https://developer.work.weixin.qq.com/document/path/96219>

use serde::Serialize;

use crate::api::JobStarted;

/// Has WeCom fetch a file of up to 200 MB for welcome messages. `message/send` does not take its media id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UploadByUrl {
    /// 1: material for welcome messages.
    pub scene: u32,
    /// `video` or `file`.
    #[serde(rename = "type")]
    pub kind: String,
    /// At most 128 bytes.
    pub filename: String,
    /// At most 1024 bytes; must serve ranges.
    pub url: String,
    /// Of the whole file.
    pub md5: String,
}

endpoint!(UploadByUrl: Post "/cgi-bin/media/upload_by_url" => JobStarted, "https://developer.work.weixin.qq.com/document/path/96219");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(
            &UploadByUrl {
                scene: 1,
                kind: "video".into(),
                filename: "video.mp4".into(),
                url: "https://xxxx".into(),
                md5: "198918f40ecc7cab0fc4231adaf67c96".into(),
            },
            "media/upload_by_url",
        );
        fixture::answers::<UploadByUrl>("media/upload_by_url");
    }
}
