//! POST /cgi-bin/agent/set_workbench_data: what one member sees on the workbench.
//! <https://developer.work.weixin.qq.com/document/path/92535>

use serde::Serialize;

use super::WorkbenchData;
use crate::AgentId;
use crate::api::Done;

/// Sets what one member sees of the application on the workbench.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SetWorkbenchData {
    /// The application; default: the client's.
    pub agentid: Option<AgentId>,
    /// Who.
    pub userid: String,
    /// What is shown.
    #[serde(flatten)]
    pub data: WorkbenchData,
}

endpoint!(SetWorkbenchData: Post "/cgi-bin/agent/set_workbench_data" => Done, "https://developer.work.weixin.qq.com/document/path/92535", of agentid);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;
    use crate::api::workbench::KeyDataItem;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(
            &SetWorkbenchData {
                agentid: Some(AgentId(1_000_005)),
                userid: "test".into(),
                data: WorkbenchData::keydata(vec![KeyDataItem {
                    key: "待审批".into(),
                    data: "2".into(),
                    jump_url: Some("http://www.qq.com".into()),
                    pagepath: Some("pages/index".into()),
                }]),
            },
            "workbench/set_data",
        );
        fixture::answers::<SetWorkbenchData>("workbench/set_data");
    }
}
