//! GET /cgi-bin/menu/get: an application's menu.
//! <https://developer.work.weixin.qq.com/document/path/90232>

use serde::{Deserialize, Serialize};

use super::MenuButton;
use crate::AgentId;

/// Asks for the application's menu.
#[derive(Clone, Debug, Copy, Default, PartialEq, Eq, Serialize)]
pub struct GetMenu {
    /// The application; default: the client's.
    pub agentid: Option<AgentId>,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Menu {
    /// Its buttons.
    #[serde(default)]
    pub button: Vec<MenuButton>,
}

endpoint!(GetMenu: Get "/cgi-bin/menu/get" => Menu, "https://developer.work.weixin.qq.com/document/path/90232", of agentid);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::asks(&GetMenu { agentid: Some(AgentId(1)) }, "agentid=1");
        fixture::answers::<GetMenu>("menu/get");
    }
}
