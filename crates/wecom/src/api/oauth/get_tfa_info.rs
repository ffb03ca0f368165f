//! POST /cgi-bin/auth/get_tfa_info: a code → who is to be verified again.
//! <https://developer.work.weixin.qq.com/document/path/99499>

use serde::{Deserialize, Serialize};

use crate::Secret;

/// Asks who is to be verified again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GetTfaInfo {
    /// From the redirect.
    #[serde(with = "crate::secret::on_the_wire")]
    pub code: Secret,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TfaInfo {
    /// The member.
    #[serde(default)]
    pub userid: String,
    /// For [`super::ConfirmTfa`], for 5 minutes, once.
    #[serde(with = "crate::secret::on_the_wire")]
    pub tfa_code: Secret,
}

endpoint!(GetTfaInfo: Post "/cgi-bin/auth/get_tfa_info" => TfaInfo, "https://developer.work.weixin.qq.com/document/path/99499");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(&GetTfaInfo { code: "CODE".into() }, "oauth/get_tfa_info");
        fixture::answers::<GetTfaInfo>("oauth/get_tfa_info");
    }
}
