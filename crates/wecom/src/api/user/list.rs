//! GET /cgi-bin/user/list: the members of a department.
//! <https://developer.work.weixin.qq.com/document/path/90201>

use serde::{Deserialize, Serialize};

use super::Member;

/// Asks for the members of a department, with all that the caller may see of them.
#[derive(Clone, Debug, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ListUsers {
    /// The department.
    pub department_id: u64,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Users {
    /// The members.
    #[serde(default)]
    pub userlist: Vec<Member>,
}

endpoint!(ListUsers: Get "/cgi-bin/user/list" => Users, "https://developer.work.weixin.qq.com/document/path/90201", a list);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::asks(&ListUsers { department_id: 1 }, "department_id=1");
        fixture::answers::<ListUsers>("user/list");
    }
}
