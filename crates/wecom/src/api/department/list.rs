//! GET /cgi-bin/department/list: departments and all below them.
//! <https://developer.work.weixin.qq.com/document/path/90208>

use serde::{Deserialize, Serialize};

/// Asks for a department and all below it. WeCom is slow at it; [`super::ListDepartmentIds`] is quick.
#[derive(Clone, Debug, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ListDepartments {
    /// Where to begin; absent: all that the caller may see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Departments {
    /// The departments.
    #[serde(default)]
    pub department: Vec<Department>,
}

/// A department.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Department {
    /// Its id.
    pub id: u64,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its name in English.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_en: Option<String>,
    /// Who leads it.
    #[serde(default)]
    pub department_leader: Vec<String>,
    /// Above it; 0 for the root.
    #[serde(default)]
    pub parentid: u64,
    /// The larger, the further ahead.
    #[serde(default)]
    pub order: u64,
}

endpoint!(ListDepartments: Get "/cgi-bin/department/list" => Departments, "https://developer.work.weixin.qq.com/document/path/90208", a list);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::asks(&ListDepartments { id: Some(2) }, "id=2");
        fixture::answers::<ListDepartments>("department/list");
    }
}
