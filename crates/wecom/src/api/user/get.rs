//! GET /cgi-bin/user/get: one member.
//! <https://developer.work.weixin.qq.com/document/path/90196>

use serde::Serialize;

use super::Member;

/// Asks for a member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GetUser {
    /// Who.
    pub userid: String,
}

endpoint!(GetUser: Get "/cgi-bin/user/get" => Member, "https://developer.work.weixin.qq.com/document/path/90196");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::asks(&GetUser { userid: "zhangsan".into() }, "userid=zhangsan");
        let answer = fixture::answers::<GetUser>("user/get");
        assert_eq!((answer.name.as_str(), answer.department.as_slice()), ("张三", [1, 2].as_slice()));
    }
}
