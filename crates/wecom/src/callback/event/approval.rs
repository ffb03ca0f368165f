//! Approvals of an application's own flow (审批流程引擎), in both spellings.
//! <https://developer.work.weixin.qq.com/document/path/90240>

use crate::callback::Element;

/// An approval of an application's own flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApprovalInfo {
    /// The number that the application gave.
    pub third_no: String,
    /// The template's name.
    pub name: String,
    /// The template's id.
    pub template_id: String,
    /// 1 in progress, 2 approved, 3 rejected, 4 cancelled.
    pub status: i64,
    /// When it was asked for, in seconds since the epoch.
    pub applied_at: i64,
    /// Who asked for it.
    pub applicant: String,
    /// The applicant's name.
    pub applicant_name: String,
    /// The applicant's department.
    pub applicant_party: String,
    /// The steps.
    pub nodes: Vec<ApprovalNode>,
    /// Who is told.
    pub notified: Vec<ApprovalItem>,
    /// Which step it is at.
    pub step: i64,
}

/// One step of an approval.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApprovalNode {
    /// 1 in progress, 2 agreed, 3 rejected, 4 transferred.
    pub status: i64,
    /// 1 one agrees, 2 all agree.
    pub attribute: i64,
    /// 1 fixed members, 2 a tag, 3 the superior.
    pub kind: i64,
    /// Who decides.
    pub items: Vec<ApprovalItem>,
}

/// Somebody in an approval.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApprovalItem {
    /// The member.
    pub userid: String,
    /// The name.
    pub name: String,
    /// As of a step; 0 for who is only told.
    pub status: i64,
    /// What was said.
    pub speech: String,
    /// When, in seconds since the epoch; 0: not yet.
    pub at: i64,
}

impl ApprovalInfo {
    pub(super) fn read(raw: &Element) -> Self {
        let Some(info) = raw.child("ApprovalInfo") else { return Self::default() };
        let text = |name| info.text_of(name).to_owned();
        let number = |name| info.number(name).unwrap_or_default();
        let inside = |name| info.child(name).map(Element::children).unwrap_or_default();
        Self {
            third_no: text("ThirdNo"),
            name: text("OpenSpName"),
            template_id: text("OpenTemplateId"),
            status: number("OpenSpStatus"),
            applied_at: number("ApplyTime"),
            applicant: text("ApplyUserId"),
            applicant_name: text("ApplyUserName"),
            applicant_party: text("ApplyUserParty"),
            nodes: inside("ApprovalNodes").iter().map(ApprovalNode::read).collect(),
            notified: inside("NotifyNodes").iter().map(ApprovalItem::read).collect(),
            step: number("ApproverStep"),
        }
    }
}

impl ApprovalNode {
    fn read(node: &Element) -> Self {
        let number = |name| node.number(name).unwrap_or_default();
        let items = node.child("Items").map(Element::children).unwrap_or_default();
        Self {
            status: number("NodeStatus"),
            attribute: number("NodeAttr"),
            kind: number("NodeType"),
            items: items.iter().map(ApprovalItem::read).collect(),
        }
    }
}

impl ApprovalItem {
    fn read(item: &Element) -> Self {
        Self {
            userid: item.text_of("ItemUserId").to_owned(),
            name: item.text_of("ItemName").to_owned(),
            status: item.number("ItemStatus").unwrap_or_default(),
            speech: item.text_of("ItemSpeech").to_owned(),
            at: item.number("ItemOpTime").unwrap_or_default(),
        }
    }
}
