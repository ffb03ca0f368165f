//! POST /cgi-bin/user/create: a new member.
//! <https://developer.work.weixin.qq.com/document/path/90195>

use serde::{Deserialize, Serialize};

use super::MemberChange;

/// Creates a member. Needs the contact-sync secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CreateUser {
    /// The member; `userid`, `name`, and `mobile` or `email` are needed.
    #[serde(flatten)]
    pub member: MemberChange,
    /// Whether WeCom invites the member; default: yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_invite: Option<bool>,
}

/// The member exists.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UserCreated {
    /// Departments that had to be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_department_list: Option<serde_json::Value>,
}

endpoint!(CreateUser: Post "/cgi-bin/user/create" => UserCreated, "https://developer.work.weixin.qq.com/document/path/90195");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(
            &CreateUser {
                member: MemberChange {
                    name: Some("张三".into()),
                    mobile: Some("13800000000".into()),
                    department: Some(vec![1, 2]),
                    main_department: Some(1),
                    ..MemberChange::of("zhangsan")
                },
                to_invite: Some(false),
            },
            "user/create",
        );
        fixture::answers::<CreateUser>("user/create");
    }
}
