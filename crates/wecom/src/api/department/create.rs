//! POST /cgi-bin/department/create: a new department.
//! <https://developer.work.weixin.qq.com/document/path/90205>

use serde::{Deserialize, Serialize};

/// Creates a department. Needs the contact-sync secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CreateDepartment {
    /// Unique among its siblings, without `\\ : * ? " < > |`.
    pub name: String,
    /// In English.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_en: Option<String>,
    /// Above it; the root is 1.
    pub parentid: u64,
    /// The larger, the further ahead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<u32>,
    /// Larger than 1; absent: WeCom makes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
}

/// The department exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepartmentCreated {
    /// Its id.
    #[serde(default)]
    pub id: u64,
}

endpoint!(CreateDepartment: Post "/cgi-bin/department/create" => DepartmentCreated, "https://developer.work.weixin.qq.com/document/path/90205");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(
            &CreateDepartment {
                name: "广州研发中心".into(),
                name_en: Some("RDGZ".into()),
                parentid: 1,
                order: Some(1),
                id: Some(2),
            },
            "department/create",
        );
        let answer = fixture::answers::<CreateDepartment>("department/create");
        assert_eq!(answer.id, 2);
    }
}
