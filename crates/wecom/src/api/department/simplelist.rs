//! GET /cgi-bin/department/simplelist: the ids of departments and all below them.
//! <https://developer.work.weixin.qq.com/document/path/95350>

use serde::{Deserialize, Serialize};

/// Asks for the ids of a department and of all below it.
#[derive(Clone, Debug, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ListDepartmentIds {
    /// Where to begin; absent: all that the caller may see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepartmentIds {
    /// The departments, under the name that WeCom gave the list.
    #[serde(default)]
    pub department_id: Vec<DepartmentInShort>,
}

/// A department in short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepartmentInShort {
    /// Its id.
    pub id: u64,
    /// Above it.
    #[serde(default)]
    pub parentid: u64,
    /// The larger, the further ahead.
    #[serde(default)]
    pub order: u64,
}

endpoint!(ListDepartmentIds: Get "/cgi-bin/department/simplelist" => DepartmentIds, "https://developer.work.weixin.qq.com/document/path/95350", a list);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::asks(&ListDepartmentIds { id: None }, "");
        fixture::answers::<ListDepartmentIds>("department/simplelist");
    }
}
