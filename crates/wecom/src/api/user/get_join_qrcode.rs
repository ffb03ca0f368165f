//! GET /cgi-bin/corp/get_join_qrcode: a code by which people join the company.
//! <https://developer.work.weixin.qq.com/document/path/91714>

use serde::{Deserialize, Serialize};

/// Asks for the code by which people join the company; valid for 7 days.
#[derive(Clone, Debug, Copy, Default, PartialEq, Eq, Serialize)]
pub struct GetJoinQrCode {
    /// 1 to 4, from small to large.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_type: Option<u8>,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinQrCode {
    /// Where the picture is.
    #[serde(default)]
    pub join_qrcode: String,
}

endpoint!(GetJoinQrCode: Get "/cgi-bin/corp/get_join_qrcode" => JoinQrCode, "https://developer.work.weixin.qq.com/document/path/91714");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::asks(&GetJoinQrCode { size_type: Some(1) }, "size_type=1");
        fixture::answers::<GetJoinQrCode>("user/get_join_qrcode");
    }
}
