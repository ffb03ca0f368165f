//! GET /cgi-bin/user/delete: a member is removed.
//! <https://developer.work.weixin.qq.com/document/path/90198>

use serde::Serialize;

use crate::api::Done;

/// Removes a member. Needs the contact-sync secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DeleteUser {
    /// Who.
    pub userid: String,
}

endpoint!(DeleteUser: Get "/cgi-bin/user/delete" => Done, "https://developer.work.weixin.qq.com/document/path/90198");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::asks(&DeleteUser { userid: "zhangsan".into() }, "userid=zhangsan");
        fixture::answers::<DeleteUser>("user/delete");
    }
}
