//! POST /cgi-bin/user/batchdelete: members are removed.
//! <https://developer.work.weixin.qq.com/document/path/90199>

use serde::Serialize;

use crate::api::Done;

/// Removes up to 200 members. Needs the contact-sync secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DeleteUsers {
    /// Who.
    pub useridlist: Vec<String>,
}

endpoint!(DeleteUsers: Post "/cgi-bin/user/batchdelete" => Done, "https://developer.work.weixin.qq.com/document/path/90199");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(&DeleteUsers { useridlist: vec!["zhangsan".into(), "lisi".into()] }, "user/batchdelete");
        fixture::answers::<DeleteUsers>("user/batchdelete");
    }
}
