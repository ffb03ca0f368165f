//! GET /cgi-bin/user/simplelist: the members of a department, in short.
//! <https://developer.work.weixin.qq.com/document/path/90200>

use serde::{Deserialize, Serialize};

/// Asks for the members of a department: id, name, departments.
#[derive(Clone, Debug, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ListUsersInShort {
    /// The department.
    pub department_id: u64,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsersInShort {
    /// The members.
    #[serde(default)]
    pub userlist: Vec<UserInShort>,
}

/// A member in short.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserInShort {
    /// The id.
    pub userid: String,
    /// The name.
    #[serde(default)]
    pub name: String,
    /// The departments that the caller may see.
    #[serde(default)]
    pub department: Vec<u64>,
    /// For third parties only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_userid: Option<String>,
}

endpoint!(ListUsersInShort: Get "/cgi-bin/user/simplelist" => UsersInShort, "https://developer.work.weixin.qq.com/document/path/90200", a list);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::asks(&ListUsersInShort { department_id: 1 }, "department_id=1");
        fixture::answers::<ListUsersInShort>("user/simplelist");
    }
}
