//! Changes of the address book, whole and in the trimmed form that most URLs get since 2022-08-15.
//! <https://developer.work.weixin.qq.com/document/path/90967>

use crate::callback::Element;

/// What changed in the address book.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ContactChange {
    /// `create_user`.
    CreateUser(UserChange),
    /// `update_user`.
    UpdateUser(UserChange),
    /// `delete_user`.
    DeleteUser {
        /// Who.
        userid: String,
    },
    /// `create_party`.
    CreateParty {
        /// Which.
        id: u64,
        /// Absent in the trimmed form.
        name: Option<String>,
        /// Above it.
        parent_id: Option<u64>,
        /// The larger, the further ahead.
        order: Option<u64>,
    },
    /// `update_party`: what changed.
    UpdateParty {
        /// Which.
        id: u64,
        /// Its new name.
        name: Option<String>,
        /// Its new parent.
        parent_id: Option<u64>,
    },
    /// `delete_party`.
    DeleteParty {
        /// Which.
        id: u64,
    },
    /// `update_tag`.
    UpdateTag(TagChange),
    /// One that this version does not know.
    Unknown {
        /// Its `ChangeType`.
        change_type: String,
    },
}

/// A member that is new or has changed; what is absent did not change, or is not told (since 2022-08-15 most is not).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserChange {
    /// Who, before the change.
    pub userid: String,
    /// The new userid, if that changed.
    pub new_userid: Option<String>,
    /// Display name.
    pub name: Option<String>,
    /// All departments.
    pub departments: Option<Vec<u64>>,
    /// The main one.
    pub main_department: Option<u64>,
    /// For each department whether the member leads it.
    pub leads: Option<Vec<bool>>,
    /// Whom the member reports to.
    pub direct_leaders: Option<Vec<String>>,
    /// Job title.
    pub position: Option<String>,
    /// Mobile number.
    pub mobile: Option<String>,
    /// Personal mailbox.
    pub email: Option<String>,
    /// Mailbox of the company.
    pub biz_mail: Option<String>,
    /// 1 male, 2 female.
    pub gender: Option<u8>,
    /// 1 active, 2 disabled, 4 not activated, 5 left.
    pub status: Option<u8>,
    /// Alias.
    pub alias: Option<String>,
    /// Picture.
    pub avatar: Option<String>,
    /// Landline.
    pub telephone: Option<String>,
    /// Address.
    pub address: Option<String>,
    /// Fields of the company's own, name and text or link.
    pub attributes: Vec<(String, String)>,
}

/// Members and departments of a tag that changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagChange {
    /// The tag.
    pub tag_id: u64,
    /// Members that came.
    pub added_users: Vec<String>,
    /// Members that went.
    pub removed_users: Vec<String>,
    /// Departments that came.
    pub added_parties: Vec<u64>,
    /// Departments that went.
    pub removed_parties: Vec<u64>,
}

impl ContactChange {
    pub(super) fn read(raw: &Element) -> Self {
        let id = || raw.number("Id").unwrap_or_default();
        let (name, parent_id) = (raw.owned("Name"), raw.number("ParentId"));
        match raw.text_of("ChangeType") {
            "create_user" => Self::CreateUser(UserChange::read(raw)),
            "update_user" => Self::UpdateUser(UserChange::read(raw)),
            "delete_user" => Self::DeleteUser { userid: raw.text_of("UserID").to_owned() },
            "create_party" => Self::CreateParty { id: id(), name, parent_id, order: raw.number("Order") },
            "update_party" => Self::UpdateParty { id: id(), name, parent_id },
            "delete_party" => Self::DeleteParty { id: id() },
            "update_tag" => Self::UpdateTag(TagChange::read(raw)),
            other => Self::Unknown { change_type: other.to_owned() },
        }
    }
}

impl UserChange {
    fn read(raw: &Element) -> Self {
        let owned = |name| raw.owned(name);
        Self {
            userid: raw.text_of("UserID").to_owned(),
            new_userid: owned("NewUserID"),
            name: owned("Name"),
            departments: raw.child("Department").map(|_| numbers(raw, "Department")),
            main_department: raw.number("MainDepartment"),
            leads: raw
                .child("IsLeaderInDept")
                .map(|_| texts(raw, "IsLeaderInDept").iter().map(|flag| flag == "1").collect()),
            direct_leaders: raw.child("DirectLeader").map(|_| texts(raw, "DirectLeader")),
            position: owned("Position"),
            mobile: owned("Mobile"),
            email: owned("Email"),
            biz_mail: owned("BizMail"),
            gender: raw.number("Gender"),
            status: raw.number("Status"),
            alias: owned("Alias"),
            avatar: owned("Avatar"),
            telephone: owned("Telephone"),
            address: owned("Address"),
            attributes: attributes(raw),
        }
    }
}

fn attributes(raw: &Element) -> Vec<(String, String)> {
    let items = raw.child("ExtAttr").map(Element::children).unwrap_or_default();
    let value = |item: &Element| {
        let text = item.child("Text").map(|text| text.text_of("Value"));
        text.or_else(|| item.child("Web").map(|web| web.text_of("Url"))).unwrap_or_default().to_owned()
    };
    items.iter().map(|item| (item.text_of("Name").to_owned(), value(item))).collect()
}

impl TagChange {
    fn read(raw: &Element) -> Self {
        Self {
            tag_id: raw.number("TagId").unwrap_or_default(),
            added_users: texts(raw, "AddUserItems"),
            removed_users: texts(raw, "DelUserItems"),
            added_parties: numbers(raw, "AddPartyItems"),
            removed_parties: numbers(raw, "DelPartyItems"),
        }
    }
}

/// `a,b,c`, as contact changes list things.
fn texts(raw: &Element, name: &str) -> Vec<String> {
    raw.text_of(name).split(',').map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned).collect()
}

fn numbers(raw: &Element, name: &str) -> Vec<u64> {
    texts(raw, name).iter().filter_map(|text| text.parse().ok()).collect()
}
