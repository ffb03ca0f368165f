//! GET /cgi-bin/menu/delete: an application's menu is removed.
//! <https://developer.work.weixin.qq.com/document/path/90233>

use serde::Serialize;

use crate::AgentId;
use crate::api::Done;

/// Removes the application's menu.
#[derive(Clone, Debug, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DeleteMenu {
    /// The application; default: the client's.
    pub agentid: Option<AgentId>,
}

endpoint!(DeleteMenu: Get "/cgi-bin/menu/delete" => Done, "https://developer.work.weixin.qq.com/document/path/90233", of agentid);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::asks(&DeleteMenu { agentid: Some(AgentId(1)) }, "agentid=1");
        fixture::answers::<DeleteMenu>("menu/delete");
    }
}
