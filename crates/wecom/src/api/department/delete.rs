//! GET /cgi-bin/department/delete: an empty department is removed.
//! <https://developer.work.weixin.qq.com/document/path/90207>

use serde::Serialize;

use crate::api::Done;

/// Removes a department without members and children. Needs the contact-sync secret.
#[derive(Clone, Debug, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DeleteDepartment {
    /// Which.
    pub id: u64,
}

endpoint!(DeleteDepartment: Get "/cgi-bin/department/delete" => Done, "https://developer.work.weixin.qq.com/document/path/90207");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::asks(&DeleteDepartment { id: 2 }, "id=2");
        fixture::answers::<DeleteDepartment>("department/delete");
    }
}
