//! POST /cgi-bin/department/update: changes of a department.
//! <https://developer.work.weixin.qq.com/document/path/90206>

use serde::Serialize;

use crate::api::Done;

/// Changes a department: only what is set. Needs the contact-sync secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UpdateDepartment {
    /// Which.
    pub id: u64,
    /// Its new name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its new name in English.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_en: Option<String>,
    /// Its new parent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parentid: Option<u64>,
    /// The larger, the further ahead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<u32>,
}

endpoint!(UpdateDepartment: Post "/cgi-bin/department/update" => Done, "https://developer.work.weixin.qq.com/document/path/90206");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(
            &UpdateDepartment {
                id: 2,
                name: Some("广州研发中心".into()),
                name_en: Some("RDGZ".into()),
                parentid: Some(1),
                order: Some(1),
            },
            "department/update",
        );
        fixture::answers::<UpdateDepartment>("department/update");
    }
}
