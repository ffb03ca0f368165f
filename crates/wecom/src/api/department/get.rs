//! GET /cgi-bin/department/get: one department.
//! <https://developer.work.weixin.qq.com/document/path/95351>

use serde::{Deserialize, Serialize};

use super::Department;

/// Asks for a department.
#[derive(Clone, Debug, Copy, Default, PartialEq, Eq, Serialize)]
pub struct GetDepartment {
    /// Which.
    pub id: u64,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepartmentAnswer {
    /// The department.
    pub department: Department,
}

endpoint!(GetDepartment: Get "/cgi-bin/department/get" => DepartmentAnswer, "https://developer.work.weixin.qq.com/document/path/95351");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::asks(&GetDepartment { id: 2 }, "id=2");
        fixture::answers::<GetDepartment>("department/get");
    }
}
