//! POST /cgi-bin/user/update: changes of a member.
//! <https://developer.work.weixin.qq.com/document/path/90197>

use serde::Serialize;

use super::MemberChange;
use crate::api::Done;

/// Changes a member: only what is set; lists are replaced. Needs the contact-sync secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct UpdateUser {
    /// The changes.
    #[serde(flatten)]
    pub member: MemberChange,
    /// A new userid, once, where WeCom made up the old one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_userid: Option<String>,
}

endpoint!(UpdateUser: Post "/cgi-bin/user/update" => Done, "https://developer.work.weixin.qq.com/document/path/90197");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(
            &UpdateUser {
                member: MemberChange { name: Some("李四".into()), enable: Some(1), ..MemberChange::of("zhangsan") },
                new_userid: None,
            },
            "user/update",
        );
        fixture::answers::<UpdateUser>("user/update");
    }
}
