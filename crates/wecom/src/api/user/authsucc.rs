//! GET /cgi-bin/user/authsucc: a member passed the second verification.
//! <https://developer.work.weixin.qq.com/document/path/90203>

use serde::Serialize;

use crate::api::Done;

/// Lets a member in who passed the company's own verification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ConfirmVerification {
    /// Who.
    pub userid: String,
}

endpoint!(ConfirmVerification: Get "/cgi-bin/user/authsucc" => Done, "https://developer.work.weixin.qq.com/document/path/90203");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::asks(&ConfirmVerification { userid: "zhangsan".into() }, "userid=zhangsan");
        fixture::answers::<ConfirmVerification>("user/authsucc");
    }
}
