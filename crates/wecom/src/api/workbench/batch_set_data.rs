//! POST /cgi-bin/agent/batch_set_workbench_data: what several members see on the workbench.
//! <https://developer.work.weixin.qq.com/document/path/92535>

use serde::Serialize;

use super::WorkbenchData;
use crate::AgentId;
use crate::api::Done;

/// Sets what several members see of the application on the workbench.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SetWorkbenchDataOfUsers {
    /// The application; default: the client's.
    pub agentid: Option<AgentId>,
    /// Who.
    pub userid_list: Vec<String>,
    /// What is shown.
    pub data: WorkbenchData,
}

endpoint!(SetWorkbenchDataOfUsers: Post "/cgi-bin/agent/batch_set_workbench_data" => Done, "https://developer.work.weixin.qq.com/document/path/92535", of agentid);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;
    use crate::api::workbench::WorkbenchListItem;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(
            &SetWorkbenchDataOfUsers {
                agentid: Some(AgentId(1_000_005)),
                userid_list: vec!["test1".into(), "test2".into()],
                data: WorkbenchData::list(vec![WorkbenchListItem {
                    title: "待审批".into(),
                    jump_url: Some("http://www.qq.com".into()),
                    pagepath: None,
                }]),
            },
            "workbench/batch_set_data",
        );
        fixture::answers::<SetWorkbenchDataOfUsers>("workbench/batch_set_data");
    }
}
