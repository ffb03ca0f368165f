//! POST /cgi-bin/media/uploadimg: a picture with a URL that lasts, made by [`crate::Client::upload_image`].
//! <https://developer.work.weixin.qq.com/document/path/90256>

use serde::{Deserialize, Serialize};

use super::UploadMedia;
use crate::limits::{Checker, LimitViolation, UPLOAD_MIN_BYTES};

/// The page.
const DOC: &str = "https://developer.work.weixin.qq.com/document/path/90256";
/// Bytes of a picture (path/90256).
const MOST: u64 = 2 * 1024 * 1024;

/// The picture has a URL. It never ends, and is meant for articles and welcome messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadedImage {
    /// Where it is; blocked on pages outside WeCom.
    #[serde(default)]
    pub url: String,
}

/// Returns every documented rule that this picture breaks.
pub fn check_image(media: &UploadMedia) -> Vec<LimitViolation> {
    let mut c = Checker::new(DOC);
    let length = media.length();
    if length <= UPLOAD_MIN_BYTES {
        c.add("too_few", "media", format!("is {length} bytes; it must be more than 5"));
    }
    if length > MOST {
        c.add("too_long", "media", format!("is {length} bytes; the limit is {MOST}"));
    }
    c.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_official_answer_is_read() {
        let answer = include_str!("../../../../../fixtures/wecom/media/uploadimg.response.json");
        let image: UploadedImage = serde_json::from_str(answer).unwrap();
        assert_eq!(
            image.url,
            "http://p.qpic.cn/pic_wework/3474110808/7a7c8471673ff0f178f63447935d35a5c1247a7f31d9c060/0"
        );
    }

    #[test]
    fn sizes_are_those_of_the_official_page() {
        let code = |length: usize| check_image(&UploadMedia::bytes("a.png", vec![0; length])).first().map(|v| v.code);
        assert_eq!((code(5), code(6)), (Some("too_few"), None));
        assert_eq!((code(2 << 20), code((2 << 20) + 1)), (None, Some("too_long")));
    }
}
