//! POST /cgi-bin/agent/get_workbench_template: how an application shows on the workbench.
//! <https://developer.work.weixin.qq.com/document/path/92535>

use serde::{Deserialize, Serialize};

use super::WorkbenchData;
use crate::AgentId;

/// Asks how the application shows on the workbench.
#[derive(Clone, Debug, Copy, Default, PartialEq, Eq, Serialize)]
pub struct GetWorkbenchTemplate {
    /// The application; default: the client's.
    pub agentid: Option<AgentId>,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkbenchTemplate {
    /// What is shown.
    #[serde(flatten)]
    pub data: WorkbenchData,
    /// Whether what was set for single members went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replace_user_data: Option<bool>,
}

endpoint!(GetWorkbenchTemplate: Post "/cgi-bin/agent/get_workbench_template" => WorkbenchTemplate, "https://developer.work.weixin.qq.com/document/path/92535", of agentid);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(&GetWorkbenchTemplate { agentid: Some(AgentId(1_000_005)) }, "workbench/get_template");
        fixture::answers::<GetWorkbenchTemplate>("workbench/get_template");
    }
}
