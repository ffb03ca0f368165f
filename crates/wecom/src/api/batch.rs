//! Many at once: imports from tables, invitations, conversions. <https://developer.work.weixin.qq.com/document/path/90979>

mod get_result;
mod invite;
mod openuserid_to_userid;
mod replace_party;
mod replace_user;
mod sync_user;

pub use get_result::{BatchResult, BatchRow, GetBatchResult};
pub use invite::{InviteUsers, Invited};
pub use openuserid_to_userid::{ConvertOpenUserIds, ConvertedUserId, ConvertedUserIds};
pub use replace_party::ReplaceParties;
pub use replace_user::ReplaceUsers;
pub use sync_user::SyncUsers;

use serde::Serialize;

use crate::Secret;

/// Where the end of a job is announced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JobCallback {
    /// The URL.
    pub url: String,
    /// Its Token.
    #[serde(with = "crate::secret::on_the_wire")]
    pub token: Secret,
    /// Its `EncodingAESKey`.
    #[serde(with = "crate::secret::on_the_wire")]
    pub encodingaeskey: Secret,
}

impl JobCallback {
    /// Takes a URL and its keys.
    pub fn new(url: impl Into<String>, token: impl Into<Secret>, encodingaeskey: impl Into<Secret>) -> Self {
        Self { url: url.into(), token: token.into(), encodingaeskey: encodingaeskey.into() }
    }
}
