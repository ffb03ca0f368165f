//! A member, as WeCom tells and as it is told. Since 2022-06-20 most applications are not told the personal fields: then
//! they are absent.
//! <https://developer.work.weixin.qq.com/document/path/90196>

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::MediaId;

/// A member; what the caller may not see is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// The id; unique whatever its case.
    pub userid: String,
    /// The name.
    #[serde(default)]
    pub name: String,
    /// The departments that the caller may see.
    #[serde(default)]
    pub department: Vec<u64>,
    /// For each department; the larger, the further ahead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<u64>,
    /// Job title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
    /// Mobile number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mobile: Option<String>,
    /// `0` unknown, `1` male, `2` female.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gender: Option<String>,
    /// Personal mailbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Mailbox of the company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub biz_mail: Option<String>,
    /// For each department: 1, if the member leads it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub is_leader_in_dept: Vec<u8>,
    /// Whom the member reports to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub direct_leader: Vec<String>,
    /// Picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
    /// Picture in small.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumb_avatar: Option<String>,
    /// Landline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telephone: Option<String>,
    /// Alias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// For third parties only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_userid: Option<String>,
    /// The main department.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main_department: Option<u64>,
    /// 1 active, 2 disabled, 4 not activated, 5 left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<i64>,
    /// Code for adding the member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qr_code: Option<String>,
    /// Job title for customers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_position: Option<String>,
    /// Fields of the company's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extattr: Option<ExtAttr>,
    /// What customers see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_profile: Option<ExternalProfile>,
}

/// Fields of the company's own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExtAttr {
    /// The fields.
    #[serde(default)]
    pub attrs: Vec<Attribute>,
}

/// One field: text, link or mini-program.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Attribute {
    /// 0 text, 1 link, 2 mini-program.
    #[serde(default, rename = "type")]
    pub kind: i64,
    /// What it is called.
    #[serde(default)]
    pub name: String,
    /// For a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<AttributeText>,
    /// For a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web: Option<AttributeWeb>,
    /// For a mini-program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub miniprogram: Option<AttributeMiniprogram>,
}

/// A text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeText {
    /// The text.
    #[serde(default)]
    pub value: String,
}

/// A link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeWeb {
    /// Where it leads.
    #[serde(default)]
    pub url: String,
    /// What it is called.
    #[serde(default)]
    pub title: String,
}

/// A mini-program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeMiniprogram {
    /// Which.
    #[serde(default)]
    pub appid: String,
    /// Its page.
    #[serde(default)]
    pub pagepath: String,
    /// What it is called.
    #[serde(default)]
    pub title: String,
}

/// What customers see of a member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExternalProfile {
    /// The company's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_corp_name: Option<String>,
    /// The member's channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wechat_channels: Option<Value>,
    /// Fields; in a change they replace all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_attr: Option<Vec<Attribute>>,
}

/// What is told of a new or changed member; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct MemberChange {
    /// 1 to 64 of letters, digits and `_.@-`, beginning with a letter or digit.
    pub userid: String,
    /// 1 to 64 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// 1 to 64 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Unique; this or `email` is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mobile: Option<String>,
    /// At most 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub department: Option<Vec<u64>>,
    /// For each department; the larger, the further ahead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<Vec<u64>>,
    /// At most 128 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
    /// `1` male, `2` female.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gender: Option<String>,
    /// Unique, 6 to 64 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Mailbox of the company.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub biz_mail: Option<String>,
    /// For each department: 1, if the member leads it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_leader_in_dept: Option<Vec<u8>>,
    /// Whom the member reports to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direct_leader: Option<Vec<String>>,
    /// 1 enabled, 0 disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable: Option<u8>,
    /// Picture, uploaded before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar_mediaid: Option<MediaId>,
    /// At most 32 digits and `-`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub telephone: Option<String>,
    /// At most 128 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// One of the departments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub main_department: Option<u64>,
    /// Fields of the company's own, made in the console before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extattr: Option<ExtAttr>,
    /// At most 12 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_position: Option<String>,
    /// What customers see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_profile: Option<ExternalProfile>,
    /// Name in the member's channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nickname: Option<String>,
    /// Further mailboxes of the company, at most 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub biz_mail_alias: Option<MailAliases>,
}

/// Further mailboxes of the company.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailAliases {
    /// The mailboxes.
    #[serde(default)]
    pub item: Vec<String>,
}

impl MemberChange {
    /// Starts with nothing but the id.
    pub fn of(userid: impl Into<String>) -> Self {
        Self { userid: userid.into(), ..Self::default() }
    }
}
