//! Members (成员). <https://developer.work.weixin.qq.com/document/path/90194>

mod authsucc;
mod batchdelete;
mod convert_to_openid;
mod convert_to_userid;
mod create;
mod delete;
mod get;
mod get_active_stat;
mod get_join_qrcode;
mod get_userid_by_email;
mod getuserid;
mod list;
mod list_id;
mod member;
mod simplelist;
mod update;

pub use authsucc::ConfirmVerification;
pub use batchdelete::DeleteUsers;
pub use convert_to_openid::{ConvertToOpenId, OpenId};
pub use convert_to_userid::ConvertToUserId;
pub use create::{CreateUser, UserCreated};
pub use delete::DeleteUser;
pub use get::GetUser;
pub use get_active_stat::{ActiveStat, GetActiveStat};
pub use get_join_qrcode::{GetJoinQrCode, JoinQrCode};
pub use get_userid_by_email::GetUserIdByEmail;
pub use getuserid::{FoundUserId, GetUserIdByMobile};
pub use list::{ListUsers, Users};
pub use list_id::{DepartmentUser, ListUserIds, UserIdPage};
pub use member::{
    Attribute, AttributeMiniprogram, AttributeText, AttributeWeb, ExtAttr, ExternalProfile, MailAliases, Member,
    MemberChange,
};
pub use simplelist::{ListUsersInShort, UserInShort, UsersInShort};
pub use update::UpdateUser;
