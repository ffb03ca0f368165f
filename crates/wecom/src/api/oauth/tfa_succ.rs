//! POST /cgi-bin/user/tfa_succ: a member was verified again.
//! <https://developer.work.weixin.qq.com/document/path/99499>

use serde::Serialize;

use crate::Secret;
use crate::api::Done;

/// Lets a member in who was verified again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfirmTfa {
    /// Who.
    pub userid: String,
    /// From [`super::GetTfaInfo`].
    #[serde(with = "crate::secret::on_the_wire")]
    pub tfa_code: Secret,
}

endpoint!(ConfirmTfa: Post "/cgi-bin/user/tfa_succ" => Done, "https://developer.work.weixin.qq.com/document/path/99499");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(&ConfirmTfa { userid: "USERID".into(), tfa_code: "TFA_CODE".into() }, "oauth/tfa_succ");
        fixture::answers::<ConfirmTfa>("oauth/tfa_succ");
    }
}
