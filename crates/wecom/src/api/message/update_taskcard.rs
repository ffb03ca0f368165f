//! POST /cgi-bin/message/update_taskcard: a task card's button, once it was clicked (legacy).
//! <https://developer.work.weixin.qq.com/document/path/91579>

use serde::Serialize;

use crate::AgentId;
use crate::api::message::Updated;

/// Turns the button of a task card, the forerunner of template cards, into a disabled one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UpdateTaskCard {
    /// At most 1000 members.
    pub userids: Vec<String>,
    /// The application; default: the client's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agentid: Option<AgentId>,
    /// The card's id.
    pub task_id: String,
    /// The key of the clicked button; later revisions take `replace_name` instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clicked_key: Option<String>,
    /// The button's new text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replace_name: Option<String>,
}

endpoint!(UpdateTaskCard: Post "/cgi-bin/message/update_taskcard" => Updated, "https://developer.work.weixin.qq.com/document/path/91579", of agentid);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(
            &UpdateTaskCard {
                userids: vec!["userid1".into(), "userid2".into()],
                agentid: Some(AgentId(1)),
                task_id: "taskid122".into(),
                clicked_key: Some("btn_key123".into()),
                replace_name: None,
            },
            "message/update_taskcard",
        );
        fixture::answers::<UpdateTaskCard>("message/update_taskcard");
    }
}
