//! POST /cgi-bin/agent/set_workbench_template: how an application shows on the workbench.
//! <https://developer.work.weixin.qq.com/document/path/92535>

use serde::Serialize;

use super::WorkbenchData;
use crate::AgentId;
use crate::api::Done;

/// Sets how the application shows on the workbench, for everybody.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SetWorkbenchTemplate {
    /// The application; default: the client's.
    pub agentid: Option<AgentId>,
    /// What is shown.
    #[serde(flatten)]
    pub data: WorkbenchData,
    /// Whether what was set for single members goes.
    pub replace_user_data: bool,
}

endpoint!(SetWorkbenchTemplate: Post "/cgi-bin/agent/set_workbench_template" => Done, "https://developer.work.weixin.qq.com/document/path/92535", of agentid);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;
    use crate::api::workbench::WorkbenchImage;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(
            &SetWorkbenchTemplate {
                agentid: Some(AgentId(1_000_005)),
                data: WorkbenchData::image(WorkbenchImage {
                    url: "xxxx".into(),
                    jump_url: Some("http://www.qq.com".into()),
                    pagepath: Some("pages/index".into()),
                }),
                replace_user_data: true,
            },
            "workbench/set_template",
        );
        fixture::answers::<SetWorkbenchTemplate>("workbench/set_template");
    }
}
